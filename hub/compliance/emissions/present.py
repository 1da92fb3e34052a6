"""What stacks let out, as people and programs are told of it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from hub.compliance.emissions.book import EmissionBook, RatesOf, Total
from hub.compliance.emissions.store import Day
from hub.desk.listing import neat
from hub.judge.stacks.hours import GAPS, REASONS, STATES, OutletHour
from hub.judge.stacks.permits import PermittedTotal
from hub.judge.stacks.rates import Rates
from hub.things.store import ThingStore
from schemas import Quantity
from schemas.language import Text


def name_of(things: ThingStore, kind: str, id_: str) -> Text:
    """Return what a thing is called, as it was said last."""
    rows = things.rows(kind, id_)
    thing = rows[-1].thing() if rows else None
    return Text(thing.en, thing.zh) if thing else Text(id_, id_)


def told_total(total: Total, things: ThingStore, quantities: Mapping[str, Quantity]) -> Text:
    """Return how much of a total is used up, in a sentence."""
    permitted, mass = total.permitted, total.mass
    whom = name_of(things, *permitted.subject)
    what = quantities[permitted.pollutant].called
    used = f"{mass.known_kg / 1000:.3f} t"
    share = f"{100 * total.share:.1f} %"
    when = total.forecast.used_up if total.forecast else None
    to_come = Text(f" At this rate it is used up on {when}.", f"按当前速率将于{when}用尽。") if when else Text("", "")
    unknown = (
        Text(
            f" Of {mass.unknown} h nothing is known, and nothing is counted.", f"另有{mass.unknown}小时无数据，未计入。"
        )
        if mass.unknown
        else Text("", "")
    )
    of = f"{permitted.mass_t:g} t"
    replaced = f"{mass.replaced_kg / 1000:.3f} t"
    return Text(
        f"{whom.en}: {what.en}: {used} of the {of} are emitted that permit {permitted.number} allows in {total.year} "
        f"({share}), {replaced} of it as what stands for hours that were not measured.{unknown.en}{to_come.en}",
        f"{whom.zh}：{what.zh}：{total.year}年已排放{used}，占许可证{permitted.number}许可年排放量{of}的{share}，"
        f"其中{replaced}为缺失时段替代值。{unknown.zh}{to_come.zh}",
    )


def hour_row(one: OutletHour, outlet: str, zone: dt.tzinfo) -> dict[str, Any]:
    """Return what programs are told of an hour."""
    terms = one.terms
    return {
        "outlet": outlet,
        "pollutant": one.pollutant,
        "start": _time(one.start, zone),
        "state": one.state,
        "valid": one.valid,
        "reason": one.reason,
        "counts": one.counts,
        "share": neat(one.share),
        "flags": {letter: round(seconds) for letter, seconds in sorted(one.letters.items())},
        "raw": neat(one.raw),
        "oxygen": neat(one.oxygen),
        "reference_o2": terms.reference_o2,
        "converted": neat(one.converted),
        "compared": neat(one.compared),
        "limit": terms.limit,
        "limit_source": terms.limit_source,
        "editions": [{"kind": it.kind, "id": it.id, "edition": it.edition} for it in terms.cited],
        "flow": neat(one.flow),
        "mass_kg": neat(one.mass_kg),
        "gap": one.gap,
        "own": neat(one.own),
        "own_expected": neat(one.own_expected),
        "own_differs": one.own_differs,
        "marks": list(one.marks),
    }


def day_row(one: Day, zone: dt.tzinfo) -> dict[str, Any]:
    """Return what programs are told of a day."""
    return {
        "outlet": one.outlet,
        "pollutant": one.pollutant,
        "day": f"{dt.datetime.fromtimestamp(one.start, zone):%Y-%m-%d}",
        "hours": one.hours,
        "stopped": one.stopped,
        "transmitted": one.transmitted,
        "valid": one.valid,
        "mean": neat(one.mean),
        "measured_kg": neat(one.measured_kg),
        "replaced_kg": neat(one.replaced_kg),
        "missing": one.missing,
        "unknown": one.unknown,
        "own_differs": one.differs,
    }


def rates_row(one: Rates, outlet: str, pollutant: str | None, month: str) -> dict[str, Any]:
    """Return what programs are told of rates; `pollutant` None: of all."""
    return {
        "outlet": outlet,
        "month": month,
        "pollutant": pollutant,
        "due": one.due,
        "transmitted": one.transmitted,
        "valid": one.valid,
        "transmission": neat(one.transmission),
        "validity": neat(one.validity),
        "product": neat(one.product),
    }


def rates_rows(rates: RatesOf, outlet: str, month: str) -> list[dict[str, Any]]:
    """Return what programs are told of an outlet's rates: of each pollutant, then of all."""
    return [
        *(rates_row(one, outlet, pollutant, month) for pollutant, one in rates.by_pollutant.items()),
        rates_row(rates.all, outlet, None, month),
    ]


def total_row(one: Total) -> dict[str, Any]:
    """Return what programs are told of a total."""
    permitted, said = one.permitted, one.forecast
    return {
        "total": permitted.id,
        "permit": permitted.number,
        "enterprise": permitted.enterprise,
        "outlets": list(permitted.outlets),
        "whole": permitted.whole,
        "pollutant": permitted.pollutant,
        "year": one.year,
        "permitted_t": permitted.mass_t,
        "measured_t": neat(one.mass.measured_kg / 1000),
        "replaced_t": neat(one.mass.replaced_kg / 1000),
        "share": neat(one.share),
        "hours": one.mass.hours,
        "missing": one.mass.missing,
        "unknown": one.mass.unknown,
        "warn_at": list(permitted.warn_at),
        "used_up": _day(said.used_up if said else None),
        "earliest": _day(said.earliest if said else None),
        "latest": _day(said.latest if said else None),
        "rate_kg_day": neat(said.rate_kg) if said else None,
        "deviation_kg_day": neat(said.deviation_kg) if said else None,
        "days": said.days if said else 0,
        "editions": [{"kind": it.kind, "id": it.id, "edition": it.edition} for it in permitted.cited],
    }


def outlet_row(book: EmissionBook, things: ThingStore, outlet: str, t: int, zone: dt.tzinfo) -> dict[str, Any]:
    """Return what programs are told of an outlet at a moment."""
    held = book.permits.outlet(outlet, t)
    said = held.edition.properties if held else {}
    name = name_of(things, "outlet", outlet)
    begins = book.begins(outlet)
    limits = [book.permits.limit(outlet, pollutant, t) for pollutant in book.pollutants]
    return {
        "outlet": outlet,
        "en": name.en,
        "zh": name.zh,
        "number": said.get("number"),
        "enterprise": said.get("enterprise"),
        "site": book.site(outlet, t),
        "sources": list(book.permits.sources(outlet, t)),
        "due_since": None if begins is None else _time(begins, zone),
        "limits": [
            {
                "limit": one.id,
                "pollutant": pollutant,
                "value": one.value,
                "reference_o2": one.reference_o2,
                "permit": one.number,
                "editions": [{"kind": kind, "id": id_, "edition": edition} for kind, id_, edition in one.cited],
            }
            for pollutant, one in zip(book.pollutants, limits, strict=True)
            if one is not None
        ],
    }


def state_text(one: OutletHour) -> Text:
    """Return the operating state of an hour in words."""
    return Text(*STATES[one.state])


def reason_text(one: OutletHour) -> Text:
    """Return whether an hour is valid, and why not, in words."""
    return Text(*REASONS[one.reason])


def gap_text(one: OutletHour) -> Text:
    """Return why no mass is known, in words; empty where one is."""
    return Text(*GAPS[one.gap])


def subject_name(things: ThingStore, permitted: PermittedTotal) -> Text:
    """Return whose total it is."""
    return name_of(things, *permitted.subject)


def _time(t: int, zone: dt.tzinfo) -> str:
    return dt.datetime.fromtimestamp(t, zone).isoformat()


def _day(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None
