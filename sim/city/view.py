"""What a person sees of the simulated city: a live table on a terminal, plain lines elsewhere. English or Chinese."""

import time
from dataclasses import dataclass
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import ConsoleDimensions, Group
from rich.table import Table
from rich.text import Text

from schemas import Limit, binding, jurisdictions_of, load_limits, load_quantities
from sim.city.account import read_only
from sim.city.city import CitySite
from sim.city.demo import Demo
from sim.city.scenario import SHANGHAI

TEXTS = {
    "en": {
        "title": "Fenceline demo",
        "site": "Site",
        "district": "District",
        "limit": "limit",
        "last": "Last verdict",
        "compliant": "● within limit",
        "exceeded": "▲ exceeded",
        "above_uncorrected": "△ above, background unknown",
        "open": "? open",
        "invalid": "○ too little data",
        "unbound": "– no limit applies",
        "alerts": "Alerts",
        "none": "none yet",
        "pending": "early warning",
        "firing": "firing",
        "acknowledged": "acknowledged",
        "resolved": "resolved",
        "closed": "closed",
        "withdrawn": "withdrawn",
        "above": "▲",
        "no_limit": "– : no limit binds the site for it. LAeq: the latest record against the 20 min limit in force.",
        "count": "records: {made} made, {stored} stored, {way} under way | {bad} quarantined | {alerts} alerts",
        "boards": "{n} boards on {interpreter}, {speed:g} x real time",
        "stop": "Ctrl-C stops and counts",
    },
    "zh": {
        "title": "Fenceline 演示",
        "site": "站点",
        "district": "区",
        "limit": "限值",
        "last": "最近判定",
        "compliant": "● 达标",
        "exceeded": "▲ 超标",
        "above_uncorrected": "△ 超过限值，背景未测",
        "open": "? 待定",
        "invalid": "○ 数据不足",
        "unbound": "– 无适用限值",
        "alerts": "告警",
        "none": "暂无",
        "pending": "预警",
        "firing": "持续中",
        "acknowledged": "已确认",
        "resolved": "已解除",
        "closed": "已关闭",
        "withdrawn": "已撤回",
        "above": "▲",
        "no_limit": "– ：此项对该场所无约束性限值。LAeq：最新记录与现行20分钟限值相比。",
        "count": "记录：生成{made}条，入库{stored}条，途中{way}条 | 隔离{bad}条 | 告警{alerts}条",
        "boards": "{n}台设备运行于{interpreter}，{speed:g}倍速",
        "stop": "按Ctrl-C停止并核对",
    },
}

WIDE = 100
"""Columns of a terminal from which on units and districts stand in the table."""
MOST_ALERTS = 8
SIGNS = {"pending": "△", "firing": "▲", "acknowledged": "▷", "resolved": "✔", "closed": "✔", "withdrawn": "–"}

STYLES = {
    "exceeded": "bold red",
    "above_uncorrected": "dark_orange",
    "open": "magenta",
    "compliant": "green",
    "invalid": "yellow",
}


@dataclass(frozen=True)
class Numbers:
    """The accounting so far."""

    made: int
    stored: int
    quarantined: int
    alerts: int


def numbers(demo: Demo) -> Numbers:
    """Read the accounting from the boards' outboxes and the hub's databases."""
    made = demo.made()
    with read_only(demo.series) as db:
        stored = db.execute("SELECT count(*) FROM (SELECT DISTINCT device, stream, seq FROM reading)").fetchone()[0]
    with read_only(demo.data / "log.db") as db:
        quarantined = db.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    with read_only(demo.data / "compliance.db") as db:
        alerts = db.execute("SELECT count(*) FROM alert WHERE fired IS NOT NULL").fetchone()[0]
    return Numbers(made, stored, quarantined, alerts)


class DemoView:
    """Draws the city; `interpreter` is what the boards run on."""

    def __init__(self, demo: Demo, interpreter: str, lang: str) -> None:
        self._demo = demo
        self._lang = lang
        self._texts = TEXTS[lang]
        self._limits = load_limits()
        self._quantities = load_quantities()
        self._heading = self._texts["boards"].format(
            n=len(demo.boards), interpreter=interpreter, speed=demo.plan.clock.speed
        )

    def line(self) -> str:
        """Return the accounting as one plain line."""
        n = numbers(self._demo)
        now = datetime.fromtimestamp(self._demo.plan.clock.now(), SHANGHAI)
        count = self._texts["count"].format(
            made=n.made, stored=n.stored, way=n.made - n.stored, bad=n.quarantined, alerts=n.alerts
        )
        return f"{now:%Y-%m-%d %H:%M} | {count}"

    def heading(self) -> str:
        """Return what runs here, as one line."""
        return f"{self._texts['title']}: {self._heading}"

    def alerts(self, after: int) -> list[tuple[int, str]]:
        """Return `(step, text)` of the alerts that fired behind the step `after`, in this view's language."""
        with read_only(self._demo.data / "compliance.db") as db:
            rows = db.execute(
                "SELECT s.id, a.text FROM alert_step s JOIN alert a ON a.id = s.alert "
                "WHERE s.what = 'firing' AND s.id > ? ORDER BY s.id",
                (after,),
            ).fetchall()
        return [(id_, self._own_language(text)) for id_, text in rows]

    def screen(self, size: ConsoleDimensions) -> Group:
        """Return the whole picture, as large as the terminal: with little room alerts go before the legend."""
        wide = size.width >= WIDE
        title = Text(self.heading(), style="bold", no_wrap=True, overflow="ellipsis")
        parts: list[Table | Text] = [title, self._table(wide=wide), Text(self._texts["alerts"], style="bold")]
        left = size.height - len(self._demo.sites) - 6
        legend = left >= 6
        parts += [self._alert_lines(max(1, min(MOST_ALERTS, left - (2 if legend else 0))))]
        if legend:
            parts.append(Text(self._texts["no_limit"], style="dim", no_wrap=True, overflow="ellipsis"))
        stop = self._texts["stop"]
        return Group(*parts, Text(f"{self.line()} | {stop}", no_wrap=True, overflow="ellipsis"))

    def _table(self, *, wide: bool) -> Table:
        t = self._texts
        label = {key: self._quantities[key].label for key in ("laeq", "pm10", "stack_nox")}
        table = Table(expand=True, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        longest = max(cell_len(site.zh if self._lang == "zh" else site.en) for site in self._demo.sites)
        table.add_column(t["site"], no_wrap=True, min_width=longest)
        if wide:
            table.add_column(t["district"], no_wrap=True)
        for key, name in (("laeq", "LAeq"), ("pm10", "PM10"), ("stack_nox", "NOx")):
            head = f"{name} {label[key]}" if wide else name
            table.add_column(head, justify="right", no_wrap=True)
            table.add_column(t["limit"], justify="right", no_wrap=True)
        table.add_column(t["last"], no_wrap=True, overflow="ellipsis", ratio=1)
        latest, verdicts, stacks = self._latest(), self._verdicts(), self._stacks()
        for site in self._demo.sites:
            row = [site.zh if self._lang == "zh" else site.en, *([site.district] if wide else [])]
            cells: list[Text] = []
            for key in ("laeq", "pm10"):
                value = latest.get((site.id, key))
                cells += self._cells(key, value, self._limit(site, key), none="…")
            # Until an hour of it has been judged, as the analyser says it.
            stack = stacks.get(site.id, (latest.get((site.id, "stack_nox")), None))
            cells += self._cells("stack_nox", *stack, none="")
            outcome = verdicts.get(site.id) if site.id in verdicts or self._binding(site) else "unbound"
            cells.append(Text(t[outcome] if outcome else "…", style=STYLES.get(outcome or "", "dim")))
            table.add_row(*row, *cells)
        return table

    def _cells(self, quantity: str, value: float | None, limit: float | None, *, none: str) -> list[Text]:
        """Return a value and its limit; a value above it has a sign, so that it needs no colour."""
        if value is None:
            return [Text(none, style="dim"), Text("–" if none else "", style="dim")]
        above = limit is not None and value > limit
        shown = f"{value:.{self._quantities[quantity].resolution}f}"
        sign = f"{self._texts['above']} " if above else ""
        return [
            Text(f"{sign}{shown}", style="bold red" if above else ""),
            Text("–" if limit is None else f"{limit:g}", style="dim"),
        ]

    def _alert_lines(self, most: int) -> Text:
        """Return the alerts as one short line each: those that are open first, the newest of them first."""
        with read_only(self._demo.data / "compliance.db") as db:
            rows = db.execute(
                "SELECT state, ifnull(fired, opened), site, quantity, value, limit_value, unit, text FROM alert "
                "ORDER BY state NOT IN ('firing', 'acknowledged', 'pending'), id DESC LIMIT ?",
                (most,),
            ).fetchall()
        if not rows:
            return Text(self._texts["none"], style="dim")
        return Text("\n", overflow="ellipsis", no_wrap=True).join(
            Text(
                f"{_clock(when)} {SIGNS[state]} {self._texts[state]}: {self._short(*rest)}",
                style="bold red" if state == "firing" else "dim",
            )
            for state, when, *rest in rows
        )

    def _short(
        self, site: str, quantity: str | None, value: float | None, limit: float | None, unit: str | None, text: str
    ) -> str:
        """Return what a person needs first: where, what, how much of how much."""
        if quantity is None or value is None or limit is None:
            return self._own_language(text)
        names = {one.id: one.zh if self._lang == "zh" else one.en for one in self._demo.sites}
        known = self._quantities[quantity]
        symbol = known.symbol or (known.zh if self._lang == "zh" else known.en)
        label = known.label if known.unit == unit or unit is None else unit
        return f"{names.get(site, site)}  {symbol} {value:.{known.resolution}f} > {limit:g} {label}"

    def _own_language(self, text: str) -> str:
        return text.splitlines()[self._lang == "zh"]

    def _latest(self) -> dict[tuple[str, str], float]:
        """Return the latest normal value by (site, quantity); of several boards at a site, the highest."""
        values: dict[tuple[str, str], float] = {}
        with read_only(self._demo.series) as db:
            for board in self._demo.boards:
                for key in ("laeq", "pm10", "stack_nox"):
                    row = db.execute(
                        "SELECT value FROM reading WHERE device = ? AND quantity = ? AND flag = 'N' "
                        "ORDER BY t DESC LIMIT 1",
                        (board.id, key),
                    ).fetchone()
                    if row:
                        place = (board.site.id, key)
                        values[place] = max(row[0], values.get(place, row[0]))
        return values

    def _stacks(self) -> dict[str, tuple[float | None, float | None]]:
        """Return NOx of stacks as it was judged last, at the reference content of oxygen, and its limit, by site."""
        with read_only(self._demo.data / "compliance.db") as db:
            rows = db.execute(
                "SELECT site, value, limit_value FROM verdict v WHERE quantity = 'stack_nox' AND value IS NOT NULL "
                "AND end = (SELECT max(end) FROM verdict w WHERE w.site = v.site AND w.quantity = v.quantity "
                "AND w.value IS NOT NULL) ORDER BY value"
            ).fetchall()
        return {site: (value, limit) for site, value, limit in rows}

    def _verdicts(self) -> dict[str, str]:
        """Return the outcome of the latest judged window by site; an exceedance at one board is the site's."""
        with read_only(self._demo.data / "compliance.db") as db:
            rows = db.execute(
                "SELECT site, outcome FROM verdict v WHERE end = (SELECT max(end) FROM verdict w WHERE w.site = v.site)"
            ).fetchall()
        worst: dict[str, str] = {}
        order = ("compliant", "invalid", "open", "above_uncorrected", "exceeded")
        for site, outcome in rows:
            worst[site] = max(worst.get(site, outcome), outcome, key=order.index)
        return worst

    def _limit(self, site: CitySite, quantity: str) -> float | None:
        now = datetime.fromtimestamp(self._demo.plan.clock.now(), SHANGHAI).time()
        limits = (limit for limit in self._binding(site) if limit.quantity == quantity and limit.applies_at(now))
        return next((limit.value for limit in limits), None)

    def _binding(self, site: CitySite) -> list[Limit]:
        """Return the limits that bind a site today for what the table shows."""
        today = datetime.fromtimestamp(self._demo.plan.clock.now(), SHANGHAI).date()
        found = binding(
            self._limits, kind=site.kind, zone=site.zone_class, jurisdictions=jurisdictions_of("CN"), day=today
        )
        limits = [one.limit for one in found if one.status == "binds"]
        return [limit for limit in limits if limit.judged_simply and limit.quantity in ("laeq", "pm10")]


def _clock(when: float) -> str:
    return f"{datetime.fromtimestamp(when, SHANGHAI):%H:%M}"


def elapsed(began: float) -> float:
    """Return the real seconds since `began` (of time.monotonic())."""
    return round(time.monotonic() - began, 1)
