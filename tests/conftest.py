"""Fixtures that start the real parts: Mosquitto, InfluxDB and MicroPython.

Every server listens on 127.0.0.1 at a free port, keeps its data in the test's own folder and is ended by its process
id. `tests/test_stack.py` shows each one in use.
"""

import functools
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from schemas import domains
from schemas.language import speak
from tests import ports, stack
from tests.board_process import BoardFork
from tests.influx_gateway import Gateway

START_TIMEOUT_S = 60

# How long an example takes depends on what else the machine does; the benchmarks measure it. The examples are the same
# in each run, so that a commit that passes here passes everywhere; `make properties` looks for others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("FENCELINE_PROPERTIES", "same"))

# Python's readline, which pytest loads, hands a width of 80 columns down to the workers of pytest-xdist; commands would
# fold their tables for a terminal that is none.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)
# Demos of several workers run at once.
os.environ["FENCELINE_CONSOLE_PORT"] = "0"


WAITS = ("system", "deploy", "test_edge_on_micropython.py", "run")
"""Folders and files whose tests wait for real parts more than they work."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait, so that other workers use the processor meanwhile and none waits at the end."""
    items.sort(key=lambda item: not set(WAITS) & set(item.path.parts))


@pytest.fixture(autouse=True)
def _as_a_process_begins() -> Iterator[None]:
    """Leave no test the language, or the packs, that another one's command line chose: a process has one of each."""
    yield
    speak(None)
    domains.use(())


class Server:
    """A real server in a process of its own, that can be stopped, killed and started again on the same data."""

    def __init__(self, command: list[str | Path], port: int, log: Path) -> None:
        self.port = port
        self._command, self._log = command, log
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, again on the same port, and wait until it takes connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"{self._command[0]} did not start; it said:\n{self._log.read_text(errors='replace')}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ask it to end, as a service manager would, and wait until it has."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would."""
        self._end(lambda process: process.kill())

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            try:
                self._process.wait(timeout=START_TIMEOUT_S)
            finally:
                self._process.kill()
                self._process.wait()
                self._process = None

    def _is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Mosquitto(Server):
    """An MQTT broker without authentication.

    It writes its queues to disk when stopped, so `stop()` and `start()` keep them. A `kill()` loses them: that is why a
    board waits for the hub's acknowledgement and not for the broker's.
    """

    host = "127.0.0.1"

    def __init__(self, program: Path, folder: Path, port: int) -> None:
        config = folder / "mosquitto.conf"
        # `user root` keeps a broker started by root from becoming a user who can't write here. Without limits on what
        # is in flight or queued, only the hub's own limits show.
        config.write_text(
            f"listener {port} {self.host}\nallow_anonymous true\nuser root\n"
            f"persistence true\npersistence_location {folder}/\nlog_dest stderr\n"
            "max_inflight_messages 0\nmax_queued_messages 0\n"
        )
        super().__init__([program, "-c", config], port, folder / "mosquitto.log")


class InfluxDB(Server):
    """An InfluxDB 1.x: `POST /write` and InfluxQL at `url`."""

    def __init__(self, program: Path, folder: Path, port: int, rpc_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        config = folder / "influxdb.conf"
        config.write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc_port}"\n'
            f'[meta]\ndir = "{folder}/meta"\n'
            f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\nquery-log-enabled = false\n'
            f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n'
            "[monitor]\nstore-enabled = false\n[subscriber]\nenabled = false\n[continuous_queries]\nenabled = false\n"
        )
        super().__init__([program, "-config", config], port, folder / "influxdb.log")

    def create_database(self, name: str) -> None:
        self.query(f'CREATE DATABASE "{name}"')

    def query(self, influxql: str, db: str = "") -> list[dict]:
        """Run InfluxQL statements; return one dict for each row: columns and tags. `time` is in Unix seconds."""
        form = urllib.parse.urlencode({"q": influxql, "db": db, "epoch": "s"}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/query", form) as response:
                return rows_of(influxql, json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"InfluxDB refused {influxql!r}: {error.read().decode()}") from error

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/ping", timeout=1).close()
        except OSError:
            return False
        return True


def rows_of(influxql: str, answer: dict) -> list[dict]:
    """Return the rows of an answer to InfluxQL: columns and tags."""
    for result in answer["results"]:
        if "error" in result:
            raise ValueError(f"InfluxDB refused {influxql!r}: {result['error']}")
    return [
        series.get("tags", {}) | dict(zip(series["columns"], row, strict=True))
        for result in answer["results"]
        for series in result.get("series", [])
        for row in series.get("values", [])
    ]


class InfluxDBv2:
    """InfluxDB with the v2 write API at `url`; `engine` is the InfluxDB behind it, to stop, start and query."""

    org = "fenceline"
    token = "the-token-of-the-tests"

    def __init__(self, gateway: Gateway, engine: InfluxDB) -> None:
        self.gateway, self.url, self.engine = gateway, gateway.url, engine
        self.create_bucket, self.query = engine.create_database, engine.query


def require(name: str) -> Path:
    """Return where a part of the stack is; without it the test is left out, or fails if the stack is required."""
    found = _find(name)
    if found is None:
        reason = f"{stack.PARTS[name].title} is missing: 'python -m tests.stack' fetches it, or says why it can't"
        (pytest.fail if stack.required() else pytest.skip)(reason)
    return found.path


@functools.cache
def _find(name: str) -> stack.Found | None:
    return stack.PARTS[name].find()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that returns a port on 127.0.0.1 that nobody listens on."""
    return ports.free_port


@pytest.fixture
def mosquitto(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Mosquitto]:
    broker = Mosquitto(require("mosquitto"), _folder(tmp_path, "mosquitto"), free_port())
    yield broker
    broker.stop()


@pytest.fixture
def influxdb(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[InfluxDB]:
    database = InfluxDB(require("influxdb"), _folder(tmp_path, "influxdb"), free_port(), free_port())
    yield database
    database.stop()


@pytest.fixture
def influxdb_v2(influxdb: InfluxDB) -> Iterator[InfluxDBv2]:
    with Gateway(influxdb.url, InfluxDBv2.token, InfluxDBv2.org) as gateway:
        threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield InfluxDBv2(gateway, influxdb)
        gateway.shutdown()


@pytest.fixture
def micropython() -> Path:
    """The real MicroPython that runs the board's code."""
    return require("micropython")


@pytest.fixture
def plug(tmp_path: Path, micropython: Path) -> Iterator[Callable[..., BoardFork]]:
    """A function that switches a virtual board on: `plug("--fault", "slow")`; again the same board, with its flash."""
    board = BoardFork(tmp_path / "board")

    def switch_on(*options: str) -> BoardFork:
        board.stop()
        board.start(*options)
        return board

    yield switch_on
    board.stop()


@pytest.fixture(autouse=True, scope="session")
def _folder_of_the_board_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["FENCELINE_TEST_DIR"] = str(tmp_path_factory.mktemp("edge"))


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
