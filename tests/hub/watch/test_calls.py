"""Calls for help: an alarm at once whatever else is so, and one for each call."""

from contextlib import closing

import msgspec
import pytest

from hub.alerts.book import Book
from hub.config.alerts import Alerting
from hub.intake.admission import Admission
from hub.intake.badges.judging import Came, Judging
from hub.process.clock import Held
from hub.registry.live import Badge
from hub.watch.calls import MOST_STRANGE, Calls
from hub.wire.badge.frame import read_frame
from schemas.language import Text
from tests.hub.helpers import CITY, QUANTITIES, Hub, open_all
from tests.hub.intake.badges.badge import NUMBER, said
from tests.hub.watch.test_watch import WatchedCity

SOS = 1 << 16
BADGES = {"badge-1": Badge(id="badge-1", site=next(iter(CITY.sites)), number=NUMBER % 1)}
REGISTRY = msgspec.structs.replace(CITY, badges=BADGES)


class Shift(WatchedCity):
    """A worker with a badge, at work; `hub.now` is the clock of all."""

    def send(self, content, n=1):
        raw = f"[3G*{NUMBER % n}*{len(content):04X}*{content}]".encode()
        admission = Admission(REGISTRY, QUANTITIES, lambda: self.hub.now)
        judging = Judging(admission, REGISTRY, lambda badge, t: True, lambda: self.hub.now, b"secret")
        self.hub.log.commit(judging.judge(Came(raw, read_frame(raw), "test")).outcomes, self.hub.now)
        self.look()

    def open(self):
        super().open()
        self.listening = Calls(self.hub.folder, self.hub.registry, lambda: self.hub.now, lambda: self.held)

    def restart(self):
        self.listening.close()
        super().restart()

    def look(self):
        self.listening.take(self.listening.read(0, 1000, 1))
        super().look()

    def calls(self):
        return [(one["state"], one["maintenance"]) for one in self.alerts() if one["kind"] == "sos"]


@pytest.fixture
def shift(tmp_path):
    with Hub(tmp_path, registry=REGISTRY) as hub:
        made = Shift(hub, Alerting())
        made.look()
        yield made
        made.watch.close()
        made.listening.close()


def test_it_says_where_the_badge_was_last_and_when(shift):
    now = int(shift.hub.now)
    shift.send(said("UD", now - 600))
    shift.hub.now += 60
    shift.send(said("AL", now + 60, status=SOS, valid="V"))
    (alert,) = shift.alerts()
    where = "Last position 23.028800, 113.142700 (WGS-84), 11 min old."
    assert f"SOS. {where} Call, and send somebody." in alert["text"]
    shift.hub.now += 60
    shift.send(said("AL", now + 120, status=SOS, lat=23.5))
    assert len(shift.alerts()) == 1, "it goes on"


def test_without_any_position_it_is_told_all_the_same(shift):
    shift.send(said("AL", int(shift.hub.now), status=SOS, valid="V"))
    assert "SOS. Where is not known." in shift.alerts()[0]["text"]


def test_in_doubt_of_the_time_it_goes_out_and_says_so(shift):
    shift.held = Held(0.0, Text("no board confirms it", "没有设备确认"), shift.hub.now)
    shift.send(said("AL", int(shift.hub.now) - 86_400, status=SOS))
    (alert,) = [one for one in shift.alerts() if one["kind"] == "sos"]
    assert "At 23.028800, 113.142700 (WGS-84). Call, and send somebody. Times are doubtful" in alert["text"]


def test_no_maintenance_holds_it_back_and_one_that_was_closed_hides_no_other(shift):
    now, site = shift.hub.now, BADGES["badge-1"].site
    with closing(open_all(shift.hub.folder / "compliance.db")) as db:
        book = Book(db, lambda: shift.hub.now)
        book.maintenance.add(site, "", now - 60, now + 3600, "cleaning", "tester")
        shift.send(said("AL", int(now), status=SOS))
        assert shift.calls() == [("firing", None)]
        shift.restart()
        shift.look()
        assert shift.calls() == [("firing", None)], "told once"
        book.change_alert(book.find_latest_alert("badge-1", "SOS"), state="closed")
        shift.restart()
        shift.look()
        assert shift.calls() == [("closed", None)]
        shift.hub.now += 60
        shift.send(said("AL", int(now) + 60, status=SOS))
        assert shift.calls() == [("closed", None), ("firing", None)]


def test_nobody_misses_a_badge_that_is_switched_off(shift):
    shift.send(said("UD", int(shift.hub.now)))
    shift.speak("fence-1", "fence-2", "stack-1", minutes=20)
    assert [one["device"] for one in shift.alerts() if one["kind"] == "silent"] == []


def test_of_a_badge_that_nobody_registered_it_is_told_once_by_its_number(shift):
    now = int(shift.hub.now)
    for n in (7, 7, 8):
        shift.send(said("AL", now - 3, status=SOS), n)
    shift.send(said("AL", now, status=1 << 20), 9)
    shift.restart()
    shift.look()
    told = {one["rule"]: one["text"] for one in shift.alerts() if one["kind"] == "sos"}
    assert told.keys() == {f"SOS {NUMBER % 7}", f"SOS {NUMBER % 8}"}
    assert "which is not in the registry: SOS. At 23.028800, 113.142700" in told[f"SOS {NUMBER % 7}"]
    assert "登记表中没有" in told[f"SOS {NUMBER % 7}"]
    assert len(shift.alerts()) == 2


def test_many_that_nobody_registered_are_told_in_one_and_hide_nobody(shift):
    now = int(shift.hub.now)
    for n in range(10, 10 + MOST_STRANGE + 5):
        shift.send(said("AL", now, status=SOS), n)
    shift.send(said("AL", now, status=SOS))
    sos = [one for one in shift.alerts() if one["kind"] == "sos"]
    assert len(sos) == MOST_STRANGE + 2
    (many,) = [one for one in sos if one["rule"] == "SOS" and not one["device"]]
    assert f"SOS from more than {MOST_STRANGE} badges" in many["text"]
    assert [one["device"] for one in sos if one["device"]] == ["badge-1"]


def test_a_call_that_comes_when_the_newest_of_the_quarantine_were_let_go_is_told(shift):
    now = int(shift.hub.now)
    for n in (7, 8):
        shift.send(said("AL", now, status=SOS), n)
    shift.hub.log.release([1, 2])
    shift.hub.now += 5
    shift.send(said("AL", now + 5, status=SOS), 9)
    assert [one["rule"] for one in shift.alerts()][-1] == f"SOS {NUMBER % 9}"


def test_a_badge_that_leaves_the_service_is_not_thereby_helped(shift):
    shift.send(said("AL", int(shift.hub.now), status=SOS))
    gone = msgspec.structs.replace(REGISTRY, badges={})
    shift.watch.use(gone)
    shift.hub.now += 120
    shift.look()
    assert shift.calls() == [("firing", None)]
