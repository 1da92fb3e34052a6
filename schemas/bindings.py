"""Which limits bind a site on a day, and why: one pure function for the hub, the command line and the backtest."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

from schemas.domains.pack import site_kinds
from schemas.jurisdictions import JURISDICTIONS
from schemas.properties import site_properties
from schemas.standards import Limit, Standard

Status = Literal["binds", "informs", "open", "no"]
"""binds: above it the site violates the law. informs: of the air or sound around it, or advice: judged, but never a
violation. open: something must be known of the site first. no: it does not apply."""

_TEXTS = {
    "binds": ("in force since {since}; emission limit for {kind}{assumed}", "自{since}起施行；{kind}排放限值{assumed}"),
    "ambient": (
        "in force since {since}; quality of the area, no violation by the site{assumed}",
        "自{since}起施行；属区域环境质量限值，超过不等于该站点违法{assumed}",
    ),
    "guideline": ("advice since {since}, binds nobody{assumed}", "自{since}起的建议值，无约束力{assumed}"),
    "elsewhere": ("in force in {place} only", "仅在{place}施行"),
    "not_yet": ("not in force before {since}", "{since}起才施行"),
    "over": ("no longer in force since {ends}", "自{ends}起不再施行"),
    "kind": ("for {kinds} only", "仅适用于{kinds}"),
    "zone": ("for zone class {classes}; this site: {zone}", "适用于{classes}类声环境功能区；本站点：{zone}类"),
    "property": ("for {name} = {values}; this site: {own}", "适用于{name} = {values}；本站点：{own}"),
    "zone_unknown": (
        "depends on the zone class; give the site its zone class",
        "取决于声环境功能区类别；请为该站点注明类别",
    ),
    "property_unknown": (
        "depends on {name} ({meaning}), one of: {values}; give the site its {name}",
        "取决于{name}（{meaning}），可为：{values}；请为该站点注明{name}",
    ),
    "staged": (
        "before {since} in force in some places only, the first from {early}",
        "{since}前仅在部分地区先行实施（最早{early}）",
    ),
    "value_unknown": (
        "in force since {since}; its value is not known here: look it up in {standard}",
        "自{since}起施行；限值数值尚未查明，请查阅{standard}",
    ),
    "displaced": ("{by} sets the limit here", "此处执行{by}"),
}


@dataclass(frozen=True, slots=True)
class Binding:
    """Whether a limit binds a site on a day; `reason` and `facts` are made a sentence by `why`."""

    standard: Standard
    limit: Limit
    status: Status
    reason: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def missing(self) -> str:
        """What must be known first: a property of the site, ``zone_class`` or ``value``; empty: nothing."""
        if self.status != "open":
            return ""
        named = {"zone_unknown": "zone_class", "value_unknown": "value"}
        return named.get(self.reason) or str(self.facts.get("name", ""))

    @property
    def assumed(self) -> Mapping[str, str]:
        """Properties that nobody has said of the site, with the value that is assumed."""
        found = self.facts.get("assumed")
        return found if isinstance(found, dict) else {}

    def why(self, lang: str = "en") -> str:
        """Return the reason as a sentence in ``en`` or ``zh``."""
        zh = lang == "zh"
        facts = {name: _told(value, zh) for name, value in self.facts.items()}
        facts["assumed"] = _assumed(self.facts.get("assumed"), zh)
        return _TEXTS[self.reason][zh].format_map(facts)


def binding(
    limits: Iterable[tuple[Standard, Limit]],
    *,
    kind: str,
    zone: str | None,
    jurisdictions: Iterable[str],
    day: dt.date,
    properties: Mapping[str, str] | None = None,
) -> list[Binding]:
    """Return for every limit whether it binds a site on a local day, and why, in the order of `limits`.

    Args:
        limits: as `load_limits` gives them.
        kind: one that a pack declares, such as ``construction``.
        zone: class of acoustic environment, one of `ZONE_CLASSES`; None if it is not known.
        jurisdictions: where the site lies, as `jurisdictions_of` gives it.
        day: the local day of the observation: it chooses the edition.
        properties: what else is known of the site (`schemas.properties`); what is not named has its default, if any.
    """
    own = {name: p.default for name, p in site_properties().items() if p.default} | dict(properties or {})
    given = frozenset(properties or ())
    places = frozenset(jurisdictions)
    found = [Binding(s, n, *_judge(s, n, kind, zone, places, day, own, given)) for s, n in limits]
    return _displaced(found)


def _judge(
    s: Standard,
    n: Limit,
    kind: str,
    zone: str | None,
    places: frozenset[str],
    day: dt.date,
    own: Mapping[str, str],
    given: frozenset[str],
) -> tuple[Status, str, Mapping[str, object]]:
    if s.jurisdiction not in places:
        return "no", "elsewhere", {"place": _names(JURISDICTIONS[s.jurisdiction])}
    if n.places and not places.intersection(n.places):
        return "no", "elsewhere", {"place": [_names(JURISDICTIONS[place]) for place in n.places]}
    staged = s.early is not None and n.in_force == s.in_force and s.early <= day < s.in_force
    if day < n.in_force and not staged:
        return "no", "not_yet", {"since": n.in_force}
    if n.ends is not None and day >= n.ends:
        return "no", "over", {"ends": n.ends}
    if other := _other_site(n, kind, zone, own):
        return "no", *other
    if unknown := _unknown(n, zone, own):
        return "open", *unknown
    if staged:
        return "open", "staged", {"since": s.in_force, "early": s.early}
    if n.value is None:
        return "open", "value_unknown", {"since": n.in_force, "standard": s.id}
    assumed = {name: own[name] for name in n.where if name not in given}
    facts = {"since": n.in_force, "kind": _kind(kind), "assumed": assumed}
    return ("binds", "binds", facts) if s.nature == "emission" else ("informs", s.nature, facts)


def _other_site(n: Limit, kind: str, zone: str | None, own: Mapping[str, str]) -> tuple[str, dict[str, object]] | None:
    """Return why a limit is for another site than this one; None if nothing says so."""
    if n.site_kinds and kind not in n.site_kinds:
        return "kind", {"kinds": [_kind(one) for one in n.site_kinds]}
    if n.zone_classes and zone is not None and not in_zone(zone, n.zone_classes):
        return "zone", {"classes": n.zone_classes, "zone": zone}
    for name, values in n.where.items():
        if name in own and own[name] not in values:
            return "property", {"name": name, "values": values, "own": own[name]}
    return None


def _unknown(n: Limit, zone: str | None, own: Mapping[str, str]) -> tuple[str, dict[str, object]] | None:
    """Return what must be known of the site first; None if everything is."""
    if n.zone_classes and zone is None:
        return "zone_unknown", {}
    for name in n.where:
        if name not in own:
            one = site_properties()[name]
            return "property_unknown", {"name": name, "values": list(one.values), "meaning": _names((one.en, one.zh))}
    return None


def _displaced(found: list[Binding]) -> list[Binding]:
    """Let the standards give way that another one displaces for the same quantity.

    One whose own limit is open displaces them, too: a laxer law is never taken for the one that is not known. A
    national standard of a trade does so only where it is known that the site is of that trade.
    """
    by: dict[tuple[str, str], str] = {}
    known: set[tuple[str, str]] = set()
    for one in found:
        local = "-" in one.standard.jurisdiction and one.reason != "staged"
        if one.status == "binds" or one.reason == "value_unknown" or (one.status == "open" and local):
            by |= {(id_, one.limit.quantity): one.standard.id for id_ in one.standard.displaces}
        if one.status == "binds":
            known.add((one.standard.id, one.limit.quantity))
    return [_giving_way(one, by, known) for one in found]


def _giving_way(one: Binding, by: Mapping[tuple[str, str], str], known: AbstractSet[tuple[str, str]]) -> Binding:
    key = (one.standard.id, one.limit.quantity)
    displacing = by.get(key) if one.status in ("binds", "open") else None
    if one.reason == "value_unknown" and key in known:
        displacing = one.standard.id  # what it has for all others is no question where one of its own values binds
    return Binding(one.standard, one.limit, "no", "displaced", {"by": displacing}) if displacing else one


def in_zone(zone: str, classes: Iterable[str]) -> bool:
    """Tell whether a site of a zone class is in one of the classes; class 4 without a letter counts as 4a."""
    return zone in classes or (zone == "4" and "4a" in classes)


def _names(names: tuple[str, str]) -> Callable[[bool], str]:
    """Return what tells the English or the Chinese of two names."""
    return lambda zh: names[zh]


def _kind(kind: str) -> Callable[[bool], str]:
    found = site_kinds().get(kind)
    return _names((found.one, found.zh) if found else (kind, kind))


def _told(value: object, zh: bool) -> str:
    if callable(value):
        return str(value(zh))
    if isinstance(value, list | tuple):
        return ("、" if zh else ", ").join(_told(one, zh) for one in value)
    return str(value)


def _assumed(assumed: object, zh: bool) -> str:
    if not isinstance(assumed, dict) or not assumed:
        return ""
    told = ", ".join(f"{name} = {value}" for name, value in assumed.items())
    return f"（假定{told}）" if zh else f" (assumed: {told})"
