"""The whole agent under boot.py: a signed order makes it fetch a new version, start it and keep it."""

import contextlib
import functools
import hashlib
import http.server
import json
import shutil
import threading
import time

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware.software.bundle import Arch, build
from hub.wire.seal import seal
from sim.city.account import read_only
from tests.system.chain import ROOT, Chain, until


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path):
    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def bundle(folder, version, crashes_at=""):
    """Make the bundle of a version whose board is a process, as the host's is; it crashes at the board named."""
    source = folder / f"source-{version}" / "edge"
    shutil.copytree(ROOT / "edge", source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "board_host.py", source / "board.py")
    init = source / "__init__.py"
    init.write_text(init.read_text().replace('VERSION = "0.1.0"', f'VERSION = "{version}"'))
    if crashes_at:
        agent = source / "agent.py"
        text = agent.read_text()
        begin = '        folder = config["folder"]\n'
        assert text.count(begin) == 1
        crash = f'        if config["device"] == "{crashes_at}":\n            raise RuntimeError("no such port here")\n'
        agent.write_text(text.replace(begin, crash + begin))
    build(source, folder / version, Arch.X86)
    return folder / version


def versions_heard(chain):
    with read_only(chain.folder / "data" / "log.db") as db:
        rows = db.execute("SELECT payload FROM message WHERE topic LIKE '%/status' ORDER BY offset").fetchall()
    return [status["agent"] for (payload,) in rows if (status := json.loads(payload))["online"]]


def order(chain, port, name, command):
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    body = seal(json.dumps(command, separators=(",", ":")).encode(), bytes.fromhex(chain._keys[name]))
    client.publish(f"fenceline/1/nanhai/pit/{name}/command", body, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_an_ordered_update_is_fetched_started_and_kept(mosquitto, micropython, web, tmp_path):
    new = bundle(tmp_path, "0.2.0")
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        name = chain.boards[0].id
        board = tmp_path / name
        shutil.copytree(bundle(tmp_path, "0.1.9"), board / "slots" / "a")
        shutil.copy(ROOT / "edge" / "boot.py", board / "main.py")
        chain.starts = ("main.py",)
        chain.start_hub()
        chain.start_board(name)
        until(lambda: chain.in_log() > 3, f"the old version is heard\n{chain.log(name)}")
        digest = hashlib.sha256((new / "manifest.json").read_bytes()).hexdigest()
        update = {"id": "1", "do": "update", "url": f"{web}/0.2.0", "sha256": digest}

        now = int(time.time())
        order(chain, mosquitto.port, name, {**update, "t": now - 3600, "n": (now - 3600) * 1000})
        ordered = {**update, "id": "2", "t": now, "n": now * 1000}
        order(chain, mosquitto.port, name, ordered)
        until(lambda: not chain.runs(name), f"the board resets into the new version\n{chain.log(name)}")
        chain.start_board(name)
        until(lambda: "0.2.0" in versions_heard(chain), f"the new version is heard\n{chain.log(name)}")
        until(lambda: running(board) == ("b", ""), f"it is confirmed by an acknowledged record\n{chain.log(name)}")
        order(chain, mosquitto.port, name, ordered)  # the new version knows what the old one has done
        until(lambda: len(replies(chain)) > 2, f"the order repeated is answered\n{chain.log(name)}")
        assert versions_heard(chain)[0] == "0.1.9"
        assert replies(chain) == [("1", False), ("2", True), ("2", True)]
        assert running(board) == ("b", "")
        made = made_numbers(chain, name)
        assert len(made) == len(set(made))


def running(board):
    """Return the slot that runs and the one on trial, by the newer of the two states; one may be half written."""
    states = []
    for path in board.glob("slots/state.*"):
        with contextlib.suppress(IndexError, ValueError):
            states.append(json.loads(path.read_text().split(" ", 1)[1]))
    newest = max(states, key=lambda state: state["seq"])
    return newest["run"], newest["trial"]


def replies(chain):
    with read_only(chain.folder / "data" / "log.db") as db:
        rows = db.execute("SELECT payload FROM message WHERE topic LIKE '%/reply' ORDER BY offset").fetchall()
    return [(reply["id"], reply["ok"]) for reply in (json.loads(payload) for (payload,) in rows)]


def made_numbers(chain, name):
    with read_only(chain.folder / "data" / "series.db") as db:
        query = "SELECT stream || seq FROM reading WHERE device = ? AND quantity = 'laeq'"
        return [number for (number,) in db.execute(query, (name,))]
