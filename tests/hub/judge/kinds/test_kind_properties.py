"""Each kind of rules against a slow plain reference: any samples, in any order, judged at any moments in between."""

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hub.judge.kinds.conditions import Calendar
from hub.judge.windows import LocalTime
from tests.hub.judge.kinds import reference
from tests.hub.judge.kinds.plane import SHANGHAI, Bench, line, local, rule, sample, thing

MIDNIGHT = local("00:00:00")
DAY = 86_400
STEPS = st.sampled_from([10, 20, 30, 60, 200])
"""s between two samples; 60 s is the longest that is no gap."""
XY = st.integers(-5, 25).map(lambda n: 10 * n)
MANY = settings(max_examples=30, deadline=None)
# Corners lie on odd multiples of 5 m, positions on multiples of 10: no margin is within 0.1 m of an error radius.
SQUARES = [[(5, 5), (105, 5), (105, 105), (5, 105)], [(85, 85), (205, 85), (205, 155), (85, 155)]]
ROAD = [(5, 5), (155, 5), (155, 205)]


@st.composite
def samples_of(draw, states, most=60, start=MIDNIGHT):
    """Return samples in the order of their times, with any of these states or without."""
    t, found = start, []
    for _ in range(draw(st.integers(0, most))):
        t += draw(STEPS)
        said = {name: draw(st.sampled_from([*values, None])) for name, values in states.items()}
        placed = draw(st.integers(0, 9)) > 0
        x, y = (draw(XY), draw(XY)) if placed else (None, None)
        radius = draw(st.sampled_from([0.0, 0.0, 3.0, 12.0]))
        found.append(sample(t, x, y, radius, draw(st.sampled_from([0.0, 30.0, None])), **said))
    return found


def in_the_end(rule, things, samples, dice, until, zone=SHANGHAI, since=0):
    """Return what holds when the samples came in any order, and what holds when they came in theirs."""
    mixed, in_order = (Bench(rule, *things, zone=zone, since=since) for _ in range(2))
    for one in dice.sample(samples, len(samples)):
        mixed.add(one)
        if dice.random() < 0.2:
            mixed.judge(dice.choice(samples).t)
        if dice.random() < 0.1:
            mixed.add(dice.choice(samples))  # again: it is known, or comes early
    for one in samples:
        in_order.add(one)
        if dice.random() < 0.5:
            in_order.judge(one.t)
    late = mixed.end(until)
    assert late == in_order.end(until)
    assert mixed.judge(until) == []  # nothing is said twice
    # Each revision of a verdict is said once, and revisions count up.
    for bench in (mixed, in_order):
        said = [(one.start, one.revision) for one in bench.said]
        assert len(set(said)) == len(said)
    return late


def spot(one):
    """Return a sample's place on the plane, m; None: it has none."""
    if one.lat is None:
        return None
    from tests.hub.judge.kinds.plane import EAST, LAT, LON, NORTH

    return round((one.lon - LON) * EAST, 3), round((one.lat - LAT) * NORTH, 3)


def state_is(one, name, value):
    known = one.states.get(name)
    return None if known is None else known == value


@MANY
@given(samples_of({"load": ["full", "empty"]}), st.booleans(), st.sampled_from([0, 30, 90]), st.randoms())
def test_area(samples, stay_in, least, dice):
    things = [thing("park", str(n), {"type": "Polygon", "coordinates": [ring(one)]}) for n, one in enumerate(SQUARES)]
    judged = rule(
        "area",
        must="stay_in" if stay_in else "stay_out",
        places={"kinds": ["park"]},
        when={"states": {"load": ["full"]}},
        for_=least,
        gap=60,
    )
    asked = []
    for one in samples:
        at = spot(one)
        inside = None if at is None else reference.in_polygons(*at, one.radius, SQUARES)
        broken = None if inside is None else inside is not stay_in
        asked.append((one.t, state_is(one, "load", "full"), broken, "position_uncertain" if inside is None else ""))
    expected = reference.episodes(asked, least, 60)
    assert in_the_end(judged, things, samples, dice, MIDNIGHT + DAY) == expected


def ring(corners):
    from tests.hub.judge.kinds.plane import degrees

    return [degrees(*one) for one in [*corners, corners[0]]]


@MANY
@given(samples_of({}), st.sampled_from([0, 60]), st.randoms())
def test_route(samples, least, dice):
    judged = rule("route", route={"kinds": ["route"], "within": 19}, when={"speed_above": 5}, for_=least, gap=60)
    asked = []
    for one in samples:
        at = spot(one)
        margin = None if at is None else 19 - reference.to_line(*at, ROAD)
        inside = None if at is None or -one.radius <= margin < one.radius else margin >= one.radius
        fast = None if one.speed is None else one.speed > 5
        broken = None if inside is None else not inside
        asked.append((one.t, fast, broken, "position_uncertain" if inside is None else ""))
    things = [thing("route", "r", line(*ROAD))]
    assert in_the_end(judged, things, samples, dice, MIDNIGHT + DAY) == reference.episodes(asked, least, 60)


ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana"]
CHANGES = {
    "Asia/Shanghai": "2026-03-02",
    "Europe/Berlin": "2026-10-25",
    "America/New_York": "2026-03-08",
    "Australia/Lord_Howe": "2026-04-05",
    "America/Havana": "2026-11-01",  # its clocks go back at midnight
}
CLOCK = st.integers(0, 95).map(lambda n: f"{n // 4:02}:{n % 4 * 15:02}")
SPANS = st.lists(st.tuples(CLOCK, CLOCK), min_size=1, max_size=3)


@MANY
@given(st.sampled_from(ZONES), SPANS, st.sets(st.integers(1, 7), min_size=1), st.lists(st.integers(0, 47), max_size=20))
def test_hours_on_any_calendar_and_on_days_when_the_clocks_change(zone_name, spans, days, moments):
    zone = ZoneInfo(zone_name)
    begin = local("00:00:00", CHANGES[zone_name], zone)
    calendar = Calendar(tuple("-".join(span) for span in spans), tuple(days))
    clock = LocalTime(zone)
    for moment in moments:
        t = begin + moment * 1800
        assert calendar.holds(t, clock) == allowed(t, zone, spans, days)


def allowed(t, zone, spans, days):
    """Return whether a moment is allowed, by what the wall clock shows."""
    now = dt.datetime.fromtimestamp(t, zone)
    shown = f"{now:%H:%M}"
    for from_, to in spans:
        if from_ < to:
            begun = now.date() if from_ <= shown < to else None
        else:
            begun = now.date() if shown >= from_ else now.date() - dt.timedelta(1) if shown < to else None
        if begun is not None and begun.isoweekday() in days:
            return True
    return False


@MANY
@given(samples_of({}), SPANS, st.sampled_from([0, 60]), st.randoms())
def test_hours(samples, spans, least, dice):
    days = (1, 3, 5)
    judged = rule(
        "hours",
        allowed={"spans": ["-".join(one) for one in spans], "days": list(days)},
        when={"speed_above": 5},
        for_=least,
        gap=60,
    )
    asked = []
    for one in samples:
        fast = None if one.speed is None else one.speed > 5
        asked.append((one.t, fast, not allowed(one.t, SHANGHAI, spans, days), ""))
    assert in_the_end(judged, [], samples, dice, MIDNIGHT + DAY) == reference.episodes(asked, least, 60)


@MANY
@given(samples_of({"load": ["full", "empty"], "cover": ["open", "shut"]}), st.sampled_from([0, 60]), st.randoms())
def test_state_of_two_sensors(samples, least, dice):
    judged = rule(
        "state", when={"states": {"load": ["full"]}}, never={"cover": ["open"]}, for_=least, gap=60, grade="suspicion"
    )
    asked = [(one.t, state_is(one, "load", "full"), state_is(one, "cover", "open"), "") for one in samples]
    expected = reference.episodes(asked, least, 60, "suspicion")
    assert in_the_end(judged, [], samples, dice, MIDNIGHT + DAY) == expected


@MANY
@given(samples_of({"load": ["full", "half", "empty"], "lift": ["up", "down"]}), st.randoms())
def test_state_that_changes(samples, dice):
    judged = rule(
        "state",
        change={"state": "load", "from": ["full"], "to": ["empty"], "during": {"lift": ["up"]}, "before": 60},
        places={"kinds": ["dump_site"]},
        gap=60,
    )
    expected = []
    for number, one in enumerate(samples):
        if one.states["load"] != "empty":
            continue
        before = [n for n in range(number) if samples[n].states["load"] in ("full", "empty")]
        if not before or samples[before[-1]].states["load"] != "full":
            continue
        during = samples[before[-1] : number + 1]
        around = [other for other in samples[: number + 1] if other.t >= during[0].t - 60]
        lifted = [other.states["lift"] for other in around]
        places = [spot(other) for other in during]
        told = [
            None if at is None else reference.in_polygons(*at, other.radius, SQUARES)
            for at, other in zip(places, during, strict=True)
        ]
        window = during[0].t, one.t + 1
        if any(later.t - other.t > 60 for other, later in itertools.pairwise(during)):
            expected.append((*window, "invalid", "violation", "gap"))
        elif all(told):
            expected.append((*window, "compliant", "violation", ""))
        elif any(inside is not False for inside in told):
            expected.append((*window, "invalid", "violation", "position_uncertain"))
        elif "up" in lifted:
            expected.append((*window, "exceeded", "violation", ""))
        else:
            expected.append((*window, "exceeded", "suspicion", "state_unknown" if None in lifted else "not_confirmed"))
    things = [
        thing("dump_site", str(n), {"type": "Polygon", "coordinates": [ring(one)]}) for n, one in enumerate(SQUARES)
    ]
    assert in_the_end(judged, things, samples, dice, MIDNIGHT + DAY) == sorted(expected)


@MANY
@given(samples_of({"load": ["full", "empty"]}), st.sampled_from([15, 60, 100]), st.booleans(), st.randoms())
def test_gap(samples, longest, only_some_hours, dice):
    hours = {"hours": {"spans": ["00:02-00:05", "00:06-00:10"]}} if only_some_hours else {}
    judged = rule("gap", for_=longest, when={"states": {"load": ["full"]}}, **hours)
    watched = [(120, 300), (360, 600)] if only_some_hours else [(0, DAY)]
    until, expected = MIDNIGHT + 4 * 3600, []
    for one, later in itertools.pairwise([*(s.t for s in samples), until]):
        full = state_is(next(s for s in samples if s.t == one), "load", "full")
        if full is False or later - one <= longest:
            continue
        for from_, to in watched:
            start, end = max(one, MIDNIGHT + from_), min(later, MIDNIGHT + to)
            if end - start > longest:
                grade, reason = ("violation", "") if full else ("suspicion", "state_unknown")
                expected.append((start, None if end == until else end, "exceeded", grade, reason))
    assert in_the_end(judged, [], samples, dice, until) == expected


FILL = st.sampled_from([0.1, 0.3, 0.5, 0.9, 0.95, 1.0])


@MANY
@given(st.lists(st.tuples(st.sampled_from([10, 30, 60, 150]), st.one_of(FILL, st.none())), max_size=40), st.randoms())
def test_level(readings, dice):
    judged = rule("level", state="fill", full=0.9, empty=0.3, within=200, for_=30, gap=60, stuck=300)
    samples, t = [], MIDNIGHT
    for step, fill in readings:
        t += step
        samples.append(sample(t, fill=fill))
    known = [(one.t, one.states["fill"]) for one in samples if one.states["fill"] is not None]
    expected, number = [], 0
    while number < len(known):
        if known[number][1] < 0.9:
            number += 1
            continue
        start = known[number][0]
        end = number + 1  # the reading that ends it: emptied, or no longer full before it counts
        while end < len(known) and known[end][1] > 0.3 and (known[end][1] >= 0.9 or known[end - 1][0] - start >= 30):
            end += 1
        if known[end - 1][0] - start >= 30:
            expected += filling(known[number : end + 1], ended=end < len(known), until=MIDNIGHT + DAY)
        number = end + 1
    assert in_the_end(judged, [], samples, dice, MIDNIGHT + DAY) == expected


def filling(readings, *, ended, until):
    """Return what holds of readings from when it was full to when it was emptied, or to the last there is."""
    start, (last, _) = readings[0][0], readings[-1]
    full = readings[:-1] if ended else readings
    seconds = full[-1][0] - start
    wide = any(later[0] - one[0] > 60 for one, later in itertools.pairwise(full))
    stuck = len({value for _, value in full}) == 1 and seconds >= 300
    if ended and last - start <= 200:
        return [(start, last + 1, "compliant", "violation", "")]
    if ended and seconds <= 200 and last - full[-1][0] > 60:
        return [(start, last + 1, "invalid", "violation", "gap")]
    if not ended and seconds <= 200:
        return [(start, start + 201, "invalid", "violation", "gap")]
    outcome = ("exceeded", "suspicion", "gap") if wide else ("exceeded", "violation", "")
    return [(start, last + 1 if ended else None, *(("invalid", "violation", "stuck") if stuck else outcome))]


@MANY
@given(samples_of({"worn": [True, False]}), st.sampled_from([0.1, 0.5, 0.9]), st.randoms())
def test_presence(samples, least, dice):
    """Second by second: inside, where the samples on both sides of a second are inside and near enough."""
    judged = rule(
        "presence",
        of="worker",
        shift={"spans": ["00:02-00:12"]},
        inside={"kinds": ["beat"]},
        least=least,
        when={"states": {"worn": [True]}},
        gap=60,
    )
    things = [thing("beat", str(n), {"type": "Polygon", "coordinates": [ring(one)]}) for n, one in enumerate(SQUARES)]
    start, end = MIDNIGHT + 120, MIDNIGHT + 720
    here = {}
    for one in samples:
        at = spot(one)
        here[one.t] = reference.in_polygons(*at, one.radius, SQUARES) if at and state_is(one, "worn", True) else None
    inside = outside = 0
    for second in range(start, end):
        before = max((t for t in here if t <= second), default=None)
        after = min((t for t in here if t > second), default=None)
        if before is not None and after is not None and after - before <= 60 and here[before] == here[after]:
            inside += here[before] is True
            outside += here[before] is False
    if inside >= least * 600:
        expected = ("compliant", "")
    elif 600 - outside < least * 600:
        expected = ("exceeded", "")
    else:
        expected = ("invalid", "too_little" if any(start <= one.t < end for one in samples) else "no_data")
    (only,) = in_the_end(judged, things, samples, dice, end + 3600, since=MIDNIGHT)
    assert only == (start, end, expected[0], "violation", expected[1])


STOPS = {"b-1": (0, 0), "b-2": (100, 0), "b-3": (200, 200)}


@MANY
@given(samples_of({"emptied": list(STOPS)}), st.sampled_from([0, 30]), st.booleans(), st.randoms())
def test_coverage_of_stops(samples, stay, confirmed, dice):
    more = {"confirmed": "emptied"} if confirmed else {}
    judged = rule(
        "coverage",
        shift={"spans": ["00:02-00:12"]},
        plan={"kinds": ["bin"], "within": 26, "named": "bins"},
        stay=stay,
        least=0.6,
        gap=60,
        **more,
    )
    from tests.hub.judge.kinds.plane import point

    things = [thing("bin", name, point(*at)) for name, at in STOPS.items()]
    things.append(thing("vehicle", "truck", bins=list(STOPS)))
    start, end = MIDNIGHT + 120, MIDNIGHT + 720
    inside = [one for one in samples if start <= one.t < end]
    done = likely = 0
    for name, (x, y) in STOPS.items():
        near = []
        for one in inside:
            if spot(one) is None:
                continue
            metres = ((spot(one)[0] - x) ** 2 + (spot(one)[1] - y) ** 2) ** 0.5
            near.append((one.t, metres + one.radius <= 26, metres - one.radius <= 26))
        sure, perhaps = (any(stays(near, which, stay)) for which in (1, 2))
        told = any(one.states["emptied"] == name for one in inside)
        done += sure and told if confirmed else sure
        likely += (sure or perhaps or told) if confirmed else perhaps
    silent = any(later - t > 60 for t, later in itertools.pairwise([start, *(one.t for one in inside), end]))
    if done >= 2:
        expected = ("compliant", "violation", "")
    elif not any(spot(one) for one in inside):
        expected = ("invalid", "violation", "no_data")
    elif likely >= 2:
        expected = ("exceeded", "suspicion", "not_confirmed" if confirmed else "position_uncertain")
    else:
        expected = ("exceeded", "suspicion", "gap") if silent else ("exceeded", "violation", "")
    (only,) = in_the_end(judged, things, samples, dice, end + 3600, since=MIDNIGHT)
    assert only == (start, end, *expected)


def stays(near, which, stay):
    """Yield whether each sample that is near ends a row of such, close enough to each other, of at least `stay` s."""
    for last in range(len(near)):
        for first in range(last + 1):
            row = near[first : last + 1]
            if all(one[which] for one in row) and all(b[0] - a[0] <= 60 for a, b in itertools.pairwise(row)):
                yield row[-1][0] - row[0][0] >= stay


@MANY
@given(samples_of({"brush": ["down", "up"]}), st.randoms())
def test_coverage_of_a_line(samples, dice):
    judged = rule(
        "coverage",
        shift={"spans": ["00:02-00:12"]},
        plan={"kinds": ["street"], "within": 27, "named": "streets"},
        when={"states": {"brush": ["down"]}},
        least=0.3,
        gap=60,
    )
    things = [thing("street", "s", line((0, 0), (200, 0))), thing("vehicle", "truck", streets=["s"])]
    start, end = MIDNIGHT + 120, MIDNIGHT + 720
    inside = [one for one in samples if start <= one.t < end]
    places = [one for one in inside if spot(one)]
    certain, likely = set(), set()
    for one, later in itertools.pairwise(places):
        holds = reference.and_(state_is(one, "brush", "down"), state_is(later, "brush", "down"))
        if later.t - one.t > 60 or holds is False:
            continue
        radius = max(one.radius, later.radius)
        for piece in range(40):
            metres = reference.to_line(5 * piece + 2.5, 0, [spot(one), spot(later)])
            # Both lay the globe flat, each in its own way: at the very edge they may differ by millimetres.
            assume(min(abs(metres - 27 - radius), abs(metres - 27 + radius)) > 0.01)
            if metres <= 27 + radius:
                likely.add(piece)
            if holds and metres <= 27 - radius:
                certain.add(piece)
    silent = any(later - t > 60 for t, later in itertools.pairwise([start, *(one.t for one in inside), end]))
    if len(certain) >= 12:
        expected = ("compliant", "violation", "")
    elif not places:
        expected = ("invalid", "violation", "no_data")
    elif len(likely) >= 12:
        expected = ("exceeded", "suspicion", "position_uncertain")
    else:
        expected = ("exceeded", "suspicion", "gap") if silent else ("exceeded", "violation", "")
    (only,) = in_the_end(judged, things, samples, dice, end + 3600, since=MIDNIGHT)
    assert only == (start, end, *expected)


ITEMS = {"sealed": (True, 1), "plate": (False, 1), "lamp": (False, 3), "crew": (True, 2)}


@MANY
@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(ITEMS, st.sampled_from(["pass", "fail", "na", None]))), max_size=6),
    st.sampled_from([0.0, 0.5, 0.8, 1.0]),
    st.randoms(),
)
def test_checklist_says_what_every_completion_of_the_inspection_says(inspections, least, dice):
    judged = rule(
        "checklist",
        items={name: {"must": must, "weight": weight} for name, (must, weight) in ITEMS.items()},
        least=least,
    )
    expected = []
    for number, answers in enumerate(inspections):
        choices = [("pass", "fail") if answer is None else (answer,) for answer in answers.values()]
        outcomes = set()
        for chosen in itertools.product(*choices):
            told = dict(zip(answers, chosen, strict=True))
            counted = {name: ITEMS[name][1] for name, answer in told.items() if answer != "na"}
            good = sum(weight for name, weight in counted.items() if told[name] == "pass")
            bad = any(must and told[name] == "fail" for name, (must, _) in ITEMS.items())
            outcomes.add("exceeded" if bad or good < least * sum(counted.values()) - 1e-9 else "compliant")
        t = MIDNIGHT + 60 * number
        said = (*outcomes, "violation", "") if len(outcomes) == 1 else ("invalid", "violation", "incomplete")
        if answers:
            expected.append((t, t + 1, *said))
    samples = [sample(MIDNIGHT + 60 * n, **answers) for n, answers in enumerate(inspections)]
    assert in_the_end(judged, [], samples, dice, MIDNIGHT + DAY) == expected


@pytest.mark.parametrize("zone_name", ZONES)
def test_a_shift_that_crosses_midnight_or_a_change_of_clocks_is_one_window_of_its_real_length(zone_name):
    zone = ZoneInfo(zone_name)
    begin = local("00:00:00", CHANGES[zone_name], zone)
    clock = LocalTime(zone)
    windows = Calendar(("22:00-06:00",)).windows(begin - 1, begin + 2 * DAY, clock)
    for start, end in windows:
        shown = [f"{dt.datetime.fromtimestamp(t, zone):%H:%M}" for t in (start, end)]
        assert shown == ["22:00", "06:00"]
    lengths = {end - start for start, end in windows}
    assert 8 * 3600 in lengths
    if zone_name != "Asia/Shanghai":
        assert len(lengths) == 2, "one of these nights is longer or shorter"
