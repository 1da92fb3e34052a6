"""A small city and the parts of its hub. Its boards speak with the agent's own code: no message is imitated."""

import datetime as dt
import json
import sqlite3
from contextlib import closing
from typing import NamedTuple
from zoneinfo import ZoneInfo

from edge import message
from hub.compliance.consumer import Compliance
from hub.intake.admission import Admission
from hub.log.log import Log
from hub.registry.live import Background, Board, Registry, Site
from hub.storage.compliance_file import open_compliance
from hub.upkeep.versions import PARTS
from schemas import load_limits, load_quantities

SHANGHAI = ZoneInfo("Asia/Shanghai")
QUANTITIES = load_quantities()
LIMITS = [(standard, limit) for standard, limit in load_limits() if standard.id == "GB 12523-2025"]

QUIET = tuple(
    Background(
        level=20.0,
        from_=dt.datetime(2020, 1, 1, hour, tzinfo=SHANGHAI),
        to=dt.datetime(2020, 1, 1, hour, 20, tzinfo=SHANGHAI),
        confirmed="officer",
    )
    for hour in (12, 23)
)
"""A background so low that nothing is taken off, by day and by night."""
QUIET_TOML = """background = [
  {level = 20.0, from = 2020-01-01T12:00:00, to = 2020-01-01T12:20:00, confirmed = "officer"},
  {level = 20.0, from = 2020-01-01T23:00:00, to = 2020-01-01T23:20:00, confirmed = "officer"},
]
"""
"""The same, as it stands with a site in ``registry.toml``."""

CITY = Registry(
    sites={
        "tower": Site(id="tower", district="north", kind="construction", en="Clock Tower", zh="钟楼", background=QUIET),
        "mill": Site(id="mill", district="south", kind="factory", en="Old Mill", zh="老面粉厂", background=QUIET),
    },
    boards={
        "fence-1": Board(id="fence-1", site="tower"),
        "fence-2": Board(id="fence-2", site="tower"),
        "stack-1": Board(id="stack-1", site="mill"),
    },
    keys={"fence-1": b"1" * 32, "fence-2": b"2" * 32, "stack-1": b"3" * 32},
    zone=SHANGHAI,
)


def at(local):
    """Return the Unix time of a local date and time such as "2026-03-02 09:00"."""
    return int(dt.datetime.fromisoformat(local).replace(tzinfo=SHANGHAI).timestamp())


NOON = at("2026-03-02 12:00")


def record(t, length=10, flags=None, **values):
    """Return one record as the agent writes it."""
    return message.record(t, length, values, flags or {})


class Speaker:
    """A board of the city. What it says is (topic, payload), as the broker hands it to the hub."""

    def __init__(self, device="fence-1", stream="9f3a12c4"):
        site = CITY.site_of(device)
        self.topic = f"fenceline/1/{site.district}/{site.id}/{device}/"
        self.signer = message.Signer(CITY.keys[device])
        self.device, self.stream, self.next = device, stream, 1

    def say(self, kind, text):
        """Say any text, with a good MAC."""
        return self.topic + kind, self.signer.seal(text)

    def telemetry(self, *records, seq=None, oldest=1):
        """Say the records, numbered from where it left off or from `seq`."""
        seq = self.next if seq is None else seq
        self.next = max(self.next, seq + len(records))
        texts = [text.encode() for text in records]
        return self.say("telemetry", b"".join(message.telemetry(self.stream, seq, oldest, 3, "ntp", texts)).decode())

    def batch(self, first, last, oldest=1):
        """Say the records number `first` to `last`, one for each 10 s since the noon before."""
        records = (record(NOON - 86_400 + 10 * (seq % 8640), laeq=60.0) for seq in range(first, last + 1))
        return self.telemetry(*records, seq=first, oldest=oldest)

    def unusable(self, first, last):
        """Say the records number `first` to `last`, authentic but of a quantity that no catalogue has."""
        text = record(NOON - 60, laeq=60.0).replace("laeq", "phlogiston")
        return self.telemetry(*[text] * (last - first + 1), seq=first)

    def event(self, number, t=NOON, **detail):
        """Say an event of this number in the board's outbox; 0: as earlier agents did, without one."""
        numbered = f'"n":{number},' if number else ""
        return self.say("event", f'{{{numbered}"t":{t},"event":"relay","detail":{json.dumps(detail)}}}')

    def dropped(self, first, last, reason="full"):
        """Say that the outbox gave up the records `first` to `last`."""
        return self.say("event", message.dropped(NOON, self.stream, first, last, reason))


class Hub:
    """The hub between broker and people, driven step by step; `now` is its clock."""

    def __init__(self, folder, limits=LIMITS, registry=CITY):
        self.folder, self.limits, self.registry = folder, limits, registry
        self.now = NOON
        self.admission = Admission(registry, QUANTITIES, lambda: self.now)
        self.log = self.compliance = None
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        self.log = Log(self.folder / "log.db")
        self.compliance = Compliance(
            self.folder / "compliance.db", self.registry, self.limits, QUANTITIES, lambda: self.now
        )

    def close(self):
        self.log.close()
        self.compliance.close()

    def restart(self):
        self.close()
        self.open()

    def hear(self, *messages):
        """Judge and commit messages in one transaction; return what the boards may forget."""
        committed = self.log.commit([self.admission.judge(topic, payload) for topic, payload in messages], self.now)
        return {(stream.device, stream.name): seq for stream, seq in committed.complete.items()}

    def judge(self, most=1000):
        """Let compliance take the next entries of the log, as its consumer does."""
        self.compliance.take(self.log.read(self.compliance.position(), most))

    def entries(self):
        return self.log.read(0, 1_000_000)

    def gaps(self):
        """Return (device, first, last, reason) of every gap."""
        rows = query(self.folder / "log.db", "SELECT device, first, last, reason FROM gap ORDER BY device, first")
        return [tuple(row.values()) for row in rows]

    def quarantine(self):
        return query(self.folder / "log.db", "SELECT * FROM quarantine ORDER BY id")

    def verdicts(self, rule=""):
        """Return the verdicts on a limit in the order in which they were given."""
        rows = query(self.folder / "compliance.db", "SELECT * FROM verdict ORDER BY id")
        return [row for row in rows if row["rule"].endswith(rule)]

    def alerts(self):
        return query(self.folder / "compliance.db", "SELECT * FROM alert ORDER BY id")


def readings(entry):
    """Return the single readings of an entry, those of one record in the order of their quantities' keys."""
    found = []
    for i in entry.intervals:
        said = {quantity: (value, "N") for quantity, value in i.values.items()}
        said |= {quantity: (value, flag) for quantity, (flag, value) in i.flagged.items()}
        found += [Reading(i.seq, i.t, i.dt, quantity, *said[quantity]) for quantity in sorted(said)]
    return found


class Reading(NamedTuple):
    """One quantity in one interval."""

    seq: int
    t: int
    dt: int
    quantity: str
    value: float | None
    flag: str


def open_all(path):
    """Open a compliance database with the tables of every package, as the hub's processes together make it."""
    return open_compliance(path, *PARTS)


def dicts(cursor):
    """Return the rows of a query as dicts."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def query(path, sql):
    """Return the rows of a database as dicts, read as any other program would read them."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql)]


def execute(path, sql):
    """Change a database from outside."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(sql)
