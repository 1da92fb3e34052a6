"""What sites do to a board's network: no time server, a name server that is dead, a greeting that fails half way."""

import json
import time
from itertools import pairwise

import pytest

from sim.city.account import read_only
from sim.city.city import CitySite
from tests.system.chain import Chain, until

SITE = CitySite("pit", "nanhai", "Station pit", "车站基坑", "night_pour", 3)
BLOCKS_S = 3
SLOW = """
import os, sys, time
import socket as real
class Socket:
    def __getattr__(self, name): return getattr(real, name)
    def getaddrinfo(self, host, port, *more):
        if port == {port} and {dead!r} in os.listdir("."):
            time.sleep({blocks})
            raise OSError(-202)
        return real.getaddrinfo(host, port, *more)
sys.modules["socket"] = Socket()
from edge.main import run
run("config.json")
"""
HALF_GREETED = """
from edge import board_host
calls = []
def rssi(self):
    calls.append(1)
    if len(calls) == 2:  # the first is for the last will
        raise OSError("Wifi Not Connected")
    return -60
board_host.Board.rssi = rssi
from edge.main import run
run("config.json")
"""


@pytest.fixture
def chain(mosquitto, micropython, tmp_path):
    with Chain(tmp_path, mosquitto.port, micropython, sites=(SITE,)) as made:
        yield made


def change(chain, name, **changes):
    path = chain.folder / name / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def start(chain, name, code):
    (chain.folder / name / "launch.py").write_text(code)
    chain.starts = ("launch.py",)
    chain.start_board(name)


def told(chain, name, kind):
    """Return what a board has said, as the hub's log has it."""
    with read_only(chain.folder / "data" / "log.db") as db:
        rows = db.execute("SELECT payload FROM message WHERE topic LIKE ? ORDER BY offset", (f"%/{name}/{kind}",))
        return [json.loads(payload) for (payload,) in rows.fetchall()]


def made(chain, name):
    """Return the starts of the records in a board's outbox, Unix s."""
    paths = [path for path in chain.outbox(name).iterdir() if path.suffix in {".seg", ".old"}]
    lines = [line for path in paths for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return sorted(json.loads(line.split(b" ", 4)[4])["t"] for line in lines)


def test_boards_withstand_what_sites_do_to_their_network(chain, mosquitto):
    no_time, slow, half = (board.id for board in chain.boards)
    chain.start_hub()
    until(lambda: (chain.folder / "data" / "log.db").exists() and not chain.in_log(), "the hub runs")

    # The firewall lets the broker's port through and not NTP's; the power was away, so the clock is not set.
    now = time.time()
    change(chain, no_time, clock={"start": now, "at": now, "speed": 1, "steps": [[0, None]]})
    chain.start_board(no_time)
    start(chain, half, HALF_GREETED)
    start(chain, slow, SLOW.format(port=mosquitto.port, dead="dead", blocks=BLOCKS_S))
    for name in (no_time, half, slow):
        until(lambda name=name: told(chain, name, "telemetry"), f"{name} is heard\n{chain.log(name)}")
    assert "Wifi Not Connected" in chain.log(half)
    until(
        lambda: any(one["clock"] == "hub" for one in told(chain, no_time, "telemetry")), "records by the hub's time", 30
    )
    for record in told(chain, no_time, "telemetry")[-1]["records"]:
        assert abs(record["t"] - time.time()) < 30

    # The name server is dead and the broker away: each attempt to connect would stop the measuring for some seconds.
    (chain.folder / slow / "dead").touch()
    mosquitto.kill()
    begin = time.time()
    time.sleep(8)
    attempts = chain.log(slow).count("mqtt: ")
    assert attempts >= 2, chain.log(slow)
    within = [t for t in made(chain, slow) if t > begin]
    assert len(within) >= 6
    assert {later - earlier for earlier, later in pairwise(within)} == {1}, within
    assert chain.quarantine() == []
