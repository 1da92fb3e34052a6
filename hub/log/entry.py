"""An entry of the log, and what it says: decoded once, whoever asks."""

from dataclasses import dataclass, field

import msgspec

from hub.log.outcomes import PLACE, WHOLE
from hub.wire.channels import Channel, Measured, Record, Said, channel
from hub.wire.messages import LEAST
from hub.wire.proof import Proof
from hub.wire.topics import Topic

COLUMNS = "offset, received, topic, payload, fresh, findings, settled, ifnull(branch, 0), proof"
"""Of the table `message`, in the order that `Entry.of_row` takes."""

_FINDING = 160
"""What a finding weighs beside the bytes of a payload."""

decode_ranges = msgspec.json.Decoder(list[tuple[int, int]]).decode
decode_findings = msgspec.json.Decoder(list[tuple[int, str, str]]).decode


class Interval(msgspec.Struct, frozen=True, gc=False):
    """What a board measured in one interval: one record.

    `t`: start, Unix s, UTC. `dt`: length, s. `values`: what is normal (flag N), by quantity, in the catalogue's unit.
    `flagged`: what is not, by quantity: HJ 212 letter, and the value where there is one. (`device`, `stream`, `seq`)
    identify the record; what came with other content under numbers of stream `9f3a12c4` is of `9f3a12c4~1`.
    `least`: of noise that was clipped (T), by quantity, the level that is certain. `void`: by quantity, since when
    (Unix s) what the sensor gave does not count, as this record shows. `reported`: what else the board says of it, in
    `r` (`hub.series.levels` reads it).
    """

    district: str
    site: str
    device: str
    stream: str
    seq: int
    t: int
    dt: int
    values: dict[str, float]
    flagged: dict[str, tuple[str, float | None]] = {}
    least: dict[str, float] = {}
    void: dict[str, int] = {}
    reported: dict[str, float] = {}


@dataclass(slots=True)
class Entry:
    """One message in the log; `fresh`, `findings`, `settled`, `branch` (0: none) as in its table, `place` by its topic.

    Where its source was somewhere else when it said this, `place` says that; empty: at no site.

    Several consumers share an entry, so what it says is decoded when the first of them asks, and nobody changes it.
    """

    offset: int
    received: float
    topic: str
    payload: bytes
    fresh: list[tuple[int, int]]
    findings: list[tuple[int, str, str]]
    settled: bool
    branch: int = 0
    noted: Proof | None = None
    """How well its origin is proven, where it is not as its channel has it."""
    place: Topic = field(init=False, compare=False, repr=False)
    channel: Channel = field(init=False, compare=False, repr=False)
    _places: dict[int, Topic] | None = field(init=False, default=None, compare=False, repr=False)
    _said: Said | None = field(init=False, default=None, compare=False, repr=False)
    _intervals: list[Interval] | None = field(init=False, default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find out where it belongs."""
        self.channel, self.place = channel(self.topic)
        for index, quantity, where in self.findings:
            if quantity == PLACE:
                district, _, site = where.partition("/")
                place = self.place._replace(district=district, site=site)
                if index == WHOLE:
                    self.place = place
                else:
                    self._places = {**(self._places or {}), index: place}

    @classmethod
    def of_row(cls, row: tuple[int, float, str, bytes, str | None, str | None, int, int, Proof | None]) -> "Entry":
        """Return the entry of a row with the columns `COLUMNS`."""
        offset, received, topic, payload, fresh, findings, settled, branch, proof = row
        return cls(
            offset,
            received,
            topic,
            payload,
            decode_ranges(fresh) if fresh else [],
            decode_findings(findings) if findings else [],
            settled == 1,
            branch,
            proof,
        )

    def place_of(self, index: int) -> Topic:
        """Return where a record or moment of the message belongs, by its index in it."""
        return self._places.get(index, self.place) if self._places else self.place

    @property
    def weight(self) -> int:
        """How much memory it takes, in the measure of bytes of a payload; decoded, about twelve times as much."""
        return len(self.payload) + _FINDING * len(self.findings)

    @property
    def proof(self) -> Proof:
        """How well it is proven that its source sent it."""
        return self.noted or self.channel.proof

    @property
    def said(self) -> Said:
        """The message, as far as consumers need it."""
        if self._said is None:
            self._said = self.channel.decoders[self.place.kind](self.payload)
        return self._said

    @property
    def intervals(self) -> list[Interval]:
        """The records that were new when the entry was committed.

        A value that validation found implausible carries the flag it was given; the board's own flag comes first.
        """
        if self._intervals is None:
            # A board's statuses and events hold none: they need not be decoded for this.
            said = self.said if self.fresh or not self.channel.outline else None
            self._intervals = self._decoded(said) if isinstance(said, Measured) else []
        return self._intervals

    def _decoded(self, said: Measured) -> list[Interval]:
        found: dict[int, dict[str, str]] = {}
        for index, quantity, flag in self.findings:
            if quantity != PLACE:
                found.setdefault(index, {})[quantity] = flag
        district, site, device, _ = self.place
        stream, first_of_all, records = said.stream, said.seq, said.records
        if self.branch:
            stream = f"{stream}~{self.branch}"
        result = []
        # Of a channel without numbers the log takes each message once, as a whole.
        for first, after in self.fresh or [(first_of_all, first_of_all + len(records))]:
            for seq in range(first, after):
                index = seq - first_of_all
                record = records[index]
                values, flags = record.v, record.f
                if self._places:
                    district, site, _, _ = self.place_of(index)
                if index in found:
                    flags = {**found[index], **flags}
                if flags:
                    normal = {quantity: value for quantity, value in values.items() if quantity not in flags}
                    flagged = {quantity: (flag[0], values.get(quantity)) for quantity, flag in flags.items()}
                    identity = district, site, device, stream, seq
                    more = _least(record), _void(flags)
                    result.append(Interval(*identity, record.t, record.dt, normal, flagged, *more, record.r))
                else:
                    identity = district, site, device, stream, seq
                    result.append(Interval(*identity, record.t, record.dt, values, reported=record.r))
        return result


def _least(record: Record) -> dict[str, float]:
    """Return the levels that a record has for certain, where it was clipped."""
    clipped = (quantity for quantity, flag in record.f.items() if flag == "T")
    return {quantity: record.r[quantity + LEAST] for quantity in clipped if quantity + LEAST in record.r}


def _void(flags: dict[str, str]) -> dict[str, int]:
    """Return since when quantities do not count, by what validation said of a record."""
    return {quantity: int(flag[2:]) for quantity, flag in flags.items() if len(flag) > 1}
