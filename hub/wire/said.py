"""What senders say, whatever their channel: measured intervals, and what a source saw at single instants."""

import msgspec


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
