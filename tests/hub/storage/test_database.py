"""Databases are opened whole or not at all, and brought forward in one transaction."""

import sqlite3
import threading
from contextlib import closing

import pytest

from hub.storage.database import DatabaseError, open_database

ONE = "CREATE TABLE a (x INTEGER, -- first; of two\n y TEXT);\nINSERT INTO a VALUES (1, 'a;b')"
TWO = "ALTER TABLE a ADD COLUMN z TEXT;  -- new\nUPDATE a SET z = y"
BROKEN = "CREATE TABLE c (x);\nINSERT INTO nowhere VALUES (1)"


def version(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def test_a_new_database_gets_every_step(tmp_path):
    with closing(open_database(tmp_path / "deep" / "a.db", (ONE, TWO))) as db:
        assert db.execute("SELECT * FROM a").fetchall() == [(1, "a;b", "a;b")]
        assert db.execute("PRAGMA synchronous").fetchone() == (2,), "full: durable when committed"
    assert version(tmp_path / "deep" / "a.db") == 2


def test_an_earlier_one_gets_the_steps_it_misses(tmp_path):
    open_database(tmp_path / "a.db", (ONE,)).close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
        db.execute("INSERT INTO a VALUES (2, 'old')")
    with closing(open_database(tmp_path / "a.db", (ONE, TWO))) as db:
        assert db.execute("SELECT x, z FROM a").fetchall() == [(1, "a;b"), (2, "old")]


def test_a_step_that_fails_leaves_the_earlier_version(tmp_path):
    open_database(tmp_path / "a.db", (ONE,)).close()
    with pytest.raises(DatabaseError, match=r"a\.db: cannot be used \(no such table: nowhere\)"):
        open_database(tmp_path / "a.db", (ONE, TWO, BROKEN))
    assert version(tmp_path / "a.db") == 1
    with closing(open_database(tmp_path / "a.db", (ONE, TWO))) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'c'").fetchone() == (0,)


def test_a_later_one_is_refused(tmp_path):
    open_database(tmp_path / "a.db", (ONE, TWO)).close()
    with pytest.raises(DatabaseError, match="has schema version 2, this hub works with 1; use the hub that made it"):
        open_database(tmp_path / "a.db", (ONE,))


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "a.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match=r"a\.db: is damaged \(file is not a database\)"):
        open_database(tmp_path / "a.db", (ONE,))


def test_several_that_open_it_at_once_make_it_once(tmp_path):
    opened = []
    threads = [
        threading.Thread(target=lambda: opened.append(open_database(tmp_path / "a.db", (ONE, TWO)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [db.execute("SELECT count(*) FROM a").fetchone() for db in opened] == [(1,)] * 8
    for db in opened:
        db.close()
