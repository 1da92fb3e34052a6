"""Which clocks are in doubt, whatever the order in which their samples come, and which rules ask for the time."""

import random

import pytest

from hub.judge.kinds import course_of, params_of
from hub.judge.kinds.conditions import rests_on_time
from hub.judge.kinds.docket import Docket
from hub.judge.kinds.world import World
from hub.judge.lateness import FIXES, LASTS, STEADY, WRONG, Clocks, Span, in_doubt
from hub.judge.records import Edition, Finding, Sample, why
from hub.judge.windows import LocalTime
from schemas import domains
from tests.hub.helpers import SHANGHAI, at

NOON = at("2026-03-03 12:00")
LOCAL = LocalTime(SHANGHAI)
FAR = {"type": "Point", "coordinates": [110.0, 30.0]}
WORLD = World([Edition(kind=kind, id=kind, number=1, geometry=FAR) for kind in ("project", "dump_site")])


def said(n, late, source="t-1", every=30):
    states = {"load": "full"}
    return Sample(NOON + n * every, f"{source}/{n}/0", 23.0, 113.1, 5.0, 40.0, states, late)


def spans(samples):
    clocks = Clocks()
    for sample in samples:
        clocks.add(sample)
    return clocks.spans


def test_only_what_is_always_as_late_for_long_enough_is_a_clock():
    steady = [said(n, 240 + n % STEADY) for n in range(40)]
    assert spans(steady) == {"t-1": [Span(NOON, NOON + 39 * 30)]}
    assert spans([said(n, -WRONG) for n in range(40)]) == {"t-1": [Span(NOON, NOON + 39 * 30)]}
    assert spans(steady[: LASTS // 30]) == {}
    assert spans([said(n, 240, every=300) for n in range(FIXES - 1)]) == {}, "too few"
    assert spans([said(n, 1800 - n * 20) for n in range(80)]) == {}, "what waited comes ever less late"
    assert spans([said(n, 0 if n % 15 == 0 else 240) for n in range(80)]) == {}, "it is in time now and then"
    assert spans([said(n, None) for n in range(80)]) == {}, "what comes along says nothing"
    right = [said(n, 0, "t-2") for n in range(40)]
    assert spans([one for both in zip(right, steady, strict=True) for one in both]).keys() == {"t-1"}


@pytest.mark.parametrize("seed", range(4))
def test_in_whatever_order_samples_come_the_same_is_in_doubt(seed):
    dice = random.Random(seed)
    rule = domains.rules()["muck-hours"]
    samples = [said(n, 0 if n < 20 or n > 90 else 300 + dice.randrange(STEADY)) for n in range(120)]
    once = Docket(rule, "truck", course_of(rule, WORLD, LOCAL, "truck", NOON), LOCAL)
    once.add(samples)
    once.judge(samples[-1].t + 600, 0)
    other = Docket(rule, "truck", course_of(rule, WORLD, LOCAL, "truck", NOON), LOCAL)
    dice.shuffle(samples)
    while samples:
        piece = [samples.pop() for _ in range(min(len(samples), dice.choice((1, 1, 7))))]
        other.add(piece)
        other.judge(max(one.t for one in piece) if dice.random() < 0.5 else NOON + 3600, 0)
    other.judge(NOON + 119 * 30 + 600, 0)

    def holding(docket):
        return [(one.start, one.end, one.outcome, one.grade, one.reason) for one in docket.holding]

    assert holding(other) == holding(once)
    assert holding(once)[0][2:] == ("exceeded", "suspicion", "clock_in_doubt")


def test_which_rules_of_trucks_ask_for_the_time():
    rules = [one for one in domains.rules().values() if one.of == "vehicle" and one.id.startswith("muck-")]
    assert {one.id for one in rules if rests_on_time(params_of(one))} == {
        "muck-hours",
        "muck-permit",
        "muck-manifest",
        "muck-balance",
        "muck-route",  # the manifest that holds names it
    }


def test_what_a_breach_was_is_told_beside_the_doubt():
    trip = Finding(start=NOON, end=NOON + 900, outcome="exceeded", reason="no_manifest", evidence=("t-1/1/0",))
    told = in_doubt(trip)
    assert (told.outcome, told.grade) == ("exceeded", "suspicion")
    assert why(told.reason).en.startswith("no manifest of the vehicle was open; the terminal's clock is wrong")
    assert why(told.reason).zh == "当时没有该车辆有效的联单；终端时钟不准，时间存疑"
    weighed = Finding(start=NOON, end=NOON + 900, outcome="exceeded", reason="lost_on_the_way", evidence=("t-1/1/0",))
    assert in_doubt(weighed) == weighed
