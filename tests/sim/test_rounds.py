"""A simulated day of bins, rounds and workers: what is planted is found, what only looks like it is not."""

import json
from collections import Counter

import pytest

from hub.judge.kinds.world import World
from schemas.domains import rules
from schemas.errors import UserError
from sim.rounds import cli
from sim.rounds.day import BREACHES, LOOK_ALIKES, make_day
from sim.rounds.judged import Ears, judge_day
from sim.trucks.judged import score
from tests.hub.helpers import SHANGHAI, at

MIDNIGHT = at("2026-03-02 00:00")


@pytest.fixture(scope="module")
def day():
    """A day with each kind of breach and each kind of look-alike, of a seed that was not used while building."""
    return make_day(4711, MIDNIGHT, len(BREACHES), len(LOOK_ALIKES), usual=0)


@pytest.fixture(scope="module")
def finds(day):
    return judge_day(day, rules(), SHANGHAI)


def test_what_is_planted_is_found_and_what_looks_like_it_is_not(day, finds):
    scored = score(finds, day.planted)
    assert scored.planted == len(BREACHES)
    assert scored.recall >= 0.95, scored.missed
    assert scored.precision >= 0.95, scored.false
    assert all(one.evidence for one in finds)
    assert {one.what for one in day.innocent} == {one.name for one in LOOK_ALIKES}


def test_a_miss_and_a_false_find_are_counted(day, finds):
    some = next(one for one in day.planted if not one.brought)
    without = [one for one in finds if (one.subject, one.rule) != (some.truck, some.rule)]
    assert score(without, day.planted).missed == (some,)
    assert {one.subject for one in score(finds, [one for one in day.planted if one.truck != some.truck]).false} == {
        some.truck
    }


def test_what_a_badge_says_outside_its_shift_is_heard_by_nobody(day):
    ears = Ears(day, World(day.things), SHANGHAI)
    shifts = {one.properties["worker"]: one for one in day.things if one.kind == "shift"}
    heard = Counter()
    for sent in day.sent:
        if sent.way == "badge":
            shift = shifts[sent.device.replace("badge", "worker")]
            for one in ears.hear(sent):
                assert shift.valid_from <= one.t < shift.valid_until
                heard[sent.device] += 1
    assert heard
    assert sum(heard.values()) < sum(sent.way == "badge" for sent in day.sent)


def test_the_same_seed_makes_the_same_bytes():
    first, again, other = (make_day(seed, MIDNIGHT, 2, 1, usual=0).sent for seed in (5, 5, 6))
    assert first == again
    assert first != other
    with pytest.raises(UserError, match="expected somebody"):
        make_day(1, MIDNIGHT, 0, 0, usual=0)


def test_the_command_tells_each_breach_and_the_sums(capsys):
    cli.rounds(seed=4711, breaches=2, look_alikes=1, day="2026-03-02")
    *lines, sums = map(json.loads, capsys.readouterr().out.splitlines())
    assert (sums["planted"], sums["look_alikes"], sums["recall"], sums["precision"]) == (2, 1, 1.0, 1.0)
    assert [line["found"] for line in lines] == [True, True]
