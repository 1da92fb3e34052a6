"""A hub is saved while it works, and what is put back is whole, or nothing is changed."""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import threading
import tracemalloc
import zlib
from contextlib import closing

import msgspec
import pytest

from hub.config.files import ConfigError, load_config
from hub.series import SqliteStore
from hub.series.sink import StoreSink
from hub.storage.claims import claim
from hub.storage.data_folder import RESTORING, databases, refuse_half_restored
from hub.upkeep.archive import Manifest, read_archive
from hub.upkeep.backup import WORK, back_up
from hub.upkeep.restore import refuse_without_room, restore
from tests.hub.helpers import Hub, Speaker, execute, query

CONFIG = 'registry = "registry.toml"\nkeys = "keys.toml"\n'


class Place:
    """A machine with a hub's files."""

    def __init__(self, folder):
        self.folder, self.data, self.config_file = folder, folder / "data", folder / "fenceline.toml"
        folder.mkdir(exist_ok=True)

    def fill(self):
        self.config_file.write_text(CONFIG)
        (self.folder / "registry.toml").write_text("# the city\n")
        (self.folder / "keys.toml").write_text("# secret\n")
        (self.folder / "keys.toml").chmod(0o600)
        self.data.mkdir()
        with Hub(self.data) as hub, closing(SqliteStore(self.data / "series.db")) as store:
            hub.hear(Speaker().batch(1, 30))
            hub.judge()
            StoreSink(store).take(hub.log.read(0, 100))
        return self

    @property
    def config(self):
        return load_config(self.config_file)

    def back_up(self, target=None):
        return back_up(self.config_file, self.config, target or self.folder / "backups")[0]

    def records(self):
        return query(self.data / "series.db", "SELECT count(*) AS n FROM reading")[0]["n"]


@pytest.fixture
def here(tmp_path):
    return Place(tmp_path / "here").fill()


@pytest.fixture
def there(tmp_path):
    return Place(tmp_path / "there")


@pytest.fixture
def archive(here):
    return here.back_up()


def contents(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def rewrite(path, files):
    """Write an archive anew with other contents; `files` are (name or TarInfo, bytes)."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def left(folder):
    """Return the names of everything below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# Saving


def test_an_archive_holds_every_file_and_says_so(here, archive):
    files = contents(archive)
    manifest = json.loads(files.pop("manifest.json"))
    names = {"data/compliance.db", "data/series.db", "data/log.db", "registry.toml", "keys.toml", "fenceline.toml"}
    assert files.keys() == manifest["files"].keys() == names
    assert list(files)[2] == "data/log.db", "the log is copied after its consumers"
    assert manifest["files"]["data/log.db"]["end"] == 1
    assert manifest["files"]["data/series.db"]["position"] == 1
    assert manifest["files"]["data/compliance.db"]["position"] == 1
    assert files["registry.toml"] == b"# the city\n"
    assert left(archive.parent) == {archive.name}


def test_only_the_owner_reads_what_holds_the_keys(archive):
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as tar:
        assert {member.mode for member in tar} == {0o600}


def test_workers_of_several_districts_are_saved_together(here):
    with Hub(here.data / "north") as north:
        north.hear(Speaker().batch(1, 3))
    files = read_archive(here.back_up())[0].files
    assert {"data/log.db", "data/north/log.db", "data/north/compliance.db"} <= files.keys()


def test_a_hub_is_saved_while_it_writes_and_the_copy_goes_on(here, there):
    """Another thread commits, judges and stores without a pause; the copy must be of moments that belong together."""
    over, began = threading.Event(), threading.Event()

    def work():
        speaker = Speaker(stream="aaaa0001")
        with Hub(here.data) as hub, closing(SqliteStore(here.data / "series.db")) as store:
            seq = 1
            while not over.is_set():
                hub.hear(speaker.batch(seq, seq + 9))
                hub.judge()
                StoreSink(store).take(hub.log.read(store.position(), 100))
                seq += 10
                if seq > 200:
                    began.set()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert began.wait(60)
        archives = [here.back_up(here.folder / f"{n}.tar.gz") for n in range(3)]
    finally:
        over.set()
        worker.join()
    ends = [read_archive(archive)[0].files["data/log.db"].end for archive in archives]
    assert ends[0] > 20
    assert ends == sorted(ends)
    restore(archives[-1], there.config_file)
    end = query(there.data / "log.db", "SELECT max(offset) AS n FROM message")[0]["n"]
    for path in databases(there.data):
        assert query(path, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert 0 < query(there.data / "compliance.db", "SELECT offset FROM position")[0]["offset"] <= end
    with Hub(there.data) as hub, closing(SqliteStore(there.data / "series.db")) as store:
        assert 0 < store.position() <= end
        # It goes on where the copy was made: nothing is judged or stored twice, nothing left out.
        while entries := hub.log.read(store.position(), 100):
            StoreSink(store).take(entries)
        hub.judge(10_000)
    assert there.records() == 30 + 10 * (end - 1)


def test_a_kill_in_the_middle_leaves_no_archive_and_the_next_backup_clears_up(here, tmp_path):
    target = tmp_path / "backups" / "monday.tar.gz"
    script = f"""
        import sys, time
        from pathlib import Path
        from hub.upkeep.backup import back_up
        from hub.config.files import load_config
        config_file = Path({str(here.config_file)!r})

        def told(name, share):
            if name == {target.name!r} and share == 0.5:
                print("written, not named", flush=True)
                time.sleep(60)

        back_up(config_file, load_config(config_file), Path({str(target)!r}), told)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "written, not named\n"
        with pytest.raises(ConfigError, match="another backup is being written"):
            here.back_up(target.with_name("tuesday.tar.gz"))
        os.kill(process.pid, signal.SIGKILL)
    assert not target.exists()
    assert f"{WORK}/archive" in left(target.parent)
    here.back_up(target)
    assert left(target.parent) == {target.name}


def test_an_archive_that_cannot_be_read_again_gets_no_name(here):
    target = here.folder / "backups" / "monday.tar.gz"

    def told(name, share):
        if (name, share) == (target.name, 0.5):
            path = target.with_name(WORK) / "archive"
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 0xFF
            path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"is damaged|is not what the manifest says"):
        back_up(here.config_file, here.config, target, told)
    assert left(target.parent) == set()


def test_an_existing_file_is_not_overwritten(here, archive):
    before = archive.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        here.back_up(archive)
    assert archive.read_bytes() == before


def test_a_damaged_database_is_not_saved(here):
    path = here.data / "series.db"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(ConfigError, match=r"series\.db|cannot be copied"):
        here.back_up()
    assert left(here.folder / "backups") == set()


def test_a_consumer_that_is_ahead_of_the_log_is_told(here):
    execute(here.data / "series.db", "UPDATE position SET offset = 7")
    with pytest.raises(ConfigError, match=r"series\.db: has done 7 entries of a log that ends at 1"):
        here.back_up()


def test_a_hole_between_consumer_and_log_is_told(here):
    execute(here.data / "log.db", "UPDATE message SET offset = 9")
    with pytest.raises(ConfigError, match="make the backup again"):
        here.back_up()


def test_a_folder_without_databases_is_told(there):
    there.config_file.write_text(CONFIG)
    with pytest.raises(ConfigError, match="there is no database"):
        there.back_up()


# Putting back


def test_a_new_machine_gets_the_hub_with_its_configuration(here, there, archive):
    done = restore(archive, there.config_file)
    assert done.aside is None
    assert there.records() == here.records() == 30
    assert there.config_file.read_text() == CONFIG
    assert (there.folder / "keys.toml").read_text() == "# secret\n"
    assert stat.S_IMODE((there.folder / "keys.toml").stat().st_mode) == 0o600
    names = {"log.db", "series.db", "compliance.db"}
    assert {path.name for path in there.data.rglob("*.db")} == names
    with Hub(there.data) as hub:
        assert hub.hear(Speaker().batch(1, 30)) == {("fence-1", "9f3a12c4"): 30}, "the copy knows what it has"
        assert len(hub.entries()) == 1
    refuse_half_restored(there.data)


def test_data_is_replaced_only_with_force_and_kept_aside(here, archive):
    with Hub(here.data) as hub:
        hub.hear(Speaker(stream="aaaa0001").batch(1, 10))
        # Left behind as by a kill: beside the new log it would bring the old one's writes into it.
        (here.data / "extra").mkdir()
        (here.data / "extra" / "log.db-wal").write_bytes(b"")
    with pytest.raises(ConfigError, match="--force"):
        restore(archive, here.config_file)
    assert query(here.data / "log.db", "SELECT count(*) AS n FROM message") == [{"n": 2}]
    done = restore(archive, here.config_file, force=True)
    assert query(here.data / "log.db", "SELECT count(*) AS n FROM message") == [{"n": 1}]
    assert query(done.aside / "log.db", "SELECT count(*) AS n FROM message") == [{"n": 2}]
    assert (here.data / "log.db") in databases(here.data)
    assert done.aside.name.startswith("before-restore-")
    assert not [path for path in databases(here.data) if done.aside in path.parents], "not saved again and again"


def test_the_write_ahead_log_goes_with_its_database(here, archive):
    with Hub(here.data) as hub:
        hub.hear(Speaker(stream="aaaa0001").batch(1, 10))
        wal = (here.data / "log.db-wal").read_bytes()
    (here.data / "log.db-wal").write_bytes(wal)
    done = restore(archive, here.config_file, force=True)
    assert (done.aside / "log.db-wal").read_bytes() == wal
    assert query(here.data / "log.db", "SELECT count(*) AS n FROM message") == [{"n": 1}]


def test_nothing_is_put_back_under_a_running_hub(here, archive):
    with claim(here.data), pytest.raises(ConfigError, match="another hub works in this folder"):
        restore(archive, here.config_file, force=True)
    assert here.records() == 30


def test_nothing_is_put_back_under_a_hub_of_a_single_district(here):
    with Hub(here.data / "north") as north:
        north.hear(Speaker().batch(1, 3))
    archive = here.back_up()
    with claim(here.data / "north"), pytest.raises(ConfigError, match="north: another hub works in this folder"):
        restore(archive, here.config_file, force=True)
    done = restore(archive, here.config_file, force=True)
    assert query(here.data / "north" / "log.db", "SELECT count(*) AS n FROM message") == [{"n": 1}]
    assert query(done.aside / "north" / "log.db", "SELECT count(*) AS n FROM message") == [{"n": 1}]


def test_other_registry_and_keys_are_kept_unless_forced(here, there, archive):
    there.config_file.write_text(CONFIG)
    registry = there.folder / "registry.toml"
    registry.write_text("# another city\n")
    with pytest.raises(ConfigError, match=r"registry\.toml: differs from the backup's"):
        restore(archive, there.config_file)
    assert left(there.data) <= {"lock", "consumers.lock"}
    assert not (there.folder / "keys.toml").exists()
    done = restore(archive, there.config_file, data_only=True)
    assert done.files == []
    assert registry.read_text() == "# another city\n"
    restore(archive, there.config_file, force=True)
    assert registry.read_text() == "# the city\n"
    assert [path.read_text() for path in there.folder.glob("registry.toml.before-*")] == ["# another city\n"]


def damaged(content, share):
    """Return an archive with a byte turned over; where zeros are repeated, one in 300 says the same either way."""
    for at in range(int(len(content) * share), len(content)):
        turned = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
        try:
            gzip.decompress(turned)
        except (OSError, EOFError, zlib.error):
            return turned
    raise AssertionError("no byte counts")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_a_damaged_archive_changes_nothing(here, archive, share):
    archive.write_bytes(damaged(archive.read_bytes(), share))
    before = (here.data / "log.db").read_bytes()
    with pytest.raises(ConfigError, match=r"use another backup|name another file"):
        restore(archive, here.config_file, force=True)
    assert (here.data / "log.db").read_bytes() == before
    assert not list(here.data.glob("before-restore-*"))


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.9])
def test_a_cut_off_archive_is_refused(here, there, archive, keep):
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * keep)])
    with pytest.raises(ConfigError, match=r"is damaged|is missing|is no backup"):
        restore(archive, there.config_file)
    assert left(there.folder) == set()


@pytest.mark.parametrize("name", ["keys.toml", "data/series.db"])
def test_what_was_changed_in_an_archive_is_noticed(there, archive, name):
    files = contents(archive)
    files[name] = files[name].swapcase()
    rewrite(archive, files.items())
    with pytest.raises(ConfigError, match=f"{re.escape(name)} is not what the manifest says"):
        restore(archive, there.config_file)
    assert left(there.folder) == set()


HOSTILE = ["../evil.toml", "/tmp/evil.db", "data/../../evil.db", "data/.ssh/evil.db", "data/evil.db", "evil"]


@pytest.mark.parametrize("name", [*HOSTILE, "data/log.db/../../evil.db", "data/log.db-wal", "x/" * 120 + "log.db"])
@pytest.mark.parametrize("named", [True, False])
def test_no_name_leads_out_of_the_folder(tmp_path, there, archive, name, named):
    files = contents(archive)
    if named:
        manifest = json.loads(files["manifest.json"])
        manifest["files"][name] = manifest["files"]["registry.toml"]
        files["manifest.json"] = json.dumps(manifest).encode()
    before = left(tmp_path)
    rewrite(archive, [*files.items(), (name, b"# the city\n")])
    with pytest.raises(ConfigError, match="does not belong into a backup"):
        restore(archive, there.config_file)
    assert left(tmp_path) == before


NO_FILES = {
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "folder": tarfile.DIRTYPE,
    "pipe": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
    "disk": tarfile.BLKTYPE,
    "sparse file": tarfile.GNUTYPE_SPARSE,
}


@pytest.mark.parametrize("name", ["data/log.db", "keys.toml"])
@pytest.mark.parametrize("kind", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_regular_file_is_refused(there, archive, kind, name):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, "/etc/passwd"
    files = contents(archive)
    rewrite(archive, [(entry if known == name else known, content) for known, content in files.items()])
    with pytest.raises(ConfigError, match=f"'{re.escape(name)}', which does not belong"):
        restore(archive, there.config_file)
    assert left(there.folder) == set()


def test_a_file_that_comes_twice_is_refused(there, archive):
    files = contents(archive)
    rewrite(archive, [*files.items(), ("data/log.db", files["data/log.db"])])
    with pytest.raises(ConfigError, match=r"'data/log\.db', which does not belong"):
        restore(archive, there.config_file)
    assert left(there.folder) == set()


def test_a_header_that_would_fill_the_memory_is_refused_before_it_is_read(there, archive):
    """A name of 200 MB, which gzip makes to 200 KB."""
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, 200 << 20
    with gzip.open(archive, "wb", compresslevel=1) as file:
        file.write(entry.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(200):
            file.write(b"a" * (1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match="does not belong into a backup"):
            restore(archive, there.config_file)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "size"), [("keys.toml", 1 << 40), ("keys.toml", -1), ("data/log.db", -1)])
def test_a_size_that_cannot_be_is_refused(there, archive, name, size):
    files = contents(archive)
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name]["size"] = size
    files["manifest.json"] = json.dumps(manifest).encode()
    rewrite(archive, files.items())
    with pytest.raises(ConfigError, match="does not belong into a backup"):
        restore(archive, there.config_file)


def test_a_backup_without_room_is_refused_before_anything_is_written(there, archive):
    """Sparse and well packed, a database that no disk holds takes little in an archive: its size is asked first."""
    files = contents(archive)
    manifest = json.loads(files["manifest.json"])
    with pytest.raises(ConfigError, match="make room"):
        refuse_without_room(msgspec.convert(manifest, Manifest), there.folder, free=1000)


def test_a_database_of_more_than_8_gib_can_be_put_back(there, archive):
    """What tar writes before such a file stands here before a small one."""
    files = contents(archive)
    with gzip.open(archive, "wb") as file:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if name == "data/log.db":
                record = f" size={entry.size}\n"
                record = f"{len(record) + 2}{record}".encode()
                extended = tarfile.TarInfo("././@PaxHeader")
                extended.type, extended.size = tarfile.XHDTYPE, len(record)
                file.write(extended.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0"))
                entry.size = 0
            file.write(entry.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
        file.write(bytes(1024))
    restore(archive, there.config_file)
    assert there.records() == 30


def retold(archive, **changed):
    """Write an archive anew with other files, as one does who can also write the manifest."""
    files = contents(archive)
    manifest = json.loads(files["manifest.json"])
    names = {
        "registry": "registry.toml",
        "keys": "keys.toml",
        "fenceline": "fenceline.toml",
        "series": "data/series.db",
    }
    for short, content in changed.items():
        files[names[short]] = content
        manifest["files"][names[short]] |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files["manifest.json"] = json.dumps(manifest).encode()
    rewrite(archive, files.items())


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("registry", "/{outside}/cron.d/evil.toml"),
        ("registry", "../cron.d/evil.toml"),
        ("registry", ".ssh/evil.toml"),
        ("registry", "cron.d/evil"),
        ("registry", "fenceline.toml"),
        ("keys", "../ssh/authorized_keys.toml"),
        ("keys", "ssh/authorized_keys"),
        ("keys", "registry.toml"),
        ("data", "/{outside}/data"),
        ("data", "data/../../data"),
        ("data", "."),
        ("data", "linked/data"),
        ("keys", "linked/keys.toml"),
    ],
)
def test_a_configuration_out_of_the_archive_names_no_place_elsewhere(tmp_path, there, archive, name, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    (there.folder / "linked").symlink_to(outside)
    places = {"registry": "registry.toml", "keys": "keys.toml", "data": "data"}
    places[name] = place.format(outside=str(outside).strip("/"))
    retold(archive, fenceline="".join(f"{key} = {json.dumps(value)}\n" for key, value in places.items()).encode())
    before = left(tmp_path)
    with pytest.raises(ConfigError, match=r"first, with the places of this machine|is a link"):
        restore(archive, there.config_file)
    assert left(tmp_path) == before
    # Whoever has written the configuration himself may have the places anywhere.
    there.config_file.write_text(CONFIG + f"data = {json.dumps(str(outside / 'data'))}\n")
    restore(archive, there.config_file)
    assert (outside / "data" / "log.db").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"registry": b"[[board]]\nid = 'b'\nsite = 'none'\n"}, r"its registry\.toml cannot be used"),
        ({"registry": b"* * * * * root reboot\n"}, r"its registry\.toml cannot be used"),
        ({"keys": b"ssh-ed25519 AAAA evil\n"}, r"its keys\.toml cannot be used"),
        ({"fenceline": b"#!/bin/sh\nreboot\n"}, "is not valid TOML"),
    ],
)
def test_what_is_not_what_its_name_says_is_refused(there, archive, changed, told):
    retold(archive, **changed)
    with pytest.raises(ConfigError, match=told):
        restore(archive, there.config_file)
    assert left(there.folder) == set()


@pytest.mark.parametrize(
    "odd",
    [
        "CREATE TRIGGER evil AFTER UPDATE ON position BEGIN DELETE FROM position; END",
        "CREATE VIEW evil AS SELECT 1",
        "CREATE TABLE evil (x)",
        "PRAGMA user_version = 0",
    ],
)
def test_a_database_that_is_no_hubs_is_refused(tmp_path, there, archive, odd):
    path = tmp_path / "series.db"
    path.write_bytes(contents(archive)["data/series.db"])
    execute(path, odd)
    retold(archive, series=path.read_bytes())
    with pytest.raises(ConfigError, match=r"data/series\.db is no database of a hub"):
        restore(archive, there.config_file)
    assert left(there.folder) <= {"data/lock", "data/consumers.lock"}


def modes(folder):
    return {path.relative_to(folder).as_posix(): oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*")}


def test_what_is_put_back_is_its_owners_alone(here, there):
    with Hub(here.data / "north") as north:
        north.hear(Speaker().batch(1, 3))
    archive = here.back_up()
    there.config_file.write_text(CONFIG)
    (there.folder / "keys.toml").touch(0o644)
    old = os.umask(0o022)
    try:
        restore(archive, there.config_file, force=True)
    finally:
        os.umask(old)
    found = modes(there.folder)
    databases = {path for path in found if path.endswith(".db")}
    assert databases >= {"data/log.db", "data/north/log.db", "data/series.db"}
    assert {found[path] for path in (*databases, "keys.toml")} == {"0o600"}
    assert {found[path] for path in ("data", "data/north")} == {"0o700"}


# Links and folders that somebody has put where something is written


@pytest.fixture
def treasure(tmp_path):
    """A folder of somebody else's, with files; it must stay as it is."""
    folder = tmp_path / "treasure"
    (folder / "deep").mkdir(parents=True)
    names = {"log.db", "deep/keys.toml", "lock", "consumers.lock"}
    for file in names:
        (folder / file).write_text("precious")
    before = modes(folder)
    yield folder
    assert left(folder) == names
    assert {(folder / file).read_text() for file in names} == {"precious"}
    assert modes(folder) == before


@pytest.mark.parametrize("name", [RESTORING, f"{RESTORING}.part", "north"])
def test_a_restore_follows_no_link_in_the_data_folder(here, treasure, name):
    with Hub(here.data / "north") as north:
        north.hear(Speaker().batch(1, 3))
    archive = here.back_up()
    if name == "north":
        shutil.rmtree(here.data / name)
    (here.data / name).symlink_to(treasure)
    with pytest.raises(ConfigError, match="is a link"):
        restore(archive, here.config_file, force=True)
    assert here.records() == 30


@pytest.mark.parametrize("name", ["lock", "consumers.lock"])
def test_a_restore_empties_no_file_through_a_lock(here, archive, treasure, name):
    (here.data / name).unlink(missing_ok=True)
    (here.data / name).symlink_to(treasure / name)
    with pytest.raises(ConfigError, match="symbolic links"):
        restore(archive, here.config_file, force=True)


def test_drafts_are_written_through_no_link_and_into_no_file_that_is_there(here, archive, treasure):
    (here.folder / "registry.toml").write_text("# another city\n")
    (here.folder / "keys.toml").write_text("# others\n")
    (here.folder / f".registry.toml{RESTORING}").symlink_to(treasure / "log.db")
    (here.folder / f".keys.toml{RESTORING}").hardlink_to(treasure / "deep" / "keys.toml")
    restore(archive, here.config_file, force=True)
    assert (here.folder / "registry.toml").read_text() == "# the city\n"
    assert (here.folder / "keys.toml").read_text() == "# secret\n"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_backup_works_in_no_folder_that_a_link_leads_to(here, treasure, kind):
    work = here.folder / "backups" / WORK
    work.parent.mkdir()
    if kind == "link":
        work.symlink_to(treasure)
    else:
        work.write_text("file")
    with pytest.raises(ConfigError, match=f"{WORK}: is a link or a file"):
        here.back_up()


def test_links_in_a_backups_own_folder_are_removed_and_not_followed(here, treasure):
    work = here.folder / "backups" / WORK
    (work / "deep").mkdir(parents=True)
    (work / "files").symlink_to(treasure)
    (work / "archive").symlink_to(treasure / "log.db")
    (work / "deep" / "link").symlink_to(treasure)
    assert here.back_up().is_file()
    assert not work.exists()


@pytest.mark.parametrize("name", ["log.db", "none"])
def test_a_backup_is_written_over_no_link(here, treasure, name):
    target = here.folder / "monday.tar.gz"
    target.symlink_to(treasure / name)
    with pytest.raises(ConfigError, match="exists already"):
        here.back_up(target)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [RESTORING, f"{RESTORING}.part", "north"])
def test_a_restore_works_in_no_folder_of_somebody_elses(here, name):
    with Hub(here.data / "north") as north:
        north.hear(Speaker().batch(1, 3))
    archive = here.back_up()
    (here.data / name).mkdir(exist_ok=True)
    os.chown(here.data / name, 12345, 12345)
    with pytest.raises(ConfigError, match=f"{re.escape(name)}: belongs to another user"):
        restore(archive, here.config_file, force=True)
    assert here.records() == 30


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_backup_works_in_no_folder_of_somebody_elses(here):
    work = here.folder / "backups" / WORK
    work.mkdir(parents=True)
    os.chown(work, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to another user"):
        here.back_up()


@pytest.mark.parametrize(
    ("member", "value", "told"), [("format", 2, "has format 2"), ("fenceline", None, "is damaged")]
)
def test_an_archive_of_another_format_is_told(there, archive, member, value, told):
    files = contents(archive)
    files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) | {member: value}).encode()
    rewrite(archive, files.items())
    with pytest.raises(ConfigError, match=told):
        restore(archive, there.config_file)


def test_a_database_of_a_later_hub_is_not_put_back(here, there):
    execute(here.data / "log.db", "PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match=r"log\.db has schema version 99"):
        restore(here.back_up(), there.config_file)


def test_a_database_with_tables_of_a_later_package_is_not_put_back(here, there):
    execute(here.data / "compliance.db", "UPDATE schema_part SET version = 99 WHERE owner = 'alerts'")
    with pytest.raises(ConfigError, match=r"compliance\.db has schema version 99 of alerts, and this hub works with 3"):
        restore(here.back_up(), there.config_file)


def test_a_file_that_is_not_there_is_told(there):
    with pytest.raises(ConfigError, match="No such file"):
        restore(there.folder / "none.tar.gz", there.config_file)


def test_a_restore_that_was_killed_keeps_the_hub_from_starting_and_is_done_again(here, archive):
    (here.data / RESTORING / "data").mkdir(parents=True)
    (here.data / "log.db").rename(here.data / RESTORING / "data" / "log.db")
    with pytest.raises(ConfigError, match="fenceline restore again"):
        refuse_half_restored(here.data)
    with pytest.raises(ConfigError, match="fenceline restore again"):
        refuse_half_restored(here.data / "north")
    restore(archive, here.config_file, force=True)
    refuse_half_restored(here.data)
    assert here.records() == 30


# The commands


def fenceline(*arguments):
    program = [sys.executable, "-c", "import fenceline; fenceline.main()", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)


def test_the_commands_tell_people_and_programs(here, there):
    done = fenceline("backup", here.folder / "one.tar.gz", "--config", here.config_file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"]["registry.toml"] == len("# the city\n")
    done = fenceline("restore", here.folder / "one.tar.gz", "--config", there.config_file, "--lang", "zh")
    assert done.returncode == 0, done.stderr
    assert "登记为缺口" in done.stdout
    assert there.records() == 30
    done = fenceline("restore", here.folder / "one.tar.gz", "--config", there.config_file)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--force" in done.stderr
    assert done.stderr.count("\n") == 1


def test_each_help_teaches_by_example():
    assert "fenceline backup /var/backups" in fenceline("backup", "--help").stdout
    told = " ".join(fenceline("restore", "--help").stdout.split())
    assert "InfluxDB still has its readings" in told
