"""What a logged message says: one table of decoders, by channel and kind of message.

The log holds only what admission has validated in full, so that here as much is decoded as consumers need. A new
channel is one more entry of `CHANNELS`, and its decoders give the same types.
"""

from collections.abc import Callable, Mapping

import msgspec

from hub.wire.messages import Event, Reply, Status
from hub.wire.topics import PREFIX, Topic, parse


class Record(msgspec.Struct, frozen=True, gc=False):
    """One interval as it was sent: start (Unix s, UTC), length (s), values and flags (HJ 212) by quantity."""

    t: int
    dt: int
    v: dict[str, float]
    f: dict[str, str] = {}


class Measured(msgspec.Struct, frozen=True, gc=False):
    """Consecutive records of a stream, the first with number `seq`; `clock`: how the sender knows the time.

    `oldest`: the lowest number that the sender still holds; 0: not known.
    """

    stream: str
    seq: int
    records: list[Record]
    clock: str = ""
    oldest: int = 0


Said = Measured | Status | Event | Reply


class _When(msgspec.Struct):
    t: int


class _Outline(msgspec.Struct):
    stream: str
    records: list[_When]


_decode_outline = msgspec.json.Decoder(_Outline).decode


def _outline(payload: bytes) -> tuple[str, int]:
    found = _decode_outline(payload)
    return found.stream, max(record.t for record in found.records)


class Channel(msgspec.Struct, frozen=True):
    """How messages come: where one belongs, and what each kind of them says."""

    topic: Callable[[str], Topic | None]
    decoders: Mapping[str, Callable[[bytes], Said]]
    outline: Callable[[bytes], tuple[str, int]]
    """Gives the stream of a message's records and the start of the latest (Unix s). It decodes no more than that: after
    a kill hundreds of thousands of messages are gone through."""


CHANNELS: dict[str, Channel] = {
    PREFIX: Channel(
        parse,
        {
            "telemetry": msgspec.json.Decoder(Measured).decode,
            "status": msgspec.json.Decoder(Status).decode,
            "event": msgspec.json.Decoder(Event).decode,
            "reply": msgspec.json.Decoder(Reply).decode,
        },
        _outline,
    )
}
"""By the beginning of their topics."""


def channel(topic: str) -> tuple[Channel, Topic]:
    """Return by which channel a logged message came, and where it belongs.

    Raises:
        ValueError: the log does not take such topics.
    """
    for prefix, found in CHANNELS.items():
        if topic.startswith(prefix) and (parts := found.topic(topic)):
            return found, parts
    raise ValueError(f"topic {topic!r}: belongs to no channel; expected one that begins with one of {list(CHANNELS)}")
