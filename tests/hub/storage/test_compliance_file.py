"""One file, several owners: whoever opens it first makes or brings forward its own tables, and loses nobody's data."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from hub.access.tables import PART as ACCESS
from hub.access.tokens import Access
from hub.alerts import states, text
from hub.alerts.book import Book
from hub.alerts.maintenance import Maintenance
from hub.alerts.records import Alert, AlertEvent, AlertWindow, Notification
from hub.alerts.tables import PART as ALERTS
from hub.compliance.tables import PART as COMPLIANCE_PART
from hub.compliance.verdicts import KeptVerdict, VerdictTable
from hub.notify.queue import count_waiting
from hub.notify.tables import PART as NOTIFY
from hub.storage.compliance_file import open_compliance
from hub.storage.compliance_history import HISTORY
from hub.storage.database import DatabaseError, Part, open_database, open_shared, part_versions, version_of
from hub.upkeep.versions import KNOWN, PARTS
from hub.watch.tables import PART as WATCH
from schemas.standards import Verified

DATA = Path(__file__).parents[2] / "data"
ORDERS = [(*way[n:], *way[:n]) for way in (PARTS, PARTS[::-1]) for n in range(len(PARTS))]
"""Orders in which the packages may open the file: each one is the first and the last, each before and behind each."""


def dumped(path, version):
    """Make a file as an earlier hub left it."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript((DATA / f"compliance-v{version}.sql").read_text("utf-8"))
    return path


def schema(path):
    """Return what a file is made of: the columns of each table, and the text of everything else."""
    with closing(sqlite3.connect(path)) as db:
        made = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
        columns = {
            name: db.execute(f"PRAGMA table_xinfo({name})").fetchall() for kind, name, _ in made if kind == "table"
        }
        return columns, {name: re.sub(r"\s+", " ", sql) for kind, name, sql in made if kind != "table"}


def columns(db, table):
    return [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(part.owner for part in order))
@pytest.mark.parametrize("version", [0, 1, 3])
def test_any_package_may_open_any_file_first(tmp_path, version, order):
    open_compliance(tmp_path / "whole.db", *PARTS).close()
    path = tmp_path / "compliance.db"
    if version:
        dumped(path, version)
    for part in order:
        open_compliance(path, part).close()
    assert schema(path) == schema(tmp_path / "whole.db")
    with closing(sqlite3.connect(path)) as db:
        assert version_of(db) == KNOWN["compliance.db"].schema
        assert part_versions(db) == KNOWN["compliance.db"].parts


@pytest.mark.parametrize("order", ORDERS[:2])
def test_a_file_of_the_version_before_keeps_everything(tmp_path, order):
    path = dumped(tmp_path / "compliance.db", 3)
    for part in order:
        open_compliance(path, part).close()
    with closing(open_compliance(path, *PARTS)) as db:
        book = Book(db, lambda: 0.0)
        assert [(alert.id, alert.state) for alert in book.open_alerts()] == [(1, "acknowledged"), (2, "firing")]
        assert [(event.who, event.what) for event in book.events_of(1)] == [
            ("hub", "firing"),
            ("officer-2", "acknowledged"),
        ]
        assert [window.value for window in book.windows_of(1)] == [74.0, 75.5]
        assert book.maintenance.find(1).reason == "calibration"
        assert [(one.name, one.role, revoked is None) for one, _, revoked in Access(db).users()] == [
            ("officer-2", "officer", True),
            ("officer-9", "viewer", False),
        ]
        assert count_waiting(db) == {"waiting": 1, "failing": 0, "refused": 0}
        assert [verdict.rule for verdict in VerdictTable(db).after(0)] == ["GB 12523-2025 laeq-day"]
        done = "SELECT watched.offset, position.offset, step, t FROM watched, position, notified, latest"
        assert db.execute(done).fetchall() == [(41, 42, 3, 1772415600)]


def test_what_was_told_by_the_first_release_is_not_told_again_whoever_opens_first(tmp_path):
    path = dumped(tmp_path / "compliance.db", 1)
    with closing(sqlite3.connect(path)) as db, db:
        row = "INSERT INTO alert VALUES (?, 'north', 'tower', 'fence-1', ?, 'firing', 9, NULL, 0, 1, 74, 70, 'en', ?)"
        db.executemany(row, [(1, "a", 0), (2, "b", 1)])
    open_compliance(path, ACCESS).close()
    with closing(open_compliance(path, ALERTS, NOTIFY)) as db:
        told = db.execute("SELECT step FROM notified").fetchone()[0]
        assert [event.alert for event in Book(db, lambda: 0.0).events_after(told, 9)] == [1]


def test_one_package_may_go_on_without_the_others(tmp_path):
    path = tmp_path / "compliance.db"
    open_compliance(path, *PARTS).close()
    later = ACCESS._replace(steps=(*ACCESS.steps, "CREATE TABLE badge (id INTEGER PRIMARY KEY)"))
    with closing(open_compliance(path, later)) as db:
        assert columns(db, "badge") == ["id"]
        assert part_versions(db) == KNOWN["compliance.db"].parts | {"access": len(later.steps)}
    open_compliance(path, ALERTS, WATCH).close()  # they have nothing to do with it
    with pytest.raises(DatabaseError, match=r"\.db: the part access has schema version 6, this hub works with 5"):
        open_compliance(path, ACCESS)


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = dumped(tmp_path / "compliance.db", 3)
    broken = Part("orders", ("CREATE TABLE x (y);\nINSERT INTO nowhere VALUES (1)",))
    with pytest.raises(DatabaseError, match="no such table: nowhere"):
        open_compliance(path, ALERTS, broken)
    with closing(sqlite3.connect(path)) as db:
        assert (version_of(db), part_versions(db)) == (3, {})
        assert columns(db, "x") == []


def test_an_owner_that_is_new_makes_its_tables_in_an_old_file(tmp_path):
    new = Part("orders", ("CREATE TABLE x (y)", "ALTER TABLE x ADD COLUMN z"))
    with closing(open_compliance(dumped(tmp_path / "compliance.db", 3), new)) as db:
        assert columns(db, "x") == ["y", "z"]


def test_an_earlier_hub_refuses_a_file_whose_owners_have_versions(tmp_path):
    open_compliance(tmp_path / "compliance.db", ACCESS).close()
    with pytest.raises(DatabaseError, match="has schema version 4, this hub works with 3"):
        open_database(tmp_path / "compliance.db", ("", *HISTORY))


def test_a_file_of_a_later_hub_is_refused(tmp_path):
    open_shared(tmp_path / "compliance.db", (*HISTORY, "CREATE TABLE a (x)"), ACCESS).close()
    with pytest.raises(DatabaseError, match="has schema version 5, this hub works with 4"):
        open_compliance(tmp_path / "compliance.db", ACCESS)


@pytest.mark.parametrize(
    ("record", "table"),
    [
        (Alert, "alert"),
        (AlertEvent, "alert_step"),
        (AlertWindow, "alert_window"),
        (Maintenance, "maintenance"),
        (Notification, "notification"),
        (KeptVerdict, "verdict"),
    ],
)
def test_a_struct_has_the_columns_of_its_table(tmp_path, record, table):
    with closing(open_compliance(tmp_path / "compliance.db", *PARTS)) as db:
        assert list(record.__struct_fields__) == columns(db, table)


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (states.State, text.STATE),
        (states.Kind, text.KIND),
        (states.What, text.WHAT),
        (states.Sending, text.SENDING),
        (Verified, text.VERIFIED),
    ],
)
def test_every_word_of_an_alert_has_a_text(words, texts):
    assert list(get_args(words)) == list(texts)


def test_verdicts_of_before_keep_what_they_said_and_say_how_grave_it_was(tmp_path):
    path, before = tmp_path / "compliance.db", COMPLIANCE_PART._replace(steps=COMPLIANCE_PART.steps[:1])
    with closing(open_compliance(path, before)) as db:
        for outcome, binding in (("exceeded", "binds"), ("exceeded", "informs"), ("compliant", "binds")):
            db.execute(
                "INSERT INTO verdict (device, rule, start, end, outcome, value, limit_value, valid_share, revision, "
                "judged, binding) VALUES ('d', 'r', 0, 60, ?, 70.2, 70.0, 1, 1, 0, ?)",
                (outcome, binding),
            )
        db.execute("INSERT INTO mark VALUES ('d', 'r', 0, 60, 2001, 1)")
        db.commit()
    with closing(open_compliance(path, COMPLIANCE_PART)) as db:
        rows = db.execute("SELECT outcome, grade, limit_value, compared FROM verdict").fetchall()
        assert rows == [
            ("exceeded", "violation", 70.0, None),
            ("exceeded", "", 70.0, None),
            ("compliant", "", 70.0, None),
        ]
        assert db.execute("SELECT value, compared FROM mark").fetchall() == [(2001, 2001)]
        db.execute("UPDATE verdict SET limit_value = NULL")  # what is not known may be left open from now on
