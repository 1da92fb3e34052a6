"""Tells a record that comes again from another one under the same number.

A board sends again what is not acknowledged: the same record, word for word. A board that was restored from a backup,
or a copy of one, goes on with numbers that the hub has, and its records are others: they must not be dropped as
repeats.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from hub.log.entry import decode_ranges
from hub.log.streams import Stream
from hub.wire.messages import Telemetry

MOST_WALKED = 5000
"""Messages of one board that are looked at in one commit: its flash holds about as many records."""

_decode = msgspec.json.Decoder(Telemetry).decode


@dataclass(frozen=True, slots=True)
class Compared:
    """What the numbers of a message are: the `same` records as in the log, `other` ones, or `unknown`.

    Unknown: the log does not show what came under the number, because it was refused, given up by the board or pruned,
    or because it lies too far back.
    """

    same: list[int]
    other: list[int]
    unknown: list[int]


class Link(NamedTuple):
    """A message of a stream in the log; `earlier`: an earlier version of the log took it."""

    payload: bytes
    fresh: str
    earlier: bool


def compare(message: Telemetry, numbers: list[int], stream: Stream, chain: Iterable[Link]) -> Compared:
    """Compare the records with these numbers with what `stream` has under them.

    `chain` goes through the stream's messages in the log, the newest first; it is read only as far as is needed. What
    differs from a record that an earlier version took is unknown: that version dropped what came under its number.
    """
    same: list[int] = []
    # Nothing that the hub has under a number of this stream is later than `newest`: this cannot be a repeat.
    other = [number for number in numbers if message.records[number - message.seq].t > stream.newest]
    doubtful = set(numbers).difference(other)
    if doubtful:
        low, high = min(doubtful), max(doubtful) + 1
        for payload, fresh, earlier in chain:
            for first, after in decode_ranges(fresh):
                found = doubtful.intersection(range(max(first, low), min(after, high)))
                if found:
                    there = _decode(payload)
                    for number in found:
                        alike = there.records[number - there.seq] == message.records[number - message.seq]
                        if alike:
                            same.append(number)
                        elif not earlier:
                            other.append(number)
                    doubtful -= found
            if not doubtful:
                break
    unknown = set(numbers).difference(same, other)
    return Compared(sorted(same), sorted(other), sorted(unknown))


def without(first: int, after: int, ranges: list[tuple[int, int]]) -> list[int]:
    """Return the numbers `first` <= n < `after` that are in none of the ranges."""
    return [number for number in range(first, after) if not any(begin <= number < end for begin, end in ranges)]


def spans(numbers: list[int]) -> list[tuple[int, int]]:
    """Return ascending numbers as ranges [first, after the last)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found
