"""The consumers' process: it has room enough and a share of the processor, whatever the log holds and others do."""

import multiprocessing
import time
from contextlib import contextmanager

import psutil

from edge import message
from hub.config.files import load_config
from hub.intake.admission import Admission
from hub.log.log import Log
from hub.process.clock import Clock
from hub.registry.live import LiveRegistry
from hub.run.consumers import Job
from hub.run.downstream import Downstream
from hub.wire.seal import seal
from schemas import load_quantities
from tests.bench import load
from tests.hub.helpers import query

MB = 2**20
ROOM = 300 * MB
"""What the process may have: half of it is there before the first message, most of that the stacks of its threads."""
IMPLAUSIBLE = {"laeq": 9e9, "lafmax": 9e9, "pm10": 9e9, "pm25": 9e9, "tsp": 9e9}


def filled(folder, messages, records, values):
    """Return the configuration of a hub whose log holds messages of one board."""
    fleet = load.Fleet(1)
    config = load_config(fleet.write(folder, 1))
    quantities = load_quantities()
    admission = Admission(LiveRegistry(config).current, quantities, time.time)
    begin = int(time.time()) - 100 - messages * records
    log = Log(config.data / "log.db")
    for first in range(0, messages * records, records):
        texts = [message.record(begin + n, 1, values, {}).encode() for n in range(first, first + records)]
        body = b"".join(message.telemetry("00000000", first + 1, 1, 0, "ntp", texts))
        log.commit([admission.judge(fleet.topic("b0"), seal(body, fleet.keys["b0"]))], time.time())
    log.close()
    return config


@contextmanager
def consuming(config, before=lambda process: None):
    """Run the consumers' process; `before` is done to it as soon as it is there."""
    downstream = Downstream(Job(config, time.time, "text"), Clock())
    downstream.start()
    try:
        while downstream.pid is None:
            time.sleep(0.001)
        before(psutil.Process(downstream.pid))
        yield downstream
    finally:
        downstream.stop()


def wait_until_done(downstream, end, seconds):
    deadline = time.monotonic() + seconds
    while not (len(downstream.states) == 6 and downstream.states["store"].position == end == downstream.judged()):
        assert time.monotonic() < deadline, downstream.states
        time.sleep(0.1)


def test_messages_as_large_as_the_contract_allows_are_all_done_in_little_memory(tmp_path):
    config = filled(tmp_path, 150, 500, IMPLAUSIBLE)
    (size,) = query(config.data / "log.db", "SELECT max(length(payload)) AS most FROM message")
    assert size["most"] > 40_000
    limit = lambda process: process.rlimit(psutil.RLIMIT_DATA, (ROOM, ROOM))  # noqa: E731
    with consuming(config, limit) as downstream:
        process = psutil.Process(downstream.pid)
        wait_until_done(downstream, 150, 180)
        assert process.is_running(), "it has not ended in between"
    (stored,) = query(config.data / "series.db", "SELECT count(*) AS n FROM record")
    assert stored["n"] == 150 * 500


def burn():
    while True:
        pass


def test_where_others_keep_the_processor_busy_it_still_has_its_share(tmp_path):
    """On one processor beside two that never rest: by weight a seventh; idle scheduling would give it a thousandth."""
    config = filled(tmp_path, 1500, 20, load.VALUES)
    cpu = [max(psutil.Process().cpu_affinity())]
    burners = [multiprocessing.get_context("spawn").Process(target=burn, daemon=True) for _ in range(2)]
    try:
        for burner in burners:
            burner.start()
            psutil.Process(burner.pid).cpu_affinity(cpu)
        with consuming(config, lambda process: process.cpu_affinity(cpu)) as downstream:
            process = psutil.Process(downstream.pid)
            time.sleep(2)
            times, began = process.cpu_times(), time.monotonic()
            time.sleep(10)
            used = sum(process.cpu_times()[:2]) - sum(times[:2])
            assert used / (time.monotonic() - began) > 0.03
    finally:
        for burner in burners:
            burner.kill()
            burner.join()
