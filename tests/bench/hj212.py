"""What a frame of HJ 212 costs the hub, beside an echo of the same frames: `make bench-hj212`; JSON comes last.

    make bench-hj212
    make bench-hj212 ARGS="--connections 2000 --frames 20 --rounds 3"

Method. Every connection is a registered station's that sends real-time data of six factors, 250 bytes a frame, and
sends the next when it has heard the answer. The hub is `fenceline run` as it is deployed, with its series store and its
judging behind it; the echo is asyncio's own streams, which read a line and write it back. Rounds alternate; the figures
are medians.

- `hub_cpu_us_per_frame`: user and system time of the process that takes frames, commits them and answers.
  `all_cpu_us_per_frame`: with the process that reads the log, until the series store has everything.
- `echo_cpu_us_per_frame`, `ratio`: of the echo; the hub's first figure as a multiple of it (at most 4).
- `frames_per_s`: taken, committed and answered.
- `kb_per_connection`: how much the memory of that process has grown by a connection that has said who it is (at most
  30 KB).
"""

import argparse
import json
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from hub.wire.hj212 import END, Packet, build
from sim.city.account import read_only
from tests.bench.parts import ROOT
from tests.ports import free_port
from tests.torture_frames import HubUnderFire
from tests.torture_stations import write_hub

ECHO = ROOT / "tests" / "bench" / "echo.py"


def frames_of(station, count, first):
    """Return frames of a station, one every 30 s from `first` on."""
    made = []
    for n in range(count):
        t = time.strftime("%Y%m%d%H%M%S", time.gmtime(first + 30 * n + 8 * 3600))
        values = f"a34004-Rtd={30 + n % 7}.5,a34004-Flag=N;a34002-Rtd={60 + n % 9}.1,a34002-Flag=N;"
        values += "Leq-Rtd=61.5,Leq-Flag=N;a01001-Rtd=21.5,a01001-Flag=N;a01002-Rtd=55.1,a01002-Flag=N;a01007-Rtd=1.2"
        packet = Packet.make(
            f"DataTime={t};{values},a01007-Flag=N",
            QN=f"{t}{n % 1000:03d}",
            ST="39",
            CN="2011",
            PW="123456",
            MN=f"MN-{station}",
            Flag="5",
        )
        made.append(build(packet) + END)
    return made


class Crowd:
    """Connections that each send one frame after the other."""

    def __init__(self, port, connections):
        self._selector = selectors.DefaultSelector()
        self.sockets = []
        for number in range(connections):
            one = socket.create_connection(("127.0.0.1", port), 30)
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ, number)
            self.sockets.append(one)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.sockets:
            one.close()
        self._selector.close()

    def send(self, frames):
        """Let every connection send its frames; return how long it took [s]."""
        begin = time.monotonic()
        places = [0] * len(self.sockets)
        left = len(self.sockets)
        for number, one in enumerate(self.sockets):
            one.sendall(frames[number][0])
        while left:
            ready = self._selector.select(60)
            if not ready:
                sys.exit(f"{left} connections have heard nothing for 60 s")
            for key, _ in ready:
                number = key.data
                said = key.fileobj.recv(4096)
                if not said:
                    sys.exit(f"connection {number} was closed")
                if not said.endswith(b"\n"):
                    continue
                places[number] += 1
                if places[number] < len(frames[number]):
                    key.fileobj.sendall(frames[number][places[number]])
                else:
                    left -= 1
        return time.monotonic() - begin


def cpu_s(pid):
    """Return the processor time of a process [s]."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def echoed(frames):
    """Return CPU microseconds a frame of the echo."""
    port = free_port()
    process = subprocess.Popen([sys.executable, ECHO, str(port)])
    try:
        wait_for_port(port)
        with Crowd(port, len(frames)) as crowd:
            crowd.send([of_one[:1] for of_one in frames])
            before = cpu_s(process.pid)
            crowd.send(frames)
            return (cpu_s(process.pid) - before) / sum(map(len, frames)) * 1e6
    finally:
        process.kill()
        process.wait()


def taken(connections, count):
    """Return the figures of the hub."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = write_hub(folder, connections, "dust_realtime", "123456")
        hub = HubUnderFire(folder, port)
        hub.start()
        try:
            wait_for_port(port)
            first = time.time() - 30 * (count + 20)
            frames = [frames_of(n, count + 2, first) for n in range(connections)]
            pid = hub.process.pid
            with Crowd(port, 100) as warm:
                warm.send([of_one[:1] for of_one in frames[:100]])
            time.sleep(1)
            rss = psutil.Process(pid).memory_info().rss
            with Crowd(port, connections) as crowd:
                crowd.send([of_one[1:2] for of_one in frames])
                time.sleep(1)
                grown = psutil.Process(pid).memory_info().rss - rss
                before, all_before = cpu_s(pid), all_cpu_s(pid)
                seconds = crowd.send([of_one[2:] for of_one in frames])
                after = cpu_s(pid)
                while hub.store_is_behind():
                    time.sleep(0.1)
                all_after = all_cpu_s(pid)
            total = connections * count
            with read_only(folder / "data" / "log.db") as db:
                kept = db.execute("SELECT count(*) FROM message").fetchone()[0]
            if kept != total + connections + 100:
                sys.exit(f"{kept} messages are in the log; expected {total + connections + 100}")
            return {
                "hub_cpu_us_per_frame": (after - before) / total * 1e6,
                "all_cpu_us_per_frame": (all_after - all_before) / total * 1e6,
                "frames_per_s": total / seconds,
                "kb_per_connection": grown / connections / 1000,
            }, [of_one[2:] for of_one in frames]
        finally:
            hub.stop()


def all_cpu_s(pid):
    """Return the processor time of the hub's processes [s]."""
    hub = psutil.Process(pid)
    return sum(cpu_s(one.pid) for one in (hub, *hub.children()))


def wait_for_port(port):
    """Return when somebody listens there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def main():
    """Read the command line, measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    wanted = given.connections + 200
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(wanted, 4096), most), most))
    rounds = []
    for number in range(given.rounds):
        figures, frames = taken(given.connections, given.frames)
        figures["echo_cpu_us_per_frame"] = echoed(frames)
        rounds.append(figures)
        print(f"round {number + 1}: {figures}", file=sys.stderr, flush=True)
    found = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    found["ratio"] = found["hub_cpu_us_per_frame"] / found["echo_cpu_us_per_frame"]
    found |= {"connections": given.connections, "frames": given.connections * given.frames}
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))


if __name__ == "__main__":
    main()
