"""Reads what a network server publishes of an uplink: ChirpStack v4 and The Things Stack v3, both JSON over MQTT.

Both leave out members that are zero (proto3), so a frame counter or port that is missing is 0.
Sources: chirpstack-api's integration.proto (`UplinkEvent`, v4); The Things Stack, "Data Formats" (uplink message): P.
"""

import datetime as dt
import re
from typing import NamedTuple

import msgspec

MOST_PORT, MOST_COUNTER = 255, 2**32 - 1
"""FPort has one byte, the frame counter 32 bits (general knowledge: U)."""
_EUI = re.compile(r"[0-9a-f]{16}\Z")


class Uplink(NamedTuple):
    """One frame of a device, as its network server received it."""

    eui: str
    """DevEUI: 16 hexadecimal digits, small letters."""
    session: str
    """What changes when the device joins anew and counts from 0 again: the session's key id, or its address."""
    counter: int
    """Frame counter (FCnt) of the session."""
    port: int
    time: float
    """When the network server received it, Unix s."""
    data: bytes
    """The device's own bytes, decrypted (FRMPayload)."""


class _DeviceInfo(msgspec.Struct):
    dev_eui: str = msgspec.field(name="devEui")


class _ChirpStack(msgspec.Struct, rename="camel"):
    device_info: _DeviceInfo
    time: dt.datetime
    dev_addr: str = ""
    f_cnt: int = 0
    f_port: int = 0
    data: bytes = b""


class _Ids(msgspec.Struct):
    dev_eui: str
    dev_addr: str = ""


class _Message(msgspec.Struct):
    received_at: dt.datetime | None = None
    session_key_id: str = ""
    f_cnt: int = 0
    f_port: int = 0
    frm_payload: bytes = b""


class _ThingsStack(msgspec.Struct):
    end_device_ids: _Ids
    uplink_message: _Message
    received_at: dt.datetime | None = None


_chirpstack = msgspec.json.Decoder(_ChirpStack).decode
_things_stack = msgspec.json.Decoder(_ThingsStack).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_uplink(payload: bytes) -> Uplink:
    """Return the uplink that a network server's message tells.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError: it tells none.
    """
    members = _members(payload)
    if "deviceInfo" in members:
        said = _chirpstack(payload)
        return _made(said.device_info.dev_eui, said.dev_addr, said.f_cnt, said.f_port, said.time, said.data)
    if "uplink_message" in members:
        told = _things_stack(payload)
        ids, message = told.end_device_ids, told.uplink_message
        when = message.received_at or told.received_at
        session = message.session_key_id or ids.dev_addr
        return _made(ids.dev_eui, session, message.f_cnt, message.f_port, when, message.frm_payload)
    raise ValueError("no uplink of ChirpStack v4 (deviceInfo) or of The Things Stack (uplink_message)")


def _made(eui: str, session: str, counter: int, port: int, time: dt.datetime | None, data: bytes) -> Uplink:
    if time is None or time.tzinfo is None:
        raise ValueError(f"time {time}: expected when the network server received it, with its offset")
    if not _EUI.match(eui.lower()):
        raise ValueError(f"DevEUI {eui[:40]!r}: expected 16 hexadecimal digits")
    if not (0 <= port <= MOST_PORT and 0 <= counter <= MOST_COUNTER):
        raise ValueError(f"port {port}, frame counter {counter}: expected 0 to {MOST_PORT}, 0 to {MOST_COUNTER}")
    return Uplink(eui.lower(), session, counter, port, time.timestamp(), data)
