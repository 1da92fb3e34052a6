"""What rules of one subject share, samples and what is known of a position, changes nothing of what each says."""

import random

import pytest

from hub.intake.terminals.profiles import Profiles
from hub.judge.kinds import course_of
from hub.judge.kinds.docket import Docket, Shelf
from hub.judge.kinds.world import COMMON, NEVER, World, metres_per_degree
from hub.judge.records import Edition, Sample
from hub.judge.windows import LocalTime
from hub.wire.jt808 import Position
from hub.wire.terminal import moment_of
from schemas.domains import rules
from sim.trucks.cli import ZONE
from sim.trucks.night import PROFILE, make_night
from tests.hub.helpers import at

LOCAL = LocalTime(ZONE)
MIDNIGHT = at("2026-03-02 00:00")
OF_TRUCKS = [rule for rule in rules().values() if rule.of == "vehicle"]
LAT, LON = 23.0, 113.1
EAST, NORTH = metres_per_degree(LAT)


def samples_of(fixes):
    head = Profiles().head(PROFILE)
    for fix in fixes:
        said = moment_of(Position.parse(fix.body), head)
        yield Sample(said.t, f"fix/{fix.t}", said.lat, said.lon, said.radius, said.speed, said.states)


@pytest.mark.parametrize("seed", [2, 11])
def test_dockets_of_one_shelf_say_what_each_would_say_alone(seed):
    night = make_night(seed, MIDNIGHT, 1, 1, 0, hours=1.5)
    ((truck, fixes),) = night.fixes.items()
    world, dice = World(night.things), random.Random(seed)
    samples = list(samples_of(fixes))
    since = LOCAL.day(samples[0].t).start
    # One of ten comes up to half an hour late, one of fifty comes again with another speed.
    arriving = sorted(samples, key=lambda one: one.t + (dice.random() < 0.1) * dice.randrange(1800))
    shelf = Shelf(OF_TRUCKS[0], LOCAL)
    shared, alone = [], []
    for rule in OF_TRUCKS:
        shared.append(Docket(rule, truck, course_of(rule, world, LOCAL, truck, since), LOCAL, shelf))
        alone.append(Docket(rule, truck, course_of(rule, world, LOCAL, truck, since), LOCAL))
    newest = 0
    for number, one in enumerate(arriving):
        again = [one] if dice.random() > 0.02 else [one, Sample(one.t, one.id, one.lat, one.lon, 15.0, 1.0, one.states)]
        shelf.add(again)
        newest = max(newest, one.t)
        for docket in alone:
            docket.add(again)
        if number % 7 == 0 or number == len(arriving) - 1:
            for together, apart in zip(shared, alone, strict=True):
                assert together.judge(newest - 300, newest) == apart.judge(newest - 300, newest), together.rule.id
        if number % 100 == 99:
            for together, apart in zip(shared, alone, strict=True):
                assert together.judge(newest - 300, newest) == apart.judge(newest - 300, newest)
            shelf.forget(newest - 2400)
            for apart in alone:
                apart.forget(newest - 2400)
    for together, apart in zip(shared, alone, strict=True):
        assert together.judge(newest + 7200, newest) == apart.judge(newest + 7200, newest)
        assert together.holding == apart.holding
    assert any(docket.holding for docket in shared)
    assert len(shelf.samples) < len(samples), "nothing was let go of"


def place(id_, kind, *corners):
    ring = [[round(LON + x / EAST, 8), round(LAT + y / NORTH, 8)] for x, y in (*corners, corners[0])]
    return Edition(kind=kind, id=id_, number=1, geometry={"type": "Polygon", "coordinates": [ring]})


def test_what_is_known_of_a_cell_is_what_is_true_of_each_position_in_it():
    """The same as without cells, which wide reaches do: near a border, deep inside, far outside, in a bay."""
    dice = random.Random(4)
    town = place("town", "town", (-6000, -6000), (6000, -6000), (6000, 6000), (-6000, 6000))
    bay = place("bay", "town", (0, 9000), (9000, 9000), (9000, 0), (8000, 0), (8000, 8000), (0, 8000))
    small = [
        place(f"s-{n}", "yard", (x, y), (x + 200, y), (x + 200, y + 200), (x, y + 200))
        for n, (x, y) in enumerate((dice.uniform(-7000, 7000), dice.uniform(-7000, 7000)) for _ in range(200))
    ]
    world = World([town, bay, *small])
    compared = 0
    for number in range(3000):
        x, y = dice.uniform(-8000, 10_000), dice.uniform(-8000, 10_000)
        if number % 3 == 0:
            x = dice.choice((-6000, 6000, 0, 8000, 9000)) + dice.uniform(-300, 300)
        one = Sample(1000, str(number), round(LAT + y / NORTH, 7), round(LON + x / EAST, 7))
        for kinds in (("town",), ("yard",), ("town", "yard")):
            near = {margin.term.edition.id: margin.metres for margin in world.margins(one, kinds, COMMON)}
            wide = {margin.term.edition.id: margin.metres for margin in world.margins(one, kinds, COMMON + 1)}
            assert near.keys() == {id_ for id_, metres in wide.items() if metres >= -COMMON}
            # Deep inside it is enough to know that it is.
            assert all(min(near[id_], COMMON) == pytest.approx(min(wide[id_], COMMON), abs=1e-6) for id_ in near)
            compared += len(near)
    assert compared > 3000


def test_documents_that_hold_are_found_among_thousands_in_their_order():
    dice = random.Random(1)
    editions = []
    for number in range(2000):
        since = dice.randrange(100_000)
        until = None if number % 500 == 0 else since + dice.randrange(1, 5000)
        said = {"vehicle": ["t-1", "t-2"] if number % 2 else "t-1"}
        editions.append(
            Edition(kind="paper", id=str(number), number=1, valid_from=since, valid_until=until, properties=said)
        )
    world = World(editions)
    for t in (*(dice.randrange(-10, 110_000) for _ in range(300)), NEVER - 1):
        for subject in ("t-1", "t-2", "t-3"):
            plain = [term for term in world.held_by("paper", "vehicle", subject) if term.since <= t < term.until]
            assert world.held_at("paper", "vehicle", subject, t) == plain
