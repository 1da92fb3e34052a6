"""Shows things to people, in English or Chinese, and to programs as plain values."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hub.terminal.tables import Cell, say, table
from hub.things.entries import Change, plain, time_text
from hub.things.store import KeptEdition
from schemas.domains.entries import ThingKind
from schemas.language import Text, tell

TEXTS = {
    "kind": Text("Kind", "类别"),
    "id": Text("Id", "编号"),
    "name": Text("Name", "名称"),
    "en": Text("English name", "英文名称"),
    "zh": Text("Chinese name", "中文名称"),
    "district": Text("District", "区"),
    "edition": Text("Edition", "版次"),
    "from": Text("From", "起"),
    "until": Text("Until", "止"),
    "geometry": Text("Place (WGS-84)", "位置（WGS-84）"),
    "people": Text("People responsible", "责任人"),
    "note": Text("Note", "备注"),
    "withdrawn": Text("withdrawn", "已撤销"),
    "made": Text("Made (UTC)", "录入时间（UTC）"),
    "who": Text("By", "操作人"),
    "source": Text("From file", "来源文件"),
    "said": Text("What it says", "内容"),
    "always": Text("always", "一直"),
    "yes": Text("yes", "是"),
    "no": Text("no", "否"),
}
SIGNS = {
    "added": ("+", "green", Text("added", "新增")),
    "changed": ("~", "yellow", Text("changed from a day on", "自某日起变更")),
    "corrected": ("~", "yellow", Text("corrected", "更正")),
    "ended": ("-", "red", Text("ended", "终止")),
    "withdrawn": ("-", "red", Text("withdrawn", "撤销")),
}
NOTHING = Text("nothing to change", "没有变化")
DRY = Text("nothing has been written (--dry-run)", "未写入任何内容（--dry-run）")
NONE = Text("there are no things yet: fenceline things import FILE", "尚无对象：fenceline things import FILE")


def row_of(row: KeptEdition, zone: dt.tzinfo) -> dict[str, Any]:
    """Return what programs are told of an edition; times are local, with their offset."""
    thing = row.thing()
    told = plain(thing) | {"edition": row.number}
    for end in ("from", "until"):
        if told.get(end) is not None:
            told[end] = time_text(told[end], zone)
    return told


def history_row(row: KeptEdition, zone: dt.tzinfo) -> dict[str, Any]:
    """Return what programs are told of an edition that was made once."""
    made = f"{dt.datetime.fromtimestamp(row.made, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    return row_of(row, zone) | {"made": made, "who": row.who, "source": row.source}


def change_row(change: Change) -> dict[str, Any]:
    """Return what programs are told of a change."""
    fields = {name: list(values) for name, values in change.fields.items()}
    return {"kind": change.kind, "id": change.id, "what": change.what, "edition": change.number, "fields": fields}


def show_list(rows: Sequence[KeptEdition], kinds: Mapping[str, ThingKind], zone: dt.tzinfo) -> None:
    """Print a table of things."""
    if not rows:
        print(tell(NONE))
        return
    cells = []
    for row in rows:
        thing = row.thing()
        ends = (time_text(row.valid_from, zone) or tell(TEXTS["always"]), time_text(row.valid_until, zone) or "-")
        name = tell(Text(thing.en, thing.zh))
        cells.append((kind_name(row.kind, kinds), row.id, name, thing.district or "-", str(row.number), *ends))
    table(_heads("kind", "id", "name", "district", "edition", "from", "until"), cells, numbers=(4,))


def show_thing(row: KeptEdition, kinds: Mapping[str, ThingKind], zone: dt.tzinfo) -> None:
    """Print everything of an edition."""
    kind = kinds.get(row.kind)
    say(Cell(f"{kind_name(row.kind, kinds)} {row.id}", "bold"))
    told = row_of(row, zone)
    names = ("en", "zh", "district", "from", "until", "people", "note", "geometry")
    fields = [(tell(TEXTS["edition"]), str(row.number))]
    fields += [(tell(TEXTS[name]), _shown(told[name])) for name in names if told.get(name) not in (None, [])]
    for name, value in told.get("properties", {}).items():
        asked = kind.property.get(name) if kind else None
        head = tell(Text(asked.en, asked.zh)) if asked else name
        values = asked.values if asked else {}
        fields.append((head + (f" ({asked.unit})" if asked and asked.unit else ""), _shown(value, values)))
    table((), fields)


def show_history(rows: Sequence[KeptEdition], zone: dt.tzinfo) -> None:
    """Print a table of all editions of a thing."""
    cells = []
    for row in rows:
        told = history_row(row, zone)
        said = tell(TEXTS["withdrawn"]) if row.withdrawn else _shown(told.get("properties", {}))
        ends = (told.get("from") or tell(TEXTS["always"]), told.get("until") or "-")
        cells.append((str(row.number), *ends, told["made"], row.who, row.source, said))
    table(_heads("edition", "from", "until", "made", "who", "source", "said"), cells, numbers=(0,))


def show_changes(changes: Sequence[Change], kinds: Mapping[str, ThingKind], *, dry_run: bool) -> None:
    """Print what has been changed, or would be."""
    for change in changes:
        sign, colour, word = SIGNS[change.what]
        told = f"{sign} {tell(word)}: {kind_name(change.kind, kinds)} {change.id} ({change.number})"
        if change.what in ("changed", "corrected"):
            parts = [f"{name} {_short(old)} -> {_short(new)}" for name, (old, new) in sorted(change.fields.items())]
            told += ": " + "; ".join(parts)
        say(Cell(told, colour))
    counts = [f"{tell(word)} {sum(one.what == what for one in changes)}" for what, (_, _, word) in SIGNS.items()]
    print(", ".join(counts) if changes else tell(NOTHING))
    if dry_run:
        print(tell(DRY))


def kind_name(kind: str, kinds: Mapping[str, ThingKind]) -> str:
    """Return what a kind is called; one that no pack declares any more is called by its id."""
    found = kinds.get(kind)
    return tell(Text(found.en, found.zh)) if found else kind


def _heads(*names: str) -> list[str]:
    return [tell(TEXTS[name]) for name in names]


def _shown(value: Any, values: Mapping[str, Any] | None = None) -> str:
    if isinstance(value, bool):
        return tell(TEXTS["yes" if value else "no"])
    if isinstance(value, list):
        return ("\n" if value and isinstance(value[0], dict) else ", ").join(_shown(one, values) for one in value)
    if isinstance(value, dict):
        if "coordinates" in value:
            text = json.dumps(value)
            return text if len(text) <= 200 else f"{text[:200]} ..."
        return ", ".join(f"{name}: {_shown(part)}" for name, part in value.items())
    named = (values or {}).get(value) if isinstance(value, str) else None
    return tell(Text(named.en, named.zh)) if named else f"{value:g}" if isinstance(value, float) else str(value)


def _short(value: Any) -> str:
    text = "-" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]} ..."
