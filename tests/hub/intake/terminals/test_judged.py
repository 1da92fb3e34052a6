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
from schemas import domains
from schemas.domains.pack import Pack
from tests.hub.helpers import QUANTITIES, SHANGHAI, at, query
from tests.hub.intake.terminals.terminal import fix

HARBOUR = Path(__file__).resolve().parents[3] / "data" / "domains" / "harbour"
TEN = at("2026-03-03 10:00")
OPEN, SHUT = 3 | 1 << 28 | 1 << 29, 3 | 1 << 28
"""Loaded, with the cover open and closed, in the bits of the profile trwy."""
CITY = {"type": "Polygon", "coordinates": [[[113, 23], [114, 23], [114, 24], [113, 24], [113, 23]]]}
FAR = {"type": "Polygon", "coordinates": [[[113.9, 23.9], [114, 23.9], [114, 24], [113.9, 23.9]]]}
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

    def __init__(self, folder, rules=None, kind="truck"):
        self.folder, self.now = folder, TEN
        self.log = Log(folder / "log.db")
        clock = lambda: self.now  # noqa: E731
        admission = Admission(PORT, QUANTITIES, clock)
        self.judging = Judging(admission, PORT, Profiles(), self.log.latest, clock)
        self.session = Session()
        self.rules = Pack(HARBOUR).rules if rules is None else rules
        self.open()
        with closing(open_compliance(folder / "compliance.db", THINGS)) as db:
            truck = {"kind": kind, "id": "truck-1", "en": "T", "zh": "车", "properties": {"source": "t-1"}}
            ThingStore(db).add(msgspec.convert(truck, Thing), self.now, "tester", "test")

    def open(self):
        clock = lambda: self.now  # noqa: E731
        self.rulings = Rulings(self.folder / "compliance.db", PORT, self.rules, clock, steady=clock)

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

    def drive(self, minutes, behind, status=OPEN):
        """Say each 30 s where the truck is, by a clock that is so many s behind."""
        for _ in range(2 * minutes):
            self.now += 30
            self.say(0x0200, fix(self.now - behind, status=status))

    def holding(self, rule):
        """Return how the newest verdict of a rule stands: outcome, grade, reason."""
        return tuple(self.said(rule)[-1][name] for name in ("outcome", "grade", "reason"))

    def alert(self, rule):
        (found,) = [one for one in query(self.folder / "compliance.db", "SELECT * FROM alert") if one["rule"] == rule]
        return found


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


@pytest.fixture
def muck(tmp_path):
    made = Port(tmp_path, domains.rules(), "vehicle")
    with closing(open_compliance(tmp_path / "compliance.db", THINGS)) as db:
        for kind, where in (("project", FAR), ("dump_site", FAR), ("dead_zone", FAR), ("built_up_area", CITY)):
            thing = {"kind": kind, "id": kind.replace("_", "-"), "en": "P", "zh": "处", "geometry": where}
            ThingStore(db).add(msgspec.convert(thing, Thing), made.now, "tester", "test")
    made.say(0x0102, b"code")
    yield made
    made.close()


@pytest.mark.parametrize(("behind", "restarts"), [(240, False), (900, True), (-200, False)])
def test_what_a_clock_that_is_wrong_says_of_hours_and_permits_is_a_suspicion_at_most(muck, behind, restarts):
    """It is not known yet when the alert is raised; then the alert is amended. An open cover is open at any hour."""
    muck.drive(9, behind)
    early = ("exceeded", "violation", "")
    assert [muck.holding(rule) for rule in ("muck-hours", "muck-permit", "muck-sealed")] == [early] * 3
    assert muck.alert("muck-hours")["severity"] == "violation"
    muck.drive(7, behind)
    doubted = ("exceeded", "suspicion", "clock_in_doubt")
    assert [muck.holding(rule) for rule in ("muck-hours", "muck-permit", "muck-sealed")] == [doubted, doubted, early]
    for rule, severity in (("muck-hours", "suspicion"), ("muck-permit", "suspicion"), ("muck-sealed", "violation")):
        assert muck.alert(rule)["severity"] == severity
    told = muck.alert("muck-hours")
    assert "rule broken, suspected" in told["text"]
    assert "its times are in doubt" in told["text"]
    assert "疑似违规" in told["text"]
    assert "时间存疑" in told["text"]
    steps = query(muck.folder / "compliance.db", "SELECT * FROM alert_step ORDER BY id")
    assert [one["what"] for one in steps if one["alert"] == told["id"]] == ["firing", "amended"]
    if restarts:
        before = len(query(muck.folder / "compliance.db", "SELECT * FROM rule_verdict"))
        muck.rulings.close()
        muck.open()
        muck.rulings.take([])
        assert len(query(muck.folder / "compliance.db", "SELECT * FROM rule_verdict")) == before
        muck.drive(1, behind)
        assert muck.holding("muck-hours") == doubted


def test_a_clock_that_is_right_again_is_believed_again(muck):
    muck.drive(12, 240)
    assert muck.holding("muck-hours")[1:] == ("suspicion", "clock_in_doubt")
    muck.drive(1, 0, SHUT & ~(1 << 28))  # empty: what follows is another drive
    muck.drive(8, 0, SHUT)
    assert muck.holding("muck-hours") == ("exceeded", "violation", "")


def test_what_a_wrong_clock_says_was_kept_cannot_be_told(muck):
    muck.now = TEN + 12 * 3600
    muck.drive(13, 240, SHUT)
    muck.drive(2, 240, SHUT & ~(1 << 28))
    muck.now += 400
    muck.rulings.take([])
    assert muck.holding("muck-hours") == ("invalid", "violation", "clock_in_doubt")
    assert muck.holding("muck-sealed") == ("compliant", "violation", "")


def test_a_clock_that_is_wrong_or_is_set_right_makes_no_silence(muck):
    """By its own clock nothing is heard in the last minutes; when it is set right, those are missing."""
    muck.drive(25, 800, SHUT)
    assert not muck.said("muck-heard")
    muck.drive(10, 0, SHUT)
    assert muck.holding("muck-heard") == ("invalid", "suspicion", "clock_in_doubt")
    assert not query(muck.folder / "compliance.db", "SELECT * FROM alert WHERE rule = 'muck-heard'")


def test_a_day_in_a_blind_area_is_judged_when_it_comes_and_is_no_clock(muck):
    """All of it comes in a burst, and nothing after it: nobody waits another day."""
    made = [muck.now - 86_400 + 30 * n for n in range(60)]
    for first in range(0, 60, 20):
        bodies = tuple(fix(t, status=OPEN) for t in made[first : first + 20])
        muck.say(0x0704, Content.make(0x0704, kind=1, bodies=bodies).encode())
        muck.now += 2
    assert muck.holding("muck-sealed") == ("exceeded", "violation", "")
    assert muck.holding("muck-hours") == ("exceeded", "violation", "")
