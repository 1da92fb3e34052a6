"""What a logged message says: one table of decoders, by channel and kind of message.

The log holds only what admission has validated in full, so that here as much is decoded as consumers need. A new
channel is one more entry of `CHANNELS`, whose decoders give the same types, and a server that hands over what comes.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from hub.wire.messages import Event, Reply, Status
from hub.wire.topics import PREFIX, Topic, parse


class Record(msgspec.Struct, frozen=True, gc=False):
    """One interval as it was sent: start (Unix s, UTC), length (s), values and flags (HJ 212) by quantity.

    `r`: see `hub.wire.messages.Record`.
    """

    t: int
    dt: int
    v: dict[str, float]
    f: dict[str, str] = {}
    r: dict[str, float] = {}


class Measured(msgspec.Struct, frozen=True, gc=False):
    """Consecutive records of a stream, the first with number `seq`; `clock`: how the sender knows the time.

    `oldest`: the lowest number that the sender still holds; 0: not known.
    """

    stream: str
    seq: int
    records: list[Record]
    clock: str = ""
    oldest: int = 0


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What a source saw at one instant (Unix s): where it was, how fast, and states by name; null: not known."""

    t: int
    lat: float | None = None
    """Degrees, WGS-84."""
    lon: float | None = None
    radius: float = 0.0
    """Error radius of the position [m]."""
    speed: float | None = None
    """km/h."""
    states: dict[str, str | float | bool | None] = {}


class Observed(msgspec.Struct, frozen=True, gc=False):
    """What a source saw, such as a vehicle's fixes or an inspection's result: rules of packs judge by it."""

    moments: list[Moment]


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


Proof = Literal["mac", "certificate", "password", "none"]
"""How well it is proven who said something, the best first: the MAC of a board's own key; a certificate of the city's;
a password or code that goes over the line with each message; nothing but what the message says of itself."""
PROOFS: tuple[Proof, ...] = ("mac", "certificate", "password", "none")


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
CHANNELS: dict[str, Channel] = {BOARD.prefix: BOARD}
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


def weakest(one: Proof, other: Proof) -> Proof:
    """Return the weaker of two proofs."""
    return max(one, other, key=PROOFS.index)
