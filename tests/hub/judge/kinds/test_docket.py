"""What is said, amended and let go of, whatever the kind of rules."""

import datetime as dt
import math
import random
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.judge.kinds.world import ALWAYS, NEVER, World, terms_of
from hub.judge.records import REASONS, of_limit
from tests.hub.judge.kinds.plane import Bench, box, local, point, rule, sample, thing

EIGHT = local("08:00:00")
DAY = 86_400
PARK = thing("park", "river", box(0, 0, 100, 100))
STAY_OUT = rule("area", must="stay_out", places={"kinds": ["park"]}, for_=60, gap=120)
SHIFT = rule("presence", of="worker", shift={"spans": ["08:00-09:00"]}, inside={"kinds": ["park"]}, least=0.5, gap=600)


def drive(*spots, start=EIGHT, step=60):
    """Return a sample a minute at these places, m east."""
    return [sample(start + n * step, x, 50) for n, x in enumerate(spots)]


def test_an_episode_is_told_when_it_is_certain_and_again_when_it_is_over():
    bench = Bench(STAY_OUT, PARK)
    bench.add(*drive(50, 50))
    (first,) = bench.judge(EIGHT + 60)
    assert (first.outcome, first.open, first.revision, first.amends) == ("exceeded", True, 1, None)
    bench.add(*drive(50, 50, start=EIGHT + 120))
    assert bench.judge(EIGHT + 180) == []  # it goes on: no news
    bench.add(*drive(500, start=EIGHT + 240))
    (last,) = bench.judge(EIGHT + 240)
    assert (last.start, last.end, last.open, last.revision, last.amends) == (EIGHT, EIGHT + 181, False, 2, EIGHT)
    assert last.evidence == tuple(str(EIGHT + 60 * n) for n in range(4))


def test_a_late_sample_that_refutes_an_episode_withdraws_it_and_says_why():
    bench = Bench(STAY_OUT, PARK).add(*drive(50, 50, 500))
    (told,) = bench.judge(EIGHT + DAY)
    late = sample(EIGHT + 30, 500, 50)
    news = bench.add(late).judge(EIGHT + DAY)
    assert [(one.start, one.outcome, one.reason, one.revision) for one in news] == [(EIGHT, "compliant", "", 2)]
    assert news[0].amends == told.start
    assert bench.end(EIGHT + DAY) == [(EIGHT, EIGHT + 121, "compliant", "violation", "")]


def test_what_stands_alone_and_is_refuted_is_withdrawn_never_silently_dropped():
    silence = rule("gap", for_=600, when={})
    bench = Bench(silence).add(*drive(50, 50, step=1200))
    assert [one.outcome for one in bench.judge(EIGHT + 1200)] == ["exceeded"]
    (back,) = bench.add(sample(EIGHT + 600, 50, 50)).judge(EIGHT + 1200)
    assert (back.outcome, back.reason, back.revision, back.amends) == ("compliant", "withdrawn", 2, EIGHT)
    assert all(REASONS[back.reason])
    assert bench.held == {}
    # The same source corrects itself: it was so after all. The verdict comes again, as its third revision.
    bench.docket.add([sample(EIGHT + 5000, 50, 50, id_=str(EIGHT + 600))])
    again = {one.start: one for one in bench.judge(EIGHT + 5000)}
    assert (again[EIGHT].outcome, again[EIGHT].revision) == ("exceeded", 3)


def test_the_same_sample_twice_is_one_and_other_content_under_its_identity_amends():
    bench = Bench(STAY_OUT, PARK).add(*drive(50, 50, 500))
    bench.judge(EIGHT + DAY)
    assert bench.add(*drive(50, 50, 500)).judge(EIGHT + DAY) == []
    (news,) = bench.add(sample(EIGHT + 60, 500, 50)).judge(EIGHT + DAY)
    assert (news.outcome, news.revision) == ("compliant", 2)


def test_days_on_which_a_rule_is_not_in_force_do_not_count():
    of_march = rule(
        "area",
        must="stay_out",
        places={"kinds": ["park"]},
        in_force=dt.date(2026, 3, 2),
        ends=dt.date(2026, 3, 3),
    )
    begin, end = local("00:00:00"), local("00:00:00") + DAY
    bench = Bench(of_march, PARK).add(*drive(50, start=begin - 1), *drive(50, 50, start=begin), *drive(50, start=end))
    assert bench.end(end + DAY) == [(begin, begin + 61, "exceeded", "violation", "")]
    shift = msgspec.structs.replace(SHIFT, in_force=dt.date(2026, 3, 2), ends=dt.date(2026, 3, 4))
    held = Bench(shift, PARK).end(end + 7 * DAY)
    assert [one[0] for one in held] == [EIGHT, EIGHT + DAY]
    silence = rule("gap", for_=600, when={}, ends=dt.date(2026, 3, 3))
    assert Bench(silence).add(*drive(50)).end(end + DAY) == [(EIGHT, end, "exceeded", "violation", "")]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([50, 95, 500]), max_size=80), st.sampled_from([STAY_OUT, SHIFT]), st.integers(0, 9))
def test_letting_go_of_what_is_old_changes_nothing_of_what_is_said_later(spots, judged, seed):
    dice = random.Random(seed)
    samples = [sample(EIGHT - 1800 + 90 * n, x, 50, 10.0) for n, x in enumerate(spots)]
    kept, lean = (Bench(judged, PARK, since=EIGHT - 3600) for _ in range(2))
    for one in samples:
        for bench in (kept, lean):
            bench.add(one)
            bench.judge(one.t)
        if dice.random() < 0.2:
            lean.docket.forget(one.t - 600)
    for bench in (kept, lean):
        bench.judge(EIGHT + DAY)
    assert lean.said == kept.said
    old = sample(EIGHT - 1801, 500, 50)
    lean.docket.forget(EIGHT + DAY)
    assert lean.add(old).judge(EIGHT + DAY) == []
    assert lean.docket.too_late == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([50, 95, 150, 500]), min_size=1, max_size=40),
    st.lists(
        st.tuples(
            st.sampled_from([0, 600, 1200]),
            st.sampled_from([None, 900, 2400]),
            st.sampled_from([100, 200]),
            st.booleans(),
        ),
        max_size=4,
    ),
    st.integers(0, 4),
    st.sampled_from([STAY_OUT, SHIFT]),
)
def test_a_correction_of_things_gives_what_would_have_been_said_had_they_been_known_at_once(
    spots, terms, known_first, judged
):
    editions = [
        thing(
            "park",
            "river",
            box(0, 0, wide, 100),
            number,
            EIGHT + since,
            None if length is None else EIGHT + since + length,
            withdrawn=withdrawn,
        )
        for number, (since, length, wide, withdrawn) in enumerate(terms, 1)
    ]
    samples = [sample(EIGHT + 60 * n, x, 50, 10.0) for n, x in enumerate(spots)]
    learns, knows = (Bench(judged, *some, since=EIGHT) for some in (editions[:known_first], editions))
    for bench in (learns, knows):
        bench.add(*samples)
        bench.judge(EIGHT + 2 * 3600)
    since = learns.world.use(editions)
    if since < NEVER:
        learns.docket.again(since)
    assert learns.end(EIGHT + DAY) == knows.end(EIGHT + DAY)
    assert {one.editions for one in learns.held.values()} == {one.editions for one in knows.held.values()}


def test_the_edition_that_holds_is_the_last_word_on_the_last_beginning():
    history = [
        thing("permit", "p", number=1),
        thing("permit", "p", number=2, since=100),
        thing("permit", "p", number=3, since=50, until=80),
        thing("permit", "p", number=4, since=100, until=200),
        thing("permit", "p", number=5, since=300),
        thing("permit", "p", number=6, since=300, withdrawn=True),
    ]
    assert [(term.edition.number, term.since, term.until) for term in terms_of(history)] == [
        (1, ALWAYS, 50),
        (3, 50, 80),
        (4, 100, 200),
    ]
    world = World(history)
    assert [world.in_force("permit", "p", t) is not None for t in (0, 79, 80, 99, 100, 199, 200, 400)] == [
        *(True, True, False, False, True, True, False, False)
    ]


def test_values_that_are_no_numbers_are_not_known():
    moving = rule("area", must="stay_out", places={"kinds": ["park"]}, when={"speed_above": 5})
    nowhere = [(math.nan, 50.0, 0.0), (50.0, 50.0, math.nan), (50.0, 50.0, -1.0)]
    for x, y, radius in nowhere:
        held = Bench(moving, PARK).add(sample(EIGHT, x, y, radius, 30.0)).end(EIGHT + DAY)
        assert [one[2] for one in held] == ["invalid"]
    assert [one[2] for one in Bench(moving, PARK).add(sample(EIGHT, 50, 50, 0, math.nan)).end(EIGHT + DAY)] == [
        "invalid"
    ]
    full = rule("level", state="fill", full=0.9, empty=0.3, within=60)
    for fill in (math.nan, math.inf, True, "full"):
        assert Bench(full).add(sample(EIGHT, fill=fill), sample(EIGHT + 100, fill=fill)).end(EIGHT + DAY) == []


def test_an_hour_that_the_clocks_leave_out_is_no_shift():
    berlin = ZoneInfo("Europe/Berlin")
    skipped = msgspec.structs.replace(SHIFT, params=SHIFT.params | {"shift": {"spans": ["02:00-03:00"]}})
    begin = local("2026-03-28T00:00:00", zone=berlin)
    held = Bench(skipped, PARK, zone=berlin, since=begin).end(begin + 4 * DAY)
    days = [dt.datetime.fromtimestamp(one[0], berlin).day for one in held]
    assert days == [28, 30, 31]


def test_stops_around_a_point_are_judged_in_metres_wherever_in_the_country():
    """A place near Harbin and one near Sanya: a degree of longitude is 77 km there, and 106 km here."""
    for lat, lon in ((45.8, 126.5), (18.3, 109.5)):
        here = {"type": "Point", "coordinates": [lon, lat]}
        world = World([thing("stop", "s", here)])
        from hub.judge.kinds.world import metres_per_degree
        from hub.judge.records import Sample

        east, north = metres_per_degree(lat)
        for x, y in ((24.9, 0.0), (0.0, 24.9), (-25.1, 0.0), (0.0, -25.1)):
            one = Sample(0, "a", lat + y / north, lon + x / east)
            (margin,) = world.margins(one, ["stop"], 30)
            assert margin.metres == pytest.approx(-math.hypot(x, y), abs=0.001)


def test_a_limits_verdict_has_the_same_record():
    from hub.judge.verdicts import Verdict
    from schemas import load_limits

    standard, limit = next((s, n) for s, n in load_limits() if s.id == "GB 12523-2025")
    verdict = Verdict(
        *("nanhai", "pit", "pit-1", f"{standard.id} {limit.id}", standard, limit, limit.quantity, EIGHT, EIGHT + 1200),
        *(71.26, 71.0, 40.0, limit.value, "dB(A)", 1, 1.0, "exceeded", "violation", "", "", "", False, 2),
        *(EIGHT + 1300.0, "binds"),
    )
    same = of_limit(verdict)
    assert (same.kind, same.subject, same.citation) == ("limit", "pit-1", standard.id)
    assert (same.outcome, same.grade) == ("exceeded", "violation")
    assert (same.revision, same.amends, same.in_force) == (2, EIGHT, limit.in_force)


def test_a_point_that_is_named_and_has_no_place_judges_nothing():
    named = rule("area", must="stay_in", places={"kinds": ["bin"], "within": 20, "named": "bins"})
    truck = thing("vehicle", "truck", bins=["b-1"])
    (only,) = Bench(named, truck, thing("bin", "b-1")).add(*drive(0)).end(EIGHT + DAY)
    assert only[2:] == ("invalid", "violation", "no_place")
    (only,) = Bench(named, truck, thing("bin", "b-1", point(0, 50))).add(*drive(0)).end(EIGHT + DAY)
    assert only[2] == "compliant"
