"""What the pack of muck trucks judges, each with the look-alikes that it must not take for a breach.

A site at 0 m, a dump site 5 km east of it, the approved route along a straight road between them. A truck says
something every 10 s, with an error of 15 m. Synthetic: no public record of such trucks was found.
"""

import itertools
import random
from pathlib import Path

import pytest

from schemas.domains.pack import Pack
from tests.hub.judge.kinds.plane import Bench, box, line, local, sample, thing

RULES = Pack(Path(__file__).resolve().parents[4] / "schemas" / "domains" / "muck").rules
NIGHT = local("21:00:00")
YEAR = {"since": local("2026-01-01T00:00:00"), "until": local("2027-01-01T00:00:00")}
EVERY = 10


def places(*without):
    """Return the city's things; `without`: ids that are left out."""
    signed = {"signed_builder": "2026-03-02T20:50:00+08:00", "signed_haulier": "2026-03-02T20:55:00+08:00"}
    found = [
        thing("company", "haul-co", since=0),
        thing("company", "build-co", since=0),
        thing("company", "tip-co", since=0),
        thing("vehicle", "truck", plate="粤A00017", company="haul-co", capacity_m3=18.0),
        thing("project", "pit", box(0, 0, 200, 200), builder="build-co", volume_m3=100.0, **YEAR),
        thing("dump_site", "tip", box(5000, 0, 5200, 200), receiver="tip-co", volume_m3=1e4, accepts=["soil"], **YEAR),
        thing("dump_site", "far-tip", box(5000, 2000, 5200, 2200), receiver="tip-co", volume_m3=1e4, **YEAR),
        thing("corridor", "road", line((100, 100), (5100, 100)), half_width_m=100.0),
        thing("built_up_area", "city", box(-20_000, -20_000, 20_000, 20_000)),
        thing("haul_permit", "hp-1", vehicle=["truck"], company="haul-co", **YEAR),
        manifest("m-1", loaded_m3=16.0, loaded_t=25.0, unloaded_t=24.5, **signed),
    ]
    return [one for one in found if one.id not in without]


def manifest(id_, since="20:55:00", until="22:30:00", number=1, **said):
    said = {
        "vehicle": "truck",
        "project": "pit",
        "dump_site": "tip",
        "corridor": ["road"],
        "material": "soil",
        "signed_builder": "2026-03-02T20:50:00+08:00",
        "signed_haulier": "2026-03-02T20:55:00+08:00",
    } | said
    return thing("manifest", id_, number=number, since=local(since), until=local(until), **said)


def state(load, cover="closed", lift="down", **more):
    said = {"load": load, "cover": cover, "lift": lift, "acc": True, "maintenance": False}
    return said | {"power_lost": False, "antenna_open": False} | more


def trip(start=NIGHT, via=(), **more):
    """Return a truck's night as it should be: empty into the pit, loaded, to the tip, emptied; every 10 s."""
    found, t = [], start

    def stand(x, y, seconds, **states):
        nonlocal t
        for _ in range(seconds // EVERY):
            found.append(sample(t, x, y, 15.0, 0.0, recorder_speed=0.0, **states))
            t += EVERY

    def drive(spots, kmh, **states):
        nonlocal t
        for (x, y), (to_x, to_y) in itertools.pairwise(spots):
            length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
            steps = max(1, round(length / (kmh / 3.6 * EVERY)))
            for n in range(steps):
                at = x + (to_x - x) * n / steps, y + (to_y - y) * n / steps
                found.append(sample(t, *at, 15.0, kmh, recorder_speed=kmh, **states))
                t += EVERY

    stand(100, 100, 300, **state("empty", "open", **more))
    stand(100, 100, 120, **state("full", "open", weight=25.0, **more))
    drive([(100, 100), *via, (5100, 100)], 36.0, **state("full", weight=25.0, **more))
    stand(5100, 100, 90, **state("full", "open", weight=25.0, **more))
    stand(5100, 100, 40, **state("full", "open", "up", weight=25.0, **more))
    stand(5100, 100, 120, **state("empty", "open", "up", weight=0.0, **more))
    drive([(5100, 100), (100, 100)], 36.0, **state("empty", **more))
    return found


def changed(samples, where=lambda _: True, **states):
    """Return samples, of which those that are meant say something else."""
    return [sample_of(one, states=dict(one.states) | states) if where(one) else one for one in samples]


def sample_of(one, **fields):
    import msgspec

    return msgspec.structs.replace(one, **fields)


def on_the_road(one):
    """Whether a loaded truck is on the road."""
    return one.states["load"] == "full" and one.speed > 10 and 400 < east(one) < 4800


def east(one):
    from tests.hub.judge.kinds.plane import EAST, LON

    return (one.lon - LON) * EAST if one.lon is not None else -1


def judged(rule, samples, things=None, until=None):
    """Return (outcome, grade, reason) of what a rule holds in the end, without what was kept."""
    bench = Bench(RULES[rule], *(places() if things is None else things))
    bench.add(*samples)
    bench.judge(until or samples[-1].t + 300)
    return [(one.outcome, one.grade, one.reason) for _, one in sorted(bench.held.items()) if one.outcome != "compliant"]


def ids(verdict, kind):
    return {one.id for one in verdict.editions if one.kind == kind}


VIOLATION, SUSPICION = ("exceeded", "violation", ""), ("exceeded", "suspicion", "")
OF_TRUCKS = [id_ for id_, rule in RULES.items() if rule.of == "vehicle"]


@pytest.mark.parametrize("rule", OF_TRUCKS)
def test_a_night_as_it_should_be_breaks_nothing(rule):
    assert judged(rule, trip()) == []


def test_whoever_answers_for_a_breach_is_cited_with_the_editions_of_then():
    bench = Bench(RULES["muck-sealed"], *places())
    bench.add(*changed(trip(), on_the_road, cover="open"))
    bench.judge(NIGHT + 7200)
    (verdict,) = [one for one in bench.held.values() if one.outcome == "exceeded"]
    assert ids(verdict, "company") == {"haul-co"}
    assert ids(verdict, "haul_permit") == {"hp-1"}
    assert ids(verdict, "vehicle") == {"truck"}
    assert verdict.evidence
    assert verdict.lat == pytest.approx(23.0, abs=0.1)


# 1 Sealed


def test_an_open_load_on_the_road():
    assert judged("muck-sealed", changed(trip(), on_the_road, cover="open")) == [VIOLATION]


def test_a_cover_that_is_faulty_gives_no_verdict_against_the_truck():
    (found,) = judged("muck-sealed", changed(trip(), cover=None))
    assert found == ("invalid", "violation", "state_unknown")


def test_an_empty_truck_may_drive_open_and_a_loaded_one_in_the_gate():
    assert judged("muck-sealed", changed(trip(), lambda one: one.states["load"] == "empty", cover="open")) == []
    assert judged("muck-sealed", changed(trip(), lambda one: east(one) < 230, cover="open")) == []


# 2 Speed


def faster(samples, kmh, where, recorder=None):
    return [
        sample_of(one, speed=kmh, states=dict(one.states) | {"recorder_speed": kmh if recorder is None else recorder})
        if where(one)
        else one
        for one in samples
    ]


def test_too_fast_for_its_load_and_for_a_zone():
    assert judged("muck-speed", faster(trip(), 68.0, on_the_road)) == [VIOLATION]
    zone = thing("speed_zone", "school", box(1000, 0, 2000, 200), limit_kmh=30.0)
    assert judged("muck-speed", trip(), [*places(), zone]) == [VIOLATION, VIOLATION]  # there, and back


def test_what_the_recorder_does_not_confirm_is_no_speeding():
    (found,) = judged("muck-speed", faster(trip(), 68.0, on_the_road, recorder=36.0))
    assert found == ("invalid", "violation", "not_confirmed")


def test_a_moment_and_a_bit_more_than_the_limit_are_no_speeding():
    samples = trip()
    once = next(number for number, one in enumerate(samples) if on_the_road(one))
    assert judged("muck-speed", faster(samples, 90.0, lambda one: one is samples[once])) == []
    assert judged("muck-speed", faster(samples, 62.0, on_the_road)) == []


# 3 Route


AWAY = [(1500, 100), (1500, 900), (3500, 900), (3500, 100)]


def test_off_the_route_while_loaded_and_free_while_empty():
    assert judged("muck-route", trip(via=AWAY)) == [VIOLATION]
    assert judged("muck-route", changed(trip(via=AWAY), load="empty")) == []


def test_drift_and_tunnels_are_not_off_the_route():
    dice = random.Random(3)

    def drifted(one):
        from tests.hub.judge.kinds.plane import NORTH

        return sample_of(one, lat=one.lat + dice.choice([-1, 1]) * 160 / NORTH)

    samples = trip()
    drifting = [drifted(one) if on_the_road(one) and number % 5 == 0 else one for number, one in enumerate(samples)]
    assert judged("muck-route", drifting) == []
    wide = [sample_of(drifted(one), radius=300.0) if on_the_road(one) else one for one in samples]
    assert all(outcome == "invalid" for outcome, _, _ in judged("muck-route", wide))
    tunnel = [sample_of(one, lat=None, lon=None) if 1000 < east(one) < 3000 else one for one in samples]
    assert all(outcome == "invalid" for outcome, _, _ in judged("muck-route", tunnel))


def test_late_points_amend_the_route():
    samples = trip(via=AWAY)
    bench = Bench(RULES["muck-route"], *places())
    off = [one for one in samples if one.lat is not None and (one.lat - 23.0) * 110_000 > 300]
    bench.add(*[one for one in samples if one not in off])
    bench.judge(samples[-1].t + 300)
    assert [one.outcome for one in bench.held.values() if one.outcome == "exceeded"] == []
    bench.add(*off)
    bench.judge(samples[-1].t + 600)
    assert [one.outcome for one in bench.held.values() if one.outcome == "exceeded"] == ["exceeded"]


# 4 Hours


def test_loaded_by_day_and_across_midnight():
    assert judged("muck-hours", trip(local("10:00:00"))) == [VIOLATION]
    assert judged("muck-hours", trip(local("23:55:00"))) == []
    assert judged("muck-hours", trip(local("05:55:00"))) == [VIOLATION]


def test_the_permits_own_hours_and_a_stop_order_go_before():
    own = thing("haul_permit", "hp-2", vehicle=["truck"], hours=["09:00-16:00"], **YEAR)
    assert judged("muck-hours", trip(local("10:00:00")), [*places("hp-1"), own]) == []
    assert judged("muck-hours", trip(), [*places("hp-1"), own]) == [VIOLATION]
    order = thing("stop_order", "red", since=local("20:00:00"), until=local("23:00:00"), reason="heavy pollution")
    assert judged("muck-hours", trip(), [*places(), order]) == [VIOLATION]


def test_hours_that_nobody_can_read_are_those_of_the_city():
    own = thing("haul_permit", "hp-2", vehicle=["truck"], hours=["at night"], **YEAR)
    assert judged("muck-hours", trip(), [*places("hp-1"), own]) == []


# 5 and 6 Dumped and dug


def test_dumped_beside_the_road():
    moved = [thing("dump_site", "elsewhere", box(9000, 0, 9200, 200), **YEAR), *places("tip")]
    assert judged("muck-dumped", trip(), moved) == [VIOLATION]


def test_a_dump_site_whose_permit_has_ended_is_none():
    ended = thing("dump_site", "tip", box(5000, 0, 5200, 200), since=0, until=local("2026-03-01T00:00:00"))
    assert judged("muck-dumped", trip(), [*places("tip"), ended]) == [VIOLATION]


def test_cleaning_maintenance_and_a_leak_are_no_dump():
    lifted = changed(trip(), on_the_road, lift="up")
    assert judged("muck-dumped", lifted) == []
    nowhere = places("tip")
    assert judged("muck-dumped", trip(maintenance=True), nowhere) == []
    leak = changed(trip(), lift="down")
    assert judged("muck-dumped", leak, nowhere) == [("exceeded", "suspicion", "not_confirmed")]


def test_a_load_sensor_that_trembles_is_neither_dumping_nor_digging():
    samples = trip()
    middle = [number for number, one in enumerate(samples) if on_the_road(one)]
    for number in middle[10:40:6]:
        samples[number] = sample_of(samples[number], states=dict(samples[number].states) | {"load": "empty"})
    assert judged("muck-dumped", samples) == []
    assert judged("muck-dug", samples) == []


def test_dug_where_nobody_may():
    moved = [thing("project", "elsewhere", box(9000, 0, 9200, 200), **YEAR), *places("pit")]
    assert judged("muck-dug", trip(), moved) == [SUSPICION]


# 7 Manifest


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"until": "21:20:00", "since": "20:55:00"}, ""),
        ({"since": "21:15:00"}, ""),
        ({"since": "21:30:00"}, "no_manifest"),
        ({"until": "21:04:00", "since": "20:00:00"}, "outside_window"),
        ({"project": "other-pit"}, "other_origin"),
        ({"dump_site": "far-tip"}, "other_target"),
        ({"material": "slurry"}, "other_material"),
        ({"signed_builder": None}, "not_signed"),
        ({"signed_haulier": "2026-03-02T23:55:00+08:00"}, "not_signed"),
        ({"vehicle": "another"}, "no_manifest"),
    ],
)
def test_a_manifest_that_says_something_else(said, reason):
    said = {"since": "20:55:00", "until": "22:30:00"} | said
    wanted = [("exceeded", "violation", reason)] if reason else []
    assert judged("muck-manifest", trip(), [*places("m-1"), manifest("m-2", **said)]) == wanted


def test_each_trip_needs_its_own_manifest():
    night = [*trip(), *trip(NIGHT + 2400)]
    assert judged("muck-manifest", night) == [("exceeded", "violation", "no_manifest")]
    assert judged("muck-manifest", night, [*places("m-1"), manifest("m-2", loads=2)]) == []
    assert judged("muck-manifest", night, [*places(), manifest("m-2")]) == []


def test_a_manifest_that_comes_after_the_trip_amends_the_verdict():
    bench = Bench(RULES["muck-manifest"], *places("m-1"))
    bench.add(*trip())
    bench.judge(NIGHT + 3600)
    (before,) = bench.held.values()
    assert (before.outcome, before.reason) == ("exceeded", "no_manifest")
    bench.docket.again(bench.world.use(places()))
    bench.judge(NIGHT + 7200)
    (after,) = bench.held.values()
    assert (after.outcome, after.revision, after.amends) == ("compliant", 2, before.start)
    assert ids(after, "manifest") == {"m-1"}
    assert (after.value, after.unit) == (16.0, "m3")


def test_where_it_was_left_is_not_known():
    samples = [sample_of(one, lat=None, lon=None) if east(one) > 4000 else one for one in trip()]
    assert judged("muck-manifest", samples) == [("invalid", "violation", "position_uncertain")]


# 8 Permit


def test_no_permit_one_that_has_ended_and_that_of_another_truck():
    assert judged("muck-permit", trip(), places("hp-1")) == [VIOLATION]
    ended = thing("haul_permit", "hp-2", vehicle=["truck"], since=0, until=local("20:00:00"))
    assert judged("muck-permit", trip(), [*places("hp-1"), ended]) == [VIOLATION]
    other = thing("haul_permit", "hp-2", vehicle=["another"], **YEAR)
    assert judged("muck-permit", trip(), [*places("hp-1"), other]) == [VIOLATION]
    assert judged("muck-permit", changed(trip(), load="empty"), places("hp-1")) == []


# 9 Quantities


def balance(things, samples=None):
    return judged("muck-balance", samples or trip(), things)


def test_quantities_that_do_not_agree():
    assert balance([*places("m-1"), manifest("m-2", loaded_t=25.0, unloaded_t=15.0)]) == [
        ("exceeded", "suspicion", "quantity_differs")
    ]
    assert balance([*places("m-1"), manifest("m-2", loaded_m3=30.0)]) == [("exceeded", "suspicion", "over_capacity")]
    assert balance([*places("m-1"), manifest("m-2", loaded_m3=20.0)]) == []  # capacity is nominal
    lost = changed(trip(), lambda one: one.states["load"] == "full" and east(one) > 2500, weight=12.0)
    assert balance(places(), lost) == [("exceeded", "suspicion", "lost_on_the_way")]


def test_more_than_the_permit_allows():
    for loaded, outcome in (((50.0, 50.0), "compliant"), ((60.0, 60.0), "exceeded"), ((60.0, None), "invalid")):
        things = [manifest(f"q-{n}", loaded_m3=one) for n, one in enumerate(loaded)]
        found = of_place("muck-produced", "pit", [*places("m-1"), *things])
        assert [one.outcome for one in found] == [outcome]
        assert ids(found[0], "company") == ({"build-co"} if outcome == "exceeded" else set())


def test_a_volume_that_is_nearly_used_up_is_told_when_it_is_reached_and_once():
    until = {"until": "2026-03-09T00:00:00"}
    more = [manifest(f"q-{n}", f"{8 + n:02d}:00:00", loaded_m3=30.0, **until) for n in range(5)]  # of 100 m3
    known = [*places("m-1"), *more]
    day, hour = local("00:00:00"), 3600
    (near,) = of_place("muck-produced-near", "pit", known, day + 12 * hour)
    assert (near.reason, near.grade, near.value, near.limit_value, near.open) == (
        "nearly_used_up",
        "suspicion",
        120.0,  # 90 are nine tenths, and not more
        100.0,
        False,
    )
    assert (near.start, near.end) == (day, day + 24 * hour)
    assert of_place("muck-produced-near", "pit", known, day + 11 * hour - 1) == []
    (over,) = of_place("muck-produced", "pit", known, day + 12 * hour)
    assert (over.reason, over.value, ids(over, "company")) == ("", 120.0, {"build-co"})
    # What is loaded later that day, and the day's end, say nothing anew; the next day begins broken.
    told = of_place("muck-produced", "pit", known, day + 11 * hour, day + 13 * hour, day + 24 * hour)
    assert [(one.start, one.value, one.revision) for one in told] == [(day, 120.0, 1)]
    told = of_place("muck-produced", "pit", known, day + 24 * hour, day + 24 * hour + 1)
    assert [(one.start, one.value, one.revision) for one in told] == [(day, 120.0, 1), (day + 24 * hour, 150.0, 1)]


def of_place(rule, subject, things, *moments):
    """Return the verdicts of a rule on a place, of one day, asked at these moments."""
    from hub.judge.kinds import course_of
    from hub.judge.kinds.docket import Docket
    from hub.judge.kinds.world import World
    from hub.judge.windows import LocalTime
    from tests.hub.judge.kinds.plane import SHANGHAI

    clock = LocalTime(SHANGHAI)
    course = course_of(RULES[rule], World(things), clock, subject, local("00:00:00"))
    docket = Docket(RULES[rule], subject, course, clock)
    moments = moments or [local("00:00:00") + 86_400]
    return [one for moment in moments for one in docket.judge(moment, moment)]


# 10 Evaded


def test_a_loaded_truck_that_falls_silent_in_the_city():
    samples = trip()
    middle = next(number for number, one in enumerate(samples) if east(one) > 2500)
    silent = [*samples[:middle], *[sample_of(one, t=one.t + 1200, id=f"{one.t}") for one in samples[middle:]]]
    assert judged("muck-heard", silent) == [SUSPICION]
    hole = thing("dead_zone", "tunnel", box(2000, 0, 3000, 200))
    assert judged("muck-heard", silent, [*places(), hole]) == []
    assert judged("muck-heard", changed(silent, load="empty")) == []
    assert judged("muck-heard", changed(silent, acc=False)) == []  # it is parked


def test_silence_that_late_data_fill_was_none():
    samples = trip()
    middle = [number for number, one in enumerate(samples) if on_the_road(one)]
    bench = Bench(RULES["muck-heard"], *places())
    bench.add(*samples[: middle[5]])
    bench.judge(samples[middle[5]].t + 1200)
    assert [one.open for one in bench.held.values()] == [True]
    bench.add(*samples[middle[5] :])
    bench.judge(samples[-1].t + 1)
    assert bench.held == {}


def test_a_truck_that_speaks_but_does_not_say_where_it_is():
    samples = trip()
    slow = [sample_of(one, t=NIGHT + 3 * (one.t - NIGHT), id=f"{one.t}") for one in samples]
    blind = [sample_of(one, lat=None, lon=None) if 1000 < east(one) < 4000 else one for one in slow]
    assert judged("muck-located", blind) == [SUSPICION]
    assert judged("muck-heard", blind) == []
    zero = [sample_of(one, lat=0.0, lon=0.0) if 1000 < east(one) < 4000 else one for one in slow]
    assert judged("muck-located", zero) == [SUSPICION]
    tunnel = thing("dead_zone", "tunnel", box(600, 0, 4200, 200))
    assert judged("muck-located", blind, [*places(), tunnel]) == []


@pytest.mark.parametrize(("rule", "bit"), [("muck-powered", "power_lost"), ("muck-antenna", "antenna_open")])
def test_a_terminal_that_is_cut_off_is_one_event(rule, bit):
    assert judged(rule, changed(trip(), on_the_road, **{bit: True})) == [SUSPICION]
    assert judged(rule, changed(trip(), lambda one: one.states["load"] == "empty", **{bit: True})) == []


# 11 Sensors


def nights(count, **states):
    return [one for n in range(count) for one in changed(trip(NIGHT + 2400 * n), **states)]


@pytest.mark.parametrize(
    ("rule", "states"),
    [
        ("muck-cover-sensor", {"cover": "closed"}),
        ("muck-load-sensor", {"load": "empty"}),
        ("muck-load-sensor", {"load": "full"}),
        ("muck-lift-sensor", {"lift": "down"}),
    ],
)
def test_a_sensor_that_never_changes(rule, states):
    assert judged(rule, nights(3, **states)) == [("exceeded", "suspicion", "stuck")]
    assert judged(rule, nights(2, **states)) == []
    assert judged(rule, nights(3)) == []


def test_a_sensor_that_says_nothing_is_not_judged():
    assert {outcome for outcome, _, _ in judged("muck-cover-sensor", nights(3, cover=None))} == {"invalid"}


def test_who_passes_by_makes_no_round():
    beside = [one for one in nights(4, cover="closed") if one.speed > 0]
    assert judged("muck-cover-sensor", beside) == []


@pytest.mark.parametrize("rule", OF_TRUCKS)
def test_whatever_the_order_in_which_it_comes(rule):
    samples = [*changed(trip(via=AWAY), on_the_road, cover="open"), *trip(NIGHT + 3600)]
    dice = random.Random(rule)
    mixed, in_order = Bench(RULES[rule], *places()), Bench(RULES[rule], *places())
    in_order.add(*samples)
    for one in dice.sample(samples, len(samples)):
        mixed.add(one)
        if dice.random() < 0.02:
            mixed.judge(dice.choice(samples).t)
    assert mixed.end(NIGHT + 9000) == in_order.end(NIGHT + 9000)
