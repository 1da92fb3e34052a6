"""Seeing and repairing a board: console, logs, shell, backup, restore, rescue, repair log."""

import json
import os
import pty
import re
import select
import subprocess
import tarfile
import time

import pytest

from edge.stream import OWNER
from firmware.link.link import Link
from firmware.notebook.repairs import CAUSES
from firmware.provision import backup
from tests.board_process import FENCELINE
from tests.firmware.benchtop import here
from tests.json_lines import rows_of


@pytest.fixture
def bench(shared):
    """The file's board; nothing is held to its sensors."""
    shared.hold()
    return shared


def test_the_console_shows_units_and_flags_in_both_languages(bench):
    bench.hold(laf=61.5, pm10=80, pm25=40, pm1=20, stack_o2=None)
    shown = bench.ok("console", "--for", "3").splitlines()
    assert "LAF 61.5 dB(A)" in shown[-1]
    assert "PM10 80 µg/m³" in shown[-1]
    assert "stack: - [B no communication] (nothing for 0.5 s)" in shown[-1]
    assert "[not connected, " in shown[-1]
    chinese = bench.run("console", "--for", "2", "--log", lang="zh")
    assert "[B 无通信]" in chinese.out
    assert "mqtt: OSError" in chinese.err
    told = [json.loads(line) for line in bench.run("console", "--for", "1", "--json").out.splitlines()]
    assert told[-1]["sensors"]["dust"]["channels"] == ["pm1", "pm25", "pm10"]


def test_the_logs_are_those_of_the_agent_that_runs_and_listening_does_not_touch_it(bench):
    heard = bench.run("logs", "--follow", "--for", "3")
    assert heard.code == 0
    assert "mqtt: OSError [Errno 111] ECONNREFUSED" in heard.out
    lines = [row["line"] for row in rows_of(bench.run("logs", "--json").out)]
    assert any("ECONNREFUSED" in line for line in lines)


def test_the_shell_is_the_board_s_prompt_and_afterwards_it_measures_on(bench):
    assert bench.run("shell").err == (
        "fenceline: shell needs a terminal; to run one piece of code: mpremote connect PORT exec 'CODE'\n"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*FENCELINE, "board", "shell", "--port", bench.board.port],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"FENCELINE_LANG": "en"},
    )
    os.close(theirs)
    heard = ""

    def listen(awaited, ask=b""):
        nonlocal heard
        deadline = time.monotonic() + 30
        while awaited not in heard:
            assert time.monotonic() < deadline, heard
            if select.select([ours], [], [], 0.5)[0]:
                heard += os.read(ours, 1024).decode()
            else:
                os.write(ours, ask)

    try:
        listen("Use Ctrl-] or Ctrl-x to exit")
        listen(">>> ", ask=b"\r")  # mpremote takes a moment more until the terminal is raw
        os.write(ours, b"print(6 * 7 * 1000003)\r")
        listen("42000126")
        os.write(ours, b"\x18")
        listen("measures on")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert bench.run("console", "--for", "1").code == 0


def test_a_backup_makes_another_chip_that_board_with_its_key_and_records(bench, other_bench, tmp_path):
    bench.ok("console", "--for", "2")
    path = tmp_path / "pit-1.tar.gz"
    done = bench.ok("backup", "--out", path, "--json")
    assert (done["board"], done["unreadable"]) == ("pit-1", [])
    assert path.stat().st_mode & 0o077 == 0
    assert bench.run("backup", "--out", path).err.endswith("it exists already; name another file\n")
    content = backup.load(path)
    records = [name for name in content.files if name.endswith(".seg")]
    assert records

    other = other_bench
    refused = other.run("restore", path)
    assert refused.code == 2
    assert refused.err.endswith("there is nobody to answer: give --yes, or run the command in a terminal\n")
    assert other.run("restore", path, stdin="n\n").code == 130
    assert other.ok("restore", path, stdin="y\n") == "The board is pit-1 again.\n"
    again = other.run("restore", path, "--yes")
    assert (again.code, "provisioned as pit-1; with --force it would lose" in again.err) == (2, True)
    with Link.open(other.board.port) as link:
        assert link.read("/key") == content.files["/key"]
        assert all(link.read(name) == content.files[name] for name in records[:2])
    stream = records[0].split("/")[-1].split("-")[0]
    assert (f"/outbox/{OWNER}" in content.files, new_stream(other, stream)) == (True, 1)
    # Put back on the board itself, it has made more since: those numbers must not come again either.
    bench.ok("console", "--for", "2")
    assert bench.run("restore", path, "--yes", "--force").code == 0
    assert new_stream(bench, stream) == 1
    other.plug("--fault", "cable-pull@3000")
    assert other.run("restore", path, "--yes", "--force").code == 2
    other.plug()
    with Link.open(other.board.port) as link:
        assert link.size("/config.json") is None  # not half of one board and half of another
    assert other.run("restore", path, "--yes").code == 0


def new_stream(bench, stream):
    """Run a restored board; return the number of the first record that it made, which must be of another stream."""
    (first, *_) = [json.loads(line) for line in bench.run("console", "--for", "1", "--json").out.splitlines()]
    assert first["stream"] != stream
    with Link.open(bench.board.port) as link:
        names = [name.split("/")[-1] for name in link.files("/outbox")]
    assert any(name.startswith(f"{stream}-") for name in names), "what waited before still waits"
    # On a slow machine it has measured for a while before the console looks.
    made = [int(name[:-4].split("-")[1]) for name in names if name.startswith(f"{first['stream']}-")]
    return min(first["first"], *made)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "is no backup of a board, or damaged"),
        (lambda path: path.write_bytes(b"thesis"), "is no backup of a board, or damaged"),
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: _replace(path, "key", b"1" * 64), "it was damaged or changed"),
    ],
)
def test_what_is_no_whole_backup_is_neither_restored_nor_rescued(tmp_path, spoil, why):
    path = tmp_path / "pit-1.tar.gz"
    files = {"/config.json": b"{}", "/key": b"0" * 64}
    digests = {name: backup.hashlib.sha256(data).hexdigest() for name, data in files.items()}
    made = backup.dt.datetime(2026, 11, 26, tzinfo=backup.dt.UTC)
    path.write_bytes(backup.pack(backup.Content(backup.Manifest(1, "pit-1", made, digests, []), files)))
    spoil(path)
    for command in ("restore", "rescue"):
        done = here(command, path, "--port", "/dev/none")
        assert done.code == 2
        assert why in done.err


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("outbox", "/main.py"),
        ("outbox", "/edge/agent.mpy"),
        ("edge", "/edge/agent.mpy"),
        ("outbox", "/outbox/../../evil-1.seg"),
        ("outbox", "/../evil-1.seg"),
        ("..", "/../evil-1.seg"),
        ("outbox", "/outbox/x-/../../evil.seg"),
        ("outbox", "//etc/passwd"),
        ("slots", "/key"),
        ("", "/key"),
    ],
)
def test_a_backup_brings_no_file_but_a_boards_own(tmp_path, folder, file):
    path = tmp_path / "pit-1.tar.gz"
    config = {"folder": folder, "broker": {"tls": {"ca": file.removeprefix("/")}}}
    files = {"/config.json": json.dumps(config).encode(), "/key": b"0" * 64, file: b"0" * 64}
    digests = {name: backup.hashlib.sha256(data).hexdigest() for name, data in files.items()}
    made = backup.dt.datetime(2026, 11, 26, tzinfo=backup.dt.UTC)
    content = backup.Content(backup.Manifest(1, "pit-1", made, digests, []), files)
    path.write_bytes(backup.pack(content))
    if file.startswith("//"):
        _replace(path, file[1:], b"0" * 64)
    for command in ("restore", "rescue"):
        done = here(command, path, "--port", "/dev/none")
        assert done.code == 2
        assert "which no" in done.err or "damaged or changed" in done.err
    assert {entry.name for entry in tmp_path.iterdir()} <= {path.name}


def _replace(path, name, content):
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    with tarfile.open(path, "w:gz") as archive:
        for member, data in (files | {name: content}).items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, backup.io.BytesIO(data))


def test_what_no_broker_takes_stays_and_is_counted(bench, monkeypatch):
    monkeypatch.setattr("firmware.care.rescue.PATIENCE_S", 2)
    done = bench.run("rescue", "--json")
    told = json.loads(done.out)
    assert done.code == 1
    assert told["records"] > 0
    assert told["acknowledged"] == 0
    assert "Connect" in told["problem"]


def test_repairs_are_written_down_by_code_listed_and_counted(tmp_path):
    assert here("repair-log", "add", "pit-1", "--code", "s02", "--sensor", "dust", "--text", "mud").code == 0
    assert here("repair-log", "add", "pit-2", "--code", "S02").code == 0
    assert here("repair-log", "add", "pit-1", "--code", "P01", "--who", "Technician 7").code == 0
    shown = here("repair-log", "list", "pit-1", lang="zh").out
    assert "传感器脏污，已清洁" in re.sub(r"\s", "", shown)
    assert "pit-2" not in shown
    told = rows_of(here("repair-log", "list", "--json").out)
    assert [(one["board"], one["code"]) for one in told] == [("pit-1", "S02"), ("pit-2", "S02"), ("pit-1", "P01")]
    assert rows_of(here("repair-log", "count", "--json").out) == [
        {"code": "S02", "times": 2},
        {"code": "P01", "times": 1},
    ]
    assert "sensor dirty, cleaned" in here("repair-log", "count").out
    assert {row["code"] for row in rows_of(here("repair-log", "codes", "--json").out)} == set(CAUSES)
    for wrong, why in (
        (("--code", "Z9"), "--code Z9: expected one of P01"),
        (("--code", "X00"), "needs --text"),
    ):
        done = here("repair-log", "add", "pit-1", *wrong)
        assert (done.code, why in done.err) == (2, True)
    (tmp_path / "laptop" / "repairs.jsonl").write_text("{}\n")
    assert "line 1: damaged" in here("repair-log", "list").err
