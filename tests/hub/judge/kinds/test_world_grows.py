"""A world that takes editions as they are made is the same as one that is made of all of them at once."""

import random

import pytest

from hub.judge.kinds.world import NEVER, World, names_in
from hub.judge.records import Edition, Sample
from sim.trucks.night import make_night
from tests.hub.helpers import at

MIDNIGHT = at("2026-03-02 00:00")


def history(seed):
    """Return editions in the order in which they were made: of a night, with corrections, ends and withdrawals."""
    dice = random.Random(seed)
    night = make_night(seed, MIDNIGHT, 6, 3, 2, hours=1.0)
    made = [*night.things, *night.late]
    for one in dice.sample(made, 40):
        properties = dict(one.properties)
        names = [name for name, value in properties.items() if isinstance(value, str)]
        if names and dice.random() < 0.5:
            other = dice.choice(made)
            properties[dice.choice(names)] = other.id
        since = dice.choice([one.valid_from, MIDNIGHT + 3600 * dice.randrange(30)])
        made.append(
            Edition(
                kind=one.kind,
                id=one.id,
                number=2,
                valid_from=since,
                valid_until=one.valid_until,
                withdrawn=dice.random() < 0.2,
                geometry=one.geometry if dice.random() < 0.9 else None,
                properties=properties,
            )
        )
    first = [one for one in made if one.number == 1]
    dice.shuffle(first)
    return [*first, *(one for one in made if one.number == 2)]


def everything(world, editions):
    """Return all that one can ask."""
    kinds = sorted({one.kind for one in editions})
    asked = sorted({(one.kind, name) for one in editions for name in one.properties})
    ids = sorted(
        {one.id for one in editions} | {id_ for one in editions for v in one.properties.values() for id_ in names_in(v)}
    )
    spots = [Sample(MIDNIGHT + 3600 * n, str(n), 23.0 + n / 400, 113.1 + n / 400, 15.0) for n in range(20)]
    return (
        {(one.kind, one.id): list(world.terms(one.kind, one.id)) for one in editions},
        {(kind, name, id_): list(world.held_by(kind, name, id_)) for kind, name in asked for id_ in ids},
        {kind: list(world.present(kind, MIDNIGHT + 7200)) for kind in kinds},
        world.changes(kinds),
        [[world.margins(one, kinds, reach) for reach in (100.0, 5000.0)] for one in spots],
        [world.has_places((kind,), MIDNIGHT + 7200) for kind in kinds],
    )


@pytest.mark.parametrize("seed", range(4))
def test_editions_one_after_the_other_are_as_good_as_all_at_once(seed):
    editions, dice = history(seed), random.Random(seed)
    grown, at_once, shared = World(), World(), World()
    taken = 0
    while taken < len(editions):
        many = dice.choice([1, 1, 2, 30])
        new = editions[taken : taken + many]
        taken += many
        before = everything(shared, editions[:taken]) if dice.random() < 0.05 else None
        change, since = grown.add(new), at_once.use(editions[:taken])
        assert change.since == since
        assert change.things == {(one.kind, one.id) for one in new}
        kept, shared = shared, shared.followed_by(new)
        if before:
            assert everything(kept, editions[:taken]) == before, "whoever has it still sees what was"
        if dice.random() < 0.2:
            assert everything(grown, editions) == everything(at_once, editions) == everything(shared, editions)
    assert everything(grown, editions) == everything(World(editions), editions)
    assert grown.add([]) == (NEVER, frozenset(), frozenset(), False)
