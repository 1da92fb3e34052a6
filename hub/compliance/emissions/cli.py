"""`fenceline emissions`: what outlets let out, at the hub's machine; the same that /api/v1/outlets shows."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import time as now
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, AsJson, Config, HubOf
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hub.compliance.emissions.book import EmissionBook
    from hub.things.store import ThingStore

app = group(
    Text(
        "What outlets let out: hours, rates, yearly totals against their permits.",
        "排放口排放情况：小时数据、传输有效率、年排放量与许可量对照。",
    ),
    "fenceline emissions list",
)
NOT_THERE = Text(
    "{path}: nothing has been calculated yet; 'fenceline run --config {config}' does it, or --config names another hub",
    "{path}：尚无计算结果；请先运行fenceline run --config {config}，或用--config指定其他数据中心",
)
NO_OUTLET = Text("there is no outlet {id!r}; expected one of: {known}", "没有排放口{id!r}；应为其中之一：{known}")
NO_MONTH = Text("--month {text!r}: expected a month such as 2026-03", "--month {text!r}：应为月份，如2026-03")
NO_DAY = Text("--day {text!r}: expected a day such as 2026-03-02", "--day {text!r}：应为日期，如2026-03-02")
NO_OUTLETS = Text("there are no outlets yet: fenceline things import FILE", "尚无排放口：fenceline things import FILE")
HEADS = {
    "outlet": Text("Outlet", "排放口"),
    "number": Text("Number", "编号"),
    "enterprise": Text("Enterprise", "排污单位"),
    "site": Text("Site", "站点"),
    "limits": Text("Limits (mg/m3)", "许可限值（mg/m³）"),
    "since": Text("Due since", "应传起始"),
    "start": Text("Hour", "小时"),
    "pollutant": Text("Pollutant", "污染物"),
    "state": Text("State", "工况"),
    "validity": Text("Validity", "有效性"),
    "raw": Text("Measured", "实测"),
    "converted": Text("Converted", "折算"),
    "limit": Text("Limit", "限值"),
    "mass": Text("Mass (kg)", "排放量（kg）"),
    "total": Text("Total", "许可量"),
    "used": Text("Emitted (t)", "已排放（t）"),
    "permitted": Text("Permitted (t)", "许可（t）"),
    "share": Text("Share", "占比"),
    "used_up": Text("Used up on", "预计用尽日"),
    "between": Text("Between", "区间"),
    "unknown": Text("Unknown (h)", "未知（h）"),
    "due": Text("Due", "应传"),
    "transmission": Text("Transmission", "传输率"),
    "valid": Text("Validity", "有效率"),
    "product": Text("Product", "传输有效率"),
}
EVERY = Text("all", "合计")
DIFFERS = Text("the station's own conversion differs", "与监测站自行折算值不符")


class _Asked(NamedTuple):
    book: "EmissionBook"
    things: "ThingStore"
    zone: "ZoneInfo"
    now: int


Outlet = Annotated[str, argument(Text("Id of the outlet.", "排放口标识。"), "OUTLET")]
Month = Annotated[
    str,
    option(
        Text("The month, such as 2026-03.", "月份，如2026-03。"),
        "--month",
        metavar="MONTH",
        show_default=Text("this month", "本月"),
    ),
]


@command(
    app,
    "list",
    Text(
        "List outlets, what their permits allow, and since when values are due.", "列出排放口、许可限值和应传起始时间。"
    ),
    "fenceline emissions list --json",
)
def list_(as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """List outlets."""
    from hub.compliance.emissions.present import outlet_row
    from hub.terminal.tables import table

    with _open(config, district) as asked:
        outlets = [one.edition.id for one in asked.book.permits.outlets(asked.now)]
        rows = [outlet_row(asked.book, asked.things, one, asked.now, asked.zone) for one in outlets]
    if as_json:
        print_list(rows, "outlets")
    elif not rows:
        print(tell(NO_OUTLETS))
    else:
        names = ("outlet", "number", "enterprise", "site", "limits", "since")
        table(
            _heads(*names),
            [
                (
                    f"{one['outlet']} {tell(Text(one['en'], one['zh']))}",
                    *(one[name] or "-" for name in names[1:4]),
                    ", ".join(f"{it['pollutant']} {it['value']:g}" for it in one["limits"]) or "-",
                    one["due_since"] or "-",
                )
                for one in rows
            ],
        )


@command(
    app,
    "show",
    Text(
        "Show an outlet: its limits, the rates of a month, its days, and the yearly totals that count it.",
        "显示排放口：许可限值、某月传输有效率、日数据及相关年许可量。",
    ),
    "fenceline emissions show boiler-1 --month 2026-03",
)
def show(
    outlet: Outlet, month: Month = "", as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE
) -> None:
    """Show an outlet."""
    from hub.compliance.emissions.present import day_row, outlet_row, rates_rows, total_row

    with _open(config, district) as asked:
        _check(asked, outlet)
        start, end = asked.book.month(_month(month, asked))
        named = f"{dt.datetime.fromtimestamp(start, asked.zone):%Y-%m}"
        told: dict[str, Any] = outlet_row(asked.book, asked.things, outlet, asked.now, asked.zone)
        told["month"] = named
        told["rates"] = rates_rows(asked.book.rates(outlet, start, end), outlet, named)
        told["days"] = [day_row(one, asked.zone) for one in asked.book.days(outlet, start, end)]
        at = min(asked.now, end - 1)
        told["totals"] = [total_row(one) for one in asked.book.totals(at, outlet=outlet)]
    if as_json:
        print_object(told)
        return
    print(f"{outlet} {tell(Text(told['en'], told['zh']))}  {named}")
    _print_rates(told["rates"])
    _print_totals(told["totals"])


@command(
    app,
    "hours",
    Text("List the hours of an outlet on a day.", "列出排放口某日的小时数据。"),
    "fenceline emissions hours boiler-1 --day 2026-03-02 --json",
)
def hours(
    outlet: Outlet,
    day: Annotated[
        str,
        option(
            Text("The day, such as 2026-03-02.", "日期，如2026-03-02。"),
            "--day",
            metavar="DAY",
            show_default=Text("today", "今日"),
        ),
    ] = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """List hours."""
    from hub.compliance.emissions.present import hour_row, reason_text, state_text
    from hub.terminal.tables import table

    with _open(config, district) as asked:
        _check(asked, outlet)
        start, end = asked.book.local.calendar(asked.book.local.instant(_day(day, asked), 0), "day")
        by_pollutant = asked.book.hours(outlet, start, end)
        found = sorted((one for of in by_pollutant.values() for one in of), key=lambda one: (one.start, one.pollutant))
    if as_json:
        print_list((hour_row(one, outlet, asked.zone) for one in found), "hours")
        return
    rows = [
        (
            f"{dt.datetime.fromtimestamp(one.start, asked.zone):%H:%M}",
            one.pollutant,
            tell(state_text(one)),
            tell(reason_text(one)) + (f"; {tell(DIFFERS)}" if one.own_differs else ""),
            *(_number(value) for value in (one.raw, one.converted, one.terms.limit, one.mass_kg)),
        )
        for one in found
    ]
    names = ("start", "pollutant", "state", "validity", "raw", "converted", "limit", "mass")
    table(_heads(*names), rows, numbers=(4, 5, 6, 7))


@command(
    app,
    "totals",
    Text(
        "List permitted yearly totals: what is emitted, and when they are used up.",
        "列出许可年排放量：已排放量及预计用尽日。",
    ),
    "fenceline emissions totals --enterprise heat-works",
)
def totals(
    enterprise: Annotated[
        str, option(Text("Only of this enterprise.", "仅限该排污单位。"), "--enterprise", show_default=ALL)
    ] = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """List totals."""
    from hub.compliance.emissions.present import total_row

    with _open(config, district) as asked:
        rows = [total_row(one) for one in asked.book.totals(asked.now, enterprise)]
    if as_json:
        print_list(rows, "totals")
    else:
        _print_totals(rows)


@contextmanager
def _open(config: Path, district: str) -> Iterator[_Asked]:
    """Give what is known of the outlets of a hub."""
    from hub.alerts.tables import PART as ALERTS
    from hub.compliance.emissions.book import EmissionBook
    from hub.compliance.emissions.marking import MarkBook
    from hub.compliance.tables import PART
    from hub.config.files import ConfigError, load_config
    from hub.registry.live import load_registry
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError
    from hub.things.marks.tables import PART as MARKS
    from hub.things.store import ThingStore
    from hub.things.tables import PART as THINGS
    from schemas import load_limits, load_quantities

    try:
        settings = load_config(config)
        registry = load_registry(settings)
        path = compliance_of(settings, district)
        if not path.exists():
            raise UserError(tell(NOT_THERE).format(path=path, config=config))
        quantities = load_quantities()
        limits = load_limits(quantities=quantities)
        with closing(open_compliance(path, ALERTS, THINGS, MARKS, PART)) as db:
            book = EmissionBook(db, registry, limits, quantities, now, MarkBook(db).spans)
            yield _Asked(book, ThingStore(db), registry.zone, int(now()))
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error


def _check(asked: _Asked, outlet: str) -> None:
    known = [one.edition.id for one in asked.book.permits.outlets(asked.now)]
    if not asked.book.world.terms("outlet", outlet):
        raise UserError(tell(NO_OUTLET).format(id=outlet, known=", ".join(known) or "-"))


def _month(text: str, asked: _Asked) -> dt.date:
    if not text:
        return asked.book.local.day(asked.now).date.replace(day=1)
    if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", text):
        raise UserError(tell(NO_MONTH).format(text=text))
    return dt.date.fromisoformat(f"{text}-01")


def _day(text: str, asked: _Asked) -> dt.date:
    if not text:
        return asked.book.local.day(asked.now).date
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        raise UserError(tell(NO_DAY).format(text=text)) from None
    if not 1900 < found.year < 2100:
        raise UserError(tell(NO_DAY).format(text=text))
    return found


def _heads(*names: str) -> list[str]:
    return [tell(HEADS[name]) for name in names]


def _print_rates(rows: list[dict[str, Any]]) -> None:
    from hub.terminal.tables import table

    cells = [
        (
            one["pollutant"] or tell(EVERY),
            str(one["due"]),
            *(_percent(one[name]) for name in ("transmission", "validity", "product")),
        )
        for one in rows
    ]
    table(_heads("pollutant", "due", "transmission", "valid", "product"), cells, numbers=(1, 2, 3, 4))


def _print_totals(rows: list[dict[str, Any]]) -> None:
    from hub.terminal.tables import table

    cells = [
        (
            one["total"],
            one["pollutant"],
            f"{one['measured_t'] + one['replaced_t']:.3f}",
            f"{one['permitted_t']:g}",
            _percent(one["share"]),
            one["used_up"] or "-",
            f"{one['earliest'] or '-'} .. {one['latest'] or '-'}",
            str(one["unknown"]),
        )
        for one in rows
    ]
    names = ("total", "pollutant", "used", "permitted", "share", "used_up", "between", "unknown")
    table(_heads(*names), cells, numbers=(2, 3, 4, 7))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
