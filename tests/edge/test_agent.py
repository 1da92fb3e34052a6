"""The agent as a whole, cut off from everything: no network, a sensor that is silent, a sensor that is broken."""

import asyncio
import json

from edge import agent, drivers
from edge.board_host import Board
from edge.outbox import segments
from tests.edge.helpers import raises, tmp_dir

T0 = 1794999990


class Dust:
    """A driver that gives two samples a second and fails every third time as it is told."""

    PACED = False
    channels = ("pm10",)
    rejected = 0

    def __init__(self, failure=None):
        self._failure = failure
        self._count = 0

    async def sample(self):
        self._count += 1
        if self._failure and self._count % 3:
            raise self._failure
        return {"pm10": 80}


class StoppedAfter(Board):
    """A host's board whose clock runs 40 times as fast, and which is asked to stop after some records."""

    def __init__(self, folder, records):
        import time

        super().__init__({"folder": folder, "clock": {"start": T0, "at": time.time(), "speed": 40}})
        self._records = records

    async def stop_asked(self):
        while len(records_in(self._folder)) < self._records:
            await asyncio.sleep(0.05)


def records_in(folder):
    found = []
    for _, _, path in segments(folder):
        with open(path, "rb") as file:
            found += [json.loads(text.split(b" ", 2)[2]) for text in file]
    return found


def make(folder, driver):
    """Return an agent with one sensor, no broker at the other end, and a way to make it stop after 3 records."""
    drivers.make = lambda settings, port: driver
    config = {
        "district": "nanhai",
        "site": "pit",
        "device": "pit-1",
        "folder": folder,
        "interval": 10,
        "period": 1,
        "broker": {"host": "127.0.0.1", "port": 1},
        "sensors": [{"name": "dust", "type": "any", "port": "tcp:127.0.0.1:1"}],
    }
    agent.LINGER = 0
    return agent.Agent(config, bytes(32), StoppedAfter(folder, 3))


def records_made(driver):
    folder = tmp_dir()
    asyncio.run(make(folder, driver).run())
    return records_in(folder)


def test_without_a_network_it_measures_and_keeps_every_record():
    made = records_made(Dust())
    assert [record["v"] for record in made] == [{"pm10": 80}] * 3
    times = [record["t"] for record in made]
    assert times == [times[0], times[0] + 10, times[0] + 20]
    assert times[0] % 10 == 0


def test_a_silent_sensor_is_flagged_b_and_one_that_talks_nonsense_d():
    for failure, flag in ((drivers.Silent("nothing"), "B"), (drivers.Faulty("exception 4"), "D")):
        for record in records_made(Dust(failure)):
            assert record["f"] == {"pm10": flag}


def test_a_bug_in_a_driver_is_that_sensor_s_trouble_only():
    made = records_made(Dust(ZeroDivisionError("bug")))
    assert [record["f"] for record in made] == [{"pm10": "D"}] * 3


def test_an_agent_that_can_no_longer_record_ends_so_that_the_board_starts_again():
    folder = tmp_dir()
    broken = make(folder, Dust())

    class NoOutbox:
        stream, next, oldest, cursor, dropped = "00000000", 1, 1, 1, 0

        def append(self, record):
            raise MemoryError("bug")

        def close(self):
            pass

    broken._outbox.close()
    broken._outbox = NoOutbox()
    raises(MemoryError, lambda: asyncio.run(broken.run()))
