"""Connections that are lent: the same one again, nothing left of an earlier use, none of a file that was replaced."""

import sqlite3
import threading
from contextlib import closing

import pytest

from hub.storage.database import open_database, read_only, transaction
from hub.storage.pool import Pool

STEPS = ("CREATE TABLE thing (name TEXT NOT NULL)",)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "things.db"


@pytest.fixture
def pool(path):
    made = Pool(path, lambda factory: open_database(path, STEPS, factory), most=2)
    yield made
    made.close()


def add(db, name):
    with transaction(db):
        db.execute("INSERT INTO thing VALUES (?)", (name,))


def test_a_connection_is_lent_again_and_each_use_has_one_of_its_own(pool):
    with pool.lend() as first:
        add(first, "a")
        with pool.lend() as second, pool.lend() as third:
            assert len({id(first), id(second), id(third)}) == 3
            assert third.execute("SELECT name FROM thing").fetchall() == [("a",)]
    with pool.lend() as one, pool.lend() as other:
        assert {id(one), id(other)} <= {id(first), id(second), id(third)}, "two of them waited"


def test_what_somebody_has_not_read_to_its_end_holds_back_no_checkpoint(pool, path):
    with pool.lend() as db:
        for n in range(200):
            add(db, f"thing {n}")
        left = db.execute("SELECT name FROM thing")
        assert left.fetchone()
    with closing(open_database(path, STEPS)) as db:
        add(db, "another")
        busy, pages, written = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, pages, written) == (0, 0, 0)
    with pytest.raises(sqlite3.ProgrammingError):
        left.fetchone()


def test_what_failed_or_was_not_committed_is_undone_and_its_connection_not_lent_again(pool):
    def fail():
        with pool.lend() as db:
            used.append(db)
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO thing VALUES ('half')")
            raise ZeroDivisionError

    used = []
    with pytest.raises(ZeroDivisionError):
        fail()
    with pool.lend() as forgotten:
        used.append(forgotten)
        forgotten.execute("BEGIN IMMEDIATE")
        forgotten.execute("INSERT INTO thing VALUES ('half, too')")
    with pool.lend() as db:
        assert db not in used
        add(db, "whole")
        assert db.execute("SELECT name FROM thing").fetchall() == [("whole",)]


def test_a_file_that_was_replaced_is_opened_anew(pool, path, tmp_path):
    with pool.lend() as db:
        add(db, "before")
    with closing(open_database(tmp_path / "backup.db", STEPS)) as db:
        add(db, "of the backup")
    for name in ("things.db-wal", "things.db-shm"):
        (tmp_path / name).unlink()
    (tmp_path / "backup.db").replace(path)
    with pool.lend() as db:
        assert db.execute("SELECT name FROM thing").fetchall() == [("of the backup",)]


def test_many_threads_lose_nothing_and_what_comes_back_after_the_end_is_closed(pool, path):
    def work(number):
        for n in range(20):
            with pool.lend() as db:
                add(db, f"{number} {n}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with closing(read_only(path)) as db:
        assert db.execute("SELECT count(DISTINCT name), count(*) FROM thing").fetchone() == (120, 120)
    with pool.lend() as late:
        pool.close()
        assert late.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(sqlite3.ProgrammingError):
        late.execute("SELECT 1")
