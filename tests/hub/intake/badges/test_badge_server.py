"""Badges on a real hub: positions of a shift, nothing of the time after it, and calls for help whatever is wrong."""

import hashlib
import hmac
import time

import pytest

from hub.intake.badges.secret import secret_of
from hub.wire.badge.logged import unpack
from tests.hub.alerting import a_hook
from tests.hub.intake.badges.badge import BadgeHub, Watch, registry, said
from tests.hub.intake.frame_hub import until

NOW = int(time.time())
SOS = 1 << 16


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with BadgeHub(tmp_path_factory.mktemp("badges"), registry(1, 2, 3)) as made:
        until(lambda: (made.folder / "data" / "compliance.db").exists() and made.settled(), "all is there", 60)
        made.know("worker", "li", {"source": "badge-1"})
        made.know("shift", "morning", {"worker": "li"}, NOW - 7200, NOW + 3600)
        made.know("worker", "wang", {"source": "badge-2"})
        made.know("shift", "yesterday", {"worker": "wang"}, NOW - 90_000, NOW - 80_000)
        yield made


def digest(hub, frame):
    return hmac.new(secret_of(hub.folder / "data"), frame, hashlib.sha256).hexdigest()


def heard(hub, device, kind, least=1):
    return until(lambda: len(found := hub.entries(device, kind)) >= least and found, f"{least} of {device}", 60)


def test_positions_of_a_shift_are_kept_once_and_of_the_time_outside_only_that_something_was_said(hub):
    with Watch(hub.port, 1) as li, Watch(hub.port, 2) as wang:

        def known():
            li.send(said("UD", NOW - 3600, steps=1))
            li.beat()
            return hub.entries("badge-1", "fix")

        until(known, "the shift is known to the hub", 60)
        inside = [li.send(said("UD", NOW - 60)), li.send(said("UD2", NOW - 60))]
        outside = [li.send(said("UD", NOW - 9000)), wang.send(said("UD", NOW - 30)), wang.send("bphrt,120,79,73,,,,")]
        wang.send(said("UD2", NOW - 85_000))
        li.beat()
        wang.beat()
        heard(hub, "badge-1", "fix", 2)
        heard(hub, "badge-2", "fix")
        heard(hub, "badge-2", "withheld", 2)
    kept = [unpack(entry.payload)[1] for entry in hub.entries("badge-1", "fix")]
    assert kept[-1] == inside[0], "as it came, and once though it came twice"
    assert len(kept) == 2
    assert [one.t for one in hub.fixes("badge-2")] == [NOW - 85_000], "of yesterday's shift"
    assert {one.proof for one in hub.entries()} == {"none"}
    digests = {unpack(entry.payload)[0].digest for entry in hub.entries(kind="withheld")}
    assert digests >= {digest(hub, frame) for frame in outside}
    assert not digests & {hashlib.sha256(frame).hexdigest() for frame in outside}, "nobody finds it by trying"
    whole = b"".join(path.read_bytes() for path in (hub.folder / "data").glob("log.db*"))
    assert inside[0] in whole
    assert not any(frame in whole for frame in outside)


def test_whatever_is_not_known_is_no_place_for_positions(hub):
    with Watch(hub.port, 9) as nobody:
        frame = nobody.send(said("UD", NOW - 50, lat=23.987654))
        nobody.socket.sendall(b"23.987654,N,113.1427]" + frame[:40])
    until(lambda: sum(one[1] in {"unknown_board", "no_frame"} for one in hub.quarantine()) >= 3, "all is there", 60)
    whole = b"".join(path.read_bytes() for path in (hub.folder / "data").glob("log.db*"))
    assert b"23.987654" not in whole


def test_a_call_for_help_raises_an_alarm_and_is_answered_then(hub):
    with Watch(hub.port, 2) as wang:
        frame = wang.send(said("AL", int(time.time()) - 5, status=SOS, valid="V"))
        assert wang.next_frame(60) == f"[3G*{wang.number}*0002*AL]".encode()
        assert unpack(hub.entries("badge-2", "fix")[-1].payload)[1] == frame, "the answer comes after the commit"
    (alert,) = until(hub.alerts, "somebody is told", 60)
    assert (alert["device"], alert["severity"], alert["state"]) == ("badge-2", "critical", "firing")
    assert "SOS. Last position 23.028800, 113.142700" in alert["text"]
    assert "SOS 求救" in alert["text"]
    with Watch(hub.port, 2) as wang:
        wang.socket.sendall(frame)
        assert wang.next_frame(60) == f"[3G*{wang.number}*0002*AL]".encode(), "it may not have heard it"
    assert len(hub.entries("badge-2", "fix")) == 2


def test_an_alarm_that_is_no_call_for_help_is_answered_too_and_not_kept_outside_a_shift(hub):
    with Watch(hub.port, 3) as nobodys:
        frame = nobodys.send(said("AL", int(time.time()) - 5, status=1 << 20))
        assert nobodys.next_frame(60) == f"[3G*{nobodys.number}*0002*AL]".encode()
    (entry,) = hub.entries("badge-3", "withheld")
    assert unpack(entry.payload)[0].digest == digest(hub, frame)
    assert [alert["device"] for alert in hub.alerts()].count("badge-3") == 0


def test_a_call_for_help_is_told_though_the_disk_is_full_the_badge_retired_its_clock_wrong_and_people_asleep(tmp_path):
    badges = registry(1).replace("number", "retired = 2020-01-01\nnumber")
    begins = time.gmtime(time.time() + 8 * 3600 + 7200)
    with a_hook() as hook:
        (tmp_path / "url").write_text(hook.url())
        (tmp_path / "url").chmod(0o600)
        hours = f"{begins.tm_hour:02d}:00-{(begins.tm_hour + 1) % 24:02d}:00"
        rest = "[keep]\nfree_mb = 1e12\nfree_percent = 100\n"
        rest += f'[[recipient]]\nname = "duty"\nurl_file = "url"\nhours = "{hours}"\n'
        with BadgeHub(tmp_path, badges, settings=rest) as hub, Watch(hub.port, 1) as watch:
            watch.send(said("UD", NOW))
            watch.send(said("AL", 946_684_800, status=SOS, valid="V"))
            assert watch.next_frame(60) == f"[3G*{watch.number}*0002*AL]".encode()
            until(lambda: hook.got, "the duty officer is told", 60)
            assert "SOS" in str(hook.got[0])
            (entry,) = hub.entries()
            assert abs(entry.said.moments[0].t - time.time()) < 300, "its own time is of the year 2000"
