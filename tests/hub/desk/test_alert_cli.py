"""`fenceline alerts` and `fenceline access` as officers and the city's IT use them, and every mistake they make."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hub.desk.view import shown_span
from hub.wire.seal import authentic
from schemas.language import Lang, speak
from tests.hub.alerting import NINE, WINDOW, AlertCity, run, write_files
from tests.hub.desk.test_api import make_city
from tests.hub.helpers import CITY, execute, query
from tests.json_lines import rows_of


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FENCELINE_LANG", "en")
    monkeypatch.setenv("LOGNAME", "officer-1")


@pytest.fixture(scope="module")
def evidenced(tmp_path_factory):
    """A city that nobody changes, with an alert on real messages."""
    return make_city(tmp_path_factory.mktemp("evidenced"))


@pytest.fixture
def folder(tmp_path):
    """A hub with a resolved, a firing and a pending alert."""
    write_files(tmp_path)
    (tmp_path / "data").mkdir()
    with AlertCity(tmp_path / "data") as city:
        city.judge(74.0)
        city.judge(60.0, start=NINE + WINDOW)
        city.judge(60.0, start=NINE + 2 * WINDOW)
        city.judge(85.0, start=NINE + 3 * WINDOW, device="fence-2")
        city.warn(start=NINE + 4 * WINDOW)
    return tmp_path


def steps(folder, alert=1):
    sql = f"SELECT what, who, detail FROM alert_step WHERE alert = {alert} ORDER BY id"
    return [tuple(row.values()) for row in query(folder / "data" / "compliance.db", sql)]


def test_the_list_tells_what_is_wrong_where_and_how_gravely(folder):
    listed = run(folder, "alerts", "list")
    assert (listed.code, listed.err) == (0, "")
    head, pending, firing, resolved = listed.out.splitlines()
    assert head.split()[:5] == ["No.", "Opened", "Age", "State", "Severity"]
    for line, words in (
        (pending, ["3", "pending", "warning", "Clock Tower", "fence-1", "limit at risk"]),
        (
            firing,
            [
                "2",
                "firing",
                "critical",
                "fence-2",
                "limit exceeded: LAeq",
                "85.0",
                "70 dB(A)",
                "GB 12523-2025",
            ],
        ),
        (resolved, ["1", "2026-03-02 09:20:05", "40 min", "resolved", "violation", "74.0"]),
    ):
        assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("seconds", "lang", "told"),
    [
        (59, Lang.en, "0 min"),
        (3 * 3600 + 1260, Lang.en, "3 h 21 min"),
        (3 * 3600 + 1260, Lang.zh, "3小时21分"),
        (2 * 86400 + 3599, Lang.en, "2 d 0 h"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(seconds, lang, told):
    speak(lang)
    try:
        assert shown_span(seconds) == told
    finally:
        speak(None)


def test_the_age_of_an_alert_ends_when_it_is_resolved(folder):
    open_, firing, resolved = (row["age"] for row in rows_of(run(folder, "alerts", "list", "--json").out))
    assert resolved == 2400
    assert open_ > firing - 86400 > 0


def test_the_list_in_chinese_has_no_english_word_left(folder):
    listed = run(folder, "alerts", "list", "--lang", "zh")
    for word in ("持续中", "预警", "已解除", "严重", "钟楼", "超过限值", "可能超过限值"):
        assert word in listed.out
    for word in ("firing", "resolved", "pending", "critical", "Tower", "exceeded"):
        assert word not in listed.out


def test_the_list_is_filtered_and_given_to_programs_as_json(folder):
    told = rows_of(run(folder, "alerts", "list", "--state", "open", "--kind", "limit", "--json").out)
    assert [(alert["id"], alert["state"]) for alert in told] == [(3, "pending"), (2, "firing")]
    assert rows_of(run(folder, "alerts", "list", "--district", "south", "--json").out) == []
    assert run(folder, "alerts", "list", "--site", "mill").out == "no alerts\n"
    assert run(folder, "alerts", "list", "--site", "mill", "--lang", "zh").out == "没有告警\n"
    assert len(rows_of(run(folder, "alerts", "list", "--most", "1", "--json").out)) == 1


def test_an_alert_is_shown_with_windows_limit_and_all_that_was_done(evidenced):
    shown = run(evidenced, "alerts", "show", 1)
    assert shown.code == 0
    for words in (
        "2026-03-02 12:00-12:20 exceeded: 74.0 dB(A), 100 %",
        "GB 12523-2025, Emission standard for construction noise: Day, 20 min LAeq, limit 70 dB(A)",
        "averaging 20 min energy mean",
        "limit verified: S (secondary source), averaging: U (unverified)",
        "120 readings: fenceline alerts show 1 --json",
        "hub: firing, final | Clock Tower",
        "https://city.example/tower/1",
    ):
        assert words in shown.out
    zh = run(evidenced, "alerts", "show", 1, "--lang", "zh").out
    for words in (
        "2026-03-02 12:00-12:20 超标: 74.0 dB(A)",
        "《建筑施工噪声排放标准》",
        "能量平均",
        "处理记录",
        "依据",
    ):
        assert words in zh
    told = json.loads(run(evidenced, "alerts", "show", 1, "--json").out)
    assert len(told["evidence"]["readings"]) == 120


def test_the_evidence_is_every_message_with_its_mac(evidenced):
    shown = run(evidenced, "alerts", "evidence", 1)
    assert shown.code == 0
    assert "2026-03-02 12:00-12:20 exceeded: 74.0 dB(A), 100 %" in shown.out
    assert "limit 70 dB(A), averaging" in shown.out
    lines = shown.out.splitlines()[-21:]
    assert lines[0].split()[:2] == ["Log", "offset"]
    assert lines[1].split()[-1] == "right"
    assert "12:00:00-12:01:00  74.0 74.0 74.0 74.0 74.0 74.0" in lines[1]
    told = rows_of(run(evidenced, "alerts", "evidence", 1, "--json").out)
    assert all(authentic(one["payload"].encode(), CITY.keys["fence-1"]) for one in told)
    page = run(evidenced, "alerts", "evidence", 1, "--most", 5, "--lang", "zh").out
    assert page.splitlines()[-1].startswith("……还有更多：--after ")
    assert page.count("有效") == 5


def test_a_message_that_somebody_has_changed_is_found(tmp_path):
    make_city(tmp_path)
    execute(
        tmp_path / "data" / "log.db",
        "UPDATE message SET payload = CAST(replace(CAST(payload AS TEXT), '74.0', '64.0') AS BLOB) WHERE offset = 3",
    )
    shown = run(tmp_path, "alerts", "evidence", 1)
    assert shown.code == 1
    assert [line.rpartition(" ")[2] for line in shown.out.splitlines()].count("WRONG") == 1


def test_an_alert_without_messages_says_why(folder):
    assert "no messages: it rests on none, or the log has forgotten them" in run(folder, "alerts", "evidence", 2).out


def test_taking_in_hand_what_is_over_says_both(folder):
    assert run(folder, "alerts", "ack", 1, "--lang", "en").out == (
        "alert 1: taken in hand by officer-1; it had been resolved\n"
    )


def test_an_alert_is_worked_on_by_name(folder):
    assert run(folder, "alerts", "acknowledge", 2, "--text", "on my way").out == "alert 2: acknowledged\n"
    assert run(folder, "alerts", "comment", 2, "--text", "foreman informed", "--as", "officer-2").code == 0
    assert run(folder, "alerts", "close", 2, "--text", "fined", "--lang", "zh").out == "告警2：已关闭\n"
    assert steps(folder, 2)[1:] == [
        ("acknowledged", "officer-1", "on my way"),
        ("comment", "officer-2 (officer-1)", "foreman informed"),
        ("closed", "officer-1", "fined"),
    ]
    assert run(folder, "alerts", "close", 1).out == "alert 1: closed\n"


def test_maintenance_is_announced_listed_and_taken_back(folder):
    made = run(folder, "alerts", "maintenance", "add", "tower", "--board", "fence-1", "--reason", "calibration")
    assert made.code == 0
    assert "calibration" in made.out
    (listed,) = rows_of(run(folder, "alerts", "maintenance", "list", "--json").out)
    assert (listed["site"], listed["board"], listed["who"]) == ("tower", "fence-1", "officer-1")
    planned = ["--from", "2099-01-01T22:00", "--reason", "x"]
    assert run(folder, "alerts", "maintenance", "add", "tower", *planned).code == 2
    assert run(folder, "alerts", "maintenance", "remove", 1).out == "maintenance window 1 was taken back\n"
    assert run(folder, "alerts", "maintenance", "list", "--lang", "zh").out == "没有维护时段\n"


def test_planned_maintenance_is_in_local_time(folder):
    tomorrow = time.strftime("%Y-%m-%dT22:00", time.localtime(time.time() + 2 * 86_400))
    run(folder, "alerts", "maintenance", "add", "tower", "--from", tomorrow, "--hours", "1.5", "--reason", "x")
    (listed,) = rows_of(run(folder, "alerts", "maintenance", "list", "--json").out)
    assert (listed["from"], listed["to"]) == (f"{tomorrow}:00+08:00", f"{tomorrow[:-5]}23:30:00+08:00")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "99"], "there is no alert 99"),
        (["show", "99", "--lang", "zh"], "没有编号为99的告警"),
        (["show", "one"], "'ALERT'"),
        (["show"], "ALERT"),
        (["show", str(2**63)], "'ALERT'"),
        (["list", "--state", "gone"], "'gone' is not one of 'open', 'pending'"),
        (["list", "--kind", "noise"], "'noise' is not one of 'limit', 'rule', 'silent'"),
        (["list", "--most", "0"], "--most"),
        (["list", "--lang", "de"], "--lang"),
        (["ack", "3"], "alert 3 is pending; only what has fired and is not closed is acknowledged"),
        (["ack", "2", "--as", "hub"], "--as 'hub': expected a person's name"),
        (["ack", "2", "--as", "two\nlines"], "--as"),
        (["comment", "2", " "], "TEXT: must not be empty"),
        (["comment", "2", "x" * 2001], "TEXT: must not be longer than 2000 characters"),
        (["close", "2"], "--text: must not be empty"),
        (["close", "2", "--lang", "zh"], "--text: 不能为空"),
        (["maintenance", "add", "tower"], "--reason"),
        (["maintenance", "add", "nowhere", "--reason", "x"], "--site: the registry has no site 'nowhere'"),
        (["maintenance", "add", "tower", "--board", "stack-1", "--reason", "x"], "--board: the site 'tower' has no"),
        (["maintenance", "add", "tower", "--from", "soon", "--reason", "x"], "--from soon: expected a local date"),
        (["maintenance", "add", "tower", "--hours", "9999", "--reason", "x"], "--hours"),
        (["maintenance", "add", "tower", "--reason", " "], "--reason: must not be empty"),
        (["maintenance", "remove", "9"], "there is no maintenance window 9"),
        (["evidence", "99"], "there is no alert 99"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_done(folder, arguments, words):
    before = steps(folder, 2)
    refused = run(folder, "alerts", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert words in refused.err
    assert len(refused.err.splitlines()) == 1
    assert steps(folder, 2) == before


def test_where_no_hub_has_run_nothing_is_made(tmp_path):
    write_files(tmp_path)
    refused = run(tmp_path, "alerts", "list")
    assert (refused.code, "there are no alerts yet; 'fenceline run" in refused.err) == (2, True)
    assert not (tmp_path / "data").exists()
    (tmp_path / "fenceline.toml").unlink()
    assert "fenceline.toml: cannot be read" in run(tmp_path, "alerts", "list").err


def test_where_each_district_has_a_hub_of_its_own_one_is_named(tmp_path):
    write_files(tmp_path, 'districts = ["north", "south"]\n')
    (tmp_path / "data" / "north").mkdir(parents=True)
    with AlertCity(tmp_path / "data" / "north") as city:
        city.judge(74.0)
    unnamed = run(tmp_path, "alerts", "show", 1)
    assert (unnamed.code, "name one with --district: north, south" in unnamed.err) == (2, True)
    assert "Clock Tower" in run(tmp_path, "alerts", "list", "--district", "north").out
    assert run(tmp_path, "alerts", "ack", 1, "--district", "north").code == 0
    assert run(tmp_path, "access", "add", "officer-2", "--district", "south").code == 0
    assert (tmp_path / "data" / "south" / "compliance.db").exists()
    assert not (tmp_path / "data" / "compliance.db").exists()


def test_a_database_of_a_later_version_is_refused(folder):
    execute(folder / "data" / "compliance.db", "PRAGMA user_version = 99")
    refused = run(folder, "alerts", "list")
    assert (refused.code, "has schema version 99" in refused.err) == (2, True)


@pytest.mark.parametrize("command", ["alerts", "notify", "access"])
def test_help_teaches_by_example(tmp_path, command):
    shown = run(tmp_path, command, "--help").out
    acts = {"alerts": ["list", "show", "acknowledge"], "notify": ["test"], "access": ["add", "list", "revoke"]}[command]
    for act in acts:
        assert act in shown
        assert f"fenceline {command} {act}" in run(tmp_path, command, act, "--help").out


def test_a_token_is_shown_once_alone_on_standard_output(tmp_path):
    write_files(tmp_path)
    made = run(tmp_path, "access", "add", "officer-2", "--role", "officer", "--lang", "zh")
    assert made.code == 0
    token = made.out.strip()
    assert token.startswith("officer-2.")
    assert len(token) > 40
    assert "此令牌仅显示一次" in made.err
    assert token not in made.err
    shown = run(tmp_path, "access", "list").out
    assert "officer" in shown
    assert token.partition(".")[2] not in shown


def test_who_let_whom_in_stays_on_record(tmp_path):
    write_files(tmp_path)
    assert run(tmp_path, "access", "list").out.startswith("nobody has access yet")
    run(tmp_path, "access", "add", "officer-2")
    assert run(tmp_path, "access", "revoke", "officer-2", "--lang", "zh").out == "officer-2的访问权限已撤销。\n"
    run(tmp_path, "access", "add", "officer-2", "--role", "admin")
    told = rows_of(run(tmp_path, "access", "history", "--json").out)
    assert [(step["who"], step["what"], step["name"], step["role"]) for step in told] == [
        ("officer-1", "added", "officer-2", "viewer"),
        ("officer-1", "revoked", "officer-2", "viewer"),
        ("officer-1", "added", "officer-2", "admin"),
    ]
    assert "授予权限" in run(tmp_path, "access", "history", "--lang", "zh").out
    (user,) = rows_of(run(tmp_path, "access", "list", "--json").out)
    assert (user["name"], user["role"], user["revoked"]) == ("officer-2", "admin", None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "Technician 7"], "user 'Technician 7': expected 1 to 32 small letters"),
        (["add", "hub"], "and not 'hub'"),
        (["add", "x" * 33], "expected 1 to 32"),
        (["add", "li", "--role", "king"], "'king' is not one of 'viewer', 'technician', 'collector', 'officer', "),
        (["add"], "Missing argument 'NAME'"),
        (["revoke", "nobody"], "there is no user 'nobody' with a token"),
    ],
)
def test_a_mistake_with_access_is_one_sentence(tmp_path, arguments, words):
    write_files(tmp_path)
    refused = run(tmp_path, "access", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert words in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_name_that_has_a_token_keeps_it(tmp_path):
    write_files(tmp_path)
    run(tmp_path, "access", "add", "officer-2")
    again = run(tmp_path, "access", "add", "officer-2")
    assert (again.code, "has a token already; revoke it first" in again.err) == (2, True)


def test_the_real_command_prints_a_table_that_fits_a_pipe(folder):
    fenceline = Path(sys.executable).parent / "fenceline"
    done = subprocess.run(
        [fenceline, "alerts", "list", "--config", folder / "fenceline.toml"],
        env=os.environ | {"FENCELINE_LANG": "zh", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4
