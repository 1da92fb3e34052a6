"""How often each level was: every sample in its bin, in numbers that any reader of JSON holds exactly."""

import json

from edge import levels, message
from edge.aggregate import Aggregator


def counts(text):
    """Return the counts by letter and level as a reader of the record finds them."""
    found = {}
    for key, number in json.loads("{%s}" % text).items():
        assert 0 < number < 10**15
        width, level = key[1:].split("_")
        level, rest = int(level), number
        while rest:
            count = rest % 10 ** int(width)
            rest //= 10 ** int(width)
            if count:
                assert (key[0], level / 2) not in found
                found[(key[0], level / 2)] = count
            level += 1
    return found


def test_a_steady_sound_is_one_number():
    assert levels.members([65.1] * 80) == '"h2_130":80'


def test_levels_are_rounded_to_half_a_decibel():
    assert counts(levels.members([64.74, 64.76, 65.0, 65.24, 65.26])) == {
        ("h", 64.5): 1,
        ("h", 65.0): 3,
        ("h", 65.5): 1,
    }


def test_nothing_is_lost_whatever_the_levels_are():
    state = 12345
    for size in (1, 2, 10, 80, 480, 3000):
        for spread in (1, 20, 100, 700, 1300):
            samples = []
            for _ in range(size):
                state = (state * 1103515245 + 12345) & 0x3FFFFFFF
                samples.append(10 + (state >> 8) % spread / 10)
            expected = {}
            for sample in samples:
                key = ("h", int(2 * sample + 0.5) / 2)
                expected[key] = expected.get(key, 0) + 1
            assert counts(levels.members(samples)) == expected, (size, spread)


def test_what_was_clipped_is_told_apart():
    assert counts(levels.members([60.0, 61.0], [120.0])) == {("h", 60): 1, ("h", 61): 1, ("c", 120): 1}
    assert levels.members([]) == ""


def closed(good, misses, work=None, count=True):
    box = Aggregator(("laf",), count)
    for level in good:
        box.add("laf", level)
    for miss in misses:
        box.miss("laf", *miss)
    box.close(work)
    return counts(box.levels)


def test_an_interval_counts_when_it_is_normal_or_clipped():
    assert closed([60.0] * 3, [("B",)]) == {("h", 60): 3}
    assert closed([60.0] * 2, [("B",)]) == {}
    assert closed([60.0] * 3, [], {"laf": "C"}) == {}
    assert closed([60.0] * 3, [], count=False) == {}
    assert closed([60.0], [("T", 115.0)] * 2) == {("h", 60): 1, ("c", 115): 2}
    # Of a clipped sample nothing is known for certain, or most of the interval was not measured
    assert closed([60.0], [("T",), ("T",)]) == {}
    assert closed([60.0], [("T", 115.0), ("B",), ("B",)]) == {}


def test_a_level_without_time_weighting_is_not_counted():
    box = Aggregator(("la", "pm10"), True)
    box.add("la", 60.0)
    box.close()
    assert box.levels == ""


def test_counts_stand_where_a_hub_that_does_not_know_them_passes_them_over():
    text = message.record(1795276800, 10, {"laeq": 60.0}, {}, {"laeq": 59.0}, levels.members([60.0]))
    assert json.loads(text)["r"] == {"laeq": 59.0, "h1_120": 1}
    assert json.loads(message.record(0, 10, {}, {}, None, "")) == {"t": 0, "dt": 10, "v": {}}
