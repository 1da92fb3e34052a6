"""From the log's entries to single readings, for every consumer in the same way."""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.admission import PREFIX
from hub.log import Entry
from hub.messages import DECODERS, Telemetry


@dataclass(frozen=True, slots=True)
class Reading:
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


def readings(entry: Entry) -> Iterator[Reading]:
    """Yield the readings of the records that were new when the entry was committed.

    A value that validation found implausible carries the flag it was given; the board's own flag comes first.
    """
    district, site, device, kind = entry.topic[len(PREFIX) :].split("/")
    if kind != "telemetry":
        return
    message = DECODERS[kind].decode(entry.payload)
    assert isinstance(message, Telemetry)
    found = {(index, quantity): flag for index, quantity, flag in entry.findings}
    for first, after in entry.fresh:
        for seq in range(first, after):
            index = seq - message.seq
            record = message.records[index]
            for quantity in sorted({*record.v, *record.f}):
                flag = record.f.get(quantity) or found.get((index, quantity), "N")
                value = record.v.get(quantity)
                yield Reading(district, site, device, message.stream, seq, record.t, record.dt, quantity, value, flag)
