"""Frames of a truck's terminal become verdicts about the truck, and a blind area's late fixes amend them."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.compliance.rulings import Rulings
from hub.intake.admission import Admission
from hub.intake.terminals.judging import Came, Judging, Session
from hub.intake.terminals.profiles import Profiles
from hub.log.log import Log
from hub.registry.live import Registry, Site, Terminal
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.jt808 import Content, Header, build, read_plain
from schemas.domains.pack import Pack
from tests.hub.helpers import QUANTITIES, SHANGHAI, at, query
from tests.hub.intake.terminals.terminal import fix

HARBOUR = Path(__file__).resolve().parents[3] / "data" / "domains" / "harbour"
TEN = at("2026-03-03 10:00")
OPEN, SHUT = 3 | 1 << 28 | 1 << 29, 3 | 1 << 28
"""Loaded, with the cover open and closed, in the bits of the profile trwy."""
PORT = Registry(
    sites={"quay": Site(id="quay", district="nansha", kind="berth", en="Quay", zh="码头")},
    boards={},
    keys={},
    zone=SHANGHAI,
    terminals={"t-1": Terminal(id="t-1", site="quay", phone="013800000001", profile="trwy")},
    passwords={"t-1": "code"},
)


class Port:
    """What takes the frames of a truck's terminal, and what judges by the pack's rules; `now` is its clock."""

    def __init__(self, folder):
        self.folder, self.now = folder, TEN
        self.log = Log(folder / "log.db")
        clock = lambda: self.now  # noqa: E731
        admission = Admission(PORT, QUANTITIES, clock)
        self.judging = Judging(admission, PORT, Profiles(), self.log.latest, clock)
        self.session = Session()
        self.rulings = Rulings(folder / "compliance.db", PORT, Pack(HARBOUR).rules, clock, steady=clock)
        with closing(open_compliance(folder / "compliance.db", THINGS)) as db:
            truck = {"kind": "truck", "id": "truck-1", "en": "T", "zh": "车", "properties": {"source": "t-1"}}
            ThingStore(db).add(msgspec.convert(truck, Thing), self.now, "tester", "test")

    def close(self):
        self.log.close()
        self.rulings.close()

    def say(self, message, body):
        raw = build(Header(message, "13800000001", 1), body)
        verdict = self.judging.judge(Came(raw, read_plain(raw), "127.0.0.1", self.session))
        assert verdict.reply.result == 0
        self.log.commit(verdict.outcomes, self.now)
        self.rulings.take(self.log.read(self.rulings.position(), 1000))

    def said(self, rule):
        return [
            row for row in query(self.folder / "compliance.db", "SELECT * FROM rule_verdict") if row["rule"] == rule
        ]


@pytest.fixture
def port(tmp_path):
    made = Port(tmp_path)
    made.say(0x0102, b"code")
    yield made
    made.close()


def test_an_open_load_is_a_violation_of_the_truck_once_for_many_fixes(port):
    for minute in range(10):
        port.now = TEN + 60 * minute
        for _ in range(2):
            port.say(0x0200, fix(port.now, status=OPEN))
    (verdict,) = port.said("covered")
    assert (verdict["outcome"], verdict["open"], verdict["start"]) == ("exceeded", 1, TEN)
    assert (verdict["subject_kind"], verdict["subject"], verdict["proof"]) == ("truck", "truck-1", "password")


def test_a_blind_areas_fixes_amend_what_was_said(port):
    for minute in range(15):
        port.now = TEN + 60 * minute
        port.say(0x0200, fix(port.now, status=OPEN if minute < 4 else SHUT))
    before = port.said("covered")
    assert before[-1]["outcome"] == "exceeded"
    bodies = tuple(fix(TEN + 60 * minute + 30, status=SHUT) for minute in range(4))
    port.say(0x0704, Content.make(0x0704, kind=1, bodies=bodies).encode())
    last = port.said("covered")[-1]
    assert last["revision"] > before[-1]["revision"]
    assert last["outcome"] != "exceeded" or last["reason"] == "withdrawn"
