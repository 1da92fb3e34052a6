"""A world that is told of new editions one by one is the world that is told of all at once."""

import random

import pytest

from hub.judge.kinds.world import NEVER, World
from tests.hub.judge.kinds.plane import local, point, sample, thing

KINDS = ("weighing", "truck", "bin")
DAY = 86_400


def edition(dice, counts):
    kind, id_ = dice.choice(KINDS), str(dice.randrange(4))
    counts[kind, id_] = counts.get((kind, id_), 0) + 1
    since = dice.choice([None, local("00:00:00") + DAY * dice.randrange(4)])
    until = None if since is None or dice.random() < 0.5 else since + DAY * dice.randrange(1, 4)
    place = point(dice.randrange(0, 500), 0) if kind == "bin" and dice.random() < 0.8 else None
    return thing(
        kind,
        id_,
        place,
        counts[kind, id_],
        since,
        until,
        withdrawn=dice.random() < 0.15,
        truck=str(dice.randrange(3)),
    )


def cited(terms):
    return sorted((term.cited, term.since, term.until) for term in terms)


@pytest.mark.parametrize("seed", range(30))
def test_one_by_one_is_all_at_once(seed):
    dice, counts = random.Random(seed), {}
    every, whole, grown = [], World(), World()
    here = sample(local("12:00:00") + DAY, 100, 0)
    for _ in range(25):
        new = [edition(dice, counts) for _ in range(dice.randrange(1, 4))]
        every += new
        since = whole.use(every)
        assert grown.more(new) == since
        grown.spot(here)
        for kind in KINDS:
            for t in range(local("00:00:00"), local("00:00:00") + 8 * DAY, DAY // 2):
                assert cited(grown.holding(kind, t)) == cited(whole.holding(kind, t)), (kind, t)
                for truck in "012":
                    asked = kind, "truck", truck, t
                    assert cited(grown.held_at(*asked)) == cited(whole.held_at(*asked)), asked
            assert grown.changes([kind]) == whole.changes([kind])
        near = [sorted((one.term.cited, one.metres) for one in it.margins(here, ["bin"], 200)) for it in (grown, whole)]
        assert near[0] == near[1]
    assert grown.more([]) == NEVER
