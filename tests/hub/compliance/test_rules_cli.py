"""`fenceline rules list`, and the evidence of an alert about a thing: what was said of it, and the bytes."""

import json

import pytest

from hub.alerts.records import Alert
from hub.desk.evidence import Cited, Source, messages
from hub.wire import channels
from schemas import domains
from tests.hub.alerting import run, write_files
from tests.hub.compliance.test_rulings import FIXES, HARBOUR, Port, full, tell
from tests.hub.helpers import CITY, NOON, Hub, Speaker, record


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FENCELINE_LANG", "en")
    monkeypatch.setenv(domains.VARIABLE, "")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A hub on whose quay a truck, for which t-1 speaks, has driven with its load open."""
    monkeypatch.setitem(channels.CHANNELS, FIXES.prefix, FIXES)
    write_files(tmp_path, f"domains = [{json.dumps(str(HARBOUR))}]\n")
    quay = '[[site]]\nid = "quay"\ndistrict = "nansha"\nkind = "berth"\nen = "Quay"\nzh = "码头"\n'
    with (tmp_path / "registry.toml").open("a", encoding="utf-8") as file:
        file.write(f'{quay}[[board]]\nid = "t-1"\nsite = "quay"\n')
    with (tmp_path / "keys.toml").open("a") as file:
        file.write(f't-1 = "{b"1".hex() * 32}"\n')
    (tmp_path / "data").mkdir()
    port = Port(tmp_path / "data")
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    port.know(kind="sump", id="sump-9")
    tell(port, range(10))
    port.close()
    return tmp_path


def lines(out):
    """Return what a list prints for programs: its rows, and the summary."""
    return map(json.loads, out.splitlines())


def test_verdicts_are_listed_as_the_api_shows_them(folder):
    *verdicts, summary = lines(run(folder, "rules", "list", "--json").out)
    (covered,) = [one for one in verdicts if one["rule"] == "covered"]
    assert (covered["subject_kind"], covered["subject"], covered["site"]) == ("truck", "truck-1", "quay")
    assert (covered["outcome"], covered["rule_name"], covered["alert"]) == ("exceeded", "Loads are covered", 1)
    assert covered["start"] == "2026-03-03T10:00:00+08:00"
    assert summary["verdicts"] == len(verdicts)
    assert [one["subject"] for one in summary["not_judged"]] == ["sump-9"]


def test_people_read_them_in_their_language(folder):
    shown = run(folder, "rules", "list", "--rule", "covered")
    assert (shown.code, shown.err) == (0, "")
    for part in (
        "2026-03-03 10:00",
        "goes on",
        "truck truck-1",
        "Loads are covered",
        "violation",
        "sump sump-9: nothing",
    ):
        assert part in shown.out
    zh = run(folder, "rules", "list", "--rule", "covered", "--lang", "zh").out
    for part in ("装载须覆盖", "违规", "持续中", "sump sump-9：无法判定"):
        assert part in zh


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--site", "quay"], 1),
        (["--site", "tower"], 0),
        (["--subject", "truck-1"], 1),
        (["--subject", "truck-2"], 0),
        (["--outcome", "exceeded"], 1),
        (["--outcome", "compliant"], 0),
        (["--since", "2026-03-03T10:00"], 1),
        (["--since", "2026-03-03T10:01"], 0),
        (["--since", "2026-03-03T02:01Z"], 0),
    ],
)
def test_what_is_asked_for_is_found(folder, asked, found):
    *verdicts, summary = lines(run(folder, "rules", "list", "--rule", "covered", *asked, "--json").out)
    assert len(verdicts) == summary["verdicts"] == found


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--since", "yesterday"], "--since 'yesterday': expected a date and time such as 2026-12-01T08:00"),
        (["--outcome", "bad"], "'bad' is not one of"),
    ],
)
def test_a_mistake_is_one_sentence(folder, asked, told):
    shown = run(folder, "rules", "list", *asked)
    assert shown.code == 2
    assert told in shown.err
    assert "Traceback" not in shown.err


def test_a_hub_that_has_judged_nothing_says_so(tmp_path):
    write_files(tmp_path)
    shown = run(tmp_path, "rules", "list")
    assert shown.code == 2
    assert "nothing has been judged yet" in shown.err


def test_an_alert_about_a_thing_shows_what_its_source_said_and_the_bytes(folder):
    port = Port(folder / "data")
    tell(port, range(10, 20), cover="shut")  # only what is over cites all of it
    port.close()
    *told, summary = lines(run(folder, "alerts", "evidence", 1, "--json").out)
    assert summary["messages"] == len(told) == 10
    assert [json.loads(one["payload"]) for one in told] == [{"moments": [full(minute)]} for minute in range(10)]
    assert [one["samples"][0]["id"] for one in told] == [f"t-1/{offset}/0" for offset in range(1, 11)]
    assert told[0]["samples"][0]["states"] == {"load": "full", "cover": "open"}
    assert {(one["source"], one["proof"], one["authentic"]) for one in told} == {("t-1", "password", None)}
    page = run(folder, "alerts", "evidence", 1, "--most", 4)
    assert page.code == 0
    assert "load=full cover=open" in page.out
    assert "10:00:00" in page.out


def test_records_and_events_that_a_rule_rests_on_are_found_by_their_identity(tmp_path):
    """Also where the board has spoken under the topic of another site, and among a stream of digits alone."""
    alert = Alert(
        kind="rule",
        district="north",
        site="tower",
        device="bin-7",
        rule="emptied",
        state="firing",
        severity="violation",
        opened=NOON,
        first=NOON,
        last=NOON + 60,
        text="",
    )
    board = Speaker(stream="12345678")
    with Hub(tmp_path) as hub:
        hub.hear(
            *(board.telemetry(record(NOON + 10 * n, laeq=60.0)) for n in range(5)), board.event(9, t=NOON, full=True)
        )
    source = {"fence-1": Source((CITY.keys["fence-1"],), [("south", "mill"), ("north", "tower")])}
    cited = Cited(["fence-1/12345678/2", "fence-1/12345678/4", "fence-1/6"], NOON)
    found, _ = messages(tmp_path / "log.db", alert, [], source, 0, 100, cited)
    assert [(one.entry.offset, one.authentic, one.samples[0].t) for one in found] == [
        (2, True, NOON + 10),
        (4, True, NOON + 30),
        (6, True, NOON),
    ]
