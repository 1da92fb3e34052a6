"""The whole chain out of real parts: sensors on their wires, boards on MicroPython, a broker, `fenceline run`.

Everything runs in real time with records of one second, unless a faster clock is given. Each process can be killed and
started again.
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from sim.city.account import made_by, made_count, read_only
from sim.city.city import CitySite, board_config, boards, sensors_of, source_of, write_board, write_hub
from sim.city.demo import pace
from sim.city.source import ClockFile, SimClock
from tests.wrong_clock import clean_up

ROOT = Path(__file__).resolve().parent.parent.parent
SITES = (
    CitySite("pit", "nanhai", "Station pit", "车站基坑", "night_pour", 2),
    CitySite("plant", "tianhe", "Gas turbine plant", "燃机电厂", "gas_turbine_plant"),
)
INTERVAL_S = 1
PERIOD_S = 0.2


def _holds(condition):
    """Tell whether a condition holds; of a database that the hub is still making, nothing does."""
    try:
        return condition()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return False


def until(condition, what, seconds=60):
    """Wait until the condition holds; fail with `what` when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not _holds(condition):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Chain:
    """Use it in a `with` statement: leaving it ends every process and every sensor."""

    def __init__(self, folder, broker_port, micropython, store="sqlite", environment=None, sites=SITES, clock=None):
        self.folder = folder
        self.boards = boards(sites)
        self.heap = "256k"
        self.code = ROOT
        self.starts = ("-m", "edge", "config.json")
        self.hub_environment = {}  # of the hub alone
        self._interval, self._period = pace(clock.speed) if clock else (INTERVAL_S, PERIOD_S)
        self._fast = clock
        self._micropython = micropython
        self._port = broker_port
        self._environment = environment or {}
        self._clock = clock or SimClock(time.time(), time.time())
        self._keys = write_hub(folder, sites, broker_port, store, clock.speed if clock else 1)
        self._processes = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._lines = {board.id: self._sensors(board) for board in self.boards}
        for board in self.boards:
            lines = self._lines[board.id]
            config = board_config(board, lines, self._clock, self._port, self._interval, self._period)
            if self._fast is None:
                del config["clock"]
            write_board(self.folder / board.id, config, self._keys[board.id])
        return self

    def __exit__(self, *_):
        for name in list(self._processes):
            self.kill(name)
        for lines in self._lines.values():
            for line in lines.values():
                asyncio.run_coroutine_threadsafe(line.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _sensors(self, board):
        return self._started(sensors_of(board, source_of(board, (), self._clock), self._clock, self._period))

    def _started(self, lines):
        for line in lines.values():
            asyncio.run_coroutine_threadsafe(line.start(), self._loop).result(10)
        return lines

    def start_hub(self):
        config = self.folder / "fenceline.toml"
        command = [Path(sys.executable).parent / "fenceline", "run", "--config", config]
        if self._fast:
            ClockFile.write(self.folder / "clock.json", self._fast)
            command = [sys.executable, "-m", "sim.city.hub", config, self.folder / "clock.json"]
        self._start("hub", command, self.folder, self.hub_environment)

    def start_board(self, name):
        command = [self._micropython, "-X", f"heapsize={self.heap}", *self.starts]
        self._start(name, command, self.folder / name)

    def kill(self, name):
        """End a process at once (SIGKILL), as the power cut would."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()
        if name == "hub":
            clean_up(process.pid)

    def kill_part(self, module):
        """End one of the hub's further processes at once; the hub starts it again. Return whether it ran."""
        hub = self._processes.get("hub")
        for process in psutil.Process(hub.pid).children() if hub else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                if module in process.cmdline():
                    process.kill()
                    return True
        return False

    def runs(self, name):
        """Tell whether a process goes on running by itself."""
        return self._processes[name].poll() is None

    def stop_boards(self):
        """Let the boards stop measuring and send what they have; return when all have ended by themselves."""
        for board in self.boards:
            (self.outbox(board.id) / "stop").touch()
        for board in self.boards:
            process = self._processes.pop(board.id)
            assert process.wait(timeout=60) == 0, self.log(board.id)

    def terminate_hub(self):
        """End the hub as a service manager would; return its exit code."""
        process = self._processes.pop("hub")
        process.terminate()
        try:
            return process.wait(timeout=20)
        finally:
            clean_up(process.pid)

    def outbox(self, name):
        return self.folder / name / "outbox"

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def made(self):
        return sum(made_count(self.outbox(board.id)) for board in self.boards)

    def records_made(self):
        """Return every record the boards made, as they kept it: device, t, dt, values."""
        return Counter(record for board in self.boards for record in made_by(board.id, self.outbox(board.id)))

    def in_log(self):
        """Return how many messages the hub's log holds."""
        path = self.folder / "data" / "log.db"
        if not path.exists():
            return 0
        with read_only(path) as db:
            made = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'message'").fetchone()[0]
            return db.execute("SELECT count(*) FROM message").fetchone()[0] if made else 0

    def quarantine(self):
        """Return `(device, reason)` of what is in quarantine."""
        with read_only(self.folder / "data" / "log.db") as db:
            return db.execute("SELECT device, reason FROM quarantine ORDER BY id").fetchall()

    def store_is_behind(self, consumer=None):
        """Tell whether the series store (by its consumer's name, or the embedded one) lags behind the log."""
        with read_only(self.folder / "data" / "log.db") as log:
            end = log.execute("SELECT max(offset) FROM message").fetchone()[0]
            if consumer:
                done = log.execute("SELECT offset FROM position WHERE consumer = ?", (consumer,)).fetchone()
            else:
                with read_only(self.folder / "data" / "series.db") as series:
                    done = series.execute("SELECT offset FROM position").fetchone()
        return done is None or done[0] < end

    def _start(self, name, command, cwd, more=None):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "MICROPYPATH": f"{self.code}:.frozen"} | self._environment
        environment |= more or {}
        with (self.folder / f"{name}.log").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
