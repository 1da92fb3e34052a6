"""What a technician at the board's serial line sees and does; `fenceline board` runs it from the prompt.

`run` lets the agent work as always, the network included, and prints a line `#field {JSON}` every now and then:

    {"t": 1794999990, "clock": "ntp", "interval": 10, "stream": "9f3a12c4", "first": 41, "oldest": 38, "next": 43,
     "connected": true, "problem": "", "rssi": -61, "cal": 3,
     "sensors": {"dust": {"n": 12, "flag": "N", "why": "", "rejected": 0, "channels": ["pm10"]}},
     "raw": {"pm10": 83}, "values": {"pm10": 81}}

`n` counts a sensor's samples; `raw` is the last one before the calibration, `values` after it; `first` is the number of
the first record of this run, so it has reached the hub when `oldest` is above it. `problem`: why there is no
connection. What stands in other lines is the agent's log. Ctrl-C ends it; the outbox is then as after any reset.
"""

import asyncio
import json
import time

from edge import agent, files, main, message, orders
from edge.board import Board
from edge.calibration import Calibration
from edge.notes import Notes

try:
    from asyncio.core import new_event_loop  # type: ignore[import-not-found] # MicroPython keeps the tasks of a run that Ctrl-C ended
except ImportError:

    def new_event_loop():
        """Nothing to forget: CPython's run() has a new loop each time."""


MARK = "#field "


class Watched:
    """A driver, and what its last sample was before the calibration."""

    def __init__(self, driver):
        self._driver = driver
        self.count = 0
        self.last = {}
        self.why = ""

    def __getattr__(self, name):
        return getattr(self._driver, name)

    async def sample(self):
        """Return the driver's sample, or raise what it raises."""
        try:
            sample = await self._driver.sample()
        except Exception as error:
            self.last = {}
            self.why = str(error) or error.__class__.__name__
            raise
        self.last = sample
        self.why = ""
        self.count += 1
        return sample


def _line(worker, watched, first):
    recorder, outbox = worker.recorder, worker.outbox
    sensors = {}
    raw = {}
    for name, driver in watched.items():
        sensors[name] = {
            "n": driver.count,
            "flag": recorder.flag(name),
            "why": driver.why,
            "rejected": driver.rejected,
            "channels": list(driver.channels),
        }
        raw.update(driver.last)
    return {
        "t": worker.now(),
        "clock": worker.board.clock_quality,
        "interval": recorder.interval,
        "stream": outbox.stream,
        "first": first,
        "oldest": outbox.oldest,
        "next": outbox.next,
        "connected": worker.client.connected,
        "problem": worker.client.problem,
        "rssi": worker.board.rssi(),
        "cal": worker.calibration.id,
        "sensors": sensors,
        "raw": raw,
        "values": {channel: recorder.latest[channel] for channel in raw if channel in recorder.latest},
    }


async def _work(worker, every, flag, sensors):
    watched = {name: Watched(driver) for name, driver in worker.sensors.items()}
    worker.sensors.update(watched)
    first = worker.outbox.next
    running = asyncio.create_task(worker.run())
    try:
        while not running.done():
            if flag:
                worker.recorder.work(flag, sensors or list(watched), 60)
            print(MARK + json.dumps(message.plain(_line(worker, watched, first))))
            await asyncio.sleep(every)
        await running  # raises what it ended by
    finally:
        await agent.end([running])


def run(every=1, flag="", sensors=(), path="config.json"):
    """Run the agent of the configuration `path` until Ctrl-C, and print a line each `every` seconds.

    `flag`: M or C for what the `sensors` (names; none: all) give meanwhile. The flag is set for a minute at a time, so
    that it ends by itself when the cable is pulled.
    """
    new_event_loop()
    worker = main.make(path)
    try:
        asyncio.run(_work(worker, every, flag, sensors))
    except KeyboardInterrupt:
        pass
    finally:
        worker.outbox.close()
        worker.board.rest()


def unix_time():
    """Return Unix time in s, 0 while the clock was never set: nothing has asked a time server at the prompt."""
    t = int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)  # a chip counts from 2000
    return t if t > 1704067200 else 0


def calibrate(command, path="config.json"):
    """Put a calibration in force, as the hub's command `calibrate` does, and print what the file then says.

    `command`: `{"calibration", "who", "reference"}`. Raises ValueError with why it is refused. The hub is told with the
    next connection.
    """
    with open(path) as file:
        folder = json.load(file)["folder"]
    kept = folder + "/calibration.json"
    calibration = Calibration(kept)
    notes = Notes(folder + "/events", unix_time)
    orders.calibrate(calibration, notes, command)
    print(MARK + files.read(kept))


def hold():
    """Keep the watchdog from starting the board again while a technician is at the prompt."""
    try:
        with open("config.json") as file:
            Board(json.load(file)).rest()
    except (OSError, ValueError, KeyError):
        pass  # not configured yet: nothing has set the watchdog
