"""What the compliance database tells dashboards: new verdicts, alerts, open windows, and each site's state now.

It is only read here. Verdicts are only ever added, and so are the steps of an alert's audit trail: their numbers tell
what is new. An alert that is open may change without a step and is therefore told every minute.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.alerts.book import OPEN, Book, Row
from hub.compliance.budget import outlook
from hub.judge import Cell, Engine, NoArchive, Plans
from hub.judge.windows import LocalTime
from hub.limits.places import Places
from hub.registry.live import Registry
from hub.reports import points
from schemas import Limit, Quantity, Standard

MOST = 2000
"""Verdicts or alerts in one piece."""
NEAR = 0.9
"""From this share of a limit on, a site is near it (this project's choice)..."""
NEAR_DB = 3.0
"""...and of a limit in dB, from so many dB below it on."""
# Of a window's verdicts, the one with the highest revision counts: SQLite takes the other columns from its row, too.
DAY = """
SELECT count(*) AS windows, sum(outcome = 'exceeded') AS exceeded, sum(outcome = 'invalid') AS invalid,
    sum(iif(outcome = 'exceeded', end - start, 0)) AS exceeded_s, avg(valid_share) AS capture,
    max(iif(outcome = 'invalid', NULL, value)) AS highest
FROM (SELECT start, end, outcome, value, valid_share, max(revision) FROM verdict
    WHERE device = ? AND rule = ? AND start >= ? AND start < ? GROUP BY start)
"""
NOW = ("id", "site", "device", "rule", "quantity", "start", "end", "value", "limit_value", "unit", "outcome")
"""What is kept in memory of the newest verdicts."""
NONE, KEPT, CLOSE, EXCEEDED = 0, 1, 2, 3
"""States of a site, the worst last."""


class Law:
    """Reads the compliance database at `path`, which is there already."""

    def __init__(
        self,
        path: Path,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: Mapping[str, Quantity],
    ) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30, check_same_thread=False)
        self._book = Book(self._db, lambda: 0.0)
        self._plans = Plans(limits, quantities)
        self._newest: dict[tuple[str, str], Row] = {}  # by board and rule, the verdict on the newest window
        self._seen: int | None = None
        self.use(registry)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Tell of the sites of another registry from now on."""
        self._registry = registry
        self._local = LocalTime(registry.zone)
        self._engine = Engine(self._plans, self._local, Places(registry), NoArchive())

    def day(self, now: float) -> int:
        """Return the start of the local day, Unix s."""
        return self._local.day(int(now)).start

    def ends(self) -> tuple[int, int]:
        """Return the numbers of the newest verdict and of the newest step of an alert."""
        sql = "SELECT (SELECT ifnull(max(id), 0) FROM verdict), (SELECT ifnull(max(id), 0) FROM alert_step)"
        verdict, step = self._db.execute(sql).fetchone()
        return int(verdict), int(step)

    def verdicts(self, after: int) -> tuple[list[str], int]:
        """Return the points of verdicts behind a number, with those of their days, and the number reached."""
        rows = self._book.rows("SELECT * FROM verdict WHERE id > ? ORDER BY id LIMIT ?", after, MOST)
        days = {(row["device"], row["rule"], self._local.day(row["start"])): row for row in rows}
        lines = [points.verdict(row) for row in rows]
        for (device, rule, day), row in days.items():
            (counted,) = self._book.rows(DAY, device, rule, day.start, day.end)
            lines.append(points.day_of_verdicts(row, counted, day.start))
        return lines, rows[-1]["id"] if rows else after

    def alerts(self, after: int) -> tuple[list[str], int]:
        """Return the points of alerts to which something happened behind a step, and the step reached."""
        steps = self._book.rows("SELECT id, alert FROM alert_step WHERE id > ? ORDER BY id LIMIT ?", after, MOST)
        rows = [self._book.alert(id_) for id_ in sorted({step["alert"] for step in steps})]
        return [points.alert(row, self._registry) for row in rows if row], steps[-1]["id"] if steps else after

    def open_alerts(self) -> list[str]:
        """Return the points of the alerts that are open."""
        rows = self._book.rows(f"SELECT * FROM alert WHERE {OPEN}")  # noqa: S608
        return [points.alert(row, self._registry) for row in rows]

    def budgets(self, now: float) -> Iterator[str]:
        """Yield, for every open window of a limit that binds, which share of what it permits is used up."""
        sql = (
            "SELECT device, quantity, span, start, end, seconds, total, highest, seen, warned FROM cell "
            "WHERE end > ? AND start <= ?"
        )
        for device, quantity, *state in self._db.execute(sql, (now, now)):
            if device not in self._registry.boards:
                continue
            cell = Cell(*state)
            site = self._registry.site_of(device)
            for rule in self._engine.watch(device, quantity, cell) if cell.seconds else ():
                found = outlook(rule.limit.statistic, rule.limit.value, rule.decimals, cell)
                tags: dict[str, str | None] = {"district": site.district, "site": site.id, "device": device}
                tags |= {"standard": rule.standard.id, "rule": rule.limit.id, "quantity": quantity}
                fields: dict[str, points.Value] = {
                    "used": float(found.used),
                    "certain": int(found.certain),
                    "limit_value": float(rule.limit.value),
                    "start": int(cell.start),
                    "end": int(cell.end),
                }
                yield points.point("budget", tags, fields, now - now % 60)

    def states(self, now: float) -> Iterator[str]:
        """Yield each site's worst verdict now: on windows that ended at most as long ago as they last."""
        self._follow()
        worst: dict[str, tuple[int, float, Row]] = {}
        for row in self._newest.values():
            if now - row["end"] <= max(row["end"] - row["start"], 3600):
                level, share = _level(row)
                before = worst.get(row["site"])
                if before is None or (level, share) > before[:2]:
                    worst[row["site"]] = (level, share, row)
        open_ = dict(
            self._db.execute(f"SELECT site, count(*) FROM alert WHERE {OPEN} AND kind = 'limit' GROUP BY site")  # noqa: S608
        )
        for site in self._registry.sites.values():
            found = worst.get(site.id)
            fields: dict[str, points.Value] = {
                **points.names(site),
                **points.position(site),
                "level": NONE,
                "alerts": int(open_.get(site.id, 0)),
            }
            if found and found[0] > NONE:
                level, share, row = found
                fields |= {"level": level, "ratio": share, "margin": float(row["value"] - row["limit_value"])}
                fields |= {"value": float(row["value"]), "limit_value": float(row["limit_value"]), "unit": row["unit"]}
                fields |= {name: row[name] for name in ("device", "rule", "quantity")} | {"end": int(row["end"])}
            tags = {"district": site.district, "site": site.id, "kind": site.kind}
            yield points.point("state", tags, fields, now - now % 60)

    def _follow(self) -> None:
        """Learn of the verdicts given since the last time."""
        columns = ", ".join(f"v.{name}" for name in NOW)
        if self._seen is None:
            rows = self._book.rows(
                f"SELECT {columns} FROM verdict v JOIN (SELECT device, rule, max(start) AS start FROM verdict "  # noqa: S608
                "GROUP BY device, rule) USING (device, rule, start) WHERE binding = 'binds' ORDER BY v.id"
            )
        else:
            rows = self._book.rows(
                f"SELECT {columns} FROM verdict v WHERE id > ? AND binding = 'binds' ORDER BY id",  # noqa: S608
                self._seen,
            )
        for row in rows:
            known = self._newest.get((row["device"], row["rule"]))
            if known is None or row["start"] >= known["start"]:
                self._newest[row["device"], row["rule"]] = row
        self._seen = max(self._seen or 0, rows[-1]["id"] if rows else 0)


def _level(row: Row) -> tuple[int, float]:
    """Return the state that a verdict means, and the share of the limit."""
    if row["value"] is None or row["outcome"] == "invalid":
        return NONE, 0.0
    value, limit = row["value"], row["limit_value"]
    share = points.ratio(value, limit, row["unit"])
    if row["outcome"] == "exceeded":
        return EXCEEDED, share
    close = value >= limit - NEAR_DB if row["unit"].startswith("dB") else share >= NEAR
    return CLOSE if close else KEPT, share
