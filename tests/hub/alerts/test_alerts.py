"""The life of an alert: what it is told of, what ends it, who did what."""

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.alerts.text import step_name
from hub.config.alerts import Alerting
from hub.desk.desk import DeskError
from hub.registry.live import District, NightWork
from hub.storage.database import transaction
from schemas import load_limits
from tests.hub.alerting import DAY, ELEVEN_PM, NIGHT, NINE, WINDOW, AlertCity
from tests.hub.helpers import CITY, SHANGHAI

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def city(tmp_path):
    with AlertCity(tmp_path) as city:
        yield city


def after(n):
    """Return the start of the window `n` windows after nine."""
    return NINE + n * WINDOW


def test_an_alert_lives_from_the_first_exceedance_until_an_officer_closes_it(city):
    city.judge(74.0)
    alert = city.alert()
    assert (alert["state"], alert["severity"], alert["first"], alert["last"]) == ("firing", "violation", NINE, after(1))
    assert (alert["value"], alert["limit_value"], alert["unit"], alert["capture"]) == (74.0, 70, "dB(A)", 1.0)
    assert (alert["standard"], alert["clause"]) == ("GB 12523-2025", None)
    assert (alert["verified"], alert["averaging_verified"]) == ("S", "U")

    city.now += 60
    city.desk.acknowledge(1, "officer-2", "on my way")
    city.desk.comment(1, "officer-2", "the foreman was informed")
    city.judge(60.0, start=after(1))
    assert city.alert()["state"] == "acknowledged"
    city.judge(60.0, start=after(2))
    assert city.alert()["state"] == "resolved"
    city.desk.close(1, "officer-3", "fined")
    assert city.alert()["state"] == "closed"
    assert [(step["what"], step["who"]) for step in city.steps()] == [
        ("firing", "hub"),
        ("acknowledged", "officer-2"),
        ("comment", "officer-2"),
        ("resolved", "hub"),
        ("closed", "officer-3"),
    ]
    assert [step["time"] for step in city.steps()] == [
        after(1) + 5,
        after(1) + 65,
        after(1) + 65,
        after(3) + 5,
        city.now,
    ]
    assert city.steps()[1]["detail"] == "on my way"


@pytest.mark.parametrize(
    ("more", "en_words", "zh_words"),
    [
        (
            {"assumed": "sensitive=near, works=planned"},
            "stand around the site: there are; whether the works are planned, or repair in an emergency: planned.",
            "站点情况按假定：周围是否有噪声敏感建筑物：有；施工性质：正常施工。",
        ),
        (
            {"assumed": "air_class=2, operation=running"},
            "Assumed of the site: class of ambient air: class 2; the plant was running.",
            "站点情况按假定：环境空气功能区类别：二类区；设备正常运行。",
        ),
        (
            {"missing": "zone_class"},
            "Not known: class of the noise zone. This is the laxest of the limits that may hold.",
            "未注明：声环境功能区类别，此处按可能适用的最宽限值判定。",
        ),
        ({"missing": "area"}, "Not known: area around a construction site. ", "未注明：工地所在区域，"),
        ({"missing": "gone", "assumed": "gone=x"}, "Assumed of the site: gone: x.", "站点情况按假定：gone：x。"),
    ],
)
def test_what_is_assumed_or_not_known_of_a_site_is_told_in_words(city, more, en_words, zh_words):
    city.judge(74.04, **more)
    en, zh = city.alert()["text"].splitlines()
    assert en_words in en
    assert zh_words in zh


def test_a_district_is_told_by_its_name_and_an_amended_outcome_in_words(city):
    named = msgspec.structs.replace(CITY, named_districts={"north": District("north", "here", "North End", "城北区")})
    with transaction(city.desk.book.db):
        city.alerts.use(named)
    city.judge(74.0)
    en, zh = city.alert()["text"].splitlines()
    assert en.startswith("Clock Tower (North End, board fence-1): ")
    assert zh.startswith("钟楼（城北区，设备fence-1）：")
    city.judge(71.0, start=NINE, revision=2, outcome="above_uncorrected")
    told = city.steps()[-1]["detail"]
    assert "(exceeded -> above the limit, background not taken off)" in told


def test_what_people_are_told_names_everything_that_an_officer_needs(city):
    city.judge(74.04, capture=0.98)
    en, zh = city.alert()["text"].splitlines()
    for part in ("Clock Tower (north, board fence-1)", "74.0 dB(A), limit 70 dB(A)", "09:00 to 09:20", "98 %"):
        assert part in en
    for part in ("GB 12523-2025; limit verified: S", "averaging: U"):
        assert part in en
    # Its clause is not known, and its id is none.
    assert "《建筑施工噪声排放标准》；" in zh
    assert "laeq-day" not in en + zh
    for part in ("钟楼", "74.0 dB(A)", "限值70 dB(A)", "09:00至09:20", "《建筑施工噪声排放标准》", "核实程度：S"):
        assert part in zh


def test_a_value_near_the_limit_makes_one_alert_not_many(city):
    for n in range(12):
        city.judge(71.0 if n % 2 == 0 else 69.0, start=after(n))
    assert city.alert()["state"] == "firing"
    assert city.done() == ["firing"]


def test_as_many_windows_as_configured_must_break_the_limit(tmp_path):
    with AlertCity(tmp_path, Alerting(fire_after=3)) as city:
        for n, level in enumerate((72.0, 73.0, 60.0, 74.0, 75.0, 76.0)):
            city.judge(level, start=after(n))
        first, second = city.rows()
        assert (first["state"], city.done(1)) == ("withdrawn", ["counted", "counted", "withdrawn"])
        assert (second["state"], second["first"], second["value"]) == ("firing", after(3), 76.0)
        assert city.done(2) == ["counted", "counted", "firing"]


def test_only_a_limit_is_called_exceeded_while_more_windows_are_waited_for():
    assert "超标" in step_name("counted", "limit").zh
    told = step_name("counted", "rule")
    assert (told.en, told.zh) == ("broken, waiting for more times", "已违规，待再次确认")
    assert step_name("firing", "rule") == step_name("firing", "limit")


def test_an_early_warning_becomes_the_alert_when_the_window_ends_above_the_limit(city):
    city.warn(used=0.62, reached_at=NINE + 660)
    alert = city.alert()
    assert (alert["state"], alert["severity"], alert["fired"]) == ("pending", "warning", None)
    assert "62 % of what" in alert["text"]
    assert "at about 09:11" in alert["text"]
    assert "not a verdict" in alert["text"]
    city.warn(used=0.7, reached_at=NINE + 660)
    city.warn(used=1.2, certain=True)
    city.warn(used=1.3, certain=True)
    city.judge(74.0)
    alert = city.alert()
    assert (alert["state"], alert["severity"], alert["value"]) == ("firing", "violation", 74.0)
    assert city.done() == ["early", "early", "firing"]


@pytest.mark.parametrize(("value", "word"), [(69.0, "kept"), (None, "without a verdict: too little valid data")])
def test_an_early_warning_is_withdrawn_when_the_window_ends_otherwise(city, value, word):
    city.warn()
    city.judge(value)
    assert city.alert()["state"] == "withdrawn"
    assert city.done() == ["early", "withdrawn"]
    assert word in city.steps()[-1]["detail"]


def test_an_early_warning_that_nobody_judges_is_withdrawn(city):
    city.warn()
    city.wait(2 * WINDOW + 1800)
    assert city.done() == ["early", "withdrawn"]


def test_a_warning_of_the_next_window_survives_the_verdict_on_the_one_before(city):
    city.warn()
    city.warn(start=after(1))
    city.judge(60.0)
    assert city.alert()["state"] == "pending"
    city.judge(72.0, start=after(1))
    assert (city.alert()["state"], city.alert()["first"]) == ("firing", after(1))


def test_a_late_verdict_alarms_nobody(city):
    city.judge(90.0, news=False)
    assert city.rows() == []
    city.warn(start=after(1))
    city.judge(90.0, start=after(1), news=False)
    assert city.alert()["state"] == "withdrawn"
    assert "too late to be news: exceeded, 90.0 dB(A)" in city.steps()[-1]["detail"]


def test_an_amended_verdict_is_a_step_and_never_changes_what_was_told_in_silence(city):
    city.judge(70.6)
    city.judge(75.0, start=after(1))
    told = city.steps()[0]
    city.judge(69.8, revision=2, news=False)
    assert city.done() == ["firing", "amended"]
    assert "value 70.6 dB(A) -> 69.8 dB(A) (exceeded -> compliant)" in city.steps()[-1]["detail"]
    assert city.steps()[0] == told
    assert (city.alert()["state"], city.alert()["value"]) == ("firing", 75.0)
    city.judge(69.9, start=after(1), revision=2, news=False)
    assert city.done() == ["firing", "amended", "amended", "resolved"]
    assert city.alert()["state"] == "resolved"


def test_an_amendment_of_a_closed_alert_is_on_record_and_reopens_nothing(city):
    city.judge(74.0)
    city.desk.close(1, "root", "a test of the loudspeakers", admin=True)
    city.judge(80.0, revision=2, news=False)
    assert (city.alert()["state"], city.done()) == ("closed", ["firing", "closed", "amended"])


def test_the_same_verdict_again_changes_nothing(city):
    for _ in range(3):
        city.judge(74.0)
    assert city.done() == ["firing"]
    assert city.alert()["exceeded"] == 1


def test_a_limit_of_another_nature_raises_no_alert(city):
    from dataclasses import replace

    from tests.hub.alerting import verdict

    city.alerts.judged(replace(verdict(90.0), binding="informs"), news=True)
    assert city.rows() == []


def test_an_exceedance_by_ten_decibels_is_critical_and_one_that_grows_is_raised(city):
    city.judge(74.0)
    city.judge(80.0, start=after(1))
    assert city.alert()["severity"] == "critical"
    assert city.done() == ["firing", "raised"]
    city.judge(72.0, start=after(2))
    assert (city.alert()["severity"], city.alert()["value"]) == ("critical", 80.0)


def test_the_night_limit_binds_under_a_permit_but_is_told_as_less_grave(tmp_path):
    begin = dt.datetime(2026, 3, 2, 22, tzinfo=SHANGHAI)
    permit = NightWork(begin, begin + dt.timedelta(hours=8), "NW-2026-17")
    tower = msgspec.structs.replace(CITY.sites["tower"], night_work=(permit,))
    registry = msgspec.structs.replace(CITY, sites=CITY.sites | {"tower": tower})
    with AlertCity(tmp_path, registry=registry, now=ELEVEN_PM) as city:
        city.judge(60.0, start=ELEVEN_PM, rule=NIGHT)
        city.judge(60.0, start=ELEVEN_PM + 86_400, rule=NIGHT, device="fence-2")
        permitted, other = city.rows()
    assert (permitted["state"], permitted["severity"], permitted["permit"]) == ("firing", "warning", "NW-2026-17")
    assert "permit NW-2026-17: work at night is allowed, the limit still binds" in permitted["text"]
    assert (other["severity"], other["permit"]) == ("violation", None)


def test_during_maintenance_an_alert_is_recorded_and_nobody_is_told(city):
    city.desk.maintenance.add("tower", "fence-1", NINE, NINE + 600, "calibration", "officer-3")
    city.judge(90.0)
    alert = city.alert()
    assert (alert["state"], alert["maintenance"]) == ("firing", 1)
    assert [(step["what"], step["quiet"]) for step in city.steps()] == [("firing", 1), ("suppressed", 1)]
    assert "calibration (officer-3)" in city.steps()[1]["detail"]
    city.judge(90.0, device="fence-2")
    assert city.rows()[1]["maintenance"] is None

    city.judge(91.0, start=after(1))
    assert [(step["what"], step["quiet"]) for step in city.steps()][2:] == [("released", 0)]
    assert city.rows()[0]["maintenance"] is None


def test_a_maintenance_window_that_was_taken_back_holds_no_longer_and_stays_on_record(city):
    city.desk.maintenance.add("tower", "", NINE, NINE + 600, "calibration", "officer-3")
    city.desk.maintenance.remove(1, "officer-2")
    city.judge(90.0)
    assert city.alert()["maintenance"] is None
    assert city.rows("SELECT removed_by FROM maintenance") == [{"removed_by": "officer-2"}]


def test_an_alert_that_nobody_acknowledges_is_escalated_level_by_level(tmp_path):
    with AlertCity(tmp_path, Alerting(escalate_minutes={"violation": 30}), levels=2) as city:
        city.judge(74.0)
        for _ in range(29):
            city.wait(60)
        assert city.done() == ["firing"]
        city.wait(60)
        assert city.done() == ["firing", "escalated"]
        assert "nobody has acknowledged for 30 min; level 1 is told" in city.steps()[-1]["detail"]
        city.wait(1800)
        city.wait(1800)
        assert city.done().count("escalated") == 2


def test_an_alert_that_was_acknowledged_is_not_escalated(tmp_path):
    with AlertCity(tmp_path, Alerting(escalate_minutes={"violation": 30}), levels=1) as city:
        city.judge(74.0)
        city.desk.acknowledge(1, "officer-2")
        city.wait(1801)
        assert city.done() == ["firing", "acknowledged"]


def test_a_resolved_alert_that_nobody_has_looked_at_is_still_escalated(tmp_path):
    with AlertCity(tmp_path, Alerting(escalate_minutes={"violation": 90}), levels=1) as city:
        city.judge(74.0)
        for n in (1, 2):
            city.judge(60.0, start=after(n))
        city.wait(3600)
        assert city.done() == ["firing", "resolved", "escalated"]
        city.desk.acknowledge(1, "officer-2")
        assert city.alert()["state"] == "resolved"


def test_an_alert_ends_when_its_limit_is_judged_no_more(city):
    city.judge(74.0)
    city.wait(2 * WINDOW)
    assert city.alert()["state"] == "firing"
    city.wait(300)
    assert city.alert()["state"] == "resolved"


def test_a_board_that_has_gone_dumb_does_not_prove_that_the_limit_is_kept(city):
    city.judge(74.0)
    city.db.execute("INSERT INTO latest VALUES ('fence-1', ?, ?, 0)", (after(1), city.now))
    city.wait(2 * WINDOW + 600)
    assert city.alert()["state"] == "firing"
    city.wait(86_400 + 600)
    assert city.alert()["state"] == "resolved"
    assert "whether the limit is kept is not known" in city.steps()[-1]["detail"]


def test_windows_with_too_little_data_do_not_prove_that_the_limit_is_kept(city):
    city.judge(74.0)
    city.db.execute(
        "INSERT INTO verdict (site, device, rule, start, end, outcome, limit_value, valid_share, revision, judged) "
        "VALUES ('tower', 'fence-1', ?, ?, ?, 'invalid', 70, 0.1, 1, ?)",
        (DAY, after(1), after(2), after(2)),
    )
    city.wait(2 * WINDOW + 600)
    assert city.alert()["state"] == "firing"
    for n in (2, 3):
        city.judge(60.0, start=after(n))
    assert city.alert()["state"] == "resolved"


def test_an_alert_of_a_maintenance_is_escalated_only_from_when_it_was_told(tmp_path):
    with AlertCity(tmp_path, Alerting(escalate_minutes={"violation": 30}), levels=2) as city:
        city.desk.maintenance.add("tower", "", NINE, NINE + 3600, "calibration", "officer-3")
        for n in range(3):
            city.judge(74.0, start=after(n))
            city.wait(60)
        assert city.done() == ["firing", "suppressed"]
        city.judge(74.0, start=after(3))
        city.wait(60)
        assert city.done() == ["firing", "suppressed", "released"]
        city.wait(1800)
        assert city.done()[3:] == ["escalated"]


def test_a_kill_at_any_moment_changes_nothing(city):
    for n, level in enumerate((74.0, 76.0, 60.0, 60.0)):
        city.kill()
        city.judge(level, start=after(n))
    assert (city.alert()["state"], city.done()) == ("resolved", ["firing", "resolved"])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda desk: desk.acknowledge(7, "li"), "no alert 7"),
        (lambda desk: desk.comment(1, "li", "  "), "empty"),
        (lambda desk: desk.comment(1, "li", "x" * 2001), "2000"),
        (lambda desk: desk.close(1, "li", "because"), "firing; wait until it is resolved"),
        (lambda desk: desk.close(1, "li", "", admin=True), "empty"),
        (lambda desk: desk.maintenance.add("tower", "", NINE + 9, NINE, "x", "li"), "later than from"),
        (lambda desk: desk.maintenance.add("tower", "", 0, 5, "x", "li"), "past"),
        (lambda desk: desk.maintenance.remove(3, "li"), "no maintenance window 3"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_no_trace(city, act, words):
    city.judge(74.0)
    with pytest.raises(DeskError, match=words):
        act(city.desk)
    assert city.done() == ["firing"]


def test_an_alert_is_acknowledged_once(city):
    city.judge(74.0)
    city.desk.acknowledge(1, "officer-2")
    with pytest.raises(DeskError, match="was acknowledged by officer-2"):
        city.desk.acknowledge(1, "officer-3")


@pytest.mark.parametrize("sql", ["UPDATE alert_step SET who = 'me'", "DELETE FROM alert_step"])
def test_nobody_changes_the_audit_trail(city, sql):
    city.judge(74.0)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        city.db.execute(sql)


def test_the_alerts_of_an_earlier_version_are_kept(tmp_path):
    with closing(sqlite3.connect(tmp_path / "compliance.db")) as db, db:
        db.executescript((DATA / "compliance-v1.sql").read_text())
        row = "INSERT INTO alert VALUES (?, 'north', 'tower', 'fence-1', ?, ?, 9, ?, 0, 1200, 74, 70, 'en\nzh', ?)"
        db.execute(row, (1, DAY, "resolved", 3000, 1))
        db.execute(row, (2, NIGHT, "firing", None, 0))
    with AlertCity(tmp_path) as city:
        assert [(a["state"], a["fired"], a["resolved"]) for a in city.rows()] == [
            ("resolved", 9, 3000),
            ("firing", 9, None),
        ]
        untold = city.rows("SELECT alert FROM alert_step, notified WHERE id > notified.step AND NOT quiet")
        assert untold == [{"alert": 2}]


def test_above_a_limit_without_a_background_is_told_as_a_suspicion_and_never_as_a_violation(city):
    """95 dB are 25 above the limit: even so nothing is proven before the background was measured."""
    city.judge(95.0, background=None)
    alert = city.alert()
    assert (alert["state"], alert["severity"]) == ("firing", "suspicion")
    en, zh = alert["text"].splitlines()
    assert "A suspicion, no violation: the background was not measured" in en
    assert "尚不构成违法认定" in zh
    city.judge(74.6, start=after(1))
    assert city.alert()["severity"] == "violation", "a background was measured meanwhile"
    city.judge(60.0, start=after(2))
    city.judge(60.0, start=after(3))
    assert city.alert()["state"] == "resolved"


def test_what_an_indicative_instrument_says_is_told_as_a_suspicion_however_high(city):
    city.judge(95.0, instrument="indicative", uncertainty=3.0, grade="suspicion", reason="indicative")
    alert = city.alert()
    assert (alert["severity"], alert["instrument"], alert["uncertainty"]) == ("suspicion", "indicative", 3.0)
    en, zh = alert["text"].splitlines()
    assert "A suspicion, no violation: the instrument is indicative; measure with a better one." in en
    assert "疑似超标，尚不构成违法认定：仪器为指示性，请用更高等级仪器测量。" in zh
    city.judge(95.0, start=after(1), instrument="class_1", uncertainty=1.4)
    assert city.alert()["severity"] == "critical", "a better instrument measures now"
    raised = city.steps()[-1]
    assert raised["detail"].endswith("Instrument: class 1, ±1.4 dB(A) (k = 2).")
    assert raised["detail_zh"].endswith("仪器：1级，±1.4 dB(A)（k = 2）。")


def test_what_is_only_screened_asks_for_the_standards_method_and_blames_no_instrument(city):
    fume = next(limit for standard, limit in load_limits() if standard.id == "GB 18483-2001")
    city.judge(95.0, limit=fume, instrument="indicative", grade="suspicion", reason="indicative")
    en, zh = city.alert()["text"].splitlines()
    assert "A suspicion, no violation: screened, not measured by the standard's method" in en
    assert "仅为筛查，未按标准规定的方法测量" in zh
    assert "instrument is indicative" not in en


def test_what_lies_within_the_uncertainty_is_told_with_it(city):
    more = {"instrument": "class_2", "uncertainty": 2.0, "decision": "guarded_rejection"}
    city.judge(71.0, grade="suspicion", reason="guard_band", **more)
    alert = city.alert()
    assert (alert["severity"], alert["decision"]) == ("suspicion", "guarded_rejection")
    en, zh = alert["text"].splitlines()
    assert "within the uncertainty of the instrument (±2 dB(A), k = 2); measure with a better one." in en
    assert "在仪器不确定度（±2 dB(A)，k = 2）之内" in zh
    assert "not stated" not in en


def test_an_instrument_of_which_nothing_is_stated_is_told_as_that(city):
    city.judge(74.0)
    en, zh = city.alert()["text"].splitlines()
    assert en.endswith("The instrument's class is not stated.")
    assert zh.endswith("仪器等级未注明。")
    assert city.alert()["severity"] == "violation", "judged as ever"


def test_what_is_compared_is_told_where_it_differs_from_what_was_measured(city):
    city.judge(74.6)
    en, zh = city.alert()["text"].splitlines()
    assert "74.6 dB(A), judged as 75 dB(A) (background 20.0 dB(A)), limit 70 dB(A)" in en
    assert "74.6 dB(A)，按75 dB(A)评价（背景值20.0 dB(A)）" in zh


@pytest.mark.parametrize("outcome", ["open", "invalid"])
def test_a_window_that_says_nothing_neither_raises_an_alert_nor_ends_one(city, outcome):
    city.judge(74.0, outcome=outcome)
    assert city.rows() == []
    city.judge(74.0, start=after(1))
    for n in range(2, 6):
        city.judge(60.0, start=after(n), outcome=outcome)
    assert city.alert()["state"] == "firing"
