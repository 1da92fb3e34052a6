"""A mill with an outlet that lets out too much, and what its enterprise marks, driven step by step."""

import contextlib

from hub.cases.attachments.store import stored
from hub.compliance.emissions.consumer import Emissions
from hub.registry.live import Board, Registry, Site
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.marks.records import Proof, Said
from hub.things.marks.store import MarkStore
from hub.things.marks.tables import PART as MARKS
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import load_limits
from tests.hub.helpers import NOON, QUANTITIES, SHANGHAI, Hub, Speaker, at, record

HOUR = 3600
STACK_LIMITS = [(s, n) for s, n in load_limits() if s.id == "GB 13271-2014"]
PLANT = Registry(
    sites={
        "mill": Site(
            id="mill",
            district="south",
            kind="factory",
            en="Old Mill",
            zh="老面粉厂",
            properties={"plant": "boiler", "fuel": "gas", "boiler": "new", "capacity": "large"},
        )
    },
    boards={"stack-1": Board(id="stack-1", site="mill")},
    keys={"stack-1": b"3" * 32},
    zone=SHANGHAI,
)


class Plant:
    """A mill with one outlet, da-1, whose board is stack-1; its boiler lets out too much NOx.

    `hub` judges, `emissions` calculates; `hub.now` is the clock of both.
    """

    def __init__(self, folder):
        self.hub = Hub(folder, STACK_LIMITS, PLANT)
        self.board = Speaker("stack-1")
        self.board.topic = "fenceline/1/south/mill/stack-1/"
        self.path = folder / "compliance.db"
        self.emissions = Emissions(self.path, PLANT, STACK_LIMITS, QUANTITIES, lambda: self.hub.now)
        self.add("enterprise", "mill-co", "Mill", "面粉厂", district="south")
        self.add(
            "outlet", "da-1", "Stack", "烟囱", number="DA001", enterprise="mill-co", source=("stack-1",), site="mill"
        )

    def add(self, kind, id_, en, zh, district=None, since=None, until=None, **properties):
        """Add a thing."""
        thing = Thing(kind, id_, en, zh, district=district, from_=since, until=until, properties=properties)
        with self.db() as db:
            ThingStore(db).add(thing, 0.0, "root", "")

    def permit(self, mass_t=1.0):
        """Add a permit: 150 mg/m3 of NOx at 3.5 % oxygen, and a mass in a year."""
        self.add(
            *("discharge_permit", "p-1", "Permit", "许可证"),
            since=at("2026-01-01 00:00"),
            until=at("2031-01-01 00:00"),
            number="91440600P",
            enterprise="mill-co",
            authority="Nanhai",
        )
        what = {"permit": "p-1", "outlet": "da-1", "pollutant": "stack_nox"}
        self.add("permit_limit", "l-1", "NOx", "氮氧化物", value=150, reference_o2=3.5, **what)
        self.add("permit_total", "t-1", "NOx", "氮氧化物", mass_t=mass_t, **what)

    def close(self):
        self.hub.close()
        self.emissions.close()

    @contextlib.contextmanager
    def db(self):
        with contextlib.closing(open_compliance(self.path, THINGS, MARKS)) as db, transaction(db):
            yield db

    def run(self, hours, nox=400.0, first=NOON, **more):
        """Let the board say so many hours, and judge them."""
        for hour in range(hours):
            start = first + hour * HOUR
            records = [record(start + 60 * n, 60, stack_nox=nox, stack_o2=3.5, **more) for n in range(60)]
            self.hub.now = start + HOUR + 1
            for part in range(0, 60, 20):
                self.hub.hear(self.board.telemetry(*records[part : part + 20]))
            self.hub.judge()
        self.hub.now += 400
        self.judge()

    def judge(self):
        """Let judging and calculating go by what was said and marked meanwhile."""
        self.hub.judge()
        self.emissions.take(self.hub.log.read(self.emissions.position(), 10_000))
        self.emissions.take([])

    def mark(self, begin, end, *, logged, proven=True, **more):
        """Log a mark; return its number."""
        said = {"kind": "fault", "quantities": ("stack_nox",), "back_s": 12 * HOUR, "deadline_s": 36 * HOUR}
        content = Said(begin=begin, end=end, proof=True, **({"outlet": "da-1"} | said | more))
        with self.db() as db:
            number = MarkStore(db).add(None, "mark", logged, "mill-1", "the analyser is broken", content)
        if proven:
            self.log(number, "proof", logged, Proof("0" * 64, "report.pdf", "application/pdf", 10))
        return number

    def log(self, number, what, logged, data=None):
        with self.db() as db:
            MarkStore(db).add(number, what, logged, "somebody", "", data)

    def stored_proofs(self):
        """Return how many documents are kept."""
        return len(stored(self.path.parent)[0])

    def nox(self):
        """Return the newest outcome, reason and marks of each hour of NOx that was judged, by start."""
        rows = [row for row in self.hub.verdicts() if row["quantity"] == "stack_nox"]
        return {(row["start"] - NOON) // HOUR: (row["outcome"], row["reason"], row["marks"]) for row in rows}
