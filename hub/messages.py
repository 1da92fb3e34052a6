"""What boards say, as types: the hub's reading of schemas/messages/ (a test proves that the two agree)."""

from typing import Annotated, Literal

import msgspec

KINDS = ("telemetry", "status", "event", "reply")
"""Kinds of messages that boards publish."""

Mac = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Stream = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}\Z")]
MOST = 2**53 - 1
"""Largest integer that every reader of JSON holds exactly (RFC 8259, section 6)."""
Seq = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Flag = Literal["F", "M", "C", "D", "T", "S", "B"]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured in one interval: start (Unix s), length (s), values and flags by quantity key."""

    t: Natural
    dt: Annotated[int, msgspec.Meta(ge=1, le=60)]
    v: dict[Key, float]
    f: dict[Key, Flag] = {}


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Consecutive records of a board's outbox, the first with number `seq`."""

    stream: Stream
    seq: Seq
    oldest: Seq
    cal: Natural
    records: Annotated[list[Record], msgspec.Meta(min_length=1, max_length=500)]
    clock: Literal["ntp", "rtc", "none"]
    mac: Mac


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a board says at every connection, and as its last will."""

    online: bool
    t: Natural
    mac: Mac
    agent: str | msgspec.UnsetType = msgspec.UNSET
    runtime: str | msgspec.UnsetType = msgspec.UNSET
    stream: Stream | msgspec.UnsetType = msgspec.UNSET
    depth: Natural | msgspec.UnsetType = msgspec.UNSET
    dropped: Natural | msgspec.UnsetType = msgspec.UNSET
    rejected: dict[str, Natural] | msgspec.UnsetType = msgspec.UNSET


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The board gave up the records `from`..`to`."""

    t: Natural
    event: Literal["dropped"]
    stream: Stream
    from_: Seq
    to: Seq
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    mac: Mac


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to one command."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    t: Natural
    ok: bool
    detail: Annotated[str, msgspec.Meta(max_length=1000)]
    mac: Mac


Message = Telemetry | Status | Event | Reply

DECODERS: dict[str, msgspec.json.Decoder[Message]] = {
    "telemetry": msgspec.json.Decoder(Telemetry),
    "status": msgspec.json.Decoder(Status),
    "event": msgspec.json.Decoder(Event),
    "reply": msgspec.json.Decoder(Reply),
}
