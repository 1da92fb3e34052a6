"""The agent as a whole, cut off from everything: no network, a sensor that is silent, a sensor that is broken."""

import asyncio
import json
import os

from edge import agent, drivers, message
from edge.board_host import Board
from edge.outbox import segments
from edge.stream import OWNER
from tests.edge.helpers import raises, tmp_dir

T0 = 1794999990
EXTRA = {}  # configuration of a single test


class Dust:
    """A driver that gives two samples a second and fails every third time as it is told."""

    PACED = False
    rejected = 0

    def __init__(self, failure=None, value=80, channel="pm10"):
        self.channels = (channel,)
        self._value = value
        self._failure = failure
        self._count = 0

    async def sample(self):
        self._count += 1
        if self._failure and self._count % 3:
            raise self._failure
        return {self.channels[0]: self._value}


class StoppedAfter(Board):
    """A host's board whose clock runs 40 times as fast, and which is asked to stop after some records."""

    def __init__(self, folder, records, steps=()):
        import time

        clock = {"start": T0, "at": time.time(), "speed": 40, "steps": steps}
        super().__init__({"folder": folder, "clock": clock})
        self._records = records

    async def stop_asked(self):
        while len(records_in(self._folder)) < self._records:
            await asyncio.sleep(0.05)


def kept_in(folder):
    """Return `[(seq, clock, record), ...]`: every record in an outbox."""
    found = []
    for _, _, path in segments(folder):
        with open(path, "rb") as file:
            for text in file:
                seq, _, _, clock, record = text.split(b" ", 4)
                found.append((int(seq), clock.decode(), json.loads(record)))
    return found


def records_in(folder):
    return [record for _, _, record in kept_in(folder)]


def make(folder, driver, records=3, steps=()):
    """Return an agent with one sensor and no broker at the other end, which stops after some records."""
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
    config.update(EXTRA)
    agent.LINGER = 0
    return agent.Agent(config, bytes(32), StoppedAfter(folder, records, steps))


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


def test_whatever_number_a_sensor_gives_the_agent_goes_on_and_its_records_are_json():
    for value in (float("inf"), -float("inf"), float("nan"), 1e38, -1e38, 1e300, 10**400, None, "80", [80]):
        folder = tmp_dir()
        asyncio.run(make(folder, Dust(value=value)).run())
        made = records_in(folder)
        assert len(made) >= 3, value
        for record in made:
            level = record["v"].get("pm10")
            assert (level is None and record["f"] == {"pm10": "D"}) or 1e37 < abs(level) < 1e39, (value, record)


def test_levels_that_no_energy_can_be_made_of_are_flagged_and_do_not_end_the_agent():
    for value in (6553.5, -6553.5, float("nan")):
        folder = tmp_dir()
        asyncio.run(make(folder, Dust(value=value, channel="laf")).run())
        made = records_in(folder)
        assert len(made) >= 3
        assert [record["f"]["laeq"] for record in made] == ["D"] * len(made), value


def ack(worker, stream, seq, key=bytes(32)):
    """Give an agent an acknowledgement, as the broker would."""
    worker._hear(worker._topic + "ack", message.Signer(key).seal('{"stream":"%s","seq":%d}' % (stream, seq)))


def test_an_acknowledgement_of_another_stream_or_of_what_was_never_made_moves_nothing():
    class Trial:
        confirmed = 0

        def confirm(self):
            self.confirmed += 1

    worker = make(tmp_dir(), Dust())
    worker._trial = Trial()
    for _ in range(5):
        worker.outbox.append(message.keep(0, "ntp", message.record(T0, 10, {"pm10": 80}, {})))
    stream = worker.outbox.stream
    for other, seq in (("00000000", 3), (stream, 6), (stream, 2**53 - 1), (stream, 0), (stream, -1)):
        ack(worker, other, seq)
        assert (worker.outbox.oldest, worker._trial.confirmed) == (1, 0), (other, seq)
    ack(worker, stream, 5, bytes(31) + b"x")  # somebody else's key
    assert worker.outbox.oldest == 1
    ack(worker, stream, 4)
    assert (worker.outbox.oldest, worker._trial.confirmed) == (5, 1)
    ack(worker, stream, 2)  # an older one played back
    assert worker.outbox.oldest == 5
    worker.outbox.close()


def test_a_restored_board_sends_what_waits_under_its_old_numbers_and_what_it_makes_under_new_ones():
    folder = tmp_dir()
    first = make(folder, Dust(), 4)
    asyncio.run(first.run())
    first.outbox.close()
    old, made = first.outbox.stream, len(records_in(folder))
    os.remove(folder + "/" + OWNER)  # a restore leaves it out

    again = make(folder, Dust(), made + 3)
    sent = []

    async def publish(topic, parts, retain=False):
        told = json.loads(b"".join(parts))
        if "records" in told:
            sent.extend([(told["stream"], told["seq"] + i) for i in range(len(told["records"]))])
            ack(again, told["stream"], told["seq"] + len(told["records"]) - 1)

    async def run():
        again.client.publish = publish
        for courier in again._couriers:
            courier.begin()
        await again.run()

    assert again._status(True).count('"depth": %d' % made) == 1
    asyncio.run(run())
    new = again.outbox.stream
    assert new != old
    assert sorted({seq for stream, seq in sent if stream == old}) == list(range(1, made + 1))
    of_now = sorted({seq for stream, seq in sent if stream == new})
    assert of_now[:2] == [1, 2]
    assert [stream for _, stream, _ in segments(folder) if stream == old] == []
    last = make(folder, Dust(), 0)
    assert (last.outbox.stream, last.outbox.elders) == (new, [])
    last.outbox.close()


def test_an_agent_that_can_no_longer_record_ends_so_that_the_board_starts_again():
    folder = tmp_dir()
    broken = make(folder, Dust())

    class NoOutbox:
        stream, next, oldest, cursor, dropped, elders = "00000000", 1, 1, 1, 0, []

        def append(self, record):
            raise MemoryError("bug")

        def close(self):
            pass

    broken.outbox.close()
    broken.outbox = broken.recorder._outbox = broken._courier._outbox = NoOutbox()
    raises(MemoryError, lambda: asyncio.run(broken.run()))


def test_a_clock_that_is_set_late_or_stepped_by_hours_costs_no_record_and_no_order():
    begin = T0 + 60
    for steps in ([[0, None], [begin, 0]], [[begin, 7200]], [[begin, -7200]]):
        folder = tmp_dir()
        asyncio.run(make(folder, Dust(), 12, steps).run())
        made = kept_in(folder)
        assert [seq for seq, _, _ in made] == list(range(1, len(made) + 1))
        assert len({record["t"] for _, _, record in made}) == len(made)
        assert all(record["t"] % 10 == 0 and record["v"] == {"pm10": 80} for _, _, record in made)
        before = [record["t"] for _, clock, record in made if clock == made[0][1]]
        assert before == sorted(before) or steps[0][1] == -7200
    assert {clock for _, clock, _ in made} == {"ntp"}


def test_calibration_corrects_the_samples_and_stands_beside_the_record():
    folder = tmp_dir()
    EXTRA["raw"] = True
    with open(folder + "/calibration.json", "w") as file:
        json.dump({"id": 7, "channels": {"pm10": {"gain": 1.5, "offset": -20}}}, file)
    asyncio.run(make(folder, Dust(), 1).run())
    with open(segments(folder)[0][2], "rb") as file:
        line = file.readline()
    assert line.split(b" ")[2] == b"7"
    assert b'"v":{"pm10":100},"r":{"pm10":80}' in line
    EXTRA.clear()
