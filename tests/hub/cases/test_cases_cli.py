"""`fenceline cases` on a hub's folder; what a kill between alert and case leaves; backup and restore."""

import datetime as dt
import json
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from hub.cases.bridge import reconcile
from hub.cases.opening import open_cases
from hub.config.files import load_config
from hub.upkeep.backup import back_up
from hub.upkeep.checks.cases import check_cases
from hub.upkeep.checks.data import check_data
from hub.upkeep.restore import restore
from tests.hub.alerting import AlertCity, run, write_files
from tests.hub.cases.case_city import CITY_FILE
from tests.hub.helpers import CITY, SHANGHAI, execute, query
from tests.json_lines import rows_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A hub with one alert."""
    monkeypatch.setenv("FENCELINE_LANG", "en")
    monkeypatch.setenv("LOGNAME", "zhang")
    write_files(tmp_path, '[cases]\nfolder = "rules"\n')
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "city.toml").write_text(CITY_FILE, "utf-8")
    (tmp_path / "data").mkdir()
    with AlertCity(tmp_path / "data") as city:
        city.judge(74.0)
    return tmp_path


def cases(folder, *arguments):
    return run(folder, "cases", *arguments)


def done(folder, *arguments):
    ended = cases(folder, *arguments)
    assert (ended.code, ended.err) == (0, ""), ended
    return ended.out


def test_from_an_alert_to_its_rates(folder):
    assert "there are no cases yet; 'fenceline cases open'" in cases(folder, "list").err
    case = json.loads(done(folder, "from-alert", 1, "--as", "li", "--json"))
    assert (case["state"], case["code"], case["alerts"], case["reported_by"]) == ("reported", "0301", [1], "li (zhang)")
    assert f"case 1 ({case['number']}): reported" in done(folder, "from-alert", 1)
    done(folder, "act", 1, "file", "--as", "li")
    refused = cases(folder, "act", 1, "dispatch", "--as", "li")
    assert (refused.code, "li (zhang) has judged in it" in refused.err) == (2, True)
    assert "监督与指挥" in cases(folder, "act", 1, "dispatch", "--as", "li", "--lang", "zh").err
    done(folder, "act", 1, "dispatch", "--as", "wang")
    done(folder, "act", 1, "receive", "--as", "zhao")
    done(folder, "act", 1, "feed_back", "--text", "the hammer is off", "--as", "zhao")
    done(folder, "act", 1, "send_check", "--as", "li")
    done(folder, "act", 1, "inspect", "--result", "pass", "--as", "sun")
    assert done(folder, "act", 1, "close", "--as", "li", "--lang", "zh").endswith("：已结案\n")
    shown = done(folder, "show", 1)
    for words in ("the hammer is off", "result pass", "standard construction-noise", "wang (zhang)", "dispatcher"):
        assert words in shown
    assert "已结案" in done(folder, "list", "--lang", "zh")
    (row,) = rows_of(done(folder, "list", "--state", "closed", "--json"))
    assert row["on_time"] is True
    since = f"{dt.datetime.now(SHANGHAI) - dt.timedelta(days=1):%Y-%m-%d}"
    table = done(folder, "rates", "--from", since, "--by", "department")
    assert "greens" in table
    assert "100.00 %" in table
    lines = [json.loads(line) for line in done(folder, "rates", "--from", since, "--cases", "--json").splitlines()]
    assert (lines[0]["cases"]["accepted"], lines[0]["rates"]["filing"]) == ([1], 1.0)
    assert lines[-1]["summary"] is True


def test_two_centres_in_one_are_told_wherever_cases_are(folder):
    config = folder / "fenceline.toml"
    config.write_text(config.read_text("utf-8") + "joined = true\n", "utf-8")
    done(folder, "from-alert", 1)
    done(folder, "act", 1, "file", "--as", "li")
    done(folder, "act", 1, "dispatch", "--as", "li")
    for command in (("list",), ("show", 1), ("rates",)):
        assert "one centre" in done(folder, *command)
        assert '"joined": true' in done(folder, *command, "--json")


MISTAKES = [
    (("show", 7), "there is no case 7"),
    (("from-alert", 9), "there is no alert 9"),
    (("open", "--source", "alert", "--in", "north", "--code", "0301", "--text", "x"), "from-alert"),
    (("open", "--source", "citizen", "--in", "east", "--code", "0301", "--text", "x"), "district"),
    (("open", "--source", "citizen", "--in", "north", "--code", "0301", "--text", "x"), "place"),
    (("act", 1, "close"), "is reported (report by zhang); close is done when it is: checking"),
    (("act", 1, "file", "--standard", "x"), "standard: 'x' is no case standard for 0301"),
    (("rates", "--from", "x"), "--from x: expected a date"),
    (("rates", "--from", "2026-02-01", "--to", "2026-01-01"), "expected the first before the second"),
    (("calendar", "--unit", "work_day", "--amount", "1.5"), "whole number"),
]


def test_a_mistake_is_told_in_a_sentence(folder):
    done(folder, "from-alert", 1)
    for arguments, told in MISTAKES:
        ended = cases(folder, *arguments)
        assert ended.code == 2
        assert told in " ".join(ended.err.split())


def test_codes_and_calendar_are_shown_with_their_letters(folder):
    rows = rows_of(done(folder, "codes", "--district", "north", "--json"))
    by_code = {row["code"]: row for row in rows}
    assert by_code["0302"]["full_code"] == "4406050302"
    assert (by_code["0302"]["department"], by_code["0102"]["department"]) == ("greens", "roads")
    assert by_code["0102"]["standards"][0]["verified"] == "S"
    assert "2 urgent_hour (U)" in done(folder, "codes", "--district", "north")
    told = done(folder, "calendar", "--from", "2026-09-30T16:30", "--amount", "4", "--unit", "work_hour")
    assert "4 working hours from 2026-09-30 16:30: 2026-10-08 11:30" in told
    assert "known up to" in done(folder, "calendar", "--from", "2026-12-31", "--amount", "3")


KILLED = """
import os, signal, sys
import fenceline
from hub.cases import bridge
from hub.cases.book import CaseBook

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

{where} = die
sys.argv = ["fenceline", "cases", "from-alert", "1", "--config", {config!r}]
fenceline.main()
"""


@pytest.mark.parametrize("where", ["bridge.note", "CaseBook.noted"])
def test_a_kill_between_case_and_alert_is_made_good_at_the_start(folder, where):
    config = folder / "fenceline.toml"
    code = KILLED.format(where=where, config=str(config))
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    for _ in range(2):
        reconcile(load_config(config), CITY, time.time)
    (case,) = query(folder / "data" / "cases.db", "SELECT * FROM casefile")
    assert (case["state"], query(folder / "data" / "cases.db", "SELECT noted FROM casefile_alert")) == (
        "reported",
        [{"noted": 1}],
    )
    sql = "SELECT count(*) AS n FROM alert_step WHERE what = 'comment' AND detail LIKE 'case % is about this'"
    assert query(folder / "data" / "compliance.db", sql) == [{"n": 1}]
    assert done(folder, "from-alert", 1).startswith("case 1 ")


def test_a_hub_without_cases_is_not_given_any_by_its_start(folder):
    reconcile(load_config(folder / "fenceline.toml"), CITY, time.time)
    assert not (folder / "data" / "cases.db").exists()


def test_cases_are_backed_up_put_back_and_checked(folder, tmp_path_factory):
    done(folder, "from-alert", 1)
    done(folder, "act", 1, "file", "--as", "li")
    config = folder / "fenceline.toml"
    findings = {one.name: one for one in check_data(folder / "data")}
    assert findings["database cases.db"].text.en == "schema version 4"
    archive = back_up(config, load_config(config), folder / "backups")[0]
    other = tmp_path_factory.mktemp("other")
    write_files(other, '[cases]\nfolder = "rules"\n')
    (other / "rules").mkdir()
    restore(archive, other / "fenceline.toml", force=True)
    assert json.loads(done(other, "show", 1, "--json"))["state"] == "filed"
    with closing(open_cases(other / "data")) as db, pytest.raises(Exception, match="never changed"):
        db.execute("DELETE FROM casefile_event")
    # A database whose history could be changed is not put back.
    execute(folder / "data" / "cases.db", "DROP TRIGGER casefile_event_is_kept")
    archive = back_up(config, load_config(config), folder / "backups" / "odd.tar.gz")[0]
    with pytest.raises(Exception, match="is no database of a hub"):
        restore(archive, other / "fenceline.toml", force=True)


def test_check_tells_what_cases_go_by(folder):
    config = load_config(folder / "fenceline.toml")
    (rules, late) = check_cases(config, SHANGHAI, dt.date(2026, 12, 24))
    assert rules.state == "ok"
    assert "2 departments; two centres" in rules.text.en
    assert (late.name, late.state, "2026-12-31" in late.text.en) == ("case calendar", "warning", True)
    assert len(check_cases(config, SHANGHAI, dt.date(2026, 3, 1))) == 1
    (folder / "rules" / "city.toml").write_text("nonsense", "utf-8")
    (wrong,) = check_cases(config, SHANGHAI)
    assert (wrong.state, "city.toml" in wrong.text.en) == ("problem", True)
    (folder / "fenceline.toml").write_text(
        (folder / "fenceline.toml").read_text("utf-8").partition("[cases]")[0], "utf-8"
    )
    assert check_cases(load_config(folder / "fenceline.toml"), SHANGHAI) == []
