"""From the log's entries to what was measured, for every consumer in the same way."""

from collections.abc import Iterator

import msgspec

from hub.log.log import Entry
from hub.wire.topics import PREFIX


class Interval(msgspec.Struct, frozen=True, gc=False):
    """What a board measured in one interval: one record.

    `t`: start, Unix s, UTC. `dt`: length, s. `values`: what is normal (flag N), by quantity, in the catalogue's unit.
    `flagged`: what is not, by quantity: HJ 212 letter, and the value where there is one. (`device`, `stream`, `seq`)
    identify the record; what came with other content under numbers of stream `9f3a12c4` is of `9f3a12c4~1`.
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


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One quantity in one interval.

    `t`: start, Unix s, UTC. `dt`: length, s. `value`: in the catalogue's unit; None where a flag stands for it. `flag`:
    HJ 212 letter, N normal. (`device`, `stream`, `seq`) identify the record.
    """

    district: str
    site: str
    device: str
    stream: str
    seq: int
    t: int
    dt: int
    quantity: str
    value: float | None
    flag: str


class _Record(msgspec.Struct, gc=False):
    t: int
    dt: int
    v: dict[str, float]
    f: dict[str, str] = {}


class _Telemetry(msgspec.Struct):
    """As much of a telemetry message as consumers need; the log holds only what has been validated in full."""

    stream: str
    seq: int
    records: list[_Record]


_decode = msgspec.json.Decoder(_Telemetry).decode


def intervals(entry: Entry) -> list[Interval]:
    """Return the records that were new when the entry was committed.

    A value that validation found implausible carries the flag it was given; the board's own flag comes first.
    """
    district, site, device, kind = entry.topic[len(PREFIX) :].split("/")
    if kind != "telemetry":
        return []
    message = _decode(entry.payload)
    found: dict[int, dict[str, str]] = {}
    for index, quantity, flag in entry.findings:
        found.setdefault(index, {})[quantity] = flag
    stream = f"{message.stream}~{entry.branch}" if entry.branch else message.stream
    result = []
    for first, after in entry.fresh:
        for seq in range(first, after):
            index = seq - message.seq
            record = message.records[index]
            values, flagged = record.v, {}
            flags = {**found[index], **record.f} if index in found else record.f
            if flags:
                flagged = {quantity: (flag, values.pop(quantity, None)) for quantity, flag in flags.items()}
            place = (district, site, device, stream)
            result.append(Interval(*place, seq, record.t, record.dt, values, flagged))
    return result


def readings(entry: Entry) -> Iterator[Reading]:
    """Yield the single readings of `intervals(entry)`, those of one record in the order of their quantities' keys."""
    for i in intervals(entry):
        record = (i.district, i.site, i.device, i.stream, i.seq, i.t, i.dt)
        for quantity in sorted({*i.values, *i.flagged}):
            if quantity in i.values:
                yield Reading(*record, quantity, i.values[quantity], "N")
            else:
                flag, value = i.flagged[quantity]
                yield Reading(*record, quantity, value, flag)
