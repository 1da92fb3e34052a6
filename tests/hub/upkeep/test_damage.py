"""Bytes that flip in a database are found before the hub works on it, are named, and there is a way back."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.config.files import Http, load_config
from hub.log.log import Log
from hub.run.hub import Hub as WholeHub
from hub.series import SqliteStore
from hub.series.sink import StoreSink
from hub.storage.damage import damage, wal_damage
from hub.storage.database import open_database
from hub.storage.trouble import explain, is_damage
from tests.hub.alerting import run, write_files
from tests.hub.helpers import Hub, Speaker, execute, query


class Place:
    """A hub's folder, in which a board's records 1 to 30 were acknowledged."""

    def __init__(self, folder):
        self.folder, self.data, self.board = folder, folder / "data", Speaker()
        write_files(folder)
        self.data.mkdir(mode=0o700)
        self.hear(1, 30)

    def hear(self, first, last, oldest=1):
        """Take a record a message, as a board that has a connection sends them, and judge."""
        with Hub(self.data) as hub, closing(SqliteStore(self.data / "series.db")) as store:
            committed = hub.hear(*(self.board.batch(seq, seq, oldest) for seq in range(first, last + 1)))
            hub.judge()
            StoreSink(store).take(hub.log.read(0, 10_000))
            return committed

    def run(self, *arguments):
        return run(self.folder, *arguments, "--lang", "en")

    def flip(self, name, pages=None, skip=2):
        """Change a byte in every page of a file from the `skip`th on: its kind of page, so that it makes no sense."""
        with (self.data / name).open("r+b") as file:
            for page in pages or range(skip, os.fstat(file.fileno()).st_size // 4096):
                file.seek(4096 * page)
                kind = file.read(1)[0]
                file.seek(4096 * page)
                file.write(bytes([kind ^ 0x55]))

    def records(self):
        return query(self.data / "series.db", "SELECT count(*) AS n FROM reading")[0]["n"]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.mark.parametrize("name", ["log.db", "compliance.db", "series.db"])
def test_a_hub_does_not_start_on_a_damaged_database_and_says_which_and_what_to_do(place, name):
    place.flip(name)
    ended = place.run("run")
    assert ended.code == 2
    assert f"{name}: the database is damaged (" in ended.err
    assert "run 'fenceline check'" in ended.err
    assert "docs/it.md" in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_what_is_made_again_from_the_log_is_told_so(place):
    with closing(open_database(place.data / "rollups.db", ("CREATE TABLE a (b)",))) as db:
        db.executemany("INSERT INTO a VALUES (?)", [("x" * 900,)] * 99)
    place.flip("rollups.db")
    ended = place.run("run")
    assert ended.code == 2
    assert (
        "move rollups.db, and what begins with its name, out of the folder: it is made again from the log" in ended.err
    )


@pytest.mark.parametrize("name", ["log.db", "compliance.db", "series.db"])
def test_check_names_it_with_the_way_back(place, name):
    place.flip(name)
    rows = json.loads(place.run("check", "--json").out)["findings"]
    (found,) = [row for row in rows if row["name"] == f"database {name}"]
    assert found["state"] == "problem"
    assert "is damaged (" in found["text"]
    assert "When a database is damaged" in found["remedy"]
    assert {row["name"]: row["state"] for row in rows if row["name"].startswith("database")} == {
        f"database {one}": "problem" if one == name else "ok" for one in ("compliance.db", "log.db", "series.db")
    }


@pytest.mark.parametrize("name", ["log.db", "compliance.db", "series.db"])
def test_a_backup_of_it_is_refused_and_the_good_one_stays(place, name, tmp_path):
    backups = tmp_path / "backups"
    good = Path(json.loads(place.run("backup", backups, "--json").out)["path"])
    content = good.read_bytes()
    place.flip(name)
    ended = place.run("backup", backups / "tuesday.tar.gz")
    assert ended.code == 2
    assert f"{name}: the database is damaged (" in ended.err
    assert "the earlier backups are as they were: keep them" in ended.err
    assert "make room" not in ended.err
    assert [path.read_bytes() for path in backups.iterdir()] == [content]


def test_the_way_back_keeps_what_can_be_read_and_counts_nothing_twice(place, tmp_path):
    archive = json.loads(place.run("backup", tmp_path / "backups", "--json").out)["path"]
    place.hear(31, 200)
    assert place.records() == 200
    before = query(place.data / "log.db", "SELECT received, topic, payload FROM message WHERE offset > 30")
    leaf = (
        [
            row["pageno"]
            for row in query(
                place.data / "log.db",
                "SELECT DISTINCT pageno FROM dbstat WHERE name = 'message' AND pagetype = 'leaf' ORDER BY pageno",
            )
        ]
        if has_dbstat()
        else [(place.data / "log.db").stat().st_size // 4096 // 2]
    )
    place.flip("log.db", [leaf[len(leaf) // 2] - 1])
    assert place.run("run").code == 2
    ended = place.run("restore", archive, "--force", "--data-only", "--salvage", "--json")
    assert ended.code == 0, ended.err
    salvaged = json.loads(ended.out)["salvaged"]
    assert salvaged["messages"] + salvaged["unreadable"] == 170
    assert 0 < salvaged["unreadable"] < 60
    after = query(place.data / "log.db", "SELECT received, topic, payload FROM message WHERE offset > 30")
    assert len(after) == salvaged["messages"]
    assert [row for row in before if row in after] == after
    # The board goes on: what could not be read is a gap on record, all else is there once.
    assert set(place.hear(201, 210, oldest=201).values()) == {210}
    gaps = query(place.data / "log.db", "SELECT first, last FROM gap ORDER BY first")
    assert sum(gap["last"] - gap["first"] + 1 for gap in gaps) == salvaged["unreadable"]
    assert place.records() == 210 - salvaged["unreadable"]
    assert place.run("check", "--json").out.count('"is damaged') == 0


def test_without_salvage_what_was_acknowledged_since_the_backup_is_a_recorded_gap(place, tmp_path):
    archive = json.loads(place.run("backup", tmp_path / "backups", "--json").out)["path"]
    place.hear(31, 60)
    place.flip("log.db")
    ended = place.run("restore", archive, "--force", "--data-only")
    assert ended.code == 0
    assert "becomes a recorded gap" in ended.out
    place.hear(61, 70, oldest=55)  # 55 to 60 the board still has, and sends
    place.hear(55, 60, oldest=55)
    assert query(place.data / "log.db", "SELECT first, last FROM gap") == [{"first": 31, "last": 54}]
    assert place.records() == 46


def test_a_message_in_which_a_byte_has_flipped_is_left_out_by_its_mac(place, tmp_path):
    archive = json.loads(place.run("backup", tmp_path / "backups", "--json").out)["path"]
    place.hear(31, 40)
    execute(
        place.data / "log.db",
        "UPDATE message SET payload = CAST(replace(payload, '60.0', '61.0') AS BLOB) WHERE offset = 35",
    )
    assert damage(place.data / "log.db", whole=True) == "", "SQLite has no checksum"
    rows = json.loads(place.run("check", "--json").out)["findings"]
    (found,) = [row for row in rows if row["name"] == "messages log.db"]
    assert found["state"] == "warning"
    assert "1 of the newest 40 messages" in found["text"]
    assert "35" in found["text"]
    done = json.loads(place.run("restore", archive, "--force", "--data-only", "--salvage", "--json").out)
    assert done["salvaged"] == {"messages": 9, "unreadable": 0, "altered": 1}


def test_salvage_of_what_is_no_database_any_more_takes_nothing_and_ends(place, tmp_path):
    archive = json.loads(place.run("backup", tmp_path / "backups", "--json").out)["path"]
    (place.data / "log.db").write_bytes(b"\0" * 50_000)
    done = json.loads(place.run("restore", archive, "--force", "--data-only", "--salvage", "--json").out)
    assert done["salvaged"]["messages"] == 0
    assert place.run("restore", archive, "--salvage").err.startswith("fenceline: --salvage")


def has_dbstat():
    with closing(sqlite3.connect(":memory:")) as db:
        return bool(db.execute("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'").fetchone())


@pytest.fixture
def killed(tmp_path):
    """A database as a hub that was killed leaves it: its last transactions stand in the write-ahead log only."""
    live = tmp_path / "live" / "log.db"
    with closing(open_database(live, ("CREATE TABLE a (b)",))) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for n in range(40):
            db.execute("INSERT INTO a VALUES (?)", (f"{n}" * 200,))
        (tmp_path / "killed").mkdir()
        for name in ("log.db", "log.db-wal"):
            shutil.copy(live.with_name(name), tmp_path / "killed" / name)
    return tmp_path / "killed" / "log.db"


FRAME = 24 + 4096


@pytest.mark.parametrize("at", [3, 16, 30, 32 + 5, 32 + 20, 32 + 24, 32 + FRAME * 7 + 2000, 32 + FRAME * 20 + 9])
def test_a_flipped_byte_in_the_write_ahead_log_is_found_where_sqlite_forgets_without_a_word(killed, at):
    assert damage(killed) == ""
    wal = killed.with_name("log.db-wal")
    content = bytearray(wal.read_bytes())
    content[at] ^= 4
    wal.write_bytes(content)
    assert "write-ahead log" in damage(killed)
    with closing(sqlite3.connect(killed)) as db:
        assert db.execute("SELECT count(*) FROM a").fetchone()[0] < 40
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("lost", [1, 24, 2000, FRAME, FRAME + 100, 3 * FRAME])
def test_a_write_ahead_log_that_a_kill_cut_off_is_no_damage(killed, lost):
    wal = killed.with_name("log.db-wal")
    content = wal.read_bytes()
    wal.write_bytes(content[:-lost])
    assert wal_damage(killed) == ""
    wal.write_bytes(content[: -min(lost, FRAME)] + bytes(min(lost, FRAME)))
    assert wal_damage(killed) == ""


def test_a_write_ahead_log_that_was_begun_anew_is_no_damage(tmp_path):
    with closing(open_database(tmp_path / "log.db", ("CREATE TABLE a (b)",))) as db:
        for n in range(40):
            db.execute("INSERT INTO a VALUES (?)", (f"{n}" * 200,))
        db.execute("PRAGMA wal_checkpoint(RESTART)")
        for n in range(10):
            db.execute("INSERT INTO a VALUES (?)", (f"{n}" * 200,))
            assert wal_damage(tmp_path / "log.db") == ""


def test_of_a_large_database_the_start_reads_the_end_and_check_all(place, monkeypatch):
    monkeypatch.setattr("hub.storage.damage.SMALL", 0)
    monkeypatch.setattr("hub.storage.damage.TAIL", 20)
    place.hear(31, 300)
    assert damage(place.data / "log.db") == ""
    whole = (place.data / "log.db").read_bytes()
    found = {}
    for page in range(2, len(whole) // 4096):
        (place.data / "log.db").write_bytes(whole)
        place.flip("log.db", [page])
        found[page] = bool(damage(place.data / "log.db")), bool(damage(place.data / "log.db", whole=True))
    (place.data / "log.db").write_bytes(whole)
    assert all(by_all for _, by_all in found.values())
    assert 0 < sum(by_end for by_end, _ in found.values()) < len(found)
    assert found[max(found)][0], "the newest page"


def test_a_hub_on_sound_files_starts(place):
    config = load_config(place.folder / "fenceline.toml")
    hub = WholeHub(msgspec.structs.replace(config, http=Http(port=0)))
    hub._log.close()
    hub._claim.close()


def test_what_sqlite_says_is_told_in_words(tmp_path):
    (tmp_path / "log.db").write_bytes(b"no database " * 500)
    with pytest.raises(Exception, match=r"log\.db: is damaged \(file is not a database\); stop the hub"):
        Log(tmp_path / "log.db")
    with closing(sqlite3.connect(tmp_path / "small.db", isolation_level=None)) as db:
        db.execute("CREATE TABLE a (b)")
        db.execute("PRAGMA max_page_count = 3")
        with pytest.raises(sqlite3.Error) as full:
            db.executemany("INSERT INTO a VALUES (?)", [("x" * 4000,)] * 99)
        assert str(explain(full.value, tmp_path)).startswith("cannot be written: the disk is full; make room")
        assert not is_damage(full.value)
        with closing(sqlite3.connect(tmp_path / "small.db", timeout=0)) as other:
            db.execute("BEGIN EXCLUSIVE")
            with pytest.raises(sqlite3.Error) as held:
                other.execute("INSERT INTO a VALUES (1)")
    assert "is held by another program" in str(explain(held.value, tmp_path))
