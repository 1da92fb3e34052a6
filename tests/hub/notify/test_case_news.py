"""People are told of each step of a case that concerns them, through real sockets; a kill loses and doubles nothing."""

import contextlib
import sqlite3
import time
from contextlib import closing
from typing import get_args

import pytest

from hub.alerts.tables import PART as ALERTS
from hub.cases.news import CONCERNS, CaseNews
from hub.cases.reminding import Reminders
from hub.cases.rules.machine import POSITIONS, RULES
from hub.cases.tables import FILE
from hub.config.alerts import Position
from hub.notify.queue import DueNews, Queue
from hub.notify.sender import Notifier
from hub.notify.tables import PART
from hub.storage.compliance_file import open_compliance
from hub.storage.database import open_shared, transaction
from tests.hub.alerting import AlertCity, a_hook, until
from tests.hub.cases.case_city import CITY_FILE, CaseCity
from tests.hub.helpers import CITY
from tests.hub.notify.test_notify import settings


@pytest.fixture
def cases(tmp_path):
    (tmp_path / "data").mkdir()
    with closing(CaseCity(tmp_path / "data")) as city:
        city.now = time.time()
        yield city


def configured(folder, *people):
    """Return the configuration of a hub with recipients whose cases go by the test's rulebook."""
    config = settings(folder, *people)
    rules = folder / "data" / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "city.toml").write_text(CITY_FILE, "utf-8")
    import msgspec

    return msgspec.structs.replace(config, cases=msgspec.structs.replace(config.cases, folder=rules))


@contextlib.contextmanager
def notifier(config):
    """Run the hub's notifier with the cases' news."""
    thread = Notifier(config, lambda: CITY, time.time, CaseNews(config, lambda: CITY))
    thread.start()
    try:
        yield
    finally:
        thread.stop()
        thread.join(60)
        assert not thread.is_alive()


def rows(folder, sql="SELECT recipient, step, state FROM notification WHERE subject = 'case' ORDER BY id"):
    with closing(sqlite3.connect(folder / "data" / "compliance.db")) as db:
        return db.execute(sql).fetchall()


def test_each_step_is_told_to_whom_it_concerns_and_to_nobody_else(tmp_path, cases):
    with a_hook() as hook:
        config = configured(
            tmp_path,
            {"url": hook.url("officer"), "cases": ["officer"]},
            {"url": hook.url("roads"), "cases": ["handler"], "departments": ["roads"], "lang": "zh"},
            {"url": hook.url("greens"), "cases": ["handler"], "departments": ["greens"]},
            {"url": hook.url("south"), "cases": list(POSITIONS), "districts": ["south"]},
            {"url": hook.url("alerts")},
        )
        id_ = cases.report(code="2101", text="a hole").id
        cases.act(id_, "off", "file")
        cases.act(id_, "dis", "dispatch")
        cases.act(id_, "han", "receive")
        cases.act(id_, "han", "comment", "nobody is told of this")
        cases.act(id_, "han", "feed_back", "covered")
        with notifier(config):
            until(lambda: [state for _, _, state in rows(tmp_path)] == ["sent"] * 3)
        told = [(path, title, text) for path, title, text in hook.got]
    assert sorted(path for path, _, _ in told) == ["/officer", "/officer", "/roads"]
    by_path = {title: text for path, title, text in told}
    assert any("reported: Missing manhole cover, Lake Road" in title for title in by_path)
    (dispatched,) = [(title, text) for path, title, text in told if path == "/roads"]
    assert "派遣：井盖缺失" in dispatched[0]
    for part in ("dis", "部门：市政局", "期限", f"/console/cases/{id_}"):
        assert part in dispatched[1]


def test_a_reminder_is_told_to_whom_has_the_case_in_hand(tmp_path, cases):
    with a_hook() as hook:
        config = configured(
            tmp_path,
            {"url": hook.url("dispatcher"), "cases": ["dispatcher"]},
            {"url": hook.url("roads"), "cases": ["handler"], "departments": ["roads"]},
            {"url": hook.url("greens"), "cases": ["handler"], "departments": ["greens"], "lang": "zh"},
        )
        now = time.time()
        cases.now = now - 1.9 * 3600
        with_handler = cases.handled(code="0301")  # two hours, whatever the hour
        with_command = cases.filed(code="0301")
        cases.now = now
        reminders = Reminders(config, lambda: CITY, lambda: now, lambda: False)
        reminders.step()
        reminders.step()
        assert [cases.history(one.id)[-1] for one in (with_handler, with_command)] == ["remind", "remind"]
        steps = [event.id for event in cases.desk("root").book.events_of_kind("remind")]
        with notifier(config):
            until(lambda: {step for _, step, state in rows(tmp_path) if state == "sent"} >= set(steps))
        got = [(path, title, text) for path, title, text in hook.got if "remind" in title or "临期提醒" in title]
    assert sorted(path for path, _, _ in got) == ["/dispatcher", "/greens"]
    (zh,) = [(title, text) for path, title, text in got if path == "/greens"]
    assert ("临期提醒" in zh[0], "期限：" in zh[1]) == (True, True)


@pytest.mark.parametrize("when", ["before choosing", "after choosing", "while it is sent", "after it was sent"])
def test_a_kill_at_any_moment_loses_and_doubles_nothing(tmp_path, cases, when):
    config = configured(tmp_path, {"url": "json://127.0.0.1:9/x", "cases": ["officer"]})
    news = CaseNews(config, lambda: CITY)
    id_ = cases.report().id

    def queue():
        db = open_compliance(config.data / "compliance.db", ALERTS, PART)
        made = Queue(db, list(config.recipients), time.time, 10, news)
        made.recover()
        return closing(db), made

    def go_on():
        db, made = queue()
        with db:
            made.choose_news(CITY)
            return made.take(config.recipients[0], CITY)

    db, made = queue()
    with db as open_:
        if when == "before choosing":
            with contextlib.suppress(RuntimeError), transaction(open_):
                open_.execute(
                    "INSERT INTO notification (subject, alert, step, recipient, state, due) "
                    "VALUES ('case', 1, 1, 'person-0', 'waiting', 0)"
                )
                raise RuntimeError("killed")
        else:
            made.choose_news(CITY)
        if when in {"while it is sent", "after it was sent"}:
            told = made.take(config.recipients[0], CITY)
            assert [(one.news.subject, one.notification.repeated) for one in told] == [(id_, 0)]
        if when == "after it was sent":
            made.sent(told)
    told = go_on()
    if when == "after it was sent":
        assert told == []
        assert rows(tmp_path) == [("person-0", 1, "sent")]
    else:
        assert [type(one) for one in told] == [DueNews]
        assert told[0].notification.repeated == (when == "while it is sent"), "it says that it may be a repetition"
        assert rows(tmp_path) == [("person-0", 1, "sending")]
    assert go_on() == [] or when != "after it was sent"


def test_what_happens_while_the_hub_is_down_is_told_when_it_is_back(tmp_path, cases):
    with a_hook() as hook:
        config = configured(tmp_path, {"url": hook.url(), "cases": ["officer", "dispatcher"]})
        cases.now -= 3 * 86_400
        old = cases.report(text="of days ago").id
        with notifier(config):
            until(lambda: rows(tmp_path, "SELECT case_step FROM notified")[0][0] >= 0)
        cases.now += 86_400 + 3600
        cases.act(old, "off", "file")  # of two days ago, but the hub was down: it is told
        with notifier(config):
            until(lambda: [state for _, _, state in rows(tmp_path)] == ["sent"])
    assert [title for _, title, _ in hook.got if "filed" in title]
    assert len(hook.got) == 1, "a hub that has just learned to tell of cases does not tell of all its past"


def test_many_steps_at_once_become_one_message(tmp_path, cases):
    with a_hook() as hook:
        config = configured(tmp_path, {"url": hook.url(), "cases": ["officer"]})
        for n in range(15):
            cases.report(place=f"Lake Road {n}")
        with notifier(config):
            until(lambda: [state for _, _, state in rows(tmp_path)] == ["sent"] * 15)
    assert len(hook.got) == 1
    assert "15 steps of cases at once" in hook.got[0][1]
    assert "Lake Road 14" in hook.got[0][2]


def test_alerts_are_told_although_the_cases_cannot_be_read(tmp_path):
    (tmp_path / "data").mkdir()
    with a_hook() as hook, AlertCity(tmp_path / "data") as city:
        config = configured(tmp_path, {"url": hook.url(), "cases": ["officer"]})
        (config.data / FILE).write_bytes(b"this is no database" * 500)
        city.judge(74.0)
        with notifier(config):
            until(lambda: len(hook.got) == 1)
    assert "Clock Tower" in hook.got[0][1]


def test_every_act_says_whom_it_concerns_or_nobody():
    assert set(CONCERNS) <= set(RULES)
    assert set(RULES) - set(CONCERNS) == {"refuse", "receive", "archive", "comment", "join_alert", "attach", "remind"}
    assert get_args(Position) == POSITIONS


def test_notifications_of_the_version_before_stay_what_they_were(tmp_path):
    from hub.storage.compliance_history import HISTORY

    path = tmp_path / "old.db"
    with closing(open_shared(path, HISTORY, ALERTS, PART._replace(steps=PART.steps[:3]))) as db:
        db.execute(
            "INSERT INTO notification (alert, step, recipient, state, attempts, due, sent) "
            "VALUES (7, 9, 'li', 'sent', 2, 1, 5)"
        )
        db.execute("UPDATE notified SET step = 9")
    with closing(open_shared(path, HISTORY, ALERTS, PART)) as db:
        row = db.execute(
            "SELECT id, subject, alert, step, recipient, state, attempts, sent FROM notification"
        ).fetchall()
        assert row == [(1, "alert", 7, 9, "li", "sent", 2, 5.0)]
        assert db.execute("SELECT step, case_step FROM notified").fetchall() == [(9, -1)]
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(
                "INSERT INTO notification (alert, step, recipient, state, due) VALUES (7, 9, 'li', 'waiting', 0)"
            )
        db.execute(
            "INSERT INTO notification (subject, alert, step, recipient, state, due) "
            "VALUES ('case', 7, 9, 'li', 'waiting', 0)"
        )
