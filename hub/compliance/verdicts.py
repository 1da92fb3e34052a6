"""The verdicts as they are kept: added by judging, never changed, and read by the HTTP API and the reports."""

import heapq
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from itertools import product
from typing import NamedTuple, get_args

import msgspec

from hub.judge.verdicts import Outcome, Verdict
from hub.judge.windows import DAY
from hub.storage.rows import select
from hub.wire.proof import Proof

COUNTED = """
SELECT count(*), sum(outcome = 'exceeded' AND grade != 'suspicion'),
    sum(outcome = 'above_uncorrected' OR (outcome = 'exceeded' AND grade = 'suspicion')), sum(outcome = 'open'),
    sum(outcome = 'invalid'), sum(iif(outcome = 'exceeded' AND grade != 'suspicion', end - start, 0)),
    avg(valid_share), max(iif(outcome = 'invalid', NULL, value))
FROM (SELECT start, end, outcome, grade, value, valid_share, max(revision) FROM verdict
    WHERE device = ? AND rule = ? AND site = ? AND start >= ? AND start < ? GROUP BY start)
"""
# Of a window's verdicts, the one with the highest revision counts: SQLite takes the other columns from its row, too.


TALLY = """
SELECT quantity, outcome, grade, reason, count(*), max(compared), ifnull(max(compared / nullif(limit_value, 0)), 0)
FROM (SELECT quantity, outcome, grade, reason, compared, limit_value, binding, max(revision)
    FROM json_each(:rules) one CROSS JOIN verdict ON rule = one.value
    WHERE device = :device AND start >= :start AND start < :end GROUP BY rule, start)
WHERE binding = 'binds' GROUP BY quantity, outcome, grade, reason
"""
CHINA = 8 * 3600
"""By so much days of `verdict_day` begin before those of UTC [s]."""

IN_DISTRICTS = "district IN (SELECT value FROM json_each(?))"


class KeptVerdict(msgspec.Struct, kw_only=True):
    """A verdict on one window of one limit at one board, as its table holds it. Times are Unix s."""

    id: int
    district: str
    site: str
    device: str
    rule: str
    start: int
    end: int
    outcome: str
    value: float | None
    """In `unit`, as measured, not rounded; None: the window has no value."""
    valid_share: float
    """Share of the window that was measured with flag N, 0 to 1."""
    revision: int
    """Above 1: late data amended it."""
    judged: float
    standard: str
    limit_id: str
    quantity: str
    unit: str
    verified: str
    """The weaker letter of the limit's value and averaging."""
    binding: str
    reason: str
    """Why it is invalid or open."""
    permitted: bool
    """Above the value, but that often it may be."""
    proof: Proof = "mac"
    """How well it is proven who measured."""
    limit_value: float | None
    """None: it is not known."""
    grade: str
    """``violation``, ``suspicion`` or neither."""
    compared: float | None
    """What was compared with the limit: rounded as the law has it, the background taken off."""
    background: float | None
    """The background that was known, in `unit`."""
    rounding: str
    """How well it is known how a value is rounded before it is compared; with U the quantity's decimals are taken."""
    missing: str
    """What of the site, or of the limit, is not known."""
    assumed: str
    """What nobody has said of the site and is assumed."""
    instrument: str = ""
    """Class of the instrument (`hub.judge.verdicts.InstrumentClass`); empty: not stated."""
    uncertainty: float | None = None
    """Of the instrument at the limit, expanded (k = 2), in `unit`; None: not stated."""
    decision: str = "simple"
    """By which rule it was decided (`hub.judge.verdicts.Decision`)."""
    editions: str = "[]"
    """JSON: of a permit that sets the limit, kind, id and number of what it rests on."""
    marks: str = ""
    """Numbers of the marks in its window (`hub.things.marks`), separated by commas."""

    @property
    def suspected(self) -> bool:
        """Whether it is above the limit and no more than a suspicion."""
        return self.outcome == "above_uncorrected" or (self.outcome == "exceeded" and self.grade == "suspicion")


def marks_text(marks: Iterable[int]) -> str:
    """Return numbers of marks as the table has them."""
    return ",".join(map(str, marks))


class Passed(NamedTuple):
    """What of a verdict says how its site stands."""

    id: int
    site: str
    device: str
    rule: str
    start: int
    revision: int
    outcome: str
    grade: str


class Counted(msgspec.Struct):
    """What the newest verdicts on the windows of one rule at one board come to."""

    windows: int
    exceeded: int
    uncorrected: int
    """Suspected: above a limit on noise, the background not measured; or above by what the instrument cannot tell."""
    open: int
    invalid: int
    exceeded_s: float
    """How long the windows last that exceed the limit [s]."""
    capture: float | None
    """Mean share that was measured, 0 to 1."""
    highest: float | None


class Tally(NamedTuple):
    """What the newest verdicts on windows of one quantity at one board come to, of one outcome."""

    quantity: str
    outcome: str
    grade: str
    reason: str
    windows: int
    highest: float | None
    """Of what was compared with a limit."""
    times: float
    """The highest ratio of that to its limit; 0: there is none."""


def _together(tallies: Iterable[Tally]) -> list[Tally]:
    """Return tallies with those of the same windows' kind added up."""
    found: dict[tuple[str, str, str, str], Tally] = {}
    for one in tallies:
        key = one.quantity, one.outcome, one.grade, one.reason
        before = found.get(key)
        if before is not None:
            highest = max((it.highest for it in (before, one) if it.highest is not None), default=None)
            windows, times = before.windows + one.windows, max(before.times, one.times)
            one = one._replace(windows=windows, highest=highest, times=times)  # noqa: PLW2901
        found[key] = one
    return list(found.values())


class VerdictTable:
    """The verdicts in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, v: Verdict) -> None:
        """Keep a verdict."""
        self._db.execute(
            "INSERT INTO verdict (district, site, device, rule, start, end, outcome, value, limit_value, valid_share, "
            "revision, judged, standard, limit_id, quantity, unit, verified, binding, reason, permitted, grade, "
            "compared, background, rounding, missing, assumed, proof, instrument, uncertainty, decision, editions, "
            "marks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(v.district, v.site, v.device, v.rule, v.start, v.end, v.outcome, v.value, v.limit_value, v.capture),
                *(v.revision, v.judged, v.standard.id, v.limit.id, v.quantity, v.unit, v.limit.weakest, v.binding),
                *(v.reason, v.permitted, v.grade, v.compared, v.background, v.limit.rounding, v.missing, v.assumed),
                *(v.proof, v.instrument, v.uncertainty, v.decision, msgspec.json.encode(v.editions).decode()),
                marks_text(v.marks),
            ),
        )

    def earlier(self, v: Verdict | KeptVerdict) -> list[KeptVerdict]:
        """Return the verdicts that were given on the window of `v`, in their order; its own, too, once it is kept."""
        rest = "FROM verdict WHERE device = ? AND rule = ? AND start = ? AND site = ? ORDER BY revision"
        return select(self._db, KeptVerdict, rest, v.device, v.rule, v.start, v.site)

    def by_permits(self, device: str, site: str, since: float) -> list[KeptVerdict]:
        """Return the verdicts by permits on a board's windows that begin at a moment, Unix s, or later.

        Of each window as it was judged last, where that binds.
        """
        rows = select(
            self._db,
            KeptVerdict,
            "FROM verdict WHERE device = ? AND site = ? AND start >= ? AND editions <> '[]' ORDER BY revision",
            device,
            site,
            since,
        )
        last = {(row.rule, row.start): row for row in rows}
        return [row for row in last.values() if row.binding == "binds"]

    def search(
        self,
        *,
        district: str = "",
        districts: Collection[str] = (),
        site: str = "",
        device: str = "",
        rule: str = "",
        outcome: str = "",
        since: float | None = None,
        until: float | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[KeptVerdict]:
        """Return verdicts, the newest first: at most `limit`, with numbers below `before`.

        `districts`: of one of them; none named: of all. `since`, `until`: on windows that start then or later, and
        before (Unix s).
        """
        wanted: dict[str, object] = {"site = ?": site, "device = ?": device, "rule = ?": rule}
        wanted |= {"start >= ?": since, "start < ?": until, "id < ?": before}
        tests = {test: value for test, value in wanted.items() if value}
        # A site has few verdicts; a rare outcome, or a district where little is judged, could stand anywhere.
        if not (site or device) and (district or districts or outcome):
            ids = self._newest_ids(self._scope(district, districts), outcome, tests, limit)
            rest = "FROM verdict WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC"
            return select(self._db, KeptVerdict, rest, json.dumps(ids))
        more: dict[str, object] = {"district = ?": district, "outcome = ?": outcome}
        more |= {IN_DISTRICTS: json.dumps(list(districts)) if districts else ""}
        tests |= {test: value for test, value in more.items() if value}
        where = " AND ".join(tests) or "1"
        return select(
            self._db, KeptVerdict, f"FROM verdict WHERE {where} ORDER BY id DESC LIMIT ?", *tests.values(), limit
        )

    def _scope(self, district: str, districts: Collection[str]) -> Collection[str]:
        """Return the districts that are asked for; of all, those that have a verdict."""
        if district:
            return [district] if not districts or district in districts else []
        return districts or list(self._districts())

    def _districts(self) -> Iterator[str]:
        # From one to the next in an index: SELECT DISTINCT would read all of it.
        return self._each("SELECT min(district) FROM verdict WHERE district > ?")

    def _each(self, next_one: str, *of: str) -> Iterator[str]:
        found = ""
        while (found := self._db.execute(next_one, (*of, found)).fetchone()[0]) is not None:
            yield found

    def _newest_ids(self, districts: Collection[str], outcome: str, tests: dict[str, object], limit: int) -> list[int]:
        """Return the highest numbers: of each district and outcome its highest stand together in an index."""
        where = " AND ".join(["district = ?", "outcome = ?", *tests])
        sql = f"SELECT id FROM verdict INDEXED BY verdict_by_outcome WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        pairs = product(districts, [outcome] if outcome else get_args(Outcome))
        found = (id_ for pair in pairs for (id_,) in self._db.execute(sql, (*pair, *tests.values(), limit)))
        return heapq.nlargest(limit, found)

    def of_site(
        self,
        site: str,
        *,
        districts: Collection[str],
        outcome: str,
        since: float | None,
        by: str,
        down: bool,
        skip: int,
        limit: int,
    ) -> list[KeptVerdict]:
        """Return verdicts on a site, ordered by a column of the table: at most `limit` behind the first `skip`.

        `districts`: only what was judged when it belonged to one of them; none named: all. `outcome`: empty: any.
        `since`: only windows that begin then or later, Unix s.
        """
        assert by in KeptVerdict.__struct_fields__
        tests: dict[str, object] = {"site = ?": site, "outcome = ?": outcome, "start >= ?": since}
        tests |= {IN_DISTRICTS: json.dumps(list(districts)) if districts else ""}
        tests = {test: value for test, value in tests.items() if value}
        order = f"{by} {'DESC' if down else 'ASC'}" + (" NULLS LAST" if by == "value" else "")
        rest = f"FROM verdict INDEXED BY verdict_by_site WHERE {' AND '.join(tests)} ORDER BY {order}, id DESC"
        return select(self._db, KeptVerdict, f"{rest} LIMIT ? OFFSET ?", *tests.values(), limit, skip)

    def after(self, id_: int, most: int | None = None) -> list[KeptVerdict]:
        """Return the verdicts behind a number, at most `most`, in the order in which they were given."""
        rest = "FROM verdict WHERE id > ? ORDER BY id LIMIT ?"
        return select(self._db, KeptVerdict, rest, id_, -1 if most is None else most)

    def newest(self) -> list[KeptVerdict]:
        """Return the verdicts on the newest window of every rule that binds at every board."""
        return select(
            self._db,
            KeptVerdict,
            "FROM verdict JOIN (SELECT device, rule, max(start) AS start FROM verdict GROUP BY device, rule) "
            "USING (device, rule, start) WHERE binding = 'binds' ORDER BY id",
        )

    def passed_since(self, since: float) -> Iterator[Passed]:
        """Go through the verdicts that bind, on windows that begin at `since` (Unix s) or later."""
        sql = (
            "SELECT id, site, device, rule, start, revision, outcome, grade FROM verdict INDEXED BY verdict_by_site "
            "WHERE site = ? AND start >= ? AND binding = 'binds'"
        )
        for site in self._each("SELECT min(site) FROM verdict WHERE site > ?"):
            yield from map(Passed._make, self._db.execute(sql, (site, since)))

    def passed_after(self, id_: int) -> Iterator[Passed]:
        """Go through the verdicts that bind and have a higher number, in the order in which they were given."""
        rows = self._db.execute(
            "SELECT id, site, device, rule, start, revision, outcome, grade FROM verdict "
            "WHERE id > ? AND binding = 'binds' ORDER BY id",
            (id_,),
        )
        return map(Passed._make, rows)

    def newest_of(self, site: str, since: float) -> list[KeptVerdict]:
        """Return the newest verdict of each rule at each board of a site, on windows that begin at `since` or later."""
        return select(
            self._db,
            KeptVerdict,
            "FROM verdict WHERE id IN (SELECT id FROM (SELECT id, max(start + revision * 1e-6) FROM verdict "
            "WHERE site = ? AND start >= ? GROUP BY device, rule)) ORDER BY device, rule",
            site,
            since,
        )

    def hours_of(self, site: str, since: float) -> list[tuple[int, str, str]]:
        """Return what was judged at a site: start of a window (Unix s), outcome and grade; each once.

        Of each window as it was judged last; only of those that begin at `since` or later.
        """
        return self._db.execute(
            "SELECT DISTINCT start, outcome, grade FROM (SELECT start, outcome, grade, max(revision) FROM verdict "
            "WHERE site = ? AND start >= ? AND binding = 'binds' GROUP BY device, rule, start) "
            "ORDER BY start",
            (site, since),
        ).fetchall()

    def tally(self, device: str, start: int, end: int) -> list[Tally]:
        """Return what the newest verdicts that bind a board come to, on windows that begin in `start` <= t < `end`."""
        first, last = -(-(start + CHINA) // DAY), (end + CHINA) // DAY
        if first >= last:
            return self._tally(device, start, end)
        rows = self._db.execute(
            "SELECT quantity, outcome, grade, reason, sum(windows), max(highest), max(times) FROM verdict_day "
            "WHERE device = ? AND day >= ? AND day < ? GROUP BY quantity, outcome, grade, reason",
            (device, first, last),
        )
        whole, since, until = list(map(Tally._make, rows)), first * DAY - CHINA, last * DAY - CHINA
        edges = [span for span in ((start, since), (until, end)) if span[0] < span[1]]
        if not edges:
            return whole
        return _together([*whole, *(one for span in edges for one in self._tally(device, *span))])

    def _tally(self, device: str, start: int, end: int) -> list[Tally]:
        """Return the same, from each verdict."""
        # A device's windows of a time stand together in an index only by rule.
        rules = json.dumps(list(self._each("SELECT min(rule) FROM verdict WHERE device = ? AND rule > ?", device)))
        rows = self._db.execute(TALLY, {"device": device, "rules": rules, "start": start, "end": end})
        return list(map(Tally._make, rows))

    def judged_after(self, id_: int, start: int, end: int) -> list[str]:
        """Return whose windows that begin in `start` <= t < `end` were judged by verdicts with a higher number."""
        rows = self._db.execute(
            "SELECT DISTINCT device FROM verdict NOT INDEXED WHERE id > ? AND start >= ? AND start < ?",
            (id_, start, end),
        )
        return [device for (device,) in rows]

    def last(self) -> int:
        """Return the number of the newest verdict, 0 when there is none."""
        return int(self._db.execute("SELECT ifnull(max(id), 0) FROM verdict").fetchone()[0])

    def count(self, device: str, rule: str, site: str, start: int, end: int) -> Counted:
        """Return what the verdicts at a site on windows that begin in `start` <= t < `end` (Unix s) come to."""
        return Counted(*self._db.execute(COUNTED, (device, rule, site, start, end)).fetchone())
