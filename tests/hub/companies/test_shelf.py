"""What pages of enterprises keep in memory stays there until something of theirs changes, whatever else a city does."""

import contextlib
import datetime as dt

import pytest

from hub.companies.figures import Figures
from hub.companies.shelf import Shelf
from hub.companies.things import ENTERPRISE
from hub.compliance.emissions.book import plans_of
from hub.console.parts.catalogue import Catalogue
from hub.judge.stacks.permits import OUTLET
from tests.hub.companies.plant import HOUR, PLANT, STACK_LIMITS, Plant
from tests.hub.helpers import NOON, QUANTITIES


class Ranked:
    """A mill whose month is asked for as the ranking does it."""

    def __init__(self, plant):
        self.plant = plant
        catalogue = Catalogue(lambda lon, lat: (lon, lat))
        self.shelf = Shelf(catalogue.known, plans_of(STACK_LIMITS, QUANTITIES))

    def month(self):
        """Return the mill's month; the same object as long as it was not made again."""
        now = self.plant.hub.now
        with self.plant.db() as db:
            figures = Figures(db, PLANT, STACK_LIMITS, QUANTITIES, lambda: now, self.shelf)
            start, end = figures.month(dt.date(2026, 3, 2))
            outlets = self.shelf.held(db, OUTLET, now)
            (found,) = figures.of_enterprises(self.shelf.held(db, ENTERPRISE, now), outlets, [], start, end)
        return found


@pytest.fixture
def ranked(tmp_path):
    with contextlib.closing(Plant(tmp_path)) as plant:
        plant.permit()
        plant.hub.now = NOON
        plant.run(2)
        yield Ranked(plant)


def test_a_new_vehicle_lets_no_enterprise_be_reckoned_again(ranked):
    before = ranked.month()
    assert before.judged
    ranked.plant.add("vehicle", "truck-1", "Truck", "渣土车", until=int(ranked.plant.hub.now) + 600)
    assert ranked.month() is before
    ranked.plant.hub.now += 700  # the vehicle's edition is over
    assert ranked.month() is before


def test_what_changes_of_outlets_and_of_their_hours_is_seen_at_once(ranked):
    before = ranked.month()
    ranked.plant.add("outlet", "da-2", "Stack 2", "二号烟囱", number="DA002", enterprise="mill-co", site="mill")
    assert [one.outlet.id for one in ranked.month().outlets] == ["da-1", "da-2"]
    ranked.plant.run(1, first=NOON + 2 * HOUR)
    assert ranked.month().judged > before.judged
    assert ranked.month().rates.due > before.rates.due


def test_an_outlet_that_begins_later_is_there_from_then_on(ranked):
    now = int(ranked.plant.hub.now)
    ranked.plant.add(
        "outlet", "da-3", "Stack 3", "三号烟囱", since=now + HOUR, number="DA003", enterprise="mill-co", site="mill"
    )
    assert [one.outlet.id for one in ranked.month().outlets] == ["da-1"]
    ranked.plant.hub.now = now + HOUR
    assert [one.outlet.id for one in ranked.month().outlets] == ["da-1", "da-3"]
