"""Checks a pack in every room that uses it: this is the room that may import all the others."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from firmware.provision import sensors as shared_templates
from firmware.terminal.speech import FieldError
from schemas import domains
from schemas.catalogue import Quantity, load_quantities, read_toml
from schemas.domains.check import check as check_files
from schemas.domains.entries import Rule, Rules
from schemas.domains.faults import Faults, bilingual, read
from schemas.domains.pack import Pack, trying
from schemas.errors import CatalogueError
from schemas.language import Text

ZONE = ZoneInfo("Asia/Shanghai")
"""Local time of worked cases."""


def check(folder: Path) -> Faults:
    """Return every fault of a pack."""
    faults = check_files(folder)
    if (folder / "pack.toml").is_file():
        with trying(folder.resolve()) as pack:
            _check_sensors(pack, faults)
            _check_boards(pack, faults)
            _check_panels(pack, faults)
            _check_rules(pack, faults)
    return faults


def _check_rules(pack: Pack, faults: Faults) -> None:
    """Check what each rule asks for, and judge the worked cases of the pack."""
    from hub.judge.kinds import RuleError, params_of

    usable = {}
    for path in sorted((pack.folder / "rules").glob("*.toml")):
        found = read(path, Rules, Faults())  # what is wrong with it was told of by the check of the files
        for number, rule in enumerate(found.rule if found else ()):
            try:
                params_of(rule)
            except RuleError as error:
                field = "params" if "params" in str(error) else "kind"
                faults.add(path, ("rule", number, field), bilingual(str(error)))
            else:
                usable[rule.id] = rule
    _check_cases(pack, usable, faults)


def _check_cases(pack: Pack, rules: Mapping[str, Rule], faults: Faults) -> None:
    from hub.judge.windows import LocalTime
    from sim.packs.cases import Case, differs, judge_case, shown, told

    local = LocalTime(ZONE)
    for path in sorted((pack.folder / "cases").glob("*.toml")):
        case = read(path, Case, faults)
        if case is None:
            continue
        rule = rules.get(case.rule)
        if rule is None:
            known = ", ".join(rules) or "-"
            problem = Text(
                f"{case.rule!r}: expected a rule of this pack that can be judged: {known}",
                f"{case.rule!r} 应为本领域包中可判定的规则：{known}",
            )
            faults.add(path, ("rule",), problem)
            continue
        try:
            found = judge_case(case, rule, local)
        except Exception as error:  # noqa: BLE001 - geometry of any kind may stand there; shapely says what is wrong
            problem = Text(f"cannot be judged: {error}; look at its things", f"无法判定：{error}，请检查其中的对象")
            faults.add(path, ("thing",), problem)
            continue
        if differs(case, found, local):
            gave, wanted = told(shown(found, local)), told(case.expected)
            problem = Text(
                f"{case.what!r} gave: {gave}; expected: {wanted}. Mend the rule, or the case",
                f"{case.what!r} 判定结果为：{gave}；应为：{wanted}。请修改规则或案例",
            )
            faults.add(path, ("expected",), problem)


def _check_sensors(pack: Pack, faults: Faults) -> None:
    """Make each template's driver, as a board will: it refuses a channel from which no quantity is made."""
    path = pack.folder / "sensors.toml"
    try:
        templates = pack.sensors
        load_quantities()
    except CatalogueError:
        return  # told of by the check of the files
    for name, settings in templates.items():
        if name in shared_templates.SHARED:
            problem = Text("all packs share a template of that name; choose another", "已有该名称的通用模板，请改名")
            faults.add(path, ("sensor", name), problem)
        try:
            shared_templates.check([dict(settings)])
        except FieldError as error:
            faults.add(path, ("sensor", name), error.text)


def _check_boards(pack: Pack, faults: Faults) -> None:
    """Ask boards' own rules of how boards at its sites are to work."""
    from hub.orders.desired.rules import wrong

    try:
        settings = pack.boards
        load_quantities()
    except CatalogueError:
        return
    if found := wrong(settings):
        key, why = found
        problem = bilingual(f"boards would refuse it: {why}")
        faults.add(pack.folder / "boards.toml", ("board", key), problem)


def _check_panels(pack: Pack, faults: Faults) -> None:
    """Check each panel against the palette, and draw the dashboard if all is well."""
    from dashboards import Lang
    from dashboards.domain import PALETTE, build
    from dashboards.texts import Texts

    path = pack.folder / "panels.toml"
    try:
        shown, quantities, texts = pack.dashboard, load_quantities(), Texts(Lang.EN)
    except CatalogueError:
        return
    if shown is None:
        return
    _check_texts(path, ("name",), texts, shown.name, faults)
    for number, panel in enumerate(shown.panel):
        place = ("panel", number)
        drawing = PALETTE.get(panel.draw)
        if drawing is None:
            known = ", ".join(PALETTE)
            problem = Text(f"{panel.draw!r}: expected one of: {known}", f"{panel.draw!r} 应为其中之一：{known}")
            faults.add(path, (*place, "draw"), problem)
            continue
        _check_texts(path, (*place, "text"), texts, panel.text or panel.draw, faults)
        for field in ("quantities", "limits", "without", "rules", "things"):
            given = getattr(panel, field)
            if given and field not in drawing.reads:
                problem = Text(f"{panel.draw} does not read it; leave it out", f"{panel.draw} 不使用该字段，请删去")
                faults.add(path, (*place, field), problem)
        _check_quantities(path, place, panel.quantities, quantities, faults, one=drawing.one)
        _check_known(path, (*place, "limits"), panel.limits, quantities, faults)
        _check_named(path, (*place, "rules"), panel.rules, domains.rules, faults)
        _check_named(path, (*place, "things"), panel.things, domains.thing_kinds, faults)
        if "quantities" in drawing.reads and not panel.quantities:
            problem = Text("is empty; name what it shows", "为空，请指定显示的监测项")
            faults.add(path, (*place, "quantities"), problem)
    if not faults.found:
        for lang in Lang:
            build(lang, shown, tuple(pack.manifest.kind))


def _check_texts(path: Path, place: tuple[str | int, ...], texts: Any, name: str, faults: Faults) -> None:
    for part in ("title", "description"):
        try:
            texts(name, part)
        except KeyError:
            problem = Text(
                f"{name!r} has no {part}; write it into texts.toml, as [{name}] {part} = {{ en = ..., zh = ... }}",
                f"{name!r} 没有 {part}，请在 texts.toml 的 [{name}] 中补充 {part} = {{ en = ..., zh = ... }}",
            )
            faults.add(path, place, problem)


def _check_known(
    path: Path, place: tuple[str | int, ...], keys: tuple[str, ...], known: Mapping[str, Quantity], faults: Faults
) -> bool:
    for key in keys:
        if key not in known:
            problem = Text(
                f"{key!r} is in no quantities.toml; add it there first", f"{key!r} 不在监测项目录中，请先补充"
            )
            faults.add(path, place, problem)
    return all(key in known for key in keys)


def _check_named(
    path: Path,
    place: tuple[str | int, ...],
    keys: tuple[str, ...],
    known: Callable[[], Mapping[str, Any]],
    faults: Faults,
) -> None:
    with suppress(CatalogueError):  # what is wrong in other files has been told
        there = known() if keys else {}
        for key in (key for key in keys if key not in there):
            faults.add(path, place, Text(f"{key!r}: no pack has it", f"{key!r} 不在任何领域包中"))


def _check_quantities(
    path: Path,
    place: tuple[str | int, ...],
    keys: tuple[str, ...],
    known: Mapping[str, Quantity],
    faults: Faults,
    *,
    one: bool,
) -> None:
    place = (*place, "quantities")
    if not _check_known(path, place, keys, known, faults):
        return
    if one and len(keys) > 1:
        faults.add(path, place, Text("expected one quantity; make a panel of each", "只能有一个监测项，请各建一个面板"))
    elif len({(known[key].family, known[key].unit) for key in keys}) > 1:
        problem = Text(
            "its quantities have several families or units, but one scale; make a panel of each",
            "监测项的类别或单位不同，不能共用一个坐标轴，请分别建面板",
        )
        faults.add(path, place, problem)


def quantities_of(pack: Pack) -> list[str]:
    """Return the keys of a pack's own quantities."""
    path = pack.folder / "quantities.toml"
    return list(read_toml(path, dict[str, Any])) if path.exists() else []


def counts(pack: Pack) -> dict[str, int]:
    """Return how much a pack declares of everything."""
    manifest = pack.manifest
    return {
        "kinds": len(manifest.kind),
        "families": len(manifest.family),
        "properties": len(manifest.property),
        "quantities": len(quantities_of(pack)),
        "standards": len(list((pack.folder / "limits").glob("*.toml"))),
        "things": len(pack.things),
        "rules": len(pack.rules),
        "sensors": len(pack.sensors),
        "panels": len(pack.dashboard.panel) if pack.dashboard else 0,
        "sites": len(pack.scenario.site),
    }


def of_name(name: str) -> Pack | None:
    """Return the pack in use of that id, or the one in a folder."""
    found = next((pack for pack in domains.packs() if pack.id == name), None)
    return found or (Pack(Path(name).resolve()) if (Path(name) / "pack.toml").is_file() else None)
