"""A mill with an outlet that lets out too much, and what its enterprise marks, driven step by step."""

import contextlib

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
from tests.hub.helpers import NOON, SHANGHAI, Hub, Speaker, record

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
    """A mill with one outlet, da-1, whose board is stack-1; its boiler lets out too much NOx."""

    def __init__(self, folder):
        self.hub = Hub(folder, STACK_LIMITS, PLANT)
        self.board = Speaker("stack-1")
        self.board.topic = "fenceline/1/south/mill/stack-1/"
        self.path = folder / "compliance.db"
        with self.db() as db:
            made = (0.0, "root", "")
            ThingStore(db).add(Thing("enterprise", "mill-co", "Mill", "面粉厂", district="south"), *made)
            properties = {"number": "DA001", "enterprise": "mill-co", "source": ("stack-1",)}
            ThingStore(db).add(Thing("outlet", "da-1", "Stack", "烟囱", district="south", properties=properties), *made)

    def close(self):
        self.hub.close()

    @contextlib.contextmanager
    def db(self):
        with contextlib.closing(open_compliance(self.path, THINGS, MARKS)) as db, transaction(db):
            yield db

    def run(self, hours, nox=400.0, first=NOON):
        """Let the board say so many hours, and judge them."""
        for hour in range(hours):
            start = first + hour * HOUR
            records = [record(start + 60 * n, 60, stack_nox=nox, stack_o2=3.5) for n in range(60)]
            self.hub.now = start + HOUR + 1
            for part in range(0, 60, 20):
                self.hub.hear(self.board.telemetry(*records[part : part + 20]))
            self.hub.judge()
        self.hub.now += 400
        self.hub.judge()

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

    def nox(self):
        """Return the newest outcome, reason and marks of each hour of NOx that was judged, by start."""
        rows = [row for row in self.hub.verdicts() if row["quantity"] == "stack_nox"]
        return {(row["start"] - NOON) // HOUR: (row["outcome"], row["reason"], row["marks"]) for row in rows}
