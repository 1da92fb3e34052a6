"""One interval's values: by the catalogue's rule, normal samples only, and a reason where there is no value."""

from edge.aggregate import Aggregator, energy_mean, vector_mean


def near(value, expected, within=0.001):
    return abs(value - expected) < within


def test_levels_are_averaged_by_energy():
    # Half the time 60 dB and half 70 dB: 10 lg((10^6 + 10^7) / 2) = 67.404 dB, where the arithmetic mean says 65
    assert near(energy_mean([60, 70]), 67.404)
    assert near(energy_mean([55.5] * 7), 55.5)


def test_directions_are_averaged_as_vectors():
    north = vector_mean([350, 10])
    assert near(north, 0, 0.01) or near(north, 360, 0.01)
    assert near(vector_mean([80, 100]), 90, 0.01)


def test_one_channel_gives_every_quantity_made_from_it():
    box = Aggregator(("laf",))
    for level in (60.0, 70.0, 50.0):
        box.add("laf", level)
    values, flags = box.close()
    assert sorted(values) == ["l10", "l50", "l90", "laeq", "lafmax", "lafmin"]
    assert (values["lafmax"], values["lafmin"]) == (70, 50)
    assert flags == {}


def test_a_level_of_unknown_time_weighting_gives_no_lafmax():
    box = Aggregator(("la",))
    box.add("la", 60.0)
    assert sorted(box.close()[0]) == ["laeq"]


def test_a_silent_sensor_is_flagged_and_has_no_value():
    box = Aggregator(("pm10", "laf"))
    box.add("laf", 50.0)
    values, flags = box.close()
    assert "pm10" not in values
    assert flags == {"pm10": "B"}


def test_the_flag_is_normal_with_three_quarters_of_the_samples():
    box = Aggregator(("pm10",))
    for good, flags in ((6, {}), (5, {"pm10": "D"})):
        for _ in range(good):
            box.add("pm10", 80)
        box.miss("pm10", "D")
        box.miss("pm10", "D")
        assert box.close() == ({"pm10": 80}, flags)


def test_each_interval_begins_empty():
    box = Aggregator(("pm10",))
    box.add("pm10", 80)
    box.miss("pm10", "B")
    box.close()
    assert box.close() == ({}, {"pm10": "B"})


def test_percentile_levels_are_those_exceeded_for_their_share_of_the_time():
    box = Aggregator(("laf",))
    for level in range(100):
        box.add("laf", 30 + level / 10)
    values, _ = box.close()
    for key, level in (("l10", 38.9), ("l50", 34.9), ("l90", 30.9)):
        assert near(values[key], level), key


def test_what_the_sensor_integrated_itself_goes_before_sampled_levels():
    box = Aggregator(("laeq", "laf"))
    box.add("laeq", 61.0)
    box.add("laf", 70.0)
    values, _ = box.close()
    assert (values["laeq"], values["lafmax"]) == (61, 70)


def test_while_a_technician_works_on_a_sensor_its_values_are_flagged_so():
    box = Aggregator(("laf", "pm10"))
    box.add("laf", 94.0)
    box.add("pm10", 80)
    values, flags = box.close({"laf": "C"})
    assert values["lafmax"] == 94
    assert flags == dict.fromkeys(("laeq", "lafmax", "lafmin", "l10", "l50", "l90"), "C")


def test_what_is_no_sample_costs_itself_only():
    for wrong in (float("nan"), float("inf"), -float("inf"), 6553.5, 9.9, 0):
        box = Aggregator(("laf",))
        for _ in range(9):
            assert box.add("laf", 65.2) == "N"
        assert box.add("laf", wrong) == "D", wrong
        values, flags = box.close()
        assert near(values["laeq"], 65.2)
        assert flags == {}


def test_a_little_below_zero_and_above_saturation_counts_as_it_is():
    box = Aggregator(("pm10", "humidity"))
    for value in (-2, 1, 4):
        box.add("pm10", value)
        box.add("humidity", 101 + value / 4)
    values, flags = box.close()
    assert near(values["pm10"], 1)
    assert near(values["humidity"], 101.25)
    assert flags == {}


def test_one_sample_at_the_end_of_the_scale_flags_the_interval():
    box = Aggregator(("pm10",))
    for _ in range(9):
        box.add("pm10", 80)
    box.miss("pm10", "T")
    assert box.close() == ({}, {"pm10": "T"})
    assert box.least == {}
    box.add("pm10", 80)
    assert box.close() == ({"pm10": 80}, {})


def test_noise_that_was_clipped_has_a_level_that_is_certain():
    box = Aggregator(("laf",))
    for _ in range(8):
        box.add("laf", 60.0)
    box.miss("laf", "T", 110.0)
    box.miss("laf", "B")
    values, flags = box.close()
    assert values == {}
    assert flags == dict.fromkeys(("laeq", "lafmax", "lafmin", "l10", "l50", "l90"), "T")
    assert sorted(box.least) == ["laeq_least", "lafmax_least"]
    assert near(
        box.least["laeq_least"], 100.0, 0.01
    )  # a tenth of the time 110 dB; what was not measured counts as silence
    assert box.least["lafmax_least"] == 110


def test_a_certain_level_beyond_physics_is_none():
    box = Aggregator(("laf",))
    box.miss("laf", "T", float("inf"))
    assert box.close()[1]["laeq"] == "T"
    assert box.least == {}


def test_work_on_a_sensor_goes_before_its_clipped_samples():
    box = Aggregator(("laf",))
    box.miss("laf", "T", 110.0)
    values, flags = box.close({"laf": "C"})
    assert (values, flags["laeq"], box.least) == ({}, "C", {})
