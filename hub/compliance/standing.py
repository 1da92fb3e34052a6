"""How sites stand now: the newest verdict of each rule at each board, kept in memory and read on from where it ended.

Verdicts are only ever added, each with a higher number than those before: so what was read once stays true, and whoever
asks reads what has come since, which is as new as the last commit.
"""

import sqlite3
import threading
from collections.abc import Collection, Iterable

from hub.compliance.verdicts import Passed, VerdictTable

RECENT = 3 * 3600
"""Verdicts on windows that begin earlier say nothing of now [s]."""
MOST_NEW = 50_000
"""Verdicts that are read on from where reading ended; where more have come, the newest windows are looked for again."""

_NEVER = 2**62
"""Where there is no window none gets too old."""

Newest = dict[tuple[str, str], tuple[int, int, str, str]]
"""Of one site, by board and rule: start of the window (Unix s), revision, outcome, grade."""
Judged = frozenset[tuple[str, str]]
"""The outcomes and grades that a site has now, each once."""


class Standing:
    """The verdicts that bind on windows that begin in the last `span_s` seconds; any thread may ask."""

    def __init__(self, span_s: float) -> None:
        self._span = span_s
        self._lock = threading.Lock()
        self._last: int | None = None
        self._newest: dict[str, Newest] = {}
        self._said: dict[
            str, tuple[float, int, Judged]
        ] = {}  # since when it was asked, the earliest window, the answer

    def of(self, db: sqlite3.Connection, sites: Collection[str], now: float) -> dict[str, Judged]:
        """Return the outcomes and grades of each of these sites at `now` (Unix s); of which nothing was judged, none.

        `db`: the compliance database.
        """
        since = now - self._span
        with self._lock:
            self._read_on(VerdictTable(db), since)
            return {site: self._judged(site, since) for site in sites if site in self._newest}

    def _judged(self, site: str, since: float) -> Judged:
        """Return the outcomes of a site; they stay what they are until it is judged again, or a window is too old."""
        said = self._said.get(site)
        if said is None or not said[0] <= since <= said[1]:
            binding = [one for one in self._newest[site].values() if one[0] >= since]
            earliest = min((start for start, *_ in binding), default=_NEVER)
            judged = frozenset((outcome, grade) for _, _, outcome, grade in binding)
            said = self._said[site] = since, earliest, judged
        return said[2]

    def _read_on(self, table: VerdictTable, since: float) -> None:
        last = table.last()
        if self._last == last:
            return
        if self._last is None or not 0 <= last - self._last <= MOST_NEW:
            self._newest = {}
            self._said = {}
            self._take(table.passed_since(since), last)
        else:
            self._take(table.passed_after(self._last), last)
        self._last = last

    def _take(self, verdicts: Iterable[Passed], last: int) -> None:
        for one in verdicts:
            if one.id > last:
                continue  # it came meanwhile, and comes again
            of_site = self._newest.setdefault(one.site, {})
            known = of_site.get((one.device, one.rule))
            if known is None or (one.start, one.revision) >= known[:2]:
                self._said.pop(one.site, None)
                of_site[one.device, one.rule] = (one.start, one.revision, one.outcome, one.grade)
