"""Cases as a list: searched by the address, page by page, and as CSV that no spreadsheet runs."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Annotated, Any, NamedTuple, get_args

from fastapi import APIRouter, Depends, Query, Response

from hub.cases.book import CaseBook
from hub.cases.evaluating import Period, evaluate
from hub.cases.finding import OrderBy, Wanted
from hub.cases.opening import open_cases
from hub.cases.present import position_name
from hub.cases.rules.rates import By, Measure
from hub.cases.rules.records import Case, Source, State
from hub.cases.rules.texts import KIND, MEASURE, SOURCE, STATE
from hub.console.cases.visit import CaseVisit, at_cases
from hub.console.parts.order import Number, Order, Pages, matches
from hub.console.parts.sheet import MOST_CSV, PIECE, csv_stream
from hub.console.web import Shared
from schemas.language import Text

HERE = "/console/cases"
MOST_SITES = 1000
"""Sites that a word may stand for."""
Short = Annotated[str, Query(max_length=100)]
Day = Annotated[str, Query(max_length=10)]
HEAD: tuple[object, ...] = (
    *("id", "number", "state", "source", "district", "site", "place", "lat", "lon", "code", "code_name", "department"),
    *("reported", "filed", "deadline", "finished", "closed", "on_time", "rework", "forced"),
)


class Filters(NamedTuple):
    """The filters; they stand in the address."""

    state: str = ""
    district: str = ""
    department: str = ""
    code: str = ""
    source: str = ""
    q: str = ""
    measure: str = ""
    """Only the cases behind this number of the evaluation, of these days and of this group."""
    begin: str = ""
    end: str = ""
    by: str = ""
    group: str = ""
    area: str = ""
    """Of which district the evaluation was; empty: of all."""


_BEHIND = ("measure", "begin", "end", "by", "group", "area")


def filters(
    state: Short = "",
    district: Short = "",
    department: Short = "",
    code: Short = "",
    source: Short = "",
    q: Short = "",
    measure: Short = "",
    begin: Day = "",
    end: Day = "",
    by: Short = "",
    group: Short = "",
    area: Short = "",
) -> Filters:
    """Return the filters that an address has; what cannot be one is none."""
    counted = measure in get_args(Measure) and by in get_args(By)
    return Filters(
        state if state in {"mine", "open", "late", *get_args(State)} else "",
        district,
        department,
        code if code.isascii() and code.isdigit() else "",
        source if source in get_args(Source) else "",
        q.strip(),
        *((measure, begin, end, by, group, area) if counted else ("",) * 6),
    )


Asked = Annotated[Filters, Depends(filters)]


def add_case_list(router: APIRouter, shared: Shared) -> None:
    """Add the list of cases."""
    visitor = Depends(at_cases(shared))

    @router.get("/cases")
    def show_cases(cases: Annotated[CaseVisit, visitor], asked: Asked, sort: Short = "", page: Number = 1) -> Response:
        order = _order(cases, asked, sort)
        wanted = cases.finder.narrow(_wanted(cases, asked))
        pages = Pages(order, page, cases.finder.count(wanted))
        found = cases.finder.page(wanted, _by(order), down=order.down, skip=pages.skip, limit=pages.each)
        visit, rules = cases.visit, cases.desk.rules
        return visit.page(
            "cases.html",
            cards=[cases.card(one) for one in found],
            asked=asked,
            order=order,
            pages=pages,
            behind=_behind(cases, asked) if asked.measure else "",
            behind_fields=[(one, value) for one, value in asked._asdict().items() if value and one in _BEHIND],
            states=[
                *([("mine", visit.say(Text("waits for me", "待我处理")))] if cases.positions else []),
                ("open", visit.say(Text("not over", "未结束"))),
                ("late", visit.say(Text("overdue", "已超期"))),
                *((one, visit.say(text)) for one, text in STATE.items()),
            ],
            districts=[(one, cases.district(one)) for one in visit.registry.districts],
            departments=[(one, cases.department(one)) for one in rules.departments],
            sources=[(one, visit.say(text)) for one, text in SOURCE.items()],
            may_report=cases.may_report,
        )

    @router.get("/cases.csv")
    def list_cases(cases: Annotated[CaseVisit, visitor], asked: Asked, sort: Short = "") -> Response:
        order = _order(cases, asked, sort)
        found = cases.finder.ids(_wanted(cases, asked), _by(order), down=order.down, limit=MOST_CSV)
        return csv_stream("cases.csv", HEAD, _rows(cases, found))


def _rows(cases: CaseVisit, ids: list[int]) -> Iterator[tuple[object, ...]]:
    """Go through the lines of cases, read piece by piece: each may be made in another thread, after the visit."""
    for begin in range(0, len(ids), PIECE):
        with closing(open_cases(cases.visit.shared.config.data)) as db:
            found = CaseBook(db).find_all(ids[begin : begin + PIECE])
        for case in found:
            yield _row(cases, case)


def _wanted(cases: CaseVisit, asked: Filters) -> Wanted:
    registry = cases.visit.registry
    sites = [one.id for one in registry.sites.values() if asked.q and matches(asked.q, one.id, one.en, one.zh)]
    start = cases.waiting if asked.state == "mine" else Wanted(districts=cases.desk.user.districts)
    return replace(
        start,
        district=asked.district,
        state="" if asked.state == "mine" else asked.state,
        code=asked.code,
        department=asked.department,
        source=asked.source,
        text=asked.q,
        sites=sites[:MOST_SITES],
        ids=_ids(cases, asked) if asked.measure else None,
    )


def _ids(cases: CaseVisit, asked: Filters) -> list[int]:
    """Return the cases behind a number of the evaluation."""
    period = Period.of_days(asked.begin, asked.end, cases.visit.registry.zone, cases.visit.now)
    remembered = cases.visit.shared.remembered
    groups = evaluate(cases.desk, period.begin, period.end, asked.by, asked.area, remembered)  # type: ignore[arg-type]
    numbers = groups.get(asked.group)
    return [*numbers.behind(asked.measure)] if numbers else []  # type: ignore[arg-type]


def _behind(cases: CaseVisit, asked: Filters) -> str:
    """Return in words which number of the evaluation the list is behind."""
    say = cases.visit.say
    named = group_name(cases, asked.by, asked.group) if asked.by != "all" else ""
    measured = say(MEASURE[asked.measure])  # type: ignore[index]
    period = Period.of_days(asked.begin, asked.end, cases.visit.registry.zone, cases.visit.now)
    return say(Text(": ", "：")).join(filter(None, (f"{period.first} – {period.last}", named, measured)))


def group_name(cases: CaseVisit, by: str, group: str) -> str:
    """Return what people call a group of the evaluation."""
    if not group:
        return cases.visit.say(Text("nobody yet", "尚无") if by != "all" else Text("all", "全部"))
    if by == "area":
        return cases.district(group)
    if by == "department":
        return cases.department(group)
    if by == "position":
        return position_name(group, cases.lang)
    if by in {"kind", "source"}:
        words: dict[Any, Text] = {**KIND, **SOURCE}
        return cases.visit.say(words[group]) if group in words else group
    if by == "code":
        entry = cases.desk.rules.code(group, "")
        return f"{group} {cases.visit.say(Text(entry.en, entry.zh))}" if entry else group
    return group


def _order(cases: CaseVisit, asked: Filters, sort: str) -> Order:
    columns = {
        "id": Text("reported", "上报时间"),
        "deadline": Text("deadline", "期限"),
        "state": Text("state", "状态"),
        "district": Text("district", "区"),
        "department": Text("department", "部门"),
    }
    said = {key: cases.visit.say(text) for key, text in columns.items()}
    return Order(HERE, asked._asdict(), said, sort or "-id")


def _by(order: Order) -> OrderBy:
    return order.by  # type: ignore[return-value]


def _row(cases: CaseVisit, case: Case) -> tuple[object, ...]:
    time = cases.visit.page_formats.iso

    def moment(t: float | None) -> str:
        return "" if t is None else time(t)

    return (
        *(
            case.id,
            case.number,
            case.state,
            case.source,
            case.district,
            case.site,
            cases.place(case),
            case.lat,
            case.lon,
        ),
        *(
            case.code,
            cases.code(case),
            case.department,
            moment(case.reported),
            moment(case.filed),
            moment(case.deadline),
        ),
        *(moment(case.finished), moment(case.closed)),
        *("" if case.is_on_time is None else int(case.is_on_time), case.rework, int(case.forced)),
    )
