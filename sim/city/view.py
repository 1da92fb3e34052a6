"""What a person sees of the simulated city: a live table on a terminal, plain lines elsewhere. English or Chinese."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hub.alerts.text import KIND
from hub.orders.kinds import NAMES, STATES
from schemas import Limit, binding, jurisdictions_of, load_limits, load_quantities
from schemas.language import Lang
from sim.city.account import read_only
from sim.city.city import CitySite
from sim.city.demo import Demo
from sim.city.scenario import SHANGHAI

TEXTS = {
    "en": {
        "title": "Fenceline demo",
        "site": "Site",
        "limit": "limit",
        "last": "Verdict",
        "compliant": "● within limit",
        "exceeded": "▲ exceeded",
        "above_uncorrected": "△ above, no background",
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
        "more": "... {n} more sites: enlarge the window",
        "slow": "This machine is too slow for --speed {speed:g}: healthy sensors answer too late and are told as "
        "faulty. Try --speed {less:g}.",
        "open_now": "{open} open, {ended} ended",
        "count": "{made} records made, {stored} stored, {way} under way | {bad} quarantined | {alerts} alerts",
        "boards": "{n} boards on {interpreter}, {stations} stations, {trucks} trucks, {rounds} round, "
        "{speed:g} x real time",
        "stop": "Ctrl-C stops and counts",
        "order": "Order to {device}, {what}: {state}",
        "answer": "Order to {device}, {what}: {state}: {answer}",
    },
    "zh": {
        "title": "Fenceline 演示",
        "site": "站点",
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
        "more": "……另有{n}个站点：请放大窗口",
        "slow": "本机速度不足以运行 --speed {speed:g}：正常的传感器应答过迟，被报为故障。请改用 --speed {less:g}。",
        "open_now": "{open}条未结束，{ended}条已结束",
        "count": "记录：生成{made}条，入库{stored}条，途中{way}条 | 隔离{bad}条 | 告警{alerts}条",
        "boards": "{n}台设备运行于{interpreter}，{stations}台监测站，{trucks}辆渣土车，{rounds}条收运线路，"
        "{speed:g}倍速",
        "stop": "按Ctrl-C停止并核对",
        "order": "指令：{device} {what}：{state}",
        "answer": "指令：{device} {what}：{state}：{answer}",
    },
}

STYLES = {
    "exceeded": "bold red",
    "above_uncorrected": "dark_orange",
    "open": "magenta",
    "compliant": "green",
    "invalid": "yellow",
}


ABOVE = "▲ "
SHOWN = {"laeq": "LAeq", "tsp": "TSP", "pm10": "PM10", "stack_nox": "NOx", "stack_co": "CO"}
"""The quantities that have a column, and its short name."""
WIDE, WIDE_ONLY = 100, ("pm10", "stack_co")
"""Columns of a terminal from which on these are shown, too."""
TABLE_HEAD = 2
LEAST_ALERTS = 5
"""Lines that alerts have before sites do."""
LATE_LEAST, LATE_SHARE = 20, 0.1
"""So many readings, and such a share of all, without an answer of their sensor: the machine is too slow."""


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
        apart = demo.round.sensors  # they make no records
        stored = db.execute(
            "SELECT count(*) FROM (SELECT DISTINCT device, stream, seq FROM reading "  # noqa: S608 - only marks
            f"WHERE device NOT IN ({', '.join('?' * len(apart))}))",
            apart,
        ).fetchone()[0]
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
            n=len(demo.boards),
            interpreter=interpreter,
            stations=len(demo.stations),
            trucks=len(demo.trucks),
            rounds=len(demo.round),
            speed=demo.clock.speed,
        )

    def line(self) -> str:
        """Return the accounting as one plain line."""
        n = numbers(self._demo)
        now = datetime.fromtimestamp(self._demo.clock.now(), SHANGHAI)
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

    def orders(self) -> list[str]:
        """Return a line for each order to a board, and what came of it."""
        lines = []
        for order in self._demo.orders():
            said = self._texts["answer" if order.answer else "order"]
            what, state = NAMES[order.what].into(Lang(self._lang)), STATES[order.state].into(Lang(self._lang))
            lines.append(said.format(device=order.device, what=what, state=state, answer=order.answer))
        return lines

    def too_slow(self) -> str | None:
        """Return that this machine is too slow, if it is: simulated sensors never fail, so they answered too late."""
        with read_only(self._demo.series) as db:
            silent, total = db.execute("SELECT coalesce(sum(flag = 'B'), 0), count(*) FROM reading").fetchone()
        if silent < LATE_LEAST or silent < LATE_SHARE * total:
            return None
        speed = self._demo.clock.speed
        return self._texts["slow"].format(speed=speed, less=max(1, speed // 2))

    def screen(self, width: int, height: int) -> Group:
        """Return the whole picture for a terminal of so many columns and lines.

        Alerts have their lines first, then the sites, then further alerts.
        """
        head = [Text(self.heading(), style="bold", no_wrap=True, overflow="ellipsis")]
        foot = [Text(line, no_wrap=True, overflow="ellipsis") for line in (*self.orders(), self.line())]
        if slow := self.too_slow():
            foot.append(Text(slow, style="bold yellow"))
        room = height - 1 - len(head) - sum(1 if line.no_wrap else 1 + cell_len(line.plain) // width for line in foot)
        opened, ended = self._alert_lines()
        least = min(LEAST_ALERTS, max(1, len(opened) + len(ended)))
        sites = max(1, min(len(self._demo.sites), room - TABLE_HEAD - 1 - least))
        cut = sites < len(self._demo.sites)
        told = self._texts["open_now"].format(open=len(opened), ended=len(ended))
        title = Text(f"{self._texts['alerts']}: {told}    {self._texts['stop']}", style="bold")
        lines = [*opened, *ended][: max(1, room - TABLE_HEAD - 1 - sites)] or [Text(self._texts["none"], style="dim")]
        return Group(*head, self._table(sites - cut, width, cut=cut), title, *lines, *foot)

    def _table(self, most: int, width: int, *, cut: bool) -> Table:
        t = self._texts
        keys = [key for key in SHOWN if key in self._quantities and (width >= WIDE or key not in WIDE_ONLY)]
        table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column(t["site"], ratio=1, no_wrap=True, overflow="ellipsis")
        for key in keys:
            quantity = self._quantities[key]
            table.add_column(f"{SHOWN[key]} {quantity.label}", justify="right", no_wrap=True)
        table.add_column(t["last"], no_wrap=True)
        latest, verdicts = self._latest(keys), self._verdicts()
        for site in self._demo.sites[:most]:
            binds = self._binding(site)
            cells = [self._cell(key, latest.get((site.id, key)), binds) for key in keys]
            outcome = verdicts.get(site.id) if binds else "unbound"
            cells.append(Text(t[outcome] if outcome else "…", style=STYLES.get(outcome or "", "dim")))
            table.add_row(site.zh if self._lang == "zh" else site.en, *cells)
        if cut:
            table.add_row(Text(t["more"].format(n=len(self._demo.sites) - most), style="dim"))
        return table

    def _cell(self, key: str, value: float | None, binds: Sequence[Limit]) -> Text:
        """Return a value with the limit that is in force now, marked when it is above."""
        if value is None:
            return Text("–", style="dim")
        now = datetime.fromtimestamp(self._demo.clock.now(), SHANGHAI).time()
        limit = next((one for one in binds if one.quantity == key and one.applies_at(now)), None)
        shown = f"{value:.{self._quantities[key].resolution if key == 'laeq' else 0}f}"
        if limit is None or limit.value is None:
            return Text(shown)
        # Where a reference oxygen content is prescribed, a value as measured is none to compare.
        above = limit.reference_o2 is None and value > limit.value
        return Text(f"{ABOVE if above else ''}{shown}/{limit.value:g}", style="bold red" if above else "")

    def _alert_lines(self) -> tuple[list[Text], list[Text]]:
        """Return a line for each alert, the newest first: those that are open, and those that have ended."""
        with read_only(self._demo.data / "compliance.db") as db:
            rows = db.execute(
                "SELECT state, opened, kind, site, quantity, value, limit_value, unit FROM alert ORDER BY id DESC"
            ).fetchall()
        opened: list[Text] = []
        ended: list[Text] = []
        for state, when, kind, site, quantity, value, limit, unit in rows:
            over = state in ("resolved", "closed", "withdrawn")
            known = self._quantities.get(quantity)
            what = KIND[kind].into(Lang(self._lang))
            if limit is not None and known is not None:
                name = SHOWN.get(quantity) or known.symbol or (known.zh if self._lang == "zh" else known.en)
                reached = "?" if value is None else f"{value:.1f}"  # an early warning has no whole window yet
                what = f"{name} {reached}/{limit:g} {unit}"
            # What matters comes first: a narrow terminal cuts the end.
            line = f"{datetime.fromtimestamp(when, SHANGHAI):%H:%M} {self._texts[state]}: {self._name(site)}, {what}"
            text = Text(line, style="dim" if over else "bold red" if state != "pending" else "yellow")
            text.no_wrap, text.overflow = True, "ellipsis"
            (ended if over else opened).append(text)
        return opened, ended

    def _name(self, site: str) -> str:
        found = next((one for one in self._demo.sites if one.id == site), None)
        return site if found is None else found.zh if self._lang == "zh" else found.en

    def _own_language(self, text: str) -> str:
        return text.splitlines()[self._lang == "zh"]

    def _latest(self, keys: Sequence[str]) -> dict[tuple[str, str], float]:
        """Return the latest normal value by (site, quantity); of several at a site, the highest."""
        values: dict[tuple[str, str], float] = {}
        with read_only(self._demo.series) as db:
            for device, site in self._demo.senders():
                for key in keys:
                    row = db.execute(
                        "SELECT value FROM reading WHERE device = ? AND quantity = ? AND flag = 'N' "
                        "ORDER BY t DESC LIMIT 1",
                        (device, key),
                    ).fetchone()
                    if row:
                        place = (site, key)
                        values[place] = max(row[0], values.get(place, row[0]))
        return values

    def _verdicts(self) -> dict[str, str]:
        """Return by site the worst outcome of each board's newest windows, none of them older than its length."""
        with read_only(self._demo.data / "compliance.db") as db:
            # Of a window that began before the demo nobody could have measured the whole.
            rows = db.execute(
                "SELECT site, outcome FROM verdict v WHERE start >= ?1 AND end >= ?2 - max(1200, end - start) "
                "AND end = (SELECT max(end) FROM verdict w "
                "WHERE w.device = v.device AND w.rule = v.rule AND w.start >= ?1)",
                (self._demo.clock.start, self._demo.clock.now()),
            ).fetchall()
        worst: dict[str, str] = {}
        order = ("compliant", "invalid", "open", "above_uncorrected", "exceeded")
        for site, outcome in rows:
            worst[site] = max(worst.get(site, outcome), outcome, key=order.index)
        return worst

    def _binding(self, site: CitySite) -> list[Limit]:
        """Return the limits that bind a site today for what the table shows."""
        today = datetime.fromtimestamp(self._demo.clock.now(), SHANGHAI).date()
        found = binding(
            self._limits,
            kind=site.kind,
            zone=None,
            jurisdictions=jurisdictions_of("CN"),
            day=today,
            properties=site.properties,
        )
        limits = [one.limit for one in found if one.status == "binds"]
        return [n for n in limits if n.quantity in SHOWN and (n.judged_simply or n.reference_o2 is not None)]


def elapsed(began: float) -> float:
    """Return the real seconds since `began` (of time.monotonic())."""
    return round(time.monotonic() - began, 1)
