"""A domain by its folder alone: a sensor of it measures its simulated day, a board says it, the hub judges it."""

import asyncio
import datetime as dt
import json
from pathlib import Path

import pytest

from dashboards import Lang, files
from hub.config.files import load_config
from hub.registry.live import load_entries
from schemas import domains
from sim.city import city as simulated
from sim.city import demo
from sim.city.account import read_only
from sim.city.scenario import SHANGHAI
from tests.system.chain import until

EVENING = dt.datetime(2026, 3, 3, 19, tzinfo=SHANGHAI).timestamp()
HARBOUR = Path(__file__).resolve().parent.parent / "data" / "domains" / "harbour"


@pytest.fixture
def harbour(monkeypatch):
    monkeypatch.setenv(domains.VARIABLE, str(HARBOUR))


def test_its_dashboard_is_drawn_with_the_others(harbour):
    for lang in Lang:
        board = json.loads(files(lang)[Path(lang, "berth.json")])
        assert board["uid"] == f"fenceline-berth-{lang}"
        assert len(board["panels"]) == 3
        assert '"h2s"' in json.dumps(board["panels"][0]).replace('\\"', '"').replace("'h2s'", '"h2s"')
        site = next(one for one in board["templating"]["list"] if one["name"] == "site")
        assert "\"kind\" = 'berth'" in json.dumps(site).replace('\\"', '"')


def test_a_registry_knows_its_kinds_by_the_configuration_alone(tmp_path):
    (tmp_path / "registry.toml").write_text(
        '[[site]]\nid = "quay"\ndistrict = "nansha"\nkind = "berth"\nen = "Quay"\nzh = "码头"\n'
        'properties = {cargo = "boxes"}\n',
        "utf-8",
    )
    config = tmp_path / "fenceline.toml"
    config.write_text(
        f'registry = "registry.toml"\nkeys = "keys.toml"\ndomains = ["{HARBOUR}"]\n'
        '[[recipient]]\nname = "harbour-master"\nurl_env = "URL"\nkinds = ["berth"]\n',
        "utf-8",
    )
    try:
        assert load_entries(load_config(config)).sites["quay"].kind == "berth"
    finally:
        domains.use(())


def test_a_board_measures_its_simulated_day_and_the_hub_judges_it(harbour, monkeypatch, tmp_path):
    sites = [site for site in simulated.city() if site.kind == "berth"]
    assert [site.id for site in sites] == ["sulphur-quay"]
    monkeypatch.setattr(demo, "simulated_city", lambda: sites)
    start = dt.datetime(2026, 3, 3, 8, 5, tzinfo=SHANGHAI).timestamp()

    async def run():
        plan = demo.Plan(tmp_path, start, 600)
        async with demo.city(plan) as city:
            await asyncio.to_thread(until, lambda: "exceeded" in verdicts(city.data / "compliance.db"), "an exceedance")
            with read_only(city.series) as db:
                highest = db.execute("SELECT max(value) FROM reading WHERE quantity = 'h2s'").fetchone()[0]
        return verdicts(city.data / "compliance.db"), highest

    found, highest = asyncio.run(run())
    assert 115 < highest < 130, "as the course of the day says, and as the sensor's register can tell it"
    assert set(found) <= {"invalid", "exceeded"}, (
        "how much of the first hours is missing, the start of the demo decides"
    )


def verdicts(path):
    """Return the outcomes of the hours in which sulphur is unloaded."""
    with read_only(path) as db:
        rows = db.execute(
            "SELECT outcome FROM verdict WHERE rule = 'HARBOUR 1-2020 h2s-hour' AND start < ?", (EVENING,)
        )
        return [outcome for (outcome,) in rows]
