"""What a logged message says: one table of decoders, by channel and kind of message.

The log holds only what admission has validated in full, so that here as much is decoded as consumers need. A new
channel is one more entry of `CHANNELS`, whose decoders give the same types, and a server that hands over what comes.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import msgspec

from hub.wire import station_kinds, terminal_kinds
from hub.wire.badge import kinds as badge_kinds
from hub.wire.lorawan import kinds as lorawan_kinds
from hub.wire.messages import Event, Reply, Status
from hub.wire.proof import Proof
from hub.wire.said import Measured, Moment, Observed, Record
from hub.wire.topics import PREFIX, Topic, parse

__all__ = [
    "CHANNELS",
    "Channel",
    "Measured",
    "Moment",
    "Observed",
    "Record",
    "Said",
    "channel",
]


Said = Measured | Observed | Status | Event | Reply


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
    """How messages come: by what name, and what each kind of them says. Its server is in `hub/intake/`.

    A message stands in the log under the topic ``{prefix}{district}/{site}/{source}/{kind}``: the source is the id of a
    board, station or terminal of the registry. The log keeps with it how well its origin is proven.
    """

    name: str
    prefix: str
    decoders: Mapping[str, Callable[[bytes], Said]]
    """By kind of message; they raise `msgspec.DecodeError` or ValueError for what is none."""
    proof: Proof
    """Of a message of which the log says nothing else."""
    outline: Callable[[bytes], tuple[str, int]] | None = None
    """Gives the stream of a message's records and the start of the latest (Unix s). It decodes no more than that: after
    a kill hundreds of thousands of messages are gone through. None: its records have no numbers, and the log knows a
    message that comes again by its bytes."""
    identity: Callable[[bytes], tuple[bytes, bytes]] | None = None
    """Gives, of a channel without numbers, what a message is about (such as the minute) and what it says of it: one
    that comes again with the same is a repeat, whatever its bytes; one that says something else is told."""

    def topics(self, district: str, site: str, source: str) -> list[str]:
        """Return the topics of a source."""
        return [f"{self.prefix}{district}/{site}/{source}/{kind}" for kind in self.decoders]


BOARD = Channel(
    "board",
    PREFIX,
    {
        "telemetry": msgspec.json.Decoder(Measured).decode,
        "status": msgspec.json.Decoder(Status).decode,
        "event": msgspec.json.Decoder(Event).decode,
        "reply": msgspec.json.Decoder(Reply).decode,
    },
    "mac",
    _outline,
)


def _later(module: str, name: str) -> Any:
    """Return a function whose module is loaded when it is used first: a list that reads no frame waits for no codec."""

    @cache
    def loaded() -> Any:
        return getattr(import_module(module), name)

    def call(payload: bytes) -> Any:
        return loaded()(payload)

    return call


STATION = Channel(
    "hj212",
    station_kinds.PREFIX,
    dict.fromkeys(station_kinds.KINDS, _later("hub.wire.station", "decode")),
    "none",
    identity=_later("hub.wire.station", "identity"),
)
_nothing = _later("hub.wire.terminal", "decode_nothing")
TERMINAL = Channel(
    "jt808",
    terminal_kinds.PREFIX,
    {
        terminal_kinds.FIX: _later("hub.wire.terminal", "decode_fix"),
        terminal_kinds.STATE: _later("hub.wire.terminal", "decode_state"),
        terminal_kinds.BATCH: _nothing,
        terminal_kinds.PART: _nothing,
        terminal_kinds.SESSION: _nothing,
    },
    "none",
    identity=_later("hub.wire.terminal", "identity"),
)
LORAWAN = Channel(
    "lorawan",
    lorawan_kinds.PREFIX,
    {lorawan_kinds.UPLINK: _later("hub.wire.lorawan.logged", "decode")},
    "none",
    identity=_later("hub.wire.lorawan.logged", "identity"),
)
BADGE = Channel(
    "badge",
    badge_kinds.PREFIX,
    dict.fromkeys(
        (badge_kinds.FIX, badge_kinds.STATE, badge_kinds.WITHHELD), _later("hub.wire.badge.logged", "decode")
    ),
    "none",
    identity=_later("hub.wire.badge.logged", "identity"),
)
CHANNELS: dict[str, Channel] = {one.prefix: one for one in (BOARD, STATION, TERMINAL, LORAWAN, BADGE)}
"""By the beginning of their topics."""


def channel(topic: str) -> tuple[Channel, Topic]:
    """Return by which channel a logged message came, and where it belongs.

    Raises:
        ValueError: the log does not take such topics.
    """
    for prefix, found in CHANNELS.items():
        if topic.startswith(prefix) and (parts := parse(topic, prefix)):
            return found, parts
    raise ValueError(f"topic {topic!r}: belongs to no channel; expected one that begins with one of {list(CHANNELS)}")
