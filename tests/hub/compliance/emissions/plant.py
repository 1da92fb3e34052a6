"""A heating plant with one outlet and its permit; its station sends frames of HJ 212, one for each minute."""

import json
from contextlib import closing

import msgspec

from hub.compliance.consumer import Compliance
from hub.compliance.emissions.book import EmissionBook
from hub.compliance.emissions.consumer import Emissions
from hub.intake.admission import Admission
from hub.intake.stations.judging import Came, Judging
from hub.intake.stations.profiles import Profiles
from hub.log.log import Log
from hub.registry.live import Registry, Site, Station
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.hj212 import Packet, build, read_packet
from hub.wire.station import local_text
from schemas import load_limits, load_quantities
from tests.hub.helpers import SHANGHAI, at, open_all, query

HOUR, DAY = 3600, 86_400
QUANTITIES = load_quantities()
LIMITS = [one for one in load_limits() if one[0].id == "GB 13271-2014"]
MONDAY = at("2026-03-02 00:00")
CITY = Registry(
    sites={
        "heat": Site(
            id="heat",
            district="north",
            kind="factory",
            en="Heating plant",
            zh="供热厂",
            properties={"plant": "boiler", "fuel": "gas", "boiler": "new"},
        )
    },
    stations={"stack-1": Station(id="stack-1", site="heat", mn="31000000000001", profile="stack")},
    boards={},
    keys={},
    zone=SHANGHAI,
)
PERMIT_FROM = at("2026-01-01 00:00")
THINGS_OF = (
    {"kind": "enterprise", "id": "heat-works"},
    {
        "kind": "outlet",
        "id": "heat-da001",
        "properties": {"number": "DA001", "enterprise": "heat-works", "site": "heat", "source": ["stack-1"]},
    },
)
PERMIT = {
    "kind": "discharge_permit",
    "id": "heat-permit",
    "from": PERMIT_FROM,
    "until": at("2031-01-01 00:00"),
    "properties": {"number": "9144-001P", "enterprise": "heat-works"},
}
LIMIT = {
    "kind": "permit_limit",
    "id": "heat-nox",
    "properties": {
        "permit": "heat-permit",
        "outlet": "heat-da001",
        "pollutant": "stack_nox",
        "value": 50.0,
        "reference_o2": 3.5,
    },
}
TOTAL = {
    "kind": "permit_total",
    "id": "heat-nox-year",
    "properties": {"permit": "heat-permit", "outlet": "heat-da001", "pollutant": "stack_nox", "mass_t": 0.1},
}


class Plant:
    """The plant and its hub, driven step by step; `now` is its clock."""

    def __init__(self, folder, *things):
        self.folder, self.now = folder, MONDAY
        self.log = Log(folder / "log.db")
        admission = Admission(CITY, QUANTITIES, lambda: self.now)
        self.judging = Judging(admission, CITY, Profiles(QUANTITIES), self.log.latest)
        self.know(*THINGS_OF, *things)
        self.open()

    def open(self):
        path = self.folder / "compliance.db"
        self.emissions = Emissions(path, CITY, LIMITS, QUANTITIES, lambda: self.now)
        self.compliance = Compliance(path, CITY, LIMITS, QUANTITIES, lambda: self.now, steady=lambda: self.now)

    def close(self):
        self.log.close()
        self.emissions.close()
        self.compliance.close()

    def restart(self):
        self.emissions.close()
        self.compliance.close()
        self.open()

    def know(self, *things):
        with closing(open_compliance(self.folder / "compliance.db", THINGS)) as db:
            for thing in things:
                fields = {"en": thing["id"], "zh": thing["id"]} | thing
                ThingStore(db).add(msgspec.convert(fields, Thing), self.now, "tester", "test")

    def say(self, start, minutes=60, flags=None, zs=None, **values):
        """Say a frame for each minute from `start` on; at the end of them it is now, if that is later."""
        self.now = max(self.now, start + 60 * minutes + 5)
        found = []
        for t in range(start, start + 60 * minutes, 60):
            said = [f"DataTime={local_text(t, 480)}"]
            for quantity, value in values.items():
                code, letter = QUANTITIES[quantity].hj212, (flags or {}).get(quantity, "N")
                own = f"{code}-ZsAvg={zs[quantity]}," if quantity in (zs or {}) else ""
                said.append(f"{code}-Avg={value},{own}{code}-Flag={letter}")
            head = {"QN": local_text(t, 480) + "001", "ST": "31", "CN": "2051", "PW": "123456"}
            raw = build(Packet.make(";".join(said), **head, MN="31000000000001", Flag="5"))
            found += self.judging.judge(Came(raw, read_packet(raw), "127.0.0.1")).outcomes
        self.log.commit(found, self.now)

    def take(self, most=1000):
        """Let both take the log, then let time pass so that hours are over."""
        for consumer in (self.emissions, self.compliance):
            while entries := self.log.read(consumer.position(), most):
                consumer.take(entries)
        self.now += 400
        self.emissions.take([])
        self.compliance.take([])

    def rows(self, table):
        return query(self.folder / "compliance.db", f"SELECT * FROM {table} ORDER BY 1")

    def verdicts(self, *names):
        return [tuple(row[name] for name in names) for row in self.rows("verdict") if row["quantity"] == "stack_nox"]

    def ask(self, question, marks=lambda *_: ()):
        """Return what a question to the book gives."""
        with closing(open_all(self.folder / "compliance.db")) as db:
            return question(EmissionBook(db, CITY, LIMITS, QUANTITIES, lambda: self.now, marks))


def editions(text):
    return [tuple(one) for one in json.loads(text)]
