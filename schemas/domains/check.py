"""Checks a pack whole: every fault of every file, and what its files say of each other and of other packs."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from schemas.catalogue import HERE as CATALOGUE
from schemas.catalogue import Quantity, load_quantities, quantity_of, read_toml
from schemas.domains.entries import (
    MADE,
    Boards,
    Dashboard,
    Manifest,
    Marks,
    Names,
    Patrol,
    Profile,
    Rule,
    Rules,
    Scenario,
    Sensors,
    ThingKind,
    Things,
)
from schemas.domains.faults import Faults, bilingual, read, read_table
from schemas.domains.folders import MANIFEST
from schemas.domains.pack import FAMILIES, Pack, packs, site_kinds, thing_kinds, trying
from schemas.errors import CatalogueError
from schemas.faults import explain
from schemas.jurisdictions import JURISDICTIONS
from schemas.language import Text
from schemas.limit_entries import LimitEntry
from schemas.limit_files import load_limits
from schemas.properties import SHARED
from schemas.standards import Averaging, Standard

FILES = (
    MANIFEST,
    "quantities.toml",
    "things.toml",
    "marks.toml",
    "sensors.toml",
    "boards.toml",
    "panels.toml",
    "texts.toml",
    "scenario.toml",
    "README.md",
    "limits",
    "rules",
    "cases",
)
"""What a pack may hold; names that begin with a dot are nobody's business."""
TAKEN = ("verdict", "alert", "flagged", "place", "fleet", "state", "budget", "hub", "count")
"""Measurements of InfluxDB that are no family."""
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00").fullmatch


def check(folder: Path) -> Faults:
    """Return every fault of a pack, as far as its files alone tell: what no other room needs to know."""
    faults = Faults()
    folder = folder.resolve()
    if not folder.is_dir():
        faults.add(folder, (), Text("is no folder; name the folder of a pack", "不是文件夹，请指定领域包所在的文件夹"))
        return faults
    for path in sorted(folder.iterdir()):
        if path.name not in FILES and not path.name.startswith("."):
            near = difflib.get_close_matches(path.name, FILES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of: {', '.join(FILES)}"
            hint_zh = f"是否指 {near[0]!r}？" if near else f"可用：{'、'.join(FILES)}"
            faults.add(path, (), Text(f"does not belong into a pack; {hint}", f"不属于领域包的内容，{hint_zh}"))
    manifest = read(folder / MANIFEST, Manifest, faults)
    if manifest is None:
        _check_alone(folder, faults)
        return faults
    others = tuple(pack for pack in packs() if pack.id != folder.name)
    _check_manifest(folder, manifest, others, faults)
    with trying(folder) as pack:
        pack.manifest = _without(manifest, others)  # what was told of is not told again by whoever stumbles over it
        quantities = _check_quantities(folder, manifest, faults)
        _check_limits(folder, quantities, faults)
        _check_things(pack, others, faults)
        _check_rules(folder, others, faults)
    _check_marks(folder, manifest, others, faults)
    _check_named(folder, "sensors.toml", Sensors, "sensor", lambda one: one.sensors, others, faults)
    if (folder / "boards.toml").exists():
        read(folder / "boards.toml", Boards, faults)
    scenario = _check_named(folder, "scenario.toml", Scenario, "profile", _profiles, others, faults)
    if scenario:
        _check_scenario(folder, scenario, manifest, others, faults)
    _check_dashboard(folder, others, faults)
    return faults


def _without(manifest: Manifest, others: tuple[Pack, ...]) -> Manifest:
    """Return a manifest without what other packs declare, too."""
    fields = ("kind", "family", "property")
    there = {field: {id_ for other in others for id_ in getattr(other.manifest, field)} for field in fields}
    own = {
        field: {id_: one for id_, one in getattr(manifest, field).items() if id_ not in there[field]}
        for field in fields
    }
    return msgspec.structs.replace(manifest, **own)


def _check_alone(folder: Path, faults: Faults) -> None:
    """Check each file by itself: without a manifest nothing is known of the pack."""
    types: tuple[tuple[str, Any], ...] = (
        ("things.toml", Things),
        ("marks.toml", Marks),
        ("sensors.toml", Sensors),
        ("boards.toml", Boards),
        ("panels.toml", Dashboard),
        ("texts.toml", dict[str, dict[str, Names]]),
        ("scenario.toml", Scenario),
    )
    for name, type_ in types:
        if (folder / name).exists():
            read(folder / name, type_, faults)
    for path in sorted((folder / "rules").glob("*.toml")):
        read(path, Rules, faults)


def _profiles(pack: Pack) -> Mapping[str, object]:
    return pack.scenario.profile


def _twice(
    faults: Faults,
    path: Path,
    table: str,
    ids: Iterable[str],
    of: Callable[[Pack], Iterable[str]],
    others: Iterable[Pack],
) -> None:
    """Note each id that another pack declares, too."""
    for id_ in ids:
        for other in others:
            if id_ in of(other):
                faults.add(
                    path,
                    (table, id_),
                    Text(
                        f"the pack {other.id!r} declares it already; choose another name",
                        f"领域包 {other.id!r} 已声明，请改用其他名称",
                    ),
                )


def _check_manifest(folder: Path, manifest: Manifest, others: tuple[Pack, ...], faults: Faults) -> None:
    path = folder / MANIFEST
    if manifest.id != folder.name:
        faults.add(
            path,
            ("id",),
            Text(
                f"{manifest.id!r}: expected {folder.name!r}, the name of its folder",
                f"{manifest.id!r} 应与文件夹名 {folder.name!r} 一致",
            ),
        )
    tables: tuple[tuple[str, Mapping[str, object], Callable[[Pack], Iterable[str]]], ...] = (
        ("kind", manifest.kind, lambda pack: pack.manifest.kind),
        ("family", manifest.family, lambda pack: pack.manifest.family),
        ("property", manifest.property, lambda pack: pack.manifest.property),
    )
    for table, own, of in tables:
        _twice(faults, path, table, own, of, others)
    taken = {
        "family": {**dict.fromkeys(FAMILIES, "a family that all share"), **dict.fromkeys(TAKEN, "a measurement")},
        "property": dict.fromkeys((*SHARED, "zone_class", "site_kinds"), "a property that all share"),
    }
    for table, names in taken.items():
        for name in getattr(manifest, table):
            if name in names:
                faults.add(
                    path,
                    (table, name),
                    Text(f"is {names[name]} already; choose another name", "该名称已被占用，请改用其他名称"),
                )
    _check_choices(path, manifest, others, faults)


def _check_choices(path: Path, manifest: Manifest, others: tuple[Pack, ...], faults: Faults) -> None:
    for name, one in manifest.property.items():
        if one.default is not None and one.default not in one.values:
            _not_among(faults, path, ("property", name, "default"), one.default, one.values)
    for name, family in manifest.family.items():
        if family.by is not None and family.by not in manifest.property:
            _not_among(faults, path, ("family", name, "by"), family.by, manifest.property)
    for name, kind in manifest.kind.items():
        if kind.assumed and any(other.assumed for pack in others for other in pack.manifest.kind.values()):
            faults.add(
                path,
                ("kind", name, "assumed"),
                Text("another kind is assumed already; leave it out", "已有其他默认站点类型，请删去"),
            )


def _not_among(
    faults: Faults, path: Path, place: tuple[str | int, ...], value: object, known: Iterable[object]
) -> None:
    listed = ", ".join(map(str, known)) or "-"
    near = difflib.get_close_matches(str(value), map(str, known), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {listed}"
    hint_zh = f"是否指 {near[0]!r}？" if near else f"应为其中之一：{listed}"
    faults.add(path, place, Text(f"{value!r} is not known; {hint}", f"{value!r} 未知，{hint_zh}"))


def _check_quantities(folder: Path, manifest: Manifest, faults: Faults) -> dict[str, Quantity]:
    """Return the quantities that a limit of the pack may name, its own as far as they are right."""
    path = folder / "quantities.toml"
    shared = load_quantities(CATALOGUE / "quantities.toml")
    for pack in packs():
        if pack.folder != folder and (pack.folder / path.name).exists():
            shared |= {
                key: quantity_of("", key, entry, (*FAMILIES, *pack.manifest.family))
                for key, entry in read_toml(pack.folder / path.name, dict[str, dict[str, object]]).items()
            }
    if not path.exists():
        return shared
    raw = read_table(path, faults) or {}
    own: dict[str, Quantity] = {}
    for key, entry in raw.items():
        found = list(explain(entry, Quantity, (key,)))
        for place, problem in found:
            faults.add(path, place, bilingual(problem))
        if key in shared:
            faults.add(
                path, (key,), Text("there is such a quantity already; choose another key", "已有该监测项，请改用其他键")
            )
        elif not found:
            try:
                own[key] = quantity_of(f"{path}: [{key}]", key, entry, (*FAMILIES, *manifest.family))
            except CatalogueError as error:
                text = str(error).removeprefix(f"{path}: [{key}]").lstrip(": ")
                faults.add(path, (key,), bilingual(text))
    return shared | own


def _check_limits(folder: Path, quantities: dict[str, Quantity], faults: Faults) -> None:
    before = len(faults.found)
    for path in sorted((folder / "limits").glob("*.toml")):
        raw = read_table(path, faults)
        if raw is None:
            continue
        for key in raw:
            if key not in ("standard", "averaging", "limit", "defaults"):
                _not_among(faults, path, (key,), key, ("standard", "averaging", "limit", "defaults"))
        defaults = raw.get("defaults", {})
        parts: list[tuple[tuple[str | int, ...], Any, Any]] = [(("standard",), raw.get("standard", {}), Standard)]
        parts += [(("averaging", name), one, Averaging) for name, one in _table(raw, "averaging").items()]
        limits = raw.get("limit", [])
        parts += [
            (("limit", number), defaults | one if isinstance(one, dict) else one, LimitEntry)
            for number, one in enumerate(limits if isinstance(limits, list) else [])
        ]
        for place, value, type_ in parts:
            for where, problem in explain(value, type_, place):
                faults.add(path, where, bilingual(problem))
    if len(faults.found) == before:  # only then it is worth while to ask what they mean
        load_limits(quantities=quantities, refused=faults.add_told)


def _table(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _check_things(pack: Pack, others: tuple[Pack, ...], faults: Faults) -> None:
    path = pack.folder / "things.toml"
    if not path.exists():
        return
    found = read(path, Things, faults)
    if found is None:
        return
    _twice(faults, path, "thing", found.thing, lambda other: other.things, others)
    known = {**found.thing, **{id_: kind for other in others for id_, kind in other.things.items()}}
    for id_, kind in found.thing.items():
        _check_thing(path, id_, kind, known, faults)


def _check_thing(path: Path, id_: str, kind: ThingKind, known: Mapping[str, ThingKind], faults: Faults) -> None:
    if kind.placed and not kind.geometry:
        faults.add(
            path,
            ("thing", id_, "placed"),
            Text(
                "each must have a geometry, but none is allowed; name some in geometry",
                "要求必须有几何形状，但未允许任何形状，请在 geometry 中列出",
            ),
        )
    for name, one in kind.property.items():
        place = ("thing", id_, "property", name)
        if (one.type == "choice") != bool(one.values):
            faults.add(
                path,
                (*place, "values"),
                Text(
                    "values belong to type choice, and to no other; mend one", "values 只用于 choice 类型，且必须给出"
                ),
            )
        if (one.type == "thing") != (one.of is not None):
            faults.add(
                path,
                (*place, "of"),
                Text("of belongs to type thing, and to no other; mend one", "of 只用于 thing 类型，且必须给出"),
            )
        elif one.of is not None and one.of not in known:
            _not_among(faults, path, (*place, "of"), one.of, known)
        number = one.type in ("number", "integer")
        if not number and (one.unit or one.least is not None or one.most is not None):
            faults.add(
                path,
                place,
                Text("unit, least and most are for numbers; leave them out", "unit、least、most 只用于数字"),
            )
        if one.least is not None and one.most is not None and one.least > one.most:
            faults.add(path, (*place, "least"), Text("is above most; mend one of the two", "大于 most，请修改其一"))
    if kind.patrol is not None:
        _check_patrol(path, id_, kind, kind.patrol, known, faults)


def _check_patrol(
    path: Path, id_: str, kind: ThingKind, patrol: Patrol, known: Mapping[str, ThingKind], faults: Faults
) -> None:
    place = ("thing", id_, "patrol")
    along = [name for name, one in kind.property.items() if one.type == "thing" and not one.several]
    if patrol.along not in along:
        _not_among(faults, path, (*place, "along"), patrol.along, along)
    named = (("number", patrol.number), ("where", patrol.where), *(("shown", one) for one in patrol.shown))
    for field, name in named:
        if name is not None and name not in kind.property:
            _not_among(faults, path, (*place, field), name, kind.property)
    if patrol.document is None:
        return
    documents = known.get(patrol.document.by)
    if documents is None:
        _not_among(faults, path, (*place, "document", "by"), patrol.document.by, known)
    elif patrol.document.of not in documents.property:
        _not_among(faults, path, (*place, "document", "of"), patrol.document.of, documents.property)


def _check_rules(folder: Path, others: tuple[Pack, ...], faults: Faults) -> None:
    own: dict[str, Path] = {}
    for path in sorted((folder / "rules").glob("*.toml")):
        found = read(path, Rules, faults)
        for number, rule in enumerate(found.rule if found else ()):
            place = ("rule", number)
            there = [own[rule.id]] if rule.id in own else [other.folder for other in others if rule.id in other.rules]
            for where in there:
                problem = Text(f"{rule.id!r} stands in {where}, too", f"{rule.id!r} 在 {where} 中已有")
                faults.add(path, (*place, "id"), problem)
            own[rule.id] = path
            _check_rule(path, place, rule, faults)


def _check_rule(path: Path, place: tuple[str | int, ...], rule: Rule, faults: Faults) -> None:
    things, kinds = _or_none(thing_kinds), _or_none(site_kinds)
    if rule.of is not None and things is not None and rule.of not in things:
        _not_among(faults, path, (*place, "of"), rule.of, things)
    for kind in rule.site_kinds:
        if kinds is not None and kind not in kinds:
            _not_among(faults, path, (*place, "site_kinds"), kind, kinds)
    if rule.jurisdiction not in JURISDICTIONS:
        _not_among(faults, path, (*place, "jurisdiction"), rule.jurisdiction, JURISDICTIONS)
    if rule.ends is not None and rule.ends <= rule.in_force:
        problem = Text(f"{rule.ends}: expected a day after in_force", f"{rule.ends} 应晚于 in_force")
        faults.add(path, (*place, "ends"), problem)


def _check_marks(folder: Path, manifest: Manifest, others: tuple[Pack, ...], faults: Faults) -> None:
    path = folder / "marks.toml"
    found = read(path, Marks, faults) if path.exists() else None
    if found is not None:
        _twice(faults, path, "mark", found.mark, lambda one: one.marks.mark if one.marks else {}, others)
    known = (*FAMILIES, *manifest.family, *(name for other in others for name in other.manifest.family))
    for number, family in enumerate(found.families if found else ()):
        if family not in known:
            _not_among(faults, path, ("families", number), family, known)


def _or_none(of: Callable[[], Mapping[str, object]]) -> Mapping[str, object] | None:
    """Return what packs declare; None where that cannot be told, which is told elsewhere."""
    try:
        return of()
    except CatalogueError:
        return None


def _check_named(
    folder: Path,
    name: str,
    type_: type[Any],
    table: str,
    of: Callable[[Pack], Mapping[str, object]],
    others: tuple[Pack, ...],
    faults: Faults,
) -> Any:
    path = folder / name
    if not path.exists():
        return None
    found = read(path, type_, faults)
    if found is not None:
        _twice(faults, path, table, getattr(found, table), of, others)
    return found


def _check_scenario(
    folder: Path, scenario: Scenario, manifest: Manifest, others: tuple[Pack, ...], faults: Faults
) -> None:
    path = folder / "scenario.toml"
    templates: Mapping[str, Any] = _or_none(lambda: Pack(folder).sensors) or {}
    for name, profile in scenario.profile.items():
        place = ("profile", name)
        if profile.kind not in manifest.kind:
            _not_among(faults, path, (*place, "kind"), profile.kind, manifest.kind)
        for sensor in profile.sensors:
            if sensor not in templates:
                _not_among(faults, path, (*place, "sensors"), sensor, templates)
        _check_courses(path, name, profile, templates, faults)
    ids = [site.id for site in scenario.site]
    elsewhere = {site.id for pack in others for site in pack.scenario.site}
    for number, site in enumerate(scenario.site):
        if site.profile not in scenario.profile:
            _not_among(faults, path, ("site", number, "profile"), site.profile, scenario.profile)
        if site.id in elsewhere or ids.count(site.id) > 1:
            problem = Text(f"{site.id!r} is there already; choose another id", f"{site.id!r} 已存在，请改用其他编号")
            faults.add(path, ("site", number, "id"), problem)


def _check_courses(
    path: Path, name: str, profile: Profile, templates: Mapping[str, Mapping[str, Any]], faults: Faults
) -> None:
    """Check that what the sensors measure has a course of the day, and nothing else has one."""
    registers = [one for sensor in profile.sensors for one in templates.get(sensor, {}).get("registers", ())]
    measured = sorted({str(one.get("channel")) for one in registers if isinstance(one, dict)})
    for channel in measured:
        if channel not in profile.course and channel not in MADE:
            problem = Text("its sensors measure it; give its course of the day", "传感器测量该通道，请给出其全天变化")
            faults.add(path, ("profile", name, "course", channel), problem)
    for channel, course in profile.course.items():
        place = ("profile", name, "course", channel)
        if channel not in measured:
            _not_among(faults, path, place, channel, measured)
        times = [time for time, _ in course.points]
        if times != sorted(set(times)) or times[0] != "00:00" or times[-1] != "24:00" or not all(map(_TIME, times)):
            problem = Text(
                'expected times HH:MM that rise from "00:00" to "24:00"', "时刻应为 HH:MM，从 00:00 递增到 24:00"
            )
            faults.add(path, (*place, "points"), problem)


def _check_dashboard(folder: Path, others: tuple[Pack, ...], faults: Faults) -> None:
    texts = folder / "texts.toml"
    own = read(texts, dict[str, dict[str, Names]], faults) if texts.exists() else {}
    for place in own or {}:
        for other in others:
            if place in other.texts:
                faults.add(
                    texts,
                    (place,),
                    Text(
                        f"the pack {other.id!r} has texts of that name, too; choose another",
                        f"领域包 {other.id!r} 已有该名称的文字，请改名",
                    ),
                )
    path = folder / "panels.toml"
    found = read(path, Dashboard, faults) if path.exists() else None
    if found is None:
        return
    if any(other.dashboard and other.dashboard.name == found.name for other in others):
        faults.add(
            path,
            ("name",),
            Text(f"{found.name!r}: another pack has a dashboard of that name", f"{found.name!r} 已被其他领域包使用"),
        )
