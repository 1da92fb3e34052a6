"""A board's day of twenty hours, on the 32-bit MicroPython with the heap of an ESP32, and everything goes wrong.

Four sensors, TLS, the compiled bundle, `heapsize=112k`. The clock is not set for the first hour, runs six hours ahead,
then two hours behind; the broker is killed, then hangs; the hub is killed; the board loses power.
"""

import json
import os
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.outbox import KEPT, SEGMENT, parse, segments
from firmware.software.bundle import Arch, build
from sim.city.account import read_only
from sim.city.city import CitySite
from sim.city.source import SimClock
from tests.conftest import require
from tests.deployed_broker import DeployedBroker
from tests.system.chain import ROOT, Chain, until
from tests.system.test_production import show_certificates

SPEED = 720
HOUR = 3600
MIDNIGHT = 1795276800  # 2026-11-22 00:00 in Shanghai
DAY = 20  # hours, of which all but the last two are full of faults
STEPS = ((0, None), (1, 0), (8, 6 * HOUR), (10, 0), (14, -2 * HOUR), (16, 0))  # hour, by how much the clock is wrong, s
MOST_HEAP = 92 * 1024  # bytes in use after a collection; above 630 names MicroPython's table of them grows by 5 KB
GROWTH = 2048  # bytes that may come and go
SITE = CitySite("plant", "tianhe", "Gas turbine plant", "燃机电厂", "gas_turbine_plant")


@dataclass
class Day:
    """The chain, the simulated clock, and the broker."""

    chain: Chain
    clock: SimClock
    broker: DeployedBroker

    def wait_for(self, hour):
        time.sleep(max(0, (MIDNIGHT + hour * HOUR - self.clock.now()) / SPEED))


@pytest.fixture
def day(micropython, tmp_path):
    clock = SimClock(MIDNIGHT, time.time() + 3, SPEED)
    with Chain(tmp_path, 0, micropython, sites=(SITE,), clock=clock) as chain:
        chain.heap = "112k"
        chain.code = tmp_path / "bundle"
        build_agent(chain.code)
        folder = tmp_path / "mosquitto"
        folder.mkdir()
        broker = DeployedBroker(require("mosquitto"), folder, {"plant-1": f"{SITE.district}/{SITE.id}"})
        try:
            broker.wait()
            show_certificates(chain, broker)
            add_a_fourth_sensor_and_clock_faults(tmp_path / "plant-1" / "config.json")
            yield Day(chain, clock, broker)
        finally:
            broker.stop()


def build_agent(folder):
    """Compile the agent as for a board, and add what makes a process a board."""
    build(ROOT / "edge", folder, Arch.X86)
    for name in ("__main__.py", "board_host.py"):
        shutil.copy(ROOT / "edge" / name, folder / "edge" / name)


def add_a_fourth_sensor_and_clock_faults(path):
    config = json.loads(path.read_text())
    noise = next(sensor for sensor in config["sensors"] if sensor["name"] == "noise")
    config["sensors"].append(
        {**noise, "name": "noise-2", "registers": [{"channel": "la", "register": 0, "scale": 0.1}]}
    )
    config["clock"]["steps"] = [[MIDNIGHT + hour * HOUR, wrong] for hour, wrong in STEPS]
    path.write_text(json.dumps(config))


def test_a_day_of_faults_costs_no_record_and_no_memory(day):
    chain = day.chain
    chain.start_hub()
    chain.start_board("plant-1")
    day.wait_for(4)
    day.broker.kill()
    day.wait_for(5)
    day.broker.start()
    day.wait_for(6.5)
    chain.kill("hub")
    day.wait_for(7.5)
    chain.start_hub()
    day.wait_for(11)
    os.kill(day.broker.pid, signal.SIGSTOP)
    day.wait_for(13)
    os.kill(day.broker.pid, signal.SIGCONT)
    day.wait_for(17)
    assert chain.runs("plant-1"), chain.log("plant-1")
    chain.kill("plant-1")
    power_cut = day.clock.now()
    day.wait_for(17.5)
    chain.start_board("plant-1")
    day.wait_for(DAY)
    chain.stop_boards()
    until(lambda: not chain.store_is_behind(), "the store has what the log has")
    assert chain.terminate_hub() == 0, chain.log("hub")

    made = made_numbers(chain.outbox("plant-1"))
    stored, quarantined = arrived(chain.folder / "data")
    assert not (stored + quarantined) - made, "more often than once"
    assert not made - (stored + quarantined), "lost"
    assert made.total() > 0.8 * DAY * HOUR / 60
    assert 0 < quarantined.total() < 0.15 * made.total(), "only what was hours ahead of the hub's time"
    assert "MemoryError" not in chain.log("plant-1")
    heap = heap_by_start(chain.folder / "data" / "log.db", power_cut)
    print("records made", made.total(), "stored", stored.total(), "quarantined as future", quarantined.total())
    print("heap in use after a collection, bytes, hour by hour for each start:", heap)
    for hours in heap:
        assert max(hours) < MOST_HEAP
        if len(hours) > 6:
            # The least of several hours: at the moment of a status a batch may be on its way.
            assert min(hours[-3:]) <= min(hours[2:5]) + GROWTH


def made_numbers(outbox):
    """Return the numbers of the records the board made."""
    lines = [
        line
        for suffix in (KEPT, SEGMENT)
        for _, _, path in segments(str(outbox), suffix)
        for line in Path(path).read_bytes().splitlines(keepends=True)
    ]
    return Counter(entry[0] for entry in map(parse, lines) if entry)


def arrived(data):
    """Return how often each record number is in the series store, and in quarantine for a time in the future."""
    with read_only(data / "series.db") as db:
        stored = Counter(seq for (seq,) in db.execute("SELECT seq FROM reading WHERE quantity = 'laeq'"))
    with read_only(data / "log.db") as db:
        rows = db.execute("SELECT reason, fresh FROM quarantine").fetchall()
    quarantined = set()
    for reason, fresh in rows:
        # One that comes again when its time has come has nothing in the log to be compared with, and takes no number.
        assert reason in {"future", "not_compared"}
        for first, after in json.loads(fresh or "[]"):
            quarantined.update(range(first, after))
    return stored, Counter(quarantined)


def heap_by_start(path, power_cut):
    """Return the heap in use as each status told it, before and after the power cut (the hub's time, Unix s)."""
    with read_only(path) as db:
        rows = db.execute(
            "SELECT received, payload FROM message WHERE topic LIKE '%/status' ORDER BY offset"
        ).fetchall()
    told = [(received, json.loads(payload)) for received, payload in rows]
    return [
        [status["heap_used"] for received, status in told if "heap_used" in status and (received > power_cut) is later]
        for later in (False, True)
    ]
