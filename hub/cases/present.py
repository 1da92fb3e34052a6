"""Cases as people and programs read them, in one language; times are ISO 8601 in the city's time zone."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from hub.cases.desk import CaseDesk
from hub.cases.rules.rates import RATES, Measure, Numbers, Rate
from hub.cases.rules.records import Case, Event
from hub.cases.rules.texts import ACT, POSITION, SOURCE, STATE, UNIT
from hub.config.alerts import Position
from schemas.language import Lang, Text

SAME = (
    "id",
    "number",
    "seq",
    "state",
    "source",
    "district",
    "site",
    "lat",
    "lon",
    "place",
    "code",
    "about",
    "code_edition",
    "kind",
    "text",
    "reported_by",
    "verified",
    "verified_by",
    "filed_by",
    "standard",
    "amount",
    "unit",
    "extra",
    "asked_extra",
    "department",
    "dispatched_by",
    "handled_by",
    "checked",
    "rework",
    "returned",
    "dispatches",
    "forced",
    "appeals",
)
TIMES = (
    "reported",
    "filed",
    "refused",
    "deadline",
    "dispatched",
    "fed_back",
    "finished",
    "closed",
    "supervised",
    "stopped",
)


def shown(case: Case, desk: CaseDesk, lang: Lang, now: float) -> dict[str, Any]:
    """Return a case; `now`: Unix s, for how much of its time is left."""
    rules = desk.rules
    site, code = desk.site(case.site), rules.code(case.code, case.district)
    department = rules.departments.get(case.department)
    certain = None if case.deadline is None else rules.calendar.is_known(case.deadline)
    return {
        **{name: getattr(case, name) for name in SAME},
        **{name: moment(getattr(case, name), desk) for name in TIMES},
        "alerts": list(case.alerts),
        "co_handlers": list(case.co_handlers),
        "state_name": STATE[case.state].into(lang),
        "source_name": SOURCE[case.source].into(lang),
        "site_name": Text(site.en, site.zh).into(lang) if site else case.site,
        "code_name": Text(code.en, code.zh).into(lang) if code else case.code,
        "code_verified": code.verified if code else None,
        "full_code": rules.full_code(case.code, case.district),
        "unit_name": UNIT[case.unit].into(lang),
        "department_name": Text(department.en, department.zh).into(lang) if department else case.department,
        "deadline_certain": certain,
        "left": left(case, desk, now),
        "on_time": case.is_on_time,
    }


def left(case: Case, desk: CaseDesk, now: float) -> float | None:
    """Return how much of a case's time is left, in its unit; below 0: so long ago it was due. None: none runs."""
    if case.deadline is None or not case.is_open or case.state == "appealed":
        return None
    at = now if case.stopped is None else case.stopped
    measure = desk.rules.calendar.measure
    return round(measure(at, case.deadline, case.unit) or -measure(case.deadline, at, case.unit), 3)


def shown_event(event: Event, desk: CaseDesk, lang: Lang) -> dict[str, Any]:
    """Return an event of a history."""
    times = {"deadline", "was", "until"}
    data = {name: moment(value, desk) if name in times else value for name, value in event.data.items()}
    return {
        "seq": event.seq,
        "time": moment(event.time, desk),
        "who": event.who,
        "position": event.position,
        "position_name": position_name(event.position, lang),
        "what": event.what,
        "what_name": ACT[event.what].into(lang),
        "before": event.before,
        "after": event.after,
        "text": event.text,
        "data": data,
        "joined": event.joined,
    }


def history_digest(history: Sequence[Event]) -> str:
    """Return the SHA-256 of a history: of one line of JSON for each event, its members in the order of their names.

    The database's own number of an event is left out: it is no part of what was done.
    """
    digest = hashlib.sha256()
    for event in history:
        told = msgspec.structs.asdict(event)
        del told["id"]
        digest.update(json.dumps(told, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def shown_similar(case: Case, desk: CaseDesk) -> list[dict[str, Any]]:
    """Return cases that may be the same as a case, and how far each is [m]; of those that concern the user."""
    return [
        {"id": other.id, "number": other.number, "state": other.state, "metres": far if far is None else round(far, 1)}
        for other, far in desk.similar(case)
        if desk.user.sees(other.district)
    ]


def shown_numbers(group: str, numbers: Numbers, *, cases: bool = False) -> dict[str, Any]:
    """Return the numbers and rates of a group, with the cases behind each if they are asked for."""
    counts = {measure: numbers.count(measure) for measure in get_args(Measure)}
    told: dict[str, Any] = {"group": group, **counts}
    told["rates"] = {rate: _neat(numbers.rate(rate)) for rate in RATES}
    if cases:
        told["cases"] = {measure: ids for measure, ids in numbers.cases.items() if ids}
    return told


def percent(numbers: Numbers, rate: Rate) -> str:
    """Return a rate as people read it."""
    found = numbers.rate(rate)
    return "-" if found is None else f"{100 * found:.2f} %"


def position_name(position: str, lang: Lang) -> str:
    """Return the name of a position."""
    return POSITION[position].into(lang) if position in get_args(Position) else position  # type: ignore[index]


def moment(t: float | None, desk: CaseDesk) -> str | None:
    """Return a Unix time as ISO 8601 with offset."""
    if t is None:
        return None
    return dt.datetime.fromtimestamp(t, desk.rules.calendar.zone).isoformat(timespec="seconds")


def _neat(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 6)
