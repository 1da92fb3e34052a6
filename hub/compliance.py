"""Judges each averaging window against the limits in force, and keeps verdicts and alerts.

A consumer of the log. Open windows, verdicts, alerts and the position in the log change in one transaction, so a kill
at any moment gives the same verdicts in the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from hub.config import Registry, Site
from hub.database import open_database
from hub.log import Entry
from hub.readings import Reading, readings
from hub.windows import Window, window_of
from schemas import Limit, Quantity, Standard

GRACE = 300
"""How long a window waits after its end for a board from which nothing comes any more, s."""
NEWS = 1800
"""A verdict on a window that ended longer ago is recorded, but is no news: it raises no alert, s."""


STEPS = (
    """
CREATE TABLE window (
    device TEXT, rule TEXT, start INTEGER, end INTEGER NOT NULL,
    seconds REAL NOT NULL, total REAL NOT NULL, highest REAL NOT NULL,
    revision INTEGER NOT NULL,    -- 0 while open, then of its latest verdict
    PRIMARY KEY (device, rule, start)
) WITHOUT ROWID;
CREATE INDEX window_open ON window (revision, end);
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY,
    district TEXT, site TEXT, device TEXT, rule TEXT, start INTEGER, end INTEGER,
    outcome TEXT NOT NULL,        -- compliant, exceeded, invalid
    value REAL, limit_value REAL NOT NULL,
    valid_share REAL NOT NULL,
    revision INTEGER NOT NULL,    -- above 1: late data amended it
    judged REAL NOT NULL
);
CREATE INDEX verdict_by_site ON verdict (site, start);
CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    district TEXT, site TEXT, device TEXT, rule TEXT,
    state TEXT NOT NULL,          -- firing, resolved
    opened REAL NOT NULL, resolved REAL,
    first INTEGER NOT NULL,       -- start of the first window that broke the limit
    last INTEGER NOT NULL,        -- end of the last one
    value REAL NOT NULL,          -- worst so far
    limit_value REAL NOT NULL,
    text TEXT NOT NULL,           -- what people are told, in English and Chinese
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX alert_by_state ON alert (state, device, rule);
CREATE TABLE latest (
    device TEXT PRIMARY KEY,
    t INTEGER NOT NULL,           -- end of its latest record before which none is still to come
    heard REAL NOT NULL           -- when a record of it was last taken
) WITHOUT ROWID;
CREATE TABLE position (offset INTEGER NOT NULL);
INSERT INTO position VALUES (0)
""",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit with the standard that sets it; `id` is what verdicts and alerts cite."""

    id: str
    standard: Standard
    limit: Limit
    unit: str
    """As people write it."""
    decimals: int
    """To which the value is rounded, judged and told."""

    def binds(self, site: Site, day: date) -> bool:
        """Tell whether it binds a site on a local day."""
        s, n = self.standard, self.limit
        return (
            site.kind in n.site_kinds
            and (not n.zone_classes or site.zone_class in n.zone_classes)
            and s.in_force <= day
            and (s.ends is None or day < s.ends)
        )


def rule_of(standard: Standard, limit: Limit, quantity: Quantity) -> Rule:
    """Return the rule that a limit of a standard makes."""
    return Rule(f"{standard.id} {limit.id}", standard, limit, quantity.label, quantity.resolution)


class Compliance:
    """The verdicts in the file `path`."""

    def __init__(
        self,
        path: Path,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: dict[str, Quantity],
        clock: Callable[[], float],
    ) -> None:
        self._db = open_database(path, STEPS)
        self._registry = registry
        self._clock = clock
        self._rules = {rule.id: rule for rule in (rule_of(s, n, quantities[n.quantity]) for s, n in limits)}
        self._by_quantity: dict[str, list[Rule]] = {}
        for rule in self._rules.values():
            self._by_quantity.setdefault(rule.limit.quantity, []).append(rule)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def position(self) -> int:
        """Return the log's offset up to which everything has been judged."""
        return int(self._db.execute("SELECT offset FROM position").fetchone()[0])

    def take(self, entries: list[Entry]) -> None:
        """Add the entries' readings to their windows and judge the windows that are over."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                for reading in readings(entry):
                    self._hear(reading, entry.settled)
                    self._add(reading)
            if entries:
                self._db.execute("UPDATE position SET offset = ?", (entries[-1].offset,))
            self._judge_what_is_over()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _hear(self, r: Reading, settled: bool) -> None:
        # A board that is back sends its newest record first: it must not close the windows which older ones will fill.
        self._db.execute(
            "INSERT INTO latest VALUES (?, ?, ?) "
            "ON CONFLICT (device) DO UPDATE SET t = max(t, excluded.t), heard = excluded.heard",
            (r.device, r.t + r.dt if settled else 0, self._clock()),
        )

    def _add(self, r: Reading) -> None:
        if r.device not in self._registry.boards:
            return
        counts = r.flag == "N" and r.value is not None
        zone = self._registry.zone
        site = self._registry.site_of(r.device)
        for rule in self._by_quantity.get(r.quantity, ()):
            span = window_of(rule.limit, r.t, zone)
            if span is None or not rule.binds(site, datetime.fromtimestamp(r.t, zone).date()):
                continue
            key = (r.device, rule.id, span[0])
            row = self._db.execute(
                "SELECT seconds, total, highest, revision FROM window WHERE device = ? AND rule = ? AND start = ?", key
            ).fetchone()
            if row and not counts:
                continue
            window = Window(*row[:3]) if row else Window()
            if counts and r.value is not None:
                window.add(rule.limit, r.value, r.dt)
            revision = row[3] if row else 0
            self._db.execute(
                "INSERT OR REPLACE INTO window VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, span[1], window.seconds, window.total, window.highest, -abs(revision)),
            )

    def _judge_what_is_over(self) -> None:
        # A window that late data changed has its revision negated: it is judged again.
        rows = self._db.execute(
            "SELECT w.device, w.rule, w.start, w.end, w.seconds, w.total, w.highest, w.revision FROM window w "
            "LEFT JOIN latest USING (device) "
            "WHERE w.revision <= 0 AND (w.end <= latest.t OR max(w.end, latest.heard) <= ?) ORDER BY w.end",
            (self._clock() - GRACE,),
        ).fetchall()
        for device, rule_id, start, end, seconds, total, highest, revision in rows:
            self._judge(device, rule_id, start, end, Window(seconds, total, highest), -revision + 1)
        self._resolve_what_ceased()

    def _judge(self, device: str, rule_id: str, start: int, end: int, window: Window, revision: int) -> None:
        self._db.execute(
            "UPDATE window SET revision = ? WHERE device = ? AND rule = ? AND start = ?",
            (revision, device, rule_id, start),
        )
        rule = self._rules.get(rule_id)
        if rule is None or device not in self._registry.boards:
            return  # taken out of the catalogue or the registry since
        now = self._clock()
        site = self._registry.site_of(device)
        outcome, value = window.outcome(rule.limit, rule.decimals), window.value(rule.limit)
        share = min(1.0, window.seconds / rule.limit.window)
        place = (site.district, site.id, device, rule_id, start, end)
        self._db.execute(
            "INSERT INTO verdict (district, site, device, rule, start, end, outcome, value, limit_value, valid_share, "
            "revision, judged) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, outcome, value, rule.limit.value, share, revision, now),
        )
        if now - end > NEWS or self._was_conclusive(device, rule_id, start, revision):
            return
        if outcome == "exceeded" and value is not None:
            self._alert(rule, site, device, start, end, value)
        elif outcome == "compliant":
            self._resolve(device, rule_id, now)

    def _was_conclusive(self, device: str, rule_id: str, start: int, revision: int) -> bool:
        """Tell whether an earlier verdict on the window said more than "invalid": then this one only amends it."""
        earlier = self._db.execute(
            "SELECT 1 FROM verdict "
            "WHERE device = ? AND rule = ? AND start = ? AND revision < ? AND outcome <> 'invalid'",
            (device, rule_id, start, revision),
        )
        return earlier.fetchone() is not None

    def _alert(self, rule: Rule, site: Site, device: str, start: int, end: int, value: float) -> None:
        open_ = self._db.execute(
            "SELECT id FROM alert WHERE state = 'firing' AND device = ? AND rule = ?", (device, rule.id)
        ).fetchone()
        if open_:
            # One continuing cause, one alert.
            self._db.execute("UPDATE alert SET last = ?, value = max(value, ?) WHERE id = ?", (end, value, open_[0]))
            return
        text = alert_text(rule, site, device, start, end, value, self._registry)
        self._db.execute(
            "INSERT INTO alert (district, site, device, rule, state, opened, first, last, value, limit_value, text) "
            "VALUES (?, ?, ?, ?, 'firing', ?, ?, ?, ?, ?, ?)",
            (site.district, site.id, device, rule.id, self._clock(), start, end, value, rule.limit.value, text),
        )

    def _resolve(self, device: str, rule_id: str, now: float) -> None:
        self._db.execute(
            "UPDATE alert SET state = 'resolved', resolved = ? WHERE state = 'firing' AND device = ? AND rule = ?",
            (now, device, rule_id),
        )

    def _resolve_what_ceased(self) -> None:
        # A night limit is not judged by day: its alert ends when two windows have gone by without another exceedance.
        now = self._clock()
        for device, rule_id, last in self._db.execute(
            "SELECT device, rule, last FROM alert WHERE state = 'firing'"
        ).fetchall():
            rule = self._rules.get(rule_id)
            if rule is None or now - last > 2 * rule.limit.window + GRACE:
                self._resolve(device, rule_id, now)


def alert_text(rule: Rule, site: Site, device: str, start: int, end: int, value: float, registry: Registry) -> str:
    """Return what people are told of an exceedance: site, value, limit, window, clause and how well it is verified."""
    from_, to = (datetime.fromtimestamp(t, registry.zone).strftime("%Y-%m-%d %H:%M") for t in (start, end))
    unit = rule.unit
    shown = f"{round(value, rule.decimals):.{rule.decimals}f}"
    standard, limit = rule.standard, rule.limit
    clause = limit.clause or limit.id
    return (
        f"{site.en} ({site.district}/{site.id}, board {device}): {shown} {unit}, limit {limit.value:g} {unit}. "
        f"{limit.en}, {from_} to {to[-5:]}. {standard.id}, {clause}; limit verified: {limit.verified}.\n"
        f"{site.zh}（{site.district}/{site.id}，设备{device}）：{shown} {unit}，限值{limit.value:g} {unit}。"
        f"{limit.zh}，{from_}至{to[-5:]}。{standard.id}《{standard.zh}》{clause}；限值核实程度：{limit.verified}。"
    )
