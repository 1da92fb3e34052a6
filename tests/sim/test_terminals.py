"""Simulated terminals against a real hub: every fix is acknowledged and in the log once, whatever their faults."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from hub.wire.jt808 import read
from hub.wire.terminal import unpack
from sim.terminals.terminal import SimTerminal
from tests.hub.intake.terminals.terminal import TerminalHub, registry

NUMBERS = {"a": "13800000000", "b": "13800000001", "c": "13800000002"}
FAULTS = {"a": ("part",), "b": ("twice", "no_fix"), "c": ("checksum",)}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with TerminalHub(tmp_path_factory.mktemp("sim"), registry("a", "b", "c"), 'a = "code"\nb = "code"\n') as made:
        yield made


async def drive(fleet, begin):
    """Send 90 fixes of each, most of them from a blind area."""
    talking = [asyncio.create_task(one.run()) for one in fleet]
    try:
        for n in range(90):
            for one in fleet:
                one.make(begin + 10 * n)
        async with asyncio.timeout(150):
            while any(one.account().waiting for one in fleet):
                await asyncio.sleep(0.05)
    finally:
        for one in talking:
            one.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


def test_every_fix_is_acknowledged_and_in_the_log_once(hub):
    begin = int(time.time()) - 3600
    fleet = {
        id_: SimTerminal(hub.port, number, None if id_ != "b" else "code", newer=id_ == "a", faults=FAULTS[id_])
        for id_, number in NUMBERS.items()
    }
    asyncio.run(drive([*fleet.values()], begin))
    for id_, one in fleet.items():
        there = Counter()
        for entry in hub.entries(id_, "fix"):
            head, data = unpack(entry.payload)
            there[data if head.of else read(data).content.bodies[0]] += 1
        assert there == Counter(one.fixes().values())
        assert one.account() == (90, 90, 0)
    assert hub.entries("a", "part"), "long batches went in parts"


def test_the_command_prints_how_it_stands_and_ends(hub, tmp_path):
    (tmp_path / "code").write_text("code\n")
    command = [Path(sys.executable).with_name("fenceline"), "sim", "jt808", "--port", str(hub.port), "--phone"]
    done = subprocess.run(
        [*command, NUMBERS["a"], "--code-file", tmp_path / "code", "--terminals", "2", "--fixes", "3",
         "--every", "0.01", "--back", "5"],
        capture_output=True, check=False, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout.splitlines()[-1]) == {"made": 6, "acknowledged": 6, "waiting": 0}
    wrong = subprocess.run([*command, "x"], capture_output=True, check=False)
    assert wrong.returncode == 2
    assert "--phone 'x': expected at most 12 digits" in wrong.stderr.decode().replace("\n", " ")
