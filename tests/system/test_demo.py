"""`fenceline demo` as a person runs it: the account at the end, alerts that reach people, recordings, and mistakes."""

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.cells import cell_len
from rich.console import Console

from sim.city.account import read_only
from sim.city.city import boards, city
from sim.city.source import SimClock
from sim.city.view import DemoView
from tests.hub.helpers import query

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


def test_every_record_is_accounted_for_and_alerts_reach_people(micropython, messenger):
    address, told = messenger
    account = account_of(demo("--for", 27, APPRISE_URLS=address, FENCELINE_MICROPYTHON=str(micropython)))
    assert account["boards"] == 12
    assert account["interpreter"].startswith("MicroPython 1.")
    assert account["records_made"] == account["records_stored"] > 12 * 40
    assert (account["lost"], account["duplicated"], account["quarantined"]) == (0, 0, 0)
    assert account["alerts"] == len(told) >= 6
    pit = next(text for text in told if "metro-station-1" in text and "LAeq" in text)
    for part in ("limit 55 dB(A)", "05:20 to 05:40", "GB 12523-2025", "限值55 dB(A)", "地铁车站基坑", "verified: S"):
        assert part in pit


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


def test_the_picture_fits_the_terminal_and_shows_the_alerts_in_it(tmp_path):
    folder = tmp_path / "kept"
    account_of(demo("--for", 16, "--interpreter", "cpython", "--speed", 240, "--keep", folder))
    sites = city()
    (begin,) = query(folder / "data" / "series.db", "SELECT max(t) FROM reading")[0].values()
    kept = SimpleNamespace(
        sites=sites,
        boards=boards(sites),
        data=folder / "data",
        series=folder / "data" / "series.db",
        plan=SimpleNamespace(clock=SimClock(begin, time.time(), 1)),
        made=lambda: 4000,
    )
    for lang in ("en", "zh"):
        view = DemoView(kept, "MicroPython 1.25.0 (32-bit)", lang)
        for width, height in ((80, 24), (100, 30), (120, 40)):
            console = Console(width=width, height=height, record=True, file=io.StringIO())
            console.print(view.screen(console.size))
            lines = console.export_text().rstrip("\n").split("\n")
            assert len(lines) < height, "\n".join(lines)
            assert max(map(cell_len, lines)) <= width
            text = "\n".join(lines)
            for site in sites:
                assert (site.zh if lang == "zh" else site.en) in text
            assert any(re.match(r"\d\d:\d\d [▲✔] .+  LA(eq|Fmax) \d\d\.\d > \d\d dB\(A\)", line) for line in lines), (
                text
            )


def test_ctrl_c_ends_in_order_and_counts(tmp_path):
    command = [FENCELINE, "demo", "--json", "--interpreter", "cpython", "--lang", "zh"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            if "生成" in line and "生成0条" not in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    account = json.loads(rest.splitlines()[-1])
    assert account["records_made"] == account["records_stored"] > 0
    assert account["lost"] == account["duplicated"] == 0


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


def test_nothing_is_left_running_when_the_demo_is_killed_softly():
    command = [FENCELINE, "demo", "--interpreter", "cpython"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        process.stdout.readline()
        children = children_of(process.pid)
        assert len(children) == 14
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
