"""What the compliance database tells dashboards: new verdicts, alerts, open windows, and each site's state now.

It is only read here. Verdicts are only ever added, and so are the steps of an alert's audit trail: their numbers tell
what is new. An alert that is open may change without a step and is therefore told every minute.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from hub.alerts.book import Book
from hub.compliance.budget import outlook
from hub.compliance.verdicts import KeptVerdict, VerdictTable
from hub.compliance.windows import open_cells
from hub.desk.permits import permit_cited
from hub.judge import Engine, NoArchive, Plans
from hub.judge.stacks.permits import Permits
from hub.judge.verdicts import ABOVE, UNSAID
from hub.judge.windows import LocalTime
from hub.limits.places import Places, device_of
from hub.orders.figures import Figures, figures
from hub.registry.live import Registry
from hub.reports import points
from hub.reports.emissions import EmissionReports
from hub.reports.rulings import RuleReports
from hub.reports.weighed import Weighed
from hub.series.erasing import Span
from hub.storage.database import read_only
from schemas import Limit, Quantity, Standard
from schemas.domains.entries import Rule

MOST = 2000
"""Verdicts or alerts in one piece."""
DUSK, DAWN = 22 * 3600, 6 * 3600
"""Begin and end of the night, s of the local clock: as the law on noise has it (2022, article 88), one span of 8 h."""
NEAR = 0.9
"""From this share of a limit on, a site is near it (this project's choice)..."""
NEAR_DB = 3.0
"""...and of a limit in dB, from so many dB below it on."""
NONE, KEPT, CLOSE, EXCEEDED, SUSPECTED = 0, 1, 2, 3, 4
"""States of a site. SUSPECTED, above a limit without a background to correct by or with an instrument that cannot tell,
lies between CLOSE and EXCEEDED; its number came last."""
GRAVE = (NONE, KEPT, CLOSE, SUSPECTED, EXCEEDED)
"""The states, the worst last."""


class Law:
    """Reads the compliance database at `path`, which is there already."""

    def __init__(
        self,
        path: Path,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: Mapping[str, Quantity],
        rules: Mapping[str, Rule] = MappingProxyType({}),
    ) -> None:
        self._db = read_only(path, timeout=30, any_thread=True)
        self._book = Book(self._db, lambda: 0.0)
        self._verdicts = VerdictTable(self._db)
        self._ruled = RuleReports(self._db, rules)
        self.emissions = EmissionReports(self._db, registry, limits, quantities)
        """What stacks let out."""
        self._weighed = Weighed(self._db)
        self._plans = Plans(limits, quantities)
        self._quantities = quantities
        self._limits = {(standard.id, limit.id): limit for standard, limit in limits}
        self._newest: dict[tuple[str, str], KeptVerdict] = {}  # by board and rule, the verdict on the newest window
        self._seen: int | None = None
        self.use(registry)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Tell of the sites of another registry from now on."""
        self._registry = registry
        self._local = LocalTime(registry.zone)
        self.emissions.use(registry)
        self._named_permits: dict[tuple[str, str], Limit | None] = {}
        self._go_by(self.emissions.permits(0.0))

    def _go_by(self, permits: Permits) -> None:
        """Compare with what these permits allow."""
        self._permits = permits
        self._places = Places(self._registry, permits)
        self._engine = Engine(self._plans, self._local, self._places, NoArchive())

    def ordered(self) -> dict[str, Figures]:
        """Return what stands in the way of orders, by board."""
        return figures(self._db)

    def day(self, now: float) -> int:
        """Return the start of the local day, Unix s."""
        return self._local.day(int(now)).start

    def ends(self) -> tuple[int, int, int]:
        """Return the numbers of the newest verdict, of the newest step of an alert, and of the newest on a rule."""
        return self._verdicts.last(), self._book.last_event(), self._ruled.last()

    def rulings(self, after: int) -> tuple[list[Span], list[str], int]:
        """Return what verdicts of packs' rules behind a number replace, their points, and the number reached."""
        return self._ruled.after(after, MOST, self._registry)

    def papers(self, now: float) -> Iterator[str]:
        """Yield how many permits and manifests hold now."""
        return self._ruled.papers(now)

    def weighed(self) -> Iterator[str]:
        """Yield the tonnes of the days of which a weighing is new, or another than before."""
        return self._weighed.points(self._registry)

    def verdicts(self, after: int) -> tuple[list[Span], list[str], int]:
        """Return what verdicts behind a number replace, their points, of their days and nights, and the number reached.

        What they replace is removed first.
        """
        found = self._verdicts.after(after, MOST)
        old: list[Span] = []
        lines = [line for v in found for line in points.verdict(v, self._named(v))]
        spans = {}
        for v in found:
            day = self._local.day(v.start)
            spans["verdict_24h", v.device, v.rule, v.site, day.start, day.end] = v
            night = self._night(v.start)
            if night:
                spans["verdict_night", v.device, v.rule, v.site, *night] = v
            if v.revision > 1:
                of = [("verdict_24h", day.start), *([("verdict_night", night[0])] if night else [])]
                for earlier in self._verdicts.earlier(v):
                    if earlier.revision < v.revision:
                        old += points.amended(v, earlier, of)
        for (measurement, device, rule, site, start, end), v in spans.items():
            counted = self._verdicts.count(device, rule, site, start, end)
            lines.append(points.span_of_verdicts(measurement, v, self._named(v), counted, start))
        return old, lines, found[-1].id if found else after

    def _named(self, v: KeptVerdict) -> dict[str, points.Value]:
        return points.names(self._registry.sites.get(v.site), self._registry) | points.of_rule(self._limit(v), v)

    def _limit(self, v: KeptVerdict) -> Limit | None:
        """Return what was judged by: of the catalogue, or of a permit as it was then."""
        if v.editions == "[]":
            return self._limits.get((v.standard, v.limit_id))
        key = v.rule, v.editions
        if key not in self._named_permits:
            cited = permit_cited(self._db, v.rule, v.start, self._quantities, self._registry.zone)
            self._named_permits[key] = cited[1] if cited else None
        return self._named_permits[key]

    def _night(self, t: int) -> tuple[int, int] | None:
        """Return begin and end of the night that holds the moment `t`; None by day."""
        clock, day = self._local.time_of_day(t), self._local.day(t)
        if clock >= DUSK:
            return self._local.instant(day.date, DUSK), self._local.instant(day.date + dt.timedelta(1), DAWN)
        if clock < DAWN:
            return self._local.instant(day.date - dt.timedelta(1), DUSK), self._local.instant(day.date, DAWN)
        return None

    def alerts(self, after: int) -> tuple[list[str], int]:
        """Return the points of alerts to which something happened behind an event, and the event reached."""
        events = self._book.events_after(after, MOST)
        alerts = self._book.find_alerts({event.alert for event in events})
        return [points.alert(alert, self._registry) for alert in alerts.values()], events[-1].id if events else after

    def open_alerts(self) -> list[str]:
        """Return the points of the alerts that are open."""
        return [points.alert(alert, self._registry) for alert in self._book.open_alerts()]

    def budgets(self, now: float) -> Iterator[str]:
        """Yield, for every open window of a limit that binds, which share of what it permits is used up."""
        if (permits := self.emissions.permits(now)) is not self._permits:
            self._go_by(permits)
        for device, quantity, cell in open_cells(self._db, now):
            site = self._places.site(device)
            if site is None:
                continue
            for rule in self._engine.watch(device, quantity, cell) if cell.seconds else ():
                limit, decimals = rule.compared_with
                found = outlook(rule.limit.statistic, limit, decimals, cell)
                tags: dict[str, str | None] = {"district": site.district, "site": site.id, "device": device_of(device)}
                tags |= {"standard": rule.standard.id, "rule": rule.limit.id, "quantity": quantity}
                fields: dict[str, points.Value] = {
                    "used": float(found.used),
                    "certain": int(found.certain),
                    "limit_value": limit,
                    "start": int(cell.start),
                    "end": int(cell.end),
                }
                yield points.point("budget", tags, fields, now - now % 60)

    def states(self, now: float) -> Iterator[str]:
        """Yield each site's worst verdict now: on windows that ended at most as long ago as they last."""
        self._follow()
        worst: dict[str, tuple[int, float, KeptVerdict]] = {}
        for v in self._newest.values():
            if now - v.end <= max(v.end - v.start, 3600):
                level, share = _level(v)
                before = worst.get(v.site)
                if before is None or (GRAVE.index(level), share) > (GRAVE.index(before[0]), before[1]):
                    worst[v.site] = (level, share, v)
        open_ = self._book.count_open_by_site()
        for site in self._registry.sites.values():
            found = worst.get(site.id)
            fields: dict[str, points.Value] = {
                **points.names(site, self._registry),
                **points.choices(site, self._registry),
                **points.position(site),
                "level": NONE,
                "alerts": int(open_.get(site.id, 0)),
            }
            if found and found[0] > NONE and found[2].value is not None:
                level, share, v = found
                fields |= {"level": level, "ratio": share, "margin": (v.compared or 0.0) - (v.limit_value or 0.0)}
                fields |= {"value": v.value, "limit_value": v.limit_value, "unit": v.unit}
                fields |= {"device": v.device, "rule": v.rule, "quantity": v.quantity, "end": v.end}
                fields |= points.of_rule(self._limit(v), v)
            tags = {"district": site.district, "site": site.id, "kind": site.kind}
            yield points.point("state", tags, fields, now - now % 60, _badness(found))

    def _follow(self) -> None:
        """Learn of the verdicts given since the last time."""
        found = self._verdicts.newest() if self._seen is None else self._verdicts.after(self._seen)
        for v in found:
            known = self._newest.get((v.device, v.rule))
            if v.binding == "binds" and (known is None or v.start >= known.start):
                self._newest[v.device, v.rule] = v
        self._seen = max(self._seen or 0, found[-1].id if found else 0)


def _badness(found: tuple[int, float, KeptVerdict] | None) -> int:
    """Return how bad a state is, as ns within its minute: whoever lists sites by time has the worst first or last."""
    if found is None:
        return 0
    level, share, _ = found
    return GRAVE.index(level) * 100_000_000 + min(int(max(share, 0.0) * 100_000), 99_999_999)


def _level(v: KeptVerdict) -> tuple[int, float]:
    """Return the state that a verdict means, and the share of the limit."""
    value = v.compared if v.compared is not None else v.value
    if value is None or v.limit_value is None or v.outcome in UNSAID:
        return NONE, 0.0
    share = points.ratio(value, v.limit_value, v.unit)
    if v.outcome in ABOVE:
        return SUSPECTED if v.suspected else EXCEEDED, share
    close = value >= v.limit_value - NEAR_DB if v.unit.startswith("dB") else share >= NEAR
    return CLOSE if close else KEPT, share
