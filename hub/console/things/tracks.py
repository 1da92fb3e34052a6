"""A way as samples tell it: pieces between gaps, what became of its states, stops, silences. No database, no clock."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from hub.console.things.words import SILENT, STATES, STOPPED, UNPLACED, became, state_name, value_text
from hub.judge.records import Sample, Value
from schemas.language import Lang

GAP_S = 120
"""Two samples that are further apart have a gap between them: nobody knows what was in it [s]."""
STOP_S = 180
"""Who stands for so long has stopped [s]."""
SLOW_KMH = 3.0
LOUD = frozenset({"full", "open", "up", True})
"""Values that are drawn dark in the time line: what rules ask about most."""
MOST_FACTS = 200
WIDE = 1000.0
"""Of a time line, in units of its view box."""


class Fact(NamedTuple):
    """Something that happened on the way."""

    t: int
    end: int
    """When it was over; the same moment: it had no length."""
    text: str
    kind: str
    """state, stop, gap"""
    at: Sample | None
    """Where."""


class Band(NamedTuple):
    """A stretch of a time line."""

    x: float
    width: float
    look: str
    """loud, calm, gap, bad, doubt"""
    title: str


class Strip(NamedTuple):
    """A row of the time line."""

    name: str
    bands: list[Band]


class Scale:
    """Where moments lie in a time line from `since` to `until`, Unix s."""

    def __init__(self, since: float, until: float) -> None:
        self.since, self.until = since, until

    def x(self, t: float) -> float:
        """Return where a moment lies."""
        share = (t - self.since) / max(self.until - self.since, 1.0)
        return round(min(max(share, 0.0), 1.0) * WIDE, 1)

    def band(self, begin: float, end: float, look: str, title: str) -> Band:
        """Return a stretch; it is wide enough to be seen."""
        x = self.x(begin)
        return Band(x, max(round(self.x(end) - x, 1), 2.0), look, title)


def pieces_of(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Return the pieces of a way between its gaps; only samples with a position are in them."""
    pieces: list[list[Sample]] = []
    last = None
    for one in samples:
        if last is None or one.t - last.t > GAP_S or one.lat is None:
            pieces.append([])
        if one.lat is not None:
            pieces[-1].append(one)
        last = one
    return [piece for piece in pieces if piece]


def facts_of(samples: Sequence[Sample], lang: Lang) -> list[Fact]:
    """Return what happened on a way, in the order of its beginnings."""
    found = [*_changes(samples, lang), *_stops(samples, lang), *_gaps(samples, lang), *_unplaced(samples, lang)]
    return sorted(found, key=lambda one: (one.t, one.end))[:MOST_FACTS]


def _changes(samples: Sequence[Sample], lang: Lang) -> list[Fact]:
    found, last = [], dict[str, Value]()
    place = None
    for one in samples:
        place = one if one.lat is not None else place
        for name, value in one.states.items():
            if value is None or not isinstance(value, (str, bool)):
                continue
            before = last.get(name)
            last[name] = value
            if before is not None and before != value and name in STATES:
                found.append(Fact(one.t, one.t, became(name, value, lang), "state", place))
    return found


def _stops(samples: Sequence[Sample], lang: Lang) -> list[Fact]:
    found: list[Fact] = []
    first = last = None
    for one in samples:
        slow = one.speed is not None and one.speed < SLOW_KMH
        if last is not None and (not slow or one.t - last.t > GAP_S):
            _stop(found, first, last, lang)
            first = last = None
        if slow:
            first, last = first or one, one
    _stop(found, first, last, lang)
    return found


def _stop(found: list[Fact], first: Sample | None, last: Sample | None, lang: Lang) -> None:
    if first is not None and last is not None and last.t - first.t >= STOP_S:
        found.append(Fact(first.t, last.t, STOPPED.into(lang), "stop", first if first.lat is not None else None))


def _gaps(samples: Sequence[Sample], lang: Lang) -> list[Fact]:
    return [
        Fact(one.t, following.t, SILENT.into(lang), "gap", one if one.lat is not None else None)
        for one, following in itertools.pairwise(samples)
        if following.t - one.t > GAP_S
    ]


def _unplaced(samples: Sequence[Sample], lang: Lang) -> list[Fact]:
    """Return the stretches in which something was heard, and no position."""
    found, begin, placed = [], None, None
    for one in samples:
        if one.lat is None:
            begin = begin if begin is not None else one.t
            continue
        if begin is not None and one.t - begin > GAP_S:
            found.append(Fact(begin, one.t, UNPLACED.into(lang), "gap", placed))
        begin, placed = None, one
    return found


def strips_of(samples: Sequence[Sample], scale: Scale, lang: Lang) -> list[Strip]:
    """Return a row of the time line for each state that says one thing or another; alarms that never came have none."""
    said = {name for one in samples for name, value in one.states.items() if isinstance(value, (str, bool))}
    strips = []
    for name in (name for name in STATES if name in said):
        values = {one.states.get(name) for one in samples} - {None}
        if values == {False} or (name == "acc" and values == {True}):
            continue
        strips.append(Strip(state_name(name, lang), _bands(name, samples, scale, lang)))
    return strips


def _bands(name: str, samples: Sequence[Sample], scale: Scale, lang: Lang) -> list[Band]:
    runs: list[tuple[int, int, Value]] = []
    last = None
    for one in samples:
        value = one.states.get(name)
        gap = last is not None and one.t - last.t > GAP_S
        if value is not None:
            if runs and runs[-1][2] == value and not gap:
                runs[-1] = runs[-1][0], one.t, value
            else:
                if runs and not gap and last is not None and last.states.get(name) is not None:
                    runs[-1] = runs[-1][0], one.t, runs[-1][2]
                runs.append((one.t, one.t, value))
        last = one
    return [
        scale.band(begin, end, "loud" if value in LOUD else "calm", value_text(name, value, lang))
        for begin, end, value in runs
    ]


def gaps_in(samples: Sequence[Sample], scale: Scale, lang: Lang) -> list[Band]:
    """Return where nothing was heard, also before the first and behind the last sample, for all rows."""
    text = SILENT.into(lang)
    if not samples:
        return [scale.band(scale.since, scale.until, "gap", text)]
    moments = [scale.since, *(one.t for one in samples), scale.until]
    return [scale.band(begin, end, "gap", text) for begin, end in itertools.pairwise(moments) if end - begin > GAP_S]


def speeds_of(samples: Sequence[Sample], scale: Scale) -> tuple[str, float]:
    """Return the path of speeds in a row that is 100 high, and what its top stands for [km/h]."""
    known = [one for one in samples if one.speed is not None]
    top = max([60.0, *(20.0 * -(-(one.speed or 0.0) // 20.0) for one in known)])
    parts, last = [], None
    for one in known:
        joins = last is not None and one.t - last.t <= GAP_S
        parts.append(f"{'L' if joins else 'M'}{scale.x(one.t):g} {100 - (one.speed or 0.0) / top * 100:.1f}")
        last = one
    return "".join(parts), top
