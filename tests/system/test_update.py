"""A board updated over HTTP: real MicroPython, boot.py as its main.py, bundles made by `fenceline board bundle`.

A start of the board is a process that ends by itself, as the board's reset does.
"""

import functools
import hashlib
import http.server
import json
import shutil
import ssl
import subprocess
import sys
import threading

import pytest

from firmware.software.cli import EDGE
from sim.interpreter import interpreter_name
from tests.deployed_broker import certificates

TIMEOUT_S = 90
HEAP = "112k"  # of an ESP32 without PSRAM
LARGE = 200_000  # bytes: a file that has no room in that heap

AGENT = """
import asyncio
import json
import os

from edge import VERSION, secure, update


async def connect(host, port, secured):
    if not secured:
        return await asyncio.open_connection(host, port)
    ssl = secure.context("certs/ca.crt", "certs/board.crt", "certs/board.key")
    return await asyncio.open_connection(host, port, ssl=ssl, server_hostname=host)


async def work():
    trial = update.Trial(update.monotonic())
    print("runs", VERSION, trial.why)
    {health}
    try:
        with open("order.json") as file:
            order = json.load(file)
    except OSError:
        return
    try:
        print("on trial", await update.install(order["url"], order["sha256"], connect))
        os.remove("order.json")
    except update.UpdateError as error:
        print("refused", error)


def run():
    asyncio.run(work())
"""
HEALTHY = "trial.confirm()"
NEVER_HEALTHY = """while not trial.check(update.monotonic()):
        await asyncio.sleep(0.05)
    return"""
CRASHES = "import a_module_that_nobody_wrote"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files over connections that last, and tells before each who wants to know."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.before_each(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path):
    """A web server with what is in tmp_path."""
    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.before_each = lambda path: None
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


class Fence:
    """A board at the fence, with version one in slot a, and the bundles that may be ordered."""

    def __init__(self, micropython, folder, web):
        self._micropython, self._folder, self._web = micropython, folder, web
        self._arch = "x86" if "32-bit" in interpreter_name(micropython) else "x64"
        self.board = folder / "board"
        self.build("one", HEALTHY)
        shutil.copytree(folder / "one", self.board / "slots" / "a")
        shutil.copy(EDGE / "boot.py", self.board / "main.py")

    def build(self, version, health):
        """Make the bundle of a version from the real code of the board with another agent in it."""
        source = self._folder / f"source-{version}" / "edge"
        shutil.copytree(EDGE, source, ignore=shutil.ignore_patterns("__pycache__", "agent.py"))
        (source / "__init__.py").write_text(f'VERSION = "{version}"\n')
        (source / "main.py").write_text(AGENT.format(health=health))
        (source / "large.py").write_text(f'LARGE = "{version * (LARGE // len(version))}"\n')
        command = [sys.executable, "-c", "import fenceline; fenceline.main()", "board", "bundle", "--arch", self._arch]
        command += ["--source", source, "--out", self._folder / version]
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert result.returncode == 0, result.stderr

    def order(self, version):
        """Lay the order before the agent, which carries it out when it runs next."""
        sha256 = hashlib.sha256((self._folder / version / "manifest.json").read_bytes()).hexdigest()
        (self.board / "order.json").write_text(json.dumps({"url": f"{self._web.url}/{version}", "sha256": sha256}))

    def begin(self, heap=HEAP):
        """Begin a start of the board and return its process."""
        command = [self._micropython, "-X", f"heapsize={heap}", "main.py"]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.board, env={"MICROPYPATH": ".frozen"}, **output)

    def start(self, heap=HEAP):
        """Start the board until it resets, and return what it said, line by line."""
        with self.begin(heap) as process:
            try:
                told, _ = process.communicate(timeout=TIMEOUT_S)
            finally:
                process.kill()
        assert process.returncode == 1, told
        return [line.strip() for line in told.splitlines()]


@pytest.fixture
def fence(micropython, tmp_path, web):
    return Fence(micropython, tmp_path, web)


def test_a_good_version_stays_and_two_bad_ones_are_rolled_back(fence):
    fence.build("two", HEALTHY)
    fence.build("three", CRASHES)
    fence.build(
        "four", f"update.HEALTHY_WITHIN = 0.2\n    trial = update.Trial(update.monotonic())\n    {NEVER_HEALTHY}"
    )

    assert fence.start() == ["runs one"]
    fence.order("two")
    assert fence.start() == ["runs one", "on trial two"]
    assert [fence.start() for _ in range(4)] == [["runs two"]] * 4

    fence.order("three")
    assert fence.start()[-1] == "on trial three"
    for _ in range(3):
        told = fence.start()
        assert told[0] == "runs three"
        assert told[-1] == "ImportError: no module named 'a_module_that_nobody_wrote'"
    reason = "three: not healthy after 3 starts; last: ImportError: no module named 'a_module_that_nobody_wrote'"
    assert fence.start() == [f"boot: gave up {reason}", f"runs two {reason}"]
    assert fence.start() == [f"runs two {reason}"]

    fence.order("four")
    assert fence.start()[-1] == "on trial four"
    assert fence.start() == ["runs four", "boot: gave up four: not healthy within 0 s"]
    assert fence.start() == ["runs two four: not healthy within 0 s"]


def test_a_bundle_with_a_wrong_byte_is_refused_and_a_right_one_taken_afterwards(fence, tmp_path):
    fence.build("two", HEALTHY)
    path = tmp_path / "two" / "edge" / "main.mpy"
    right = path.read_bytes()
    path.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    fence.order("two")
    told = fence.start()
    assert told[1].startswith("refused edge/main.mpy: its SHA-256 is ")
    path.write_bytes(right)
    assert fence.start() == ["runs one", "on trial two"]
    assert fence.start() == ["runs two"]


def test_a_bundle_comes_over_https_from_a_server_the_citys_authority_vouches_for(fence, web, tmp_path):
    certs = fence.board / "certs"
    certificates(certs, "board")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / "broker.crt", certs / "broker.key")
    web.socket = context.wrap_socket(web.socket, server_side=True)
    web.url = web.url.replace("http:", "https:")
    fence.build("two", HEALTHY)
    fence.order("two")
    # Here TLS takes its buffers from this heap, on the chip from another.
    assert fence.start(heap="256k") == ["runs one", "on trial two"]
    assert fence.start() == ["runs two"]


def test_a_board_killed_at_each_file_it_fetches_goes_on_with_the_next_start(fence, web):
    """SIGKILL while the server holds the answer back: what was being written stays as it is."""
    fence.build("two", HEALTHY)
    fence.order("two")
    asked = []
    while (fence.board / "order.json").exists():
        process = fence.begin()
        count = len(asked)

        def kill_at_the_second(path, process=process, count=count):
            asked.append(path)
            if len(asked) - count == 2:
                process.kill()

        web.before_each = kill_at_the_second
        told, _ = process.communicate(timeout=TIMEOUT_S)
        assert told.startswith("runs one")
    # Each start fetched at least the file at which the one before was killed.
    files = json.loads((fence.board / "slots" / "b" / "manifest.json").read_text())["files"]
    assert {path.removeprefix("/two/") for path in asked} == set(files) | {"manifest.json"}
    assert fence.start() == ["runs two"]
