"""A week of a small city in which everything occurs that a panel should show, lived through by the real hub.

The boards' messages are made by the agent's own code, one record a minute, and go through admission, log and every
consumer into a real InfluxDB. The hub's clock is ours: it goes on by 20 min at a time.
"""

import datetime as dt
import json
import math
import random
from contextlib import closing
from typing import NamedTuple

from edge import message
from hub.desk.desk import Desk
from hub.orders.book import LONGEST, Asked, OrderBook
from hub.orders.desired.book import DesiredBook
from hub.orders.tables import PART
from hub.registry.entries import District
from hub.registry.live import Board, Registry, Site
from hub.storage.compliance_file import open_compliance
from hub.wire.messages import Event
from tests.hub.helpers import QUIET, SHANGHAI, at, open_all
from tests.hub.whole import WholeHub

START, NOW = at("2026-11-18 00:00"), at("2026-11-25 12:50")
MINUTE, HOUR, DAY = 60, 3600, 86_400
STEP = 20 * MINUTE
TODAY, YESTERDAY = at("2026-11-25 00:00"), at("2026-11-24 00:00")

CITY = Registry(
    sites={
        "tower": Site(
            id="tower",
            district="north",
            kind="construction",
            en="Clock Tower",
            zh="钟楼",
            position=(30.25, 120.15),
            background=QUIET,
        ),
        "bridge": Site(
            id="bridge",
            district="north",
            kind="construction",
            en="New Bridge",
            zh="新桥",
            position=(30.27, 120.19),
            background=QUIET,
        ),
        "mill": Site(
            id="mill",
            district="south",
            kind="factory",
            en="Old Mill",
            zh="老面粉厂",
            zone_class="3",
            position=(30.18, 120.21),
            background=QUIET,
            properties={"plant": "boiler", "boiler": "in_use", "fuel": "gas"},
        ),
    },
    boards={
        "tower-1": Board(id="tower-1", site="tower", calibration_due=dt.date(2027, 3, 1)),
        "tower-2": Board(id="tower-2", site="tower", calibration_due=dt.date(2026, 11, 1)),
        "bridge-1": Board(id="bridge-1", site="bridge"),
        "mill-1": Board(id="mill-1", site="mill"),
        "mill-2": Board(id="mill-2", site="mill"),
    },
    keys={
        id_: bytes([number]) * 32 for number, id_ in enumerate(("tower-1", "tower-2", "bridge-1", "mill-1", "mill-2"))
    },
    zone=SHANGHAI,
    named_districts={
        "north": District(id="north", city="town", en="North Bank", zh="北岸区"),
        "south": District(id="south", city="town", en="South Bank", zh="南岸区"),
    },
)
FIRMWARE = {"tower-2": ("0.0.9", "MicroPython 1.24.1")}
SILENT_SINCE = {"bridge-1": TODAY + 3 * HOUR}
"""The board that nobody hears any more."""
GAP = (YESTERDAY + 15 * HOUR, YESTERDAY + 16 * HOUR)
"""In which tower-1 measured nothing, and gave up what it had."""
LOUD_DAY = (10 * HOUR, 10 * HOUR + 40 * MINUTE)
LOUD_DAYS = (START, YESTERDAY, TODAY)
"""Days on which tower-1 breaks the day limit: a week ago, yesterday and today."""
LOUD_NOW = TODAY + 12 * HOUR
"""And from here on, to the end: an alert that is open."""
STACK_EXCEEDED = (TODAY + 8 * HOUR, TODAY + 11 * HOUR)
ACKNOWLEDGED = TODAY + 11 * HOUR
"""When an officer takes in hand what is firing."""
CALIBRATED = (5 * HOUR, 5 * HOUR + 30 * MINUTE)
"""Each day, when the stack's analyser was calibrated."""


class Speaker:
    """A board: numbers and signs what it says."""

    def __init__(self, device):
        site = CITY.site_of(device)
        self.device = device
        self.topic = f"fenceline/1/{site.district}/{site.id}/{device}/"
        self.signer = message.Signer(CITY.keys[device])
        self.next = 1

    def say(self, kind, text):
        return self.topic + kind, self.signer.seal(text)

    def telemetry(self, records, clock):
        first, self.next = self.next, self.next + len(records)
        parts = message.telemetry("9f3a12c4", first, 1, 3, clock, [record.encode() for record in records])
        return self.say("telemetry", b"".join(parts).decode())


class Reading(NamedTuple):
    values: dict
    flags: dict


def measured(device, t, chance):
    """Return what a board measures in the minute that begins at `t`; None: nothing."""
    of_day = (t - START) % DAY
    night = of_day < 6 * HOUR or of_day >= 22 * HOUR
    swing = math.sin(2 * math.pi * of_day / DAY - 2)
    if device == "mill-2":
        exceeded = STACK_EXCEEDED[0] <= t < STACK_EXCEEDED[1]
        values = {
            "stack_pm": 12 + 3 * swing,
            "stack_so2": 35 + 5 * swing,
            "stack_nox": (520 if exceeded else 240) + chance.uniform(-9, 9),
            "stack_co": 40 + chance.uniform(-5, 5),
            "stack_o2": 4.5 + chance.uniform(-0.2, 0.2),
        }
        return Reading(values, {"stack_nox": "C", "stack_so2": "C"} if CALIBRATED[0] <= of_day < CALIBRATED[1] else {})
    if device == "tower-1" and GAP[0] <= t < GAP[1]:
        return None
    quiet = 6 if device == "mill-1" else 0
    level = (46 if night else 62) - quiet + 2 * swing + chance.uniform(-1.5, 1.5)
    if device == "tower-1":
        begins = t - of_day
        if (begins in LOUD_DAYS and LOUD_DAY[0] <= of_day < LOUD_DAY[1]) or t >= LOUD_NOW:
            level = 77 + chance.uniform(-1, 1)
        elif 22 * HOUR <= of_day < 22 * HOUR + 40 * MINUTE:
            level = 58 + chance.uniform(-1, 1)
    pm10 = 70 + 20 * swing + (110 if 14 * HOUR <= of_day < 15 * HOUR else 0) + chance.uniform(-5, 5)
    values = {
        "laeq": level,
        "lafmax": level + 11,
        "l10": level + 3,
        "l50": level - 1,
        "l90": level - 5,
        "pm10": pm10,
        "pm25": 0.4 * pm10,
        "tsp": 2.1 * pm10,
        "wind_speed": 2 + abs(swing) + chance.uniform(0, 0.5),
        "wind_dir": (90 + 40 * swing) % 360,
    }
    if device == "mill-1":
        del values["pm25"]
        values |= {"nmhc": 1.5 + 0.5 * swing, "so2": 60 + 10 * swing}
    faulty = device == "tower-2" and 16 * HOUR <= of_day < 17 * HOUR
    return Reading(values, {"pm10": "D"} if faulty else {})


def status(device, t, depth=0):
    """Return a board's status."""
    agent, runtime = FIRMWARE.get(device, ("0.1.0", "MicroPython 1.25.0"))
    said = {"agent": agent, "runtime": runtime, "depth": depth, "dropped": 40 if device == "tower-1" else 0}
    said |= {"rssi": -61 - len(device), "heap_free": 51_200, "reset": "power", "cal": 3, "config": 1}
    return message.status(True, t, sensors={"spl": "N"}, cal_due="2026-12-20" if device != "tower-2" else "", **said)


def event(t, name, **detail):
    return json.dumps({"t": t, "event": name, "detail": detail})


def happens(speakers, t):
    """Yield what is said beside the telemetry in the step that ends at `t`."""
    tower = speakers["tower-1"]
    of_day = (t - START) % DAY
    for speaker in speakers.values():
        if t % HOUR == 0 and t < SILENT_SINCE.get(speaker.device, NOW + 1):
            yield speaker.say("status", status(speaker.device, t, depth=t // HOUR % 5))
    if of_day in (14 * HOUR + STEP, 15 * HOUR + STEP):
        on = of_day == 14 * HOUR + STEP
        yield tower.say(
            "event", event(t - STEP, "relay", on=on, why="pm10 180, on at 150" if on else "pm10 70, off below 100")
        )
    if t == GAP[1] + STEP:
        yield tower.say("event", message.dropped(t, "9f3a12c4", tower.next, tower.next + 39, "overflow"))
        tower.next += 40
    if t == YESTERDAY + 9 * HOUR:
        yield tower.say("event", event(t, "update", version="0.1.0"))
        yield speakers["mill-2"].say(
            "event", event(t, "calibration", before={}, after={}, who="officer-3", reference="span gas")
        )
        yield tower.say("event", event(t, "config", revision=1))
        topic, payload = speakers["tower-2"].say("telemetry", '{"stream":"9f3a12c4"}')
        yield topic, payload  # against the schema
        yield topic, payload[:-10] + b'00000000"}'  # a bad MAC


def order(folder):
    """Give a board an order that waits, and a configuration that it refuses."""
    device = next(iter(CITY.boards))
    site = CITY.site_of(device)
    with closing(open_compliance(folder / "compliance.db", PART)) as db:
        asked = Asked(device, site.district, site.id, "ping", {}, "technician-1", "is it there?", LONGEST)
        OrderBook(db).give(asked, START)
        book = DesiredBook(db)
        book.set(CITY, "board", device, {"interval": 30}, "technician-1", "", START)
        book.revise(CITY, START, lambda: 0)
        detail = {"revision": book.told(device).revision, "problem": "not kept: [Errno 28] ENOSPC"}
        book.hear(device, Event(t=START, event="config", mac="0" * 64, n=1, detail=detail), START)


def live(folder, bucket="fenceline"):
    """Let the hub live through the week; where InfluxDB is, the environment tells. The hub is open when it returns."""
    chance = random.Random(6)
    speakers = {device: Speaker(device) for device in CITY.boards}
    hub = WholeHub(folder, CITY, START, bucket)
    desk = Desk(open_all(folder / "compliance.db"), hub.clock)
    order(folder)
    for begin in range(START, NOW, STEP):
        end = min(begin + STEP, NOW)  # the last step leaves a window open
        said = []
        for device, speaker in speakers.items():
            minutes = range(begin, end, MINUTE)
            readings = [(t, measured(device, t, chance)) for t in minutes if t < SILENT_SINCE.get(device, NOW + 1)]
            records = [message.record(t, MINUTE, one.values, one.flags) for t, one in readings if one]
            if records:
                said.append(speaker.telemetry(records, "rtc" if device == "tower-2" and begin >= YESTERDAY else "ntp"))
        said += happens(speakers, end)
        hub.now = float(end + 5)
        hub.hear(*said)
        hub.work()
        if end == ACKNOWLEDGED:
            for alert in desk.book.search_alerts(state="firing", kind="limit"):
                desk.acknowledge(alert.id, "officer-2", "on my way")
    for _ in range(3):  # minutes in which what is saved by the minute is saved
        hub.now += MINUTE
        hub.work()
    desk.book.db.close()
    return hub
