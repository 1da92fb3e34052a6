"""What the demo's city has done before its day begins, put on record by the hub's own functions."""

import datetime as dt
from collections import Counter
from contextlib import closing

import pytest

from hub.cases.opening import open_cases
from hub.cases.patrol.visits import Visits
from hub.cases.rules.machine import replay
from hub.config.files import load_config
from hub.registry.live import load_registry
from sim.city.city import city, position_of, write_hub
from sim.city.demo import ZONE
from sim.packs import casework
from sim.packs.street import Where, know_street


@pytest.mark.parametrize("day", ["2026-11-27", "2026-10-08", "2027-02-28"])  # a working day, after holidays, a Sunday
def test_whatever_the_day_cases_stand_in_many_states_and_each_is_what_its_history_says(tmp_path, day):
    sites = city()
    write_hub(tmp_path, sites, 1883)
    casework.write_rules(tmp_path)
    config = load_config(tmp_path / "fenceline.toml")
    config.data.mkdir(exist_ok=True)
    now = dt.datetime.fromisoformat(f"{day}T05:37").replace(tzinfo=ZONE).timestamp()
    know_street(config.data, Where(sites[0].district, *position_of(sites[0], sites)), ZONE, now)
    assert casework.Casework(config, load_registry(config), now).know() == 12
    with closing(open_cases(config.data)) as db:
        desk = casework.Casework(config, load_registry(config), now)._desk(db, "officer")
        cases = [desk.get(number) for number in range(1, 13)]
        assert Counter(one.state for one in cases) == {
            "closed": 3,
            "reported": 3,
            "handling": 2,
            "appealed": 1,
            "refused": 1,
            "suspended": 1,
            "verifying": 1,
        }
        assert all(replay(desk.book.events(one.id)) == one for one in cases)
        assert max(event.time for one in cases for event in desk.book.events(one.id)) < now
        assert [one.id for one in cases if one.supervised] == [7]
        visits = Visits(db).last("shop", [f"shop-{number}" for number in range(1, 7)])
        assert set(visits) == {"shop-1", "shop-2", "shop-3", "shop-4", "shop-6"}
