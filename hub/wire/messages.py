"""What boards say, as types: the hub's reading of schemas/messages/ (a test proves that the two agree)."""

from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, Protocol

import msgspec

KINDS = ("telemetry", "status", "event", "reply")
"""Kinds of messages that boards publish."""

Mac = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Stream = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}\Z")]
MOST = 2**53 - 1
"""Largest integer that every reader of JSON holds exactly (RFC 8259, section 6)."""
_MAC = 64 + len('"}')
Seq = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Flag = Literal["F", "M", "C", "D", "T", "S", "B"]
LEAST = "_least"
"""End of a key in a record's `r`: the level that is certain of noise that was clipped."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What was measured in one interval: start (Unix s), length (s), values and flags by quantity key."""

    t: Natural
    dt: Annotated[int, msgspec.Meta(ge=1, le=60)]
    v: dict[str, float]
    """Its keys are each a `Key`; `TelemetryDecoder` sees to that, for less than the decoder would take."""
    f: dict[Key, Flag] = {}
    r: dict[Key, float] = {}
    """Values before the board's calibration, where it changed them and reports them; under QUANTITY_least, of noise
    that was clipped (flag T), the level that is certain: a lower bound, in dB; under h1_134 and the like how often each
    level was (`hub.series.levels`)."""


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Consecutive records of a board's outbox, the first with number `seq`."""

    stream: str
    """A `Stream`; as with the keys of `Record.v`, `TelemetryDecoder` sees to that."""
    seq: Seq
    oldest: Seq
    cal: Natural
    records: Annotated[list[Record], msgspec.Meta(min_length=1, max_length=500)]
    clock: Literal["ntp", "hub", "rtc", "none"]
    mac: str
    """A `Mac`, likewise."""


class TaskEnds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a task of a board has ended since its start, and what ended it last."""

    ends: Natural
    cause: Annotated[str, msgspec.Meta(max_length=100)]


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
    reset: str | msgspec.UnsetType = msgspec.UNSET
    sensors: dict[str, Literal["N"] | Flag] | msgspec.UnsetType = msgspec.UNSET
    cal: Natural | msgspec.UnsetType = msgspec.UNSET
    cal_due: str | msgspec.UnsetType = msgspec.UNSET
    config: Natural | msgspec.UnsetType = msgspec.UNSET
    heap_free: Natural | msgspec.UnsetType = msgspec.UNSET
    heap_used: Natural | msgspec.UnsetType = msgspec.UNSET
    rssi: Annotated[int, msgspec.Meta(ge=-200, le=0)] | msgspec.UnsetType = msgspec.UNSET
    nonce: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")] | msgspec.UnsetType = msgspec.UNSET
    tasks: dict[str, TaskEnds] | msgspec.UnsetType = msgspec.UNSET


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"from_": "from"}):
    """Something a reader of the records must know: "dropped" names the records given up, the others tell a `detail`."""

    t: Natural
    event: Literal["dropped", "calibration", "relay", "config", "update"]
    mac: Mac
    n: Seq | msgspec.UnsetType = msgspec.UNSET
    stream: Stream | msgspec.UnsetType = msgspec.UNSET
    from_: Seq | msgspec.UnsetType = msgspec.UNSET
    to: Seq | msgspec.UnsetType = msgspec.UNSET
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | msgspec.UnsetType = msgspec.UNSET
    detail: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """Refuse an event whose members do not belong together."""
        span = (self.stream, self.from_, self.to, self.reason)
        given = [part is not msgspec.UNSET for part in (*span, self.detail)]
        if given != [self.event == "dropped"] * 4 + [self.event != "dropped"]:
            raise ValueError("dropped has stream, from, to and reason; the other events have detail, and nothing else")

    @property
    def number(self) -> int:
        """Its number in the board's outbox; 0: an earlier agent sent it, which gives none."""
        return self.n if isinstance(self.n, int) else 0

    @property
    def dropped(self) -> tuple[str, int, int, str] | None:
        """Stream, first and last number of the records given up, and why."""
        if (
            isinstance(self.stream, str)
            and isinstance(self.from_, int)
            and isinstance(self.to, int)
            and isinstance(self.reason, str)
        ):
            return self.stream, self.from_, self.to, self.reason
        return None


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to one command."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    t: Natural
    ok: bool
    detail: Annotated[str, msgspec.Meta(max_length=1000)]
    mac: Mac


Message = Telemetry | Status | Event | Reply


class Decoder(Protocol):
    """Turns the bytes of one kind of message into what they mean."""

    def decode(self, payload: bytes | str, /) -> Message:
        """Return the message.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is none.
        """


class TelemetryDecoder:
    """The hot path's decoder: matching texts and keys with their patterns would take longer than all the rest.

    `known`: sets of keys that need no look, since whoever adds to them has seen to it; boards of one kind all send the
    same. Nothing is remembered here: what a board makes up must not stay in memory.
    """

    def __init__(self, known: AbstractSet[tuple[str, ...]] = frozenset()) -> None:
        self._decode = msgspec.json.Decoder(Telemetry).decode
        self._known = known

    def decode(self, payload: bytes | str, /) -> Telemetry:
        """See `Decoder`."""
        return self.decode_known(payload)[0]

    def decode_known(self, payload: bytes | str, /) -> tuple[Telemetry, bool]:
        """Return the message, and whether the sets of keys of all its records are known; raises as `decode`."""
        message = self._decode(payload)
        text = message.stream + message.mac
        if len(message.stream) != 8 or len(text) != 72 or not _is_hex(text):
            _expect(message.stream, Stream, "$.stream")
            _expect(message.mac, Mac, "$.mac")
        known, all_known = self._known, True
        for index, record in enumerate(message.records):
            if tuple(record.v) not in known:
                all_known = False
                for key in record.v:
                    _expect(key, Key, f"key` in `$.records[{index}].v")
        return message, all_known


def _is_hex(text: str) -> bool:
    """Tell whether a text is of digits 0 to 9 and a to f, two for each byte."""
    try:
        return bytes.fromhex(text).hex() == text  # a third of the time that looking at each character takes
    except ValueError:
        return False


def _expect(text: str, type_: object, where: str) -> None:
    """Raise msgspec.ValidationError as the decoder would, unless a text is of a type."""
    try:
        msgspec.convert(text, type_)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - at `{where}`") from None


DECODERS: dict[str, Decoder] = {
    "telemetry": TelemetryDecoder(),
    "status": msgspec.json.Decoder(Status),
    "event": msgspec.json.Decoder(Event),
    "reply": msgspec.json.Decoder(Reply),
}


def signed_part(payload: bytes) -> bytes:
    """Return what a board says without its MAC, which is the last member; the whole, where there is none."""
    said, mark, mac = payload.rpartition(b',"mac":"')
    return said + mark if len(mac) == _MAC else payload
