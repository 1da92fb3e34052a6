"""The evidence of an alert: the messages as they stand in the log, each with how well its origin is proven."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hub.alerts.records import Alert
from hub.judge.records import Sample
from hub.log.entry import Entry, Interval
from hub.log.reader import LogReader, reading_log
from hub.things.samples import samples_of
from hub.wire.channels import BOARD, CHANNELS
from hub.wire.seal import authentic_by
from hub.wire.times import MOST_AHEAD

SEARCHED_AFTER = 1800
"""Messages of a window are searched up to so long after its end [s]; later ones have amended a verdict."""
BEFORE_AMENDMENT = 900
"""Messages that amended a verdict are searched from so long before the amendment [s]."""
SMALL = 1_000_000
"""A log of so many messages is looked through as a whole (0.5 s); in a larger one only where the messages can be."""


class Source(NamedTuple):
    """Whose messages are looked for: its keys, and the places, (district, site), under which it has spoken."""

    keys: tuple[bytes, ...]
    places: Collection[tuple[str, str]]


class Cited(NamedTuple):
    """The samples on which an alert about a rule rests: their identities, and when the first was made, if known."""

    samples: Collection[str] = ()
    first: int | None = None


NOTHING_CITED = Cited()


class Evidence(NamedTuple):
    """One message. `records` are those of its records that lie in the alert's windows, `samples` what a rule took."""

    entry: Entry
    records: list[Interval]
    authentic: bool | None
    """Whether the MAC is the one of a key of the board; None: it has none, or that key is not known any more."""
    samples: list[Sample]


def messages(
    log: Path,
    alert: Alert,
    judged: list[float],
    sources: Mapping[str, Source],
    after: int,
    most: int,
    cited: Cited = NOTHING_CITED,
) -> tuple[list[Evidence], float | None]:
    """Return the messages behind the log's offset `after` that an alert rests on, in their order, at most `most`.

    `judged`: when the verdicts on the alert's windows were given, Unix s. Also returns when the oldest message that the
    log still keeps was received, Unix s: it forgets them after `keep.days`.
    """
    if not sources or not log.exists():
        return [], None
    wanted = frozenset(cited.samples)
    with reading_log(log) as reader:
        found = []
        for entry in _entries(reader, alert, judged, sources, after, cited.first):
            records = [i for i in entry.intervals if _counts(i, alert)] if alert.kind != "rule" else []
            samples = [sample for sample, _ in samples_of(entry) if sample.id in wanted] if wanted else []
            # In a board's own trouble, everything that it said meanwhile.
            if records or samples or alert.kind not in ("limit", "rule"):
                keys = sources[entry.place.device].keys if entry.channel is BOARD else ()
                found.append(Evidence(entry, records, authentic_by(entry.payload, keys) if keys else None, samples))
            if len(found) == most:
                break
        return found, reader.received(0)


def _entries(
    log: LogReader, alert: Alert, judged: list[float], sources: Mapping[str, Source], after: int, first: int | None
) -> Iterator[Entry]:
    """Go through the senders' messages that were received when the alert's windows were measured or amended."""
    topics = [
        topic
        for device, source in sources.items()
        for channel in CHANNELS.values()
        for place in dict.fromkeys([(alert.district, alert.site), *source.places])
        for topic in channel.topics(*place, device)
        if not topic.endswith(("/event", "/status", "/reply") if alert.kind == "limit" else "/reply")
    ]
    done = after
    for begin, until in _spans(log, alert, judged, alert.first if first is None else min(first, alert.first)):
        yield from log.search(topics, max(done, begin), until)
        done = max(done, until - 1)


def _spans(log: LogReader, alert: Alert, judged: list[float], first: int) -> list[tuple[int, int]]:
    """Return spans of offsets, behind the first and before the second, among which an alert's messages are."""
    begin, end = log.begin(), log.end()
    if alert.kind in ("limit", "rule") and end - begin < SMALL:
        return [(begin - 1, end + 1)]
    late = alert.last + SEARCHED_AFTER
    times = [(first - MOST_AHEAD, late), *((at - BEFORE_AMENDMENT, at) for at in sorted(judged) if at > late)]
    return [(log.offset_at(begin) - 1, log.offset_at(until + 1)) for begin, until in times]


def _counts(i: Interval, alert: Alert) -> bool:
    there = i.site == alert.site and alert.first <= i.t < alert.last
    return there and (alert.quantity in i.values or alert.quantity in i.flagged)
