"""An uplink as it stands in the log: one line of how the hub understood its device, then the network server's bytes.

The line is what was in force of the registry when it came: its codec, and how far the sensor is from the bottom and
from the rim of its bin. So what the log says of an uplink never changes, whatever becomes of the registry.
"""

import hashlib
from functools import lru_cache

import msgspec

from hub.wire.lorawan.kinds import UPLINK
from hub.wire.lorawan.payloads import CODECS, Payload
from hub.wire.lorawan.uplink import Uplink, read_uplink
from hub.wire.said import Measured, Moment, Observed, Record

FILL, DISTANCE = "fill", "distance"
"""Quantities of the catalogue: % and mm."""
RADIUS = 15.0
"""Error radius of a tracker's position [m], this project's choice: trackers do not tell theirs."""


class Head(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The line before the bytes."""

    codec: str
    empty: float | None = None
    """What the sensor measures when the bin is empty, mm."""
    full: float | None = None
    """And when it is full, mm."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode


def pack(head: Head, payload: bytes) -> bytes:
    """Return what is put into the log."""
    return _encode(head) + b"\n" + payload


def unpack(logged: bytes) -> tuple[Head, bytes]:
    """Return what was put into the log.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    line, newline, payload = logged.partition(b"\n")
    if not newline:
        raise ValueError("no line before the uplink; expected what the hub understood of the device, as JSON")
    return _head(line), payload


@lru_cache(512)
def _head(line: bytes) -> Head:
    return _decode(line)


def decode(logged: bytes) -> Measured | Observed:
    """Return what a logged uplink says.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    head, payload = unpack(logged)
    return meaning(head, read_uplink(payload))


def meaning(head: Head, uplink: Uplink) -> Measured | Observed:
    """Return what an uplink says: a level that was measured, or where a tracker was and what it saw.

    Raises:
        ValueError: its bytes are none of its codec.
    """
    codec = CODECS.get(head.codec)
    if codec is None:
        raise ValueError(f"codec {head.codec!r}: expected one of: {', '.join(CODECS)}")
    said, when = codec(uplink.data), int(uplink.time)
    if said.observes:
        return _observed(said, when)
    values, flags = {}, {}
    if said.distance is not None:
        values[DISTANCE] = said.distance
        if head.empty is not None and head.full is not None:
            share = (head.empty - said.distance) / (head.empty - head.full)
            values[FILL] = round(100 * min(1.0, max(0.0, share)), 1)
    if said.tilted:
        # What it measures is not the bin: kept and shown, and no rule hears of it.
        flags = dict.fromkeys(values, "D")
    return Measured(UPLINK, when, [Record(when, 1, values, flags, said.figures)] if values or said.figures else [])


def _observed(said: Payload, when: int) -> Observed:
    states = {**said.states, **said.figures}
    here = next((one for one in said.fixes if one.t is None), None)
    moments = [Moment(when, here.lat, here.lon, RADIUS, None, states) if here else Moment(when, states=states)]
    moments += [Moment(one.t, one.lat, one.lon, RADIUS) for one in said.fixes if one.t is not None]
    return Observed(moments)


def identity(logged: bytes) -> tuple[bytes, bytes]:
    """Return by what a logged uplink is known when it comes again: what it is about, and what it says of it."""
    return identity_of(read_uplink(unpack(logged)[1]))


def identity_of(uplink: Uplink) -> tuple[bytes, bytes]:
    """Return the `identity` of an uplink.

    A counter alone would not do: a device that joins anew, or gets another battery, counts from 0 again.
    """
    about = f"{uplink.eui} {uplink.session} {uplink.counter} {uplink.time:.3f}"
    return _hash(about.encode()), _hash(uplink.port.to_bytes(4, "big", signed=True) + uplink.data)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
