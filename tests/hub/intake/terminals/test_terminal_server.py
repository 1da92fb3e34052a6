"""A terminal's frames on a real hub: kept, proven, acknowledged after the commit, once."""

import hashlib
import socket
import time

import pytest

from hub.things.samples import samples_of
from hub.wire.jt808 import Content, build, parts, read
from hub.wire.jt808.bodies import batches
from hub.wire.terminal import identity, unpack
from tests.hub.intake.stations.station import until
from tests.hub.intake.terminals.terminal import CODE, Terminal, TerminalHub, fix, minute_of, registry

TERMINALS = registry("a", "b", "c", "d", "e", "f", "g", c={"profile": "trwy"}, e={"profile": "nobody"})
CODES = "".join(f'{id_} = "{CODE}"\n' for id_ in "acdefg")
PHONE = {id_: f"138000000{n:02d}" for n, id_ in enumerate("abcdefghi")}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with TerminalHub(tmp_path_factory.mktemp("terminals"), TERMINALS, CODES) as made:
        yield made


@pytest.fixture
def a(hub):
    with Terminal(hub.port, PHONE["a"]) as made:
        assert made.authenticate() == 0
        yield made


def of_frame(hub, frame):
    """Return the log's entries that hold these bytes."""
    return [one for one in hub.entries() if unpack(one.payload).data == frame]


def test_a_fix_is_in_the_log_verbatim_when_it_is_acknowledged(hub, a):
    t = minute_of(10)
    frame = a.send(0x0200, fix(t, items=[(0x31, b"\x09")]))
    said = a.hear()
    (entry,) = of_frame(hub, frame)  # at once: the answer comes after the commit
    assert said.content.values == {"serial": a.serial, "message": 0x0200, "result": 0}
    assert (entry.topic, entry.proof) == ("jt808/1/north/tower/a/fix", "password")
    ((sample, place),) = samples_of(entry)
    assert (sample.t, sample.lat, sample.lon, sample.speed, place.device) == (t, 23.0288, 113.1427, 36.0, "a")
    assert sample.states == {
        "acc": True, "load": "empty", "undervoltage": False, "power_lost": False, "antenna_open": False,
        "antenna_short": False, "satellites": 9.0, "recorder_speed": None,
    }  # fmt: skip


def test_a_vendors_bits_become_states_by_the_profile(hub):
    with Terminal(hub.port, PHONE["c"], newer=True) as c:
        assert c.authenticate() == 0
        t = minute_of(10)
        assert c.ask(0x0200, fix(t, status=3 | 1 << 28 | 1 << 29 | 1 << 30)) == 0
        assert c.ask(0x0200, fix(t + 10, status=1)) == 0
    loaded, no_fix = hub.moments("c")
    assert {name: loaded.states[name] for name in ("load", "cover", "lift", "locked")} == {
        "load": "full", "cover": "open", "lift": "up", "locked": False,
    }  # fmt: skip
    assert (no_fix.lat, no_fix.lon, no_fix.states["load"]) == (None, None, "empty")


def test_a_terminal_is_told_its_code_until_it_has_used_it(hub):
    with Terminal(hub.port, PHONE["f"]) as f:
        assert f.register() == (0, CODE)
        assert f.register() == (0, CODE), "it may not have heard it"
        assert f.ask(0x0200, fix(minute_of())) == 1, "not proven yet"
        assert f.authenticate("other") == 1
        assert f.authenticate() == 0
        assert f.ask(0x0200, fix(minute_of())) == 0
    with Terminal(hub.port, PHONE["f"]) as liar:
        assert liar.register() == (3, "")
        assert liar.ask(0x0200, fix(minute_of(1))) == 1
    with Terminal(hub.port, PHONE["i"]) as stranger:
        assert stranger.register() == (4, "")
    found = [(device, reason) for device, reason, _ in hub.quarantine() if device == "f"]
    assert found == [("f", "not_authenticated"), ("f", "bad_password"), ("f", "not_authenticated")]


def test_without_a_code_of_its_own_nothing_is_proven(hub):
    with Terminal(hub.port, PHONE["b"]) as b:
        assert b.register() == (0, "b")
        assert b.authenticate("b") == 0
        frame = b.send(0x0200, fix(minute_of(10)))
        assert b.hear().content.values["result"] == 0
    (entry,) = of_frame(hub, frame)
    assert entry.proof == "none"


def test_a_fix_that_comes_again_by_whatever_message_is_kept_once(hub, a):
    t = minute_of(100)
    body, other = fix(t), fix(t + 30)
    for _ in range(3):
        assert a.ask(0x0200, body) == 0
    batch = Content.make(0x0704, kind=1, bodies=(body, other, fix(t + 60)))
    frame = a.send(0x0704, batch.encode())
    assert a.hear().content.values["result"] == 0
    assert a.ask(0x0704, batch.encode()) == 0
    assert a.ask(0x0200, other) == 0
    assert [one.t for one in hub.moments("a") if t <= one.t <= t + 60] == [t, t + 30, t + 60]
    (entry,) = of_frame(hub, frame)
    assert entry.place.kind == "batch"
    (later,) = of_frame(hub, other)
    assert (unpack(later.payload).head.of.phone, unpack(later.payload).head.of.number) == (PHONE["a"], 1)
    for one in hub.entries("a"):
        about, says = identity(one.payload)
        assert len(about) == len(says) == hashlib.sha256().digest_size


def test_a_batch_in_parts_is_asked_for_what_is_missing_and_taken_whole(hub):
    bodies = tuple(fix(minute_of(200) + n) for n in range(80))
    with Terminal(hub.port, PHONE["d"], newer=True) as d:
        assert d.authenticate() == 0
        content = Content.make(0x0704, 2019, kind=1, bodies=bodies)
        frames = list(parts(d.header(0x0704), content))
        assert len(frames) == 3
        d.serial += 2
        for frame in (frames[0], frames[2]):
            d.socket.sendall(frame)
            assert d.hear().content.values["result"] == 0
        assert hub.moments("d") == []
        asked = d.hear(60)
        assert asked.header.message == 0x8003
        assert asked.content.values == {"serial": read(frames[0]).header.serial, "count": 1, "parts": (2,)}
        d.socket.sendall(frames[1])
        assert d.hear().content.values["result"] == 0
    assert [one.t for one in hub.moments("d")] == [minute_of(200) + n for n in range(80)]
    assert len(hub.entries("d", "part")) == 3
    assert hub.entries("d", "batch") == []


def test_the_conversation_is_answered_and_not_kept(hub, a):
    before = len(hub.entries("a"))
    assert a.ask(0x0002) == 0
    a.send(0x0001, Content.make(0x0001, serial=1, message=0x8103, result=0).encode())
    assert a.ask(0x0003) == 0
    assert a.ask(0x0200, fix(minute_of(7))) == 1, "it has logged off"
    assert len(hub.entries("a")) == before


def test_who_drives_is_a_state(hub, a):
    t = minute_of(15)
    values = {"name": "张三", "licence": "4403001", "issuer": "交通局", "expiry": "20300101"}
    time_ = time.strftime("%y%m%d%H%M%S", time.gmtime(t + 8 * 3600))
    assert a.ask(0x0702, Content.make(0x0702, status=1, time=time_, result=0, **values).encode()) == 0
    (entry,) = hub.entries("a", "state")
    (moment,) = entry.said.moments
    assert (moment.t, moment.states) == (t, {"card": "in", "driver": "4403001"})


@pytest.mark.parametrize(
    ("message", "body", "reason", "result"),
    [
        (0x0900, b"\0vendor", "command", 3),
        (0x5501, b"vendor", "command", 3),
        (0x0200, b"short", "schema", 0),
        (0x0200, fix(time.time() + 90_000), "future", 0),
        (0x0200, fix(1_000_000_000), "past", 0),
        (0x0704, b"\0\3\1\0\x1c" + fix(minute_of(55))[:28], "schema", 0),
    ],
    ids=["unknown", "vendor", "short", "future", "past", "batch"],
)
def test_what_is_not_understood_is_kept_with_its_bytes(hub, a, message, body, reason, result):
    frame = a.send(message, body)
    assert a.hear().content.values["result"] == result
    assert ("a", reason, frame) in hub.quarantine()
    if message == 0x0704:
        assert minute_of(55) in [one.t for one in hub.moments("a")], "what could be read is taken"


def test_a_frame_that_is_not_what_was_sent_is_not_answered(hub, a):
    good = build(a.header(0x0200), fix(minute_of(3)))
    bad = good[:-2] + bytes((good[-2] ^ 1,)) + b"\x7e"
    a.socket.sendall(b"noise" + bad + b"(734,1,001,ELOCK)" + good)
    assert a.hear().content.values["serial"] == a.serial
    found = hub.quarantine()
    assert ("a", "checksum", bad) in found
    assert (None, "no_frame", b"\x7enoise\x7e") in found
    assert (None, "checksum", b"\x7e(734,1,001,ELOCK)\x7e") in found
    assert of_frame(hub, good)


def test_a_wrong_profile_is_told_and_nothing_acknowledged(hub):
    with Terminal(hub.port, PHONE["e"]) as e:
        assert e.authenticate() == 0
        assert e.ask(0x0200, fix(minute_of(3))) == 1
    assert ("e", "profile") in [(device, reason) for device, reason, _ in hub.quarantine()]


def test_what_a_terminal_said_before_it_was_registered_is_taken_when_it_is(hub):
    bodies = (fix(minute_of(30)), fix(minute_of(29)))
    with Terminal(hub.port, PHONE["h"]) as h:
        h.send(0x0704, Content.make(0x0704, kind=0, bodies=bodies).encode())
        h.send(0x0200, bodies[0])
        until(lambda: sum(one[0] == PHONE["h"] for one in hub.quarantine()) == 4, "all is in quarantine", 60)
    registry_file = hub.folder / "registry.toml"
    registry_file.write_text(registry_file.read_text("utf-8") + registry("h"), "utf-8")
    until(lambda: len(hub.moments("h")) == 2, "both fixes are taken, once", 60)
    assert [one.t for one in hub.moments("h")] == [minute_of(30), minute_of(29)]
    until(lambda: not any(one[0] == PHONE["h"] for one in hub.quarantine()), "nothing is left there", 60)


def test_a_flood_and_a_silent_crowd_cost_nobody_else_anything(tmp_path):
    with TerminalHub(tmp_path, registry("a", "g"), CODES, "connections = 20\n") as hub:
        crowd = [socket.create_connection(("127.0.0.1", hub.port), 20) for _ in range(40)]
        crowd[-1].sendall(b"\x7e" * 10 + b"half a frame")
        with Terminal(hub.port, PHONE["g"]) as g, Terminal(hub.port, PHONE["a"]) as a:
            assert g.authenticate() == 0
            assert a.authenticate() == 0
            g.socket.setblocking(False)
            flood = b"".join(build(g.header(0x0200), fix(minute_of(30) + n)) for n in range(4000))
            sent = 0
            begun = time.monotonic()
            for n in range(5):
                while sent < len(flood) and time.monotonic() - begun < 2:
                    try:
                        sent += g.socket.send(flood[sent:])
                    except BlockingIOError:
                        break
                assert a.ask(0x0200, fix(minute_of(20) + n)) == 0
        for one in crowd:
            one.close()
        assert len(hub.moments("a")) == 5


def test_a_stranger_who_only_talks_nonsense_is_sent_away(hub):
    with socket.create_connection(("127.0.0.1", hub.port), 20) as stranger:
        stranger.sendall(b"\x7e" + b"x\x7e" * 40)
        stranger.settimeout(60)
        assert stranger.recv(10) == b""


def test_after_a_restart_parts_go_on_where_they_were(tmp_path):
    bodies = tuple(fix(minute_of(100) + n) for n in range(40))
    hub = TerminalHub(tmp_path, registry("a"), CODES)
    with hub, Terminal(hub.port, PHONE["a"]) as a:
        assert a.authenticate() == 0
        first, last = parts(a.header(0x0704), Content.make(0x0704, kind=1, bodies=bodies))
        a.socket.sendall(first)
        assert a.hear().content.values["result"] == 0
    with hub, Terminal(hub.port, PHONE["a"]) as a:
        assert a.register()[0] == 3, "the hub remembers that the code was used"
        assert a.authenticate() == 0
        a.socket.sendall(last)
        assert a.hear().content.values["result"] == 0
        assert len(hub.moments("a")) == 40
    assert len(batches(bodies, 1023)) == 2
