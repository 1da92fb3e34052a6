"""A station's frames on a real hub: kept, proven, acknowledged after the commit, once."""

import socket
import time

import pytest

from hub.wire.hj212 import END, build, parts
from hub.wire.station import unpack
from tests.hub.intake.stations.station import PASSWORD, Station, StationHub, local, minute_of, registry, until

STATIONS = registry(
    "a", "b", "c", "d", "e", b={"profile": "dust_mg"}, c={"addresses": ["10.8.0.0/16"]}, e={"profile": "nobody"}
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with StationHub(tmp_path_factory.mktemp("stations"), STATIONS, f'a = "{PASSWORD}"\nd = "{PASSWORD}"\n') as made:
        yield made


@pytest.fixture
def a(hub):
    with Station(hub.port, "MN-A", PASSWORD) as made:
        yield made


def of_frame(hub, frame):
    """Return the log's entries that hold a frame."""
    return [one for one in hub.entries() if unpack(one.payload).frames == frame]


def test_a_minute_is_in_the_log_verbatim_when_it_is_acknowledged(hub, a):
    t = minute_of(10)
    frame = a.minute(t, 35.5)
    said = a.hear_of("9014")
    (entry,) = of_frame(hub, frame)  # at once: the answer comes after the commit
    assert (entry.topic, entry.proof) == ("hj212/1/north/tower/a/minute", "password")
    (interval,) = entry.intervals
    assert (interval.t, interval.dt, interval.values) == (t, 60, {"pm25": 35.5, "laeq": 61.5})
    sent = dict(part.split(b"=", 1) for part in frame[6:].split(b";", 5)[:5])
    assert said.field("QN") == sent[b"QN"].decode()
    assert (said.field("ST"), said.field("MN"), said.field("Flag"), said.data) == ("91", "MN-A", "4", ())


def test_units_are_those_of_the_profile_and_no_password_is_no_proof(hub):
    with Station(hub.port, "MN-B") as b:
        frame = b.minute(minute_of(10), 0.0355)
        assert b.hear_of("9014")
    (entry,) = of_frame(hub, frame)
    assert (entry.proof, entry.intervals[0].values["pm25"]) == ("none", pytest.approx(35.5))


def test_what_comes_again_is_kept_once_and_acknowledged_each_time(hub, a):
    t = minute_of(20)
    for _ in range(3):
        a.minute(t, 12.0)
        assert a.hear_of("9014")
    found = [one for one in hub.entries("a") if one.intervals and one.intervals[0].t == t]
    assert len(found) == 1, "another QN, the same minute: asked for once more"


def test_another_value_of_the_same_minute_is_kept_told_and_does_not_count(hub, a):
    t = minute_of(30)
    a.minute(t, 80.0)
    a.hear_of("9014")
    a.minute(t, 20.0)
    assert a.hear_of("9014")
    first, second = [one for one in hub.entries("a") if one.intervals and one.intervals[0].t == t]
    assert first.intervals[0].values["pm25"] == 80.0
    assert second.intervals[0].values == {}
    assert second.intervals[0].flagged == {"pm25": ("S", 20.0), "laeq": ("S", 61.5)}
    assert hub.counts()["a", "other_content"] == 1


def test_a_minute_in_two_frames_counts_whole_and_what_is_in_both_once(hub, a):
    t = minute_of(40)
    a.send("2051", f"DataTime={local(t)};a34004-Avg=30")
    a.send("2051", f"DataTime={local(t)};a34004-Avg=30;a34002-Avg=60")
    assert a.hear_of("9014")
    assert a.hear_of("9014")
    found = [one.intervals[0].values for one in hub.entries("a") if one.intervals and one.intervals[0].t == t]
    assert found == [{"pm25": 30.0}, {"pm10": 60.0}]


def test_hours_days_and_the_moment_stand_beside_and_do_not_count_twice(hub, a):
    t = minute_of(10) // 3600 * 3600 - 7200
    a.send("2061", f"DataTime={local(t)};a34004-Avg=33.0,a34004-Max=90.0,a34004-Flag=N")
    a.send("2011", f"DataTime={local(t + 5)};a34004-Rtd=31.0,a34004-Flag=N")
    assert a.hear_of("9014")
    assert a.hear_of("9014")
    hour, moment = hub.entries("a")[-2:]
    assert (hour.place.kind, moment.place.kind) == ("hour", "realtime")
    assert (hour.intervals[0].dt, hour.intervals[0].values) == (3600, {})
    assert hour.intervals[0].reported == {"pm25_hour": 33.0, "pm25_hour_max": 90.0}
    assert moment.intervals[0].reported == {"pm25_rtd": 31.0}


def test_states_of_devices_are_what_was_seen(hub, a):
    a.send("2021", f"DataTime={local(minute_of(3))};SB1-RS=1;SB2-RS=0")
    a.send("2081", f"DataTime={local(minute_of(3))};RestartTime={local(minute_of(9))}")
    assert a.hear_of("9014")
    assert a.hear_of("9014")
    first, second = hub.entries("a")[-2:]
    assert first.said.moments[0].states == {"SB1-RS": 1.0, "SB2-RS": 0.0}
    assert second.said.moments[0].states == {"RestartTime": local(minute_of(9))}


def test_letters_that_are_not_n_do_not_count(hub, a):
    t = minute_of(50)
    a.minute(t, 44.0, "D")
    assert a.hear_of("9014")
    found = [one.intervals[0] for one in hub.entries("a") if one.intervals and one.intervals[0].t == t]
    assert found[0].flagged == {"pm25": ("D", 44.0)}


@pytest.mark.parametrize(
    ("mn", "pw", "reason"),
    [
        ("MN-X", PASSWORD, "unknown_board"),
        ("MN-A", "wrong1", "bad_password"),
        ("MN-C", "123456", "address"),
        ("MN-E", "123456", "profile"),
    ],
)
def test_what_is_not_a_stations_own_is_in_quarantine_and_not_acknowledged(hub, mn, pw, reason):
    with Station(hub.port, mn, pw) as other:
        frame = other.minute(minute_of(5))
        until(lambda: (reason, frame) in [row[1:] for row in hub.quarantine()], "in quarantine")
        assert other.hear_of("9014", 0.3) is None


@pytest.mark.parametrize(
    ("cn", "data", "checksum", "reason", "answered"),
    [
        ("2051", "DataTime=20261301000000;a34004-Avg=1", "standard", "schema", True),
        ("2051", "DataTime={future};a34004-Avg=1", "standard", "future", True),
        ("2051", "DataTime={now};a34004-Avg=1", "wrong", "crc", False),
        ("2051", "DataTime={now};w01010-Avg=1", "standard", "unknown_quantity", True),
        ("7777", "DataTime={now};a34004-Avg=1", "standard", "command", True),
        ("2051", "{{0x1A,0x2B}}a34004-Avg=1", "standard", "encrypted", True),
    ],
)
def test_what_is_not_understood_is_in_quarantine_with_its_bytes(hub, cn, data, checksum, reason, answered):
    with Station(hub.port, "MN-D", PASSWORD) as d:
        text = data.format(future=local(minute_of(-600)), now=local(minute_of(5)))
        frame = d.frame(cn, text, "standard")
        if checksum == "wrong":
            frame = frame[:-6] + b"FFFF" + END
        d.socket.sendall(frame)
        until(lambda: any(row[1] == reason and frame.strip() in row[2] for row in hub.quarantine()), "in quarantine")
        assert (d.hear_of("9014", 0.5) is not None) is answered


def test_bytes_that_are_no_frame_are_kept_too_and_the_next_frame_is_heard(hub, a):
    a.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    a.minute(minute_of(60), 10.0)
    assert a.hear_of("9014")
    assert any(reason == "no_frame" and b"GET / HTTP" in payload for _, reason, payload in hub.quarantine())


def test_crc_16_modbus_is_answered_in_the_same(hub, a):
    a.socket.sendall(a.frame("2051", f"DataTime={local(minute_of(70))};a34004-Avg=1", "modbus"))
    assert a.hear_of("9014")
    assert a._splitter.waiting == 0


def test_no_answer_is_given_that_is_not_wanted(hub, a):
    frame = a.minute(minute_of(80), Flag="4")
    until(lambda: of_frame(hub, frame), "kept")
    assert a.hear_of("9014", 0.3) is None


def test_a_packet_in_parts_counts_when_all_are_there_and_each_part_is_acknowledged(hub, a):
    t = minute_of(90)
    groups = ";".join(f"a99{n:03d}-Avg={n}.000,a99{n:03d}-Flag=N" for n in range(40))
    whole = a.packet("2051", f"DataTime={local(t)};a34004-Avg=77.0,a34004-Flag=N;{groups}")
    first, *rest = [build(part) + END for part in parts(whole)]
    assert rest
    a.socket.sendall(first)
    assert a.hear_of("9014")
    hub.stop()
    hub.start()
    with Station(hub.port, "MN-A", PASSWORD) as again:
        for part in rest:
            again.socket.sendall(part)
            assert again.hear_of("9014")
    found = [one for one in hub.entries("a") if one.intervals and one.intervals[0].t == t]
    assert [one.intervals[0].values for one in found] == [{"pm25": 77.0}]


def test_a_station_that_is_registered_later_has_what_it_sent_before(hub):
    with Station(hub.port, "MN-LATE") as late:
        beat = late.send("9015", "")
        frame = late.minute(minute_of(5), 21.0)
        until(lambda: {frame, beat} <= {row[2] for row in hub.quarantine()}, "in quarantine")
    path = hub.folder / "registry.toml"
    path.write_text(path.read_text("utf-8") + registry("late"), "utf-8")
    (entry,) = until(lambda: of_frame(hub, frame), "judged again")
    assert (entry.place.device, entry.proof, entry.intervals[0].values["pm25"]) == ("late", "none", 21.0)
    until(lambda: of_frame(hub, beat), "a heartbeat that was kept is kept on")


def test_a_flood_a_slow_one_and_a_silent_one_keep_nobody_waiting(hub, a):
    silent = [socket.create_connection(("127.0.0.1", hub.port)) for _ in range(20)]
    slow = socket.create_connection(("127.0.0.1", hub.port))
    slow.sendall(b"##0100QN=2026")
    flood = socket.create_connection(("127.0.0.1", hub.port))
    flood.setblocking(False)
    try:
        sent = 0
        began = time.monotonic()
        while time.monotonic() - began < 1.0:
            try:
                sent += flood.send(b"##0020MN=NOBODY;PW=1;CN=1&&0000\r\n" * 500)
            except (BlockingIOError, ConnectionResetError, BrokenPipeError):
                break
        begin = time.monotonic()
        a.minute(minute_of(95), 10.0)
        assert a.hear_of("9014")
        assert time.monotonic() - begin < 3
    finally:
        for one in (*silent, slow, flood):
            one.close()
