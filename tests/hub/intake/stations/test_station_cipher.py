"""Stations of the 2025 edition that encrypt their data areas (SM4-ECB)."""

import pytest

from hub.config.files import ConfigError
from hub.registry.live import read_ciphers
from hub.wire.hj212 import END, build, opened, parts, read_packet
from hub.wire.station import decode, identity, unpack
from tests.hub.intake.stations.station import PASSWORD, Station, StationHub, local, minute_of, registry, until

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
KEYS = f'a = "{PASSWORD}"\nb = "{PASSWORD}"\n'
SM4 = f'[sm4]\na = "{KEY.hex()}"\n'


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with StationHub(tmp_path_factory.mktemp("cipher"), registry("a", "b"), KEYS + SM4) as made:
        yield made


def encrypted(station, t, key=KEY, value=35.5):
    """Return the frame of an encrypted minute."""
    data = f"DataTime={local(t)};a34004-Avg={value},a34004-Flag=N;Leq-Data=61.5,Leq-Flag=N"
    frame = build(station.packet("2051", data, Flag="9"), key=key)
    assert b"{0x" in frame
    return frame


def minute(station, t, key=KEY, value=35.5):
    """Send an encrypted minute; return its bytes."""
    frame = encrypted(station, t, key, value)
    station.socket.sendall(frame + END)
    return frame


def test_an_encrypted_minute_counts_once_and_is_kept_as_it_came(hub):
    t = minute_of(10)
    with Station(hub.port, "MN-A", PASSWORD) as a:
        frame = minute(a, t)
        said = a.hear_of("9014", 30)
        a.minute(t, 35.5)  # the same in plain text
        assert a.hear_of("9014", 30)
    assert said.field("Flag") == "8"
    (entry,) = hub.entries("a")
    assert (entry.proof, entry.intervals[0].t, entry.intervals[0].values) == (
        "password",
        t,
        {"pm25": 35.5, "laeq": 61.5},
    )
    logged = unpack(entry.payload)
    assert (logged.sealed, logged.head.sealed) == (frame, len(frame))
    assert read_packet(logged.frames).crc == "standard", "length and checksum are of the plain text"
    assert decode(entry.payload) == entry.said
    assert identity(entry.payload)


def test_encrypted_parts_of_a_packet_are_put_together(hub):
    t = minute_of(20)
    groups = ";".join(f"a99{n:03d}-Avg={n}.000,a99{n:03d}-Flag=N" for n in range(40))
    with Station(hub.port, "MN-A", PASSWORD) as a:
        whole = a.packet("2051", f"DataTime={local(t)};a34004-Avg=77.0,a34004-Flag=N;{groups}", Flag="9")
        for part in parts(whole):
            a.socket.sendall(build(part, key=KEY) + END)
            assert a.hear_of("9014", 30)
    found = [one.intervals[0].values for one in hub.entries("a") if one.intervals and one.intervals[0].t == t]
    assert found == [{"pm25": 77.0}]


def test_what_another_key_made_is_not_acknowledged(hub):
    with Station(hub.port, "MN-A", PASSWORD) as a:
        # The checksum keeps 8 bits from byte to byte: it fits 1 in 256 of whatever it was not made for, be it what
        # another key makes of a frame or the frame as it was sent.
        made = (encrypted(a, minute_of(30), bytes(16), tenths / 10) for tenths in range(100, 200))
        frame = next(one for one in made if not (read_packet(one).sound or read_packet(opened(one, KEY)).sound))
        a.socket.sendall(frame + END)
        until(lambda: ("a", "crc", frame) in hub.quarantine(), "in quarantine", 30)
        assert a.hear_of("9014", 0.3) is None


def test_without_a_key_it_waits_and_counts_when_the_key_is_there(hub):
    t = minute_of(40)
    with Station(hub.port, "MN-B", PASSWORD) as b:
        frame = minute(b, t, value=12.5)
        until(lambda: ("b", "encrypted", frame) in hub.quarantine(), "in quarantine", 30)
        assert b.hear_of("9014", 0.3) is None, "nothing tells that it came whole"
        (hub.folder / "keys.toml").write_text(KEYS + SM4 + f'b = "{KEY.hex()}"\n')
        until(lambda: hub.hub._registry.current.ciphers.keys() == {"a", "b"}, "the key is read", 30)
        minute(b, t, value=12.5)
        assert b.hear_of("9014", 30)
    (entry,) = hub.entries("b")
    assert entry.intervals[0].values["pm25"] == 12.5


def test_a_key_that_is_none_is_named_and_not_told(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text('[sm4]\na = "short"\n')
    with pytest.raises(ConfigError, match=r"\[sm4\] a: is no SM4 key") as refused:
        read_ciphers(path, ["a"])
    assert "short" not in str(refused.value)
