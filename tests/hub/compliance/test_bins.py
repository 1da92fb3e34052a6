"""Bins from the bytes of their sensors to verdicts: the log, the pack's rules, things as people enter them."""

import datetime as dt
from contextlib import closing

import msgspec
import pytest

from edge import message
from hub.compliance.rulings import EVERY, GRACE, Rulings
from hub.intake.admission import Admission
from hub.intake.lorawan.judging import Came, Judging
from hub.log.log import Log
from hub.log.outcomes import Admitted
from hub.registry.live import Board, Node, Registry, Site, Terminal
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire import channels
from hub.wire.channels import Channel, Observed
from schemas.domains.folders import HERE
from schemas.domains.pack import Pack
from tests.hub.helpers import QUANTITIES, SHANGHAI, at, query, record
from tests.hub.wire.test_lorawan import chirpstack

PACK = next(path.parent for path in sorted(HERE.glob("*/rules/bins.toml"))).parent
EVENING = at("2026-03-02 20:00")
FIXES = Channel("jt808", "fixes/", {"fixes": msgspec.json.Decoder(Observed).decode}, "password")
PLACES = {"bin-1": (23.0, 113.1), "bin-2": (23.0, 113.105)}
CITY = Registry(
    sites={"depot": Site(id="depot", district="north", kind="factory", en="Depot", zh="环卫所")},
    boards={"lid-3": Board(id="lid-3", site="depot")},
    keys={"lid-3": b"3" * 32},
    zone=SHANGHAI,
    terminals={"truck-1": Terminal(id="truck-1", site="depot", phone="13800000001")},
    nodes={
        f"node-{n}": Node(
            id=f"node-{n}", site="depot", eui=f"24e124136b50220{n}", codec="milesight", empty_mm=1100, full_mm=100
        )
        for n in (1, 2)
    },
)


class Depot:
    """The log of a depot and what judges by the pack's rules; `now` is its clock."""

    def __init__(self, folder):
        self.folder, self.now, self.counter = folder, EVENING, 0
        self.log = Log(folder / "log.db")
        self.admission = Admission(CITY, QUANTITIES, lambda: self.now)
        self.judging = Judging(self.admission, CITY, self.log.latest, lambda: self.now)
        path = folder / "compliance.db"
        self.rulings = Rulings(path, CITY, Pack(PACK).rules, lambda: self.now, steady=lambda: self.now)
        stops = list(PLACES)
        for n, (id_, (lat, lon)) in enumerate(PLACES.items(), 1):
            point = {"type": "Point", "coordinates": [lon, lat]}
            self.know("bin", id_, {"source": [f"node-{n}"], "waste": "other"}, point)
        self.know("round", "round-1", {"source": "truck-1", "stops": stops})

    def know(self, kind, id_, properties, geometry=None):
        """Enter a thing as people do."""
        with closing(open_compliance(self.folder / "compliance.db", THINGS)) as db:
            said = {"kind": kind, "id": id_, "en": id_, "zh": id_, "properties": properties}
            thing = msgspec.convert(said | ({"geometry": geometry} if geometry else {}), Thing)
            ThingStore(db).add(thing, self.now, "tester", "test")

    def close(self):
        self.log.close()
        self.rulings.close()

    def go(self, until):
        """Let time pass; before `until` the hub takes what came in steps in which it never pauses."""
        self.rulings.take(self.log.read(self.rulings.position(), 1000))
        self.now = max(self.now, until - GRACE - 4 * EVERY)
        while self.now < until:
            self.now = min(self.now + EVERY, until)
            self.rulings.take(self.log.read(self.rulings.position(), 1000))

    def level(self, n, percent, tilted=False):
        """Have the sensor of a bin say how full it is, twice: another gateway hands it over, too."""
        self.counter += 1
        mm = int(1100 - 10 * percent)
        data = f"0482{mm.to_bytes(2, 'little').hex()}0500{tilted:02x}"
        for more in ("", "0016c001f153a14d"):
            said = chirpstack(data, self.counter, int(self.now), f"24e124136b50220{n}", more=more)
            self.log.commit(self.judging.judge(Came(said, "certificate")).outcomes, self.now)

    def told(self, flags=None, **values):
        """Have the board in the lid of the third bin say a record of the last 10 s, in the agent's own words."""
        self.counter += 1
        text = record(int(self.now) - 10, flags=flags, **values).encode()
        parts = message.telemetry("9f3a12c4", self.counter, 1, 0, "ntp", [text])
        sealed = message.Signer(CITY.keys["lid-3"]).seal(b"".join(parts).decode())
        outcome = self.admission.judge("fenceline/1/north/depot/lid-3/telemetry", sealed)
        assert isinstance(outcome, Admitted), outcome
        self.log.commit([outcome], self.now)

    def stand(self, bin_id):
        """Have the truck stand at a bin for a minute."""
        lat, lon = PLACES[bin_id]
        for _ in range(3):
            payload = msgspec.json.encode({"moments": [{"t": int(self.now), "lat": lat, "lon": lon, "radius": 10}]})
            message = FIXES.decoders["fixes"](payload)
            topic = "fixes/north/depot/truck-1/fixes"
            outcome = Admitted(topic, payload, "north", "depot", "truck-1", "fixes", message)
            self.log.commit([outcome], self.now)
            self.go(self.now + 30)

    def verdicts(self, rule):
        rows = query(self.folder / "compliance.db", "SELECT * FROM rule_verdict ORDER BY 1")
        newest = {(row["subject"], row["start"]): row for row in rows if row["rule"] == rule}
        return [(row["subject"], row["outcome"], row["grade"], row["reason"]) for row in newest.values()]


@pytest.fixture
def depot(tmp_path, monkeypatch):
    monkeypatch.setitem(channels.CHANNELS, FIXES.prefix, FIXES)
    made = Depot(tmp_path)
    yield made
    made.close()


def test_a_bin_that_nobody_empties_is_a_violation_and_one_that_lies_on_its_side_is_none(depot):
    for _ in range(11):
        depot.level(1, 92)
        depot.level(2, 95, tilted=True)
        depot.go(depot.now + 1800)
    assert depot.verdicts("bin-emptied") == [("bin-1", "exceeded", "violation", "")]
    assert depot.verdicts("bin-full") == [("bin-1", "exceeded", "suspicion", "")]
    alerts = query(depot.folder / "compliance.db", "SELECT * FROM alert ORDER BY id")
    assert sorted((one["device"], one["rule"], one["severity"]) for one in alerts) == [
        ("bin-1", "bin-emptied", "violation"),
        ("bin-1", "bin-full", "suspicion"),
    ]
    rows = query(depot.folder / "compliance.db", "SELECT DISTINCT proof FROM rule_verdict")
    assert [row["proof"] for row in rows] == ["certificate"]
    assert len(depot.log.read(0, 1000)) == 22, "each uplink once, whichever gateway handed it over"


def test_a_board_in_the_lid_is_heard_as_a_node_is_and_its_blind_zone_is_no_level(depot):
    point = {"type": "Point", "coordinates": [113.11, 23.0]}
    depot.know("bin", "bin-3", {"source": ["lid-3"], "waste": "kitchen"}, point)
    for _ in range(11):
        depot.told(fill=93.0, distance=380.0)
        depot.go(depot.now + 1800)
    assert depot.verdicts("bin-emptied") == [("bin-3", "exceeded", "violation", "")]
    assert depot.verdicts("bin-full") == [("bin-3", "exceeded", "suspicion", "")]
    depot.told(fill=5.0, distance=1137.0)
    depot.go(depot.now + 1800)
    before = depot.verdicts("bin-full"), depot.verdicts("bin-emptied")
    for _ in range(11):
        depot.told(flags={"fill": "D", "distance": "D"})
        depot.go(depot.now + 1800)
    assert (depot.verdicts("bin-full"), depot.verdicts("bin-emptied")) == before


@pytest.mark.parametrize(
    ("visited", "emptied", "outcome"),
    [
        (["bin-1", "bin-2"], {1: 5, 2: 4}, ("compliant", "violation", "")),
        (["bin-1", "bin-2"], {1: 5, 2: 60}, ("exceeded", "suspicion", "not_confirmed")),
        (["bin-1"], {1: 5, 2: 4}, ("exceeded", "suspicion", "not_confirmed")),
    ],
    ids=["done", "drove-by", "somebody-else"],
)
def test_a_round_is_done_where_the_truck_stood_and_the_level_fell(depot, visited, emptied, outcome):
    depot.level(1, 60)
    depot.level(2, 58)
    depot.go(depot.now + 1800)
    for one in visited:
        depot.stand(one)
        depot.go(depot.now + 120)
    depot.go(EVENING + 3600)
    for n, percent in emptied.items():
        depot.level(n, percent)
    depot.go(EVENING + dt.timedelta(hours=12, minutes=20).total_seconds())
    assert depot.verdicts("bin-round") == [("round-1", *outcome)]
