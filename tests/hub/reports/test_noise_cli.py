"""`fenceline noise`: what people and programs are told of the noise of any time."""

import json

import pytest

import fenceline
from hub.series import SqliteStore
from hub.series.rollups import Rollups
from tests.hub.alerting import write_files
from tests.hub.desk.test_api import an_api
from tests.hub.helpers import QUANTITIES, SHANGHAI, at
from tests.hub.series.test_levels import said
from tests.hub.series.test_rollups import Journal

MORNING = at("2026-03-02 09:00")
TIME = ("--from", "2026-03-02T09:00", "--to", "2026-03-02T11:00")


@pytest.fixture
def city(tmp_path):
    """A hub whose boards have measured: one at 60 and then 80 dB, clipped once; the other's agent counts no levels."""
    write_files(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    journal = Journal()
    journal.add(*(said(MORNING + 10 * n, [60.0 if n < 6 else 80.0] * 80) for n in range(12)))
    journal.add(said(MORNING + 3600, [60.0] * 79, [("T", 110.0)]))
    journal.add(*(said(MORNING + 10 * n, [70.0] * 80, counts=False) for n in range(6)), device="fence-2")
    store = SqliteStore(data / "series.db")
    now = iter((0.0, 100.0, 200.0))
    rollups = Rollups(data / "rollups.db", store, QUANTITIES, SHANGHAI, lambda: next(now))
    rollups.take(journal.entries)
    rollups.close()
    store.close()
    return tmp_path


@pytest.fixture
def ask(city, monkeypatch, capsys):
    def ask(*arguments, lang="en"):
        monkeypatch.setenv("FENCELINE_LANG", lang)
        command = ["fenceline", "noise", "--config", str(city / "fenceline.toml"), *arguments]
        monkeypatch.setattr("sys.argv", command)
        code = 0
        try:
            fenceline.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return ask


def test_programs_are_told_each_window_and_what_is_not_known(ask):
    code, out, _ = ask("--site", "tower", *TIME, "--by", "hour", "--json")
    *found, summary = map(json.loads, out.splitlines())
    assert code == 0
    assert summary == {"summary": True, "windows": 4, "error_db": 0.25}
    first, second = (one for one in found if one["board"] == "fence-1")
    assert (first["start"], first["end"]) == ("2026-03-02T09:00:00+08:00", "2026-03-02T10:00:00+08:00")
    assert (first["l5"], first["l10"], first["l50"], first["l90"], first["lsd"]) == (80, 80, 60, 60, 10)
    # 10 lg((10^6 + 10^8) / 2) = 77.03 dB, by day alone
    assert (first["laeq"], first["ld"], first["ln"], first["ldn"]) == (77.03, 77.03, None, None)
    assert (first["capture"], first["counted"], first["at_least"]) == (round(120 / 3600, 4), round(120 / 3600, 4), [])
    assert (second["laeq"], second["l5"], second["lsd"], second["capture"]) == (None, 60, None, 0)
    (older,) = (one for one in found if one["board"] == "fence-2")
    assert (older["laeq"], older["l10"], older["lsd"], older["counted"]) == (70, None, None, 0)
    (together,) = (one for one in found if one["board"] is None)
    assert (together["l50"], together["counted"]) == (60, round(60 / 3600, 4))


def test_people_are_told_what_is_not_available_and_why(ask):
    code, out, _ = ask("--board", "fence-2", *TIME)
    assert code == 0
    assert "70.0" in out
    assert 'its configuration says "levels": false' in out
    _, chinese, _ = ask("--board", "fence-2", *TIME, lang="zh")
    assert "设备" in chinese
    assert "累积百分声级需要设备统计声级" in chinese
    _, clear, _ = ask("--board", "fence-1", *TIME)
    assert "not available" not in clear
    _, nothing, _ = ask("--board", "fence-1", "--from", "2026-03-03", "--to", "2026-03-04")
    assert nothing == "Nothing was measured there in this time.\n"


def test_the_api_tells_the_same(ask, city):
    _, out, _ = ask("--site", "tower", *TIME, "--by", "hour", "--json")
    *expected, _ = map(json.loads, out.splitlines())
    span = "since=2026-03-02T09:00:00%2B08:00&until=2026-03-02T11:00:00%2B08:00"
    with an_api(city) as api:
        told = api.get(f"/noise?site=tower&by=hour&{span}").json()
        nothing = api.get(f"/noise?board=fence-1&{span.replace('03-02', '03-01')}").json()
        wrong = [
            api.get(f"/noise?{span}"),
            api.get(f"/noise?site=tower&{span.replace('11:00:00', '11:00:01')}"),
            api.get(f"/noise?site=tower&{span.replace('11:00:00', '11:00:00.5')}"),
            api.get(f"/noise?site=tower&{span.replace('T11', 'T08')}"),
            api.get(f"/noise?site=tower&{span.replace('since=2026', 'since=2025')}"),
            api.get(f"/noise?site=tower&by=10m&{span.replace('until=2026', 'until=2036')}"),
        ]
        stranger = api.get(f"/noise?site=tower&{span}", role=None)
    assert told["error_db"] == 0.25
    for one, other in zip(told["noise"], expected, strict=True):
        assert {name: round(v, 2) if isinstance(v, float) else v for name, v in one.items()} == {
            name: round(v, 2) if isinstance(v, float) else v for name, v in other.items()
        }
    assert nothing == {"noise": [], "error_db": 0.25}
    assert [(answer.status_code, answer.json()["field"]) for answer in wrong] == [
        (422, "site"),
        (422, "until"),
        (422, "until"),
        (422, "since"),
        (422, "since"),
        (422, "by"),
    ]
    assert stranger.status_code == 401


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "yesterday"), "--from yesterday: expected a local date such as 2026-11-22"),
        (("--from", "2026-03-02T09:05"), "--from: expected a multiple of 10 minutes"),
        (("--from", "2026-03-03", "--to", "2026-03-02"), "--from: expected a time before the end"),
        (("--from", "2026-03-02", "--to", "2036-03-02", "--by", "10m"), "more than 6000 windows"),
        (("--site", "towr"), "there is no site 'towr'; did you mean 'tower'?"),
        (("--board", "fence-9"), "there is no board 'fence-9'"),
    ],
)
def test_a_mistake_is_one_sentence(ask, arguments, told):
    code, out, err = ask(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


def test_a_hub_that_has_not_run_is_told_of(ask, city):
    for path in (city / "data").glob("rollups.db*"):
        path.unlink()
    code, _, err = ask(*TIME)
    assert code == 2
    assert "nothing was added up yet" in err
