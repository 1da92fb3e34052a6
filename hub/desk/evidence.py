"""The evidence of an alert: the messages as they stand in the log, each with how well its origin is proven."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from hub.alerts.records import Alert
from hub.log.entry import Entry, Interval
from hub.log.reader import LogReader, reading_log
from hub.wire.channels import BOARD, CHANNELS
from hub.wire.seal import authentic
from hub.wire.times import MOST_AHEAD

SEARCHED_AFTER = 1800
"""Messages of a window are searched up to so long after its end [s]; later ones have amended a verdict."""
BEFORE_AMENDMENT = 900
"""Messages that amended a verdict are searched from so long before the amendment [s]."""
SMALL = 1_000_000
"""A log of so many messages is looked through as a whole (0.5 s); in a larger one only where the messages can be."""


class Evidence(NamedTuple):
    """One message. `records` are those of its records that lie in the alert's windows."""

    entry: Entry
    records: list[Interval]
    authentic: bool | None
    """Whether the MAC is the one of the board's key; None: it has none, or that key is not known any more."""


def messages(
    log: Path,
    alert: Alert,
    judged: list[float],
    key: bytes | None,
    after: int,
    most: int,
    places: Collection[tuple[str, str]] = (),
) -> tuple[list[Evidence], float | None]:
    """Return the messages behind the log's offset `after` that an alert rests on, in their order, at most `most`.

    `places`: further ones, (district, site), under which its sender may have spoken. `judged`: when the verdicts on the
    alert's windows were given, Unix s. Also returns when the oldest message that the log still keeps was received, Unix
    s: it forgets them after `keep.days`.
    """
    if not alert.device or not log.exists():
        return [], None
    with reading_log(log) as reader:
        found = []
        for entry in _entries(reader, alert, judged, after, places):
            records = [i for i in entry.intervals if _counts(i, alert)]
            if records or alert.kind != "limit":  # in a board's own trouble, everything that it said meanwhile
                sealed = key is not None and entry.channel is BOARD
                found.append(Evidence(entry, records, authentic(entry.payload, key) if sealed and key else None))
            if len(found) == most:
                break
        return found, reader.received(0)


def _entries(
    log: LogReader, alert: Alert, judged: list[float], after: int, places: Collection[tuple[str, str]]
) -> Iterator[Entry]:
    """Go through the sender's messages that were received when the alert's windows were measured or amended."""
    topics = [
        topic
        for channel in CHANNELS.values()
        for district, site in dict.fromkeys([(alert.district, alert.site), *places])
        for topic in channel.topics(district, site, alert.device)
        if not topic.endswith(("/event", "/status", "/reply") if alert.kind == "limit" else "/reply")
    ]
    done = after
    for begin, until in _spans(log, alert, judged):
        yield from log.search(topics, max(done, begin), until)
        done = max(done, until - 1)


def _spans(log: LogReader, alert: Alert, judged: list[float]) -> list[tuple[int, int]]:
    """Return spans of offsets, behind the first and before the second, among which an alert's messages are."""
    begin, end = log.begin(), log.end()
    if alert.kind == "limit" and end - begin < SMALL:
        return [(begin - 1, end + 1)]
    late = alert.last + SEARCHED_AFTER
    times = [(alert.first - MOST_AHEAD, late), *((at - BEFORE_AMENDMENT, at) for at in sorted(judged) if at > late)]
    return [(log.offset_at(begin) - 1, log.offset_at(until + 1)) for begin, until in times]


def _counts(i: Interval, alert: Alert) -> bool:
    there = i.site == alert.site and alert.first <= i.t < alert.last
    return there and (alert.quantity in i.values or alert.quantity in i.flagged)
