"""`fenceline demo` as a person runs it: the account at the end, alerts that reach people, recordings, and mistakes."""

import contextlib
import csv
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from rich.cells import cell_len

from sim.city.account import read_only
from sim.city.city import city
from sim.city.view import TEXTS
from tests.system.chain import until

FENCELINE = Path(sys.executable).parent / "fenceline"
DATA = Path(__file__).resolve().parent.parent / "data"


def demo(*arguments, **environment):
    command = [FENCELINE, "demo", "--json", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=180, env=os.environ | environment, check=False
    )


def account_of(run):
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def messenger():
    """A web hook on loopback; gives its address and the texts it was sent."""
    told = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}", told
    server.shutdown()
    thread.join()
    server.server_close()


def test_alerts_reach_people_and_after_ctrl_c_every_record_is_accounted_for(micropython, messenger, tmp_path):
    address, told = messenger
    environment = os.environ | {"APPRISE_URLS": address, "FENCELINE_MICROPYTHON": str(micropython)}
    command = [FENCELINE, "demo", "--json", "--lang", "zh"]
    with (
        (tmp_path / "said").open("w+", encoding="utf-8") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=environment) as process,
    ):
        try:
            until(lambda: process.poll() is not None or all(known(told)), "the night's alerts reach people", 150)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(180)
        said.seek(0)
        lines = said.read().splitlines()
    assert process.returncode == 0, lines
    assert any("生成" in line for line in lines)
    account = json.loads(lines[-1])
    assert (account["boards"], account["stations"]) == (13, 2)
    assert account["interpreter"].startswith("MicroPython 1.")
    assert account["records_made"] == account["records_stored"] > 13 * 20
    assert (account["lost"], account["duplicated"], account["quarantined"]) == (0, 0, 0)
    assert account["trucks"] == 4
    assert account["shops"] == 6
    assert (account["rounds"], account["bins"]) == (1, 6)
    assert account["uplinks_sent"] == account["uplinks_in_log"] >= 2 * 6
    assert account["fixes_sent"] == account["fixes_acknowledged"] == account["fixes_in_log"] > 4 * 10
    assert (account["fixes_lost"], account["fixes_twice"]) == (0, 0)
    assert 4 <= len(told) <= account["alerts"]
    assert len(set(told)) == len(told), "each once"
    assert (account["orders"], account["orders_answered"]) == (1, 1)
    pit = next(text for text in told if is_of_the_pit(text))
    for part in ("limit 55 dB(A)", "05:40 to 06:00", "GB 12523-2025", "限值55 dB(A)", "地铁车站基坑", "verified: S"):
        assert part in pit


def is_of_the_pit(text):
    return "metro-station-1" in text and "LAeq" in text


def known(told):
    """Yield for each thing that people should hear of in the demo's night whether they have."""
    yield any(map(is_of_the_pit, told))
    yield any("ring-road-hj" in text and "Flag is missing" in text for text in told)  # a station with faults
    yield any("shop-1" in text and "purifier" in text and "油烟净化设施" in text for text in told)
    yield len(told) >= 4


@pytest.mark.parametrize(
    ("lang", "site", "alerts"), [("en", "Metro station pit", "Alerts: "), ("zh", "地铁车站基坑", "告警: ")]
)
def test_the_city_and_its_alerts_fit_a_terminal_of_80_columns_and_24_lines(micropython, lang, site, alerts):
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    names = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    names["FENCELINE_MICROPYTHON"] = str(micropython)
    command = [FENCELINE, "demo", "--for", "4", "--speed", "240", "--interpreter", "micropython", "--lang", lang]
    process = subprocess.Popen(command, stdout=terminal, stdin=terminal, env=names | {"TERM": "xterm"})
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal ends with the last program on it
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r", "")
    picture = text[text.rindex("Fenceline ") :].split("\n")
    slow = TEXTS[lang]["slow"].partition("{")[0]
    if any(line.startswith(slow) for line in picture):  # two more lines, for which sites have given way
        picture = [line for line in picture if not line.startswith(("...", "……"))]
        sites = sum(line.startswith(one.zh if lang == "zh" else one.en) for line in picture for one in city())
        assert sites >= len(list(city())) - 3
        return
    ends = next(number for number, line in enumerate(picture) if "..." in line[-4:] or "……" in line)
    assert ends <= 24
    assert all(cell_len(line) <= 80 for line in picture[:ends])
    assert any(line.startswith(site) for line in picture)
    for number, one in enumerate(city()):
        assert picture[3 + number].startswith(one.zh if lang == "zh" else one.en)
    assert any(line.startswith(alerts) for line in picture[:ends])
    assert "NOx mg/m³" in picture[1]
    assert "fenceline demo --keep DIR" in text


def test_a_recording_is_stored_as_it_was_recorded(tmp_path):
    folder = tmp_path / "kept"
    recording = DATA / "beijing_wanshouxigong_72h.csv"
    options = ("--interpreter", "cpython", "--speed", 240, "--replay", recording, "--keep", folder)
    account = account_of(demo("--for", 15, *options))
    assert (account["lost"], account["duplicated"]) == (0, 0)
    assert account["interpreter"].startswith("CPython 3.")
    with recording.open() as file:
        recorded = {
            (float(row["PM2.5"]), float(row["PM10"]))
            for row in csv.DictReader(file)
            if "NA" not in (row["PM2.5"], row["PM10"])
        }
    with read_only(folder / "data" / "series.db") as db:
        stored = db.execute(
            "SELECT a.value, b.value FROM reading a JOIN reading b USING (device, stream, seq) "
            "WHERE a.quantity = 'pm25' AND b.quantity = 'pm10' AND a.flag = 'N' AND b.flag = 'N'"
        ).fetchall()
    assert stored
    # The first record of an hour may still hold a sample of the hour before.
    assert sum(pair in recorded for pair in stored) >= 0.95 * len(stored)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--replay", "nowhere.csv"], ["nowhere.csv"]),
        (["--replay", str(DATA / "ORIGIN.md")], ["ORIGIN.md", "PM2.5"]),
        (["--sped", "2"], ["--sped"]),
        (["--speed", "0"], ["--speed", "0"]),
        (["--for", "soon"], ["--for", "soon"]),
        (["--keep", "."], ["--keep", "new folder"]),
        (["--lang", "fr"], ["--lang", "fr"]),
    ],
    ids=lambda value: " ".join(value[:1]),
)
def test_a_mistake_gets_one_clear_sentence(arguments, words):
    refused_clearly(demo(*arguments), words)


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused_clearly(demo("--port", port), [port, "--port"])


def test_an_unknown_command_is_answered_with_the_nearest():
    run = subprocess.run([FENCELINE, "dmo"], capture_output=True, text=True, timeout=60, check=False)
    refused_clearly(run, ["dmo", "demo"])


def refused_clearly(run, words):
    assert run.returncode == 2, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    for word in words:
        assert word in run.stderr, run.stderr


def test_nothing_is_left_running_when_the_demo_is_killed_softly(micropython):
    command = [FENCELINE, "demo", "--interpreter", "micropython"]
    environment = os.environ | {"FENCELINE_MICROPYTHON": str(micropython)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        process.stdout.readline()
        children = children_of(process.pid)
        assert len(children) == 15
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
