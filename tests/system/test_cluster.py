"""A province's broker: three NATS servers as deployed, a thousand boards, the hub; and one server dies."""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from edge.outbox import KEPT, SEGMENT, parse, segments
from hub.log.log import Log
from tests.bench.load import Fleet
from tests.nats import Balancer, Cluster
from tests.system.chain import ROOT, until
from tests.wrong_clock import clean_up

BOARDS = 1000
RECORDS = 5
EVERY_S = 2
MOST = 2000


@contextlib.contextmanager
def running(command, log):
    """Run a process, and end it at last."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            clean_up(process.pid)


def taken(data):
    """Return how often each record (device, stream, number) was taken into the log as new."""
    found, offset = Counter(), 0
    if (data / "log.db").exists():
        with contextlib.closing(Log(data / "log.db")) as log:
            while entries := log.read(offset, MOST):
                found.update((one.device, one.stream, one.seq) for entry in entries for one in entry.intervals)
                offset = entries[-1].offset
    return found


def made(folder, boards):
    """Return each record (device, stream, number) that the boards made."""
    found = set()
    for name in boards:
        for _, stream, path in [*segments(str(folder / name), KEPT), *segments(str(folder / name), SEGMENT)]:
            found |= {(name, stream, parse(line)[0]) for line in Path(path).read_bytes().splitlines(keepends=True)}
    return found


def test_a_thousand_boards_lose_nothing_when_one_of_three_servers_dies(tmp_path):
    fleet = Fleet(BOARDS)
    boards = tmp_path / "boards"
    boards.mkdir()
    topics = {name: (fleet.topic(name, ""), key.hex()) for name, key in fleet.keys.items()}
    (boards / "boards.json").write_text(json.dumps(topics))
    hub, data = tmp_path / "hub.log", tmp_path / "data"
    with Cluster(tmp_path) as cluster, Balancer(cluster.ports) as balancer, contextlib.ExitStack() as processes:
        config = fleet.write(tmp_path, balancer.port)
        command = [Path(sys.executable).parent / "fenceline", "run", "--config", config]
        processes.enter_context(running(command, hub))
        until(lambda: "connected to the broker" in hub.read_text(), "the hub is connected", 120)
        life = [sys.executable, "-m", "tests.many_boards", boards, str(RECORDS), str(EVERY_S), *map(str, cluster.ports)]
        city = processes.enter_context(running(life, tmp_path / "boards.log"))
        until(lambda: taken(data).total() >= BOARDS, "the first records are in the log", 120)

        cluster.nodes[0].kill()  # the hub is at this one, and a third of the boards

        until(lambda: city.poll() is not None, "every record is acknowledged", 150)
        assert city.returncode == 0, (tmp_path / "boards.log").read_text()[-3000:]
        said = hub.read_text()
    assert said.count("connected to the broker") >= 2
    all_made = made(boards, fleet.keys)
    assert len(all_made) == BOARDS * RECORDS
    assert Counter(all_made) == taken(data), "0 lost, 0 twice"
