"""Things from a file: checked as a whole, every fault named, and nothing taken before there is none."""

import re
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hub.config.files import ConfigError
from hub.console.things.forms import NO_RIGHT, SYSTEMS, desk_of
from hub.console.things.visit import Part, Things
from hub.console.things.words import EDITED
from hub.console.today import Short
from hub.console.web import Sent, Shared, Visit, acting, read_upload, seen_in, visiting
from hub.http.problems import RequestError
from hub.things.change import WrongThingError
from hub.things.coordinates import System
from hub.things.desk import MeanwhileError, faults_of
from hub.things.entries import Change, Said
from hub.things.exchange import located, read_things
from schemas.chinese import in_chinese
from schemas.language import Text

MOST_FAULTS = 200
"""Faults that a page names; it counts the others."""
MOST_CHANGES = 100
ENDINGS = (".csv", ".geojson", ".json")
NO_FILE = Text("Choose a file.", "请选择文件。")
NO_SUCH = Text(
    "The file's name ends in none of .csv, .geojson and .json: name it after what it holds.",
    "文件名须以.csv、.geojson或.json结尾。",
)


def add_upload(router: APIRouter, shared: Shared) -> None:
    """Add the form and what it does."""
    visitor, admin = Depends(visiting(shared)), Depends(acting(shared, "admin", read_upload))

    @router.get("/import-things")
    def show_import(visit: Annotated[Visit, visitor], kind: Short = "") -> Response:
        if not visit.may("admin"):
            raise RequestError(403, NO_RIGHT)
        return _page(Things(visit), kind)

    @router.post("/import-things")
    def take(visit: Annotated[Visit, admin]) -> Response:
        things, seen = Things(visit), seen_in(visit.form)
        kind = visit.form.get("kind", "")
        if kind:
            things.kind(kind)
        dry_run = visit.form.get("act") != "take"
        try:
            said, faults = _read(things, _sent(visit), kind)
            changes, more = _apply(things, said, seen, dry_run=dry_run or bool(faults))
        except MeanwhileError as refused:
            names = dict.fromkeys(f"{row.kind} {row.id}" for row in refused.news)
            return _page(Things(visit), kind, 409, refused.text, [*names][:MOST_CHANGES])
        except RequestError as refused:
            if refused.status not in {403, 422} or (refused.status == 403 and refused.field is None):
                raise
            return _page(things, kind, refused.status, refused.text)
        faults += more
        if faults:
            return _page(things, kind, 422, FAULTY, faults)
        return _page(Things(visit), kind, changes=changes, taken=not dry_run)


FAULTY = Text(
    "Nothing was taken. Mend what is named here, then send the file again.",
    "未导入任何内容。请修正以下问题后重新上传。",
)


def _sent(visit: Visit) -> Sent:
    if visit.file is None or not visit.file.name:
        raise RequestError(422, NO_FILE, "file")
    return visit.file


def _read(things: Things, sent: Sent, kind: str) -> tuple[list[Said], list[str]]:
    """Return the entries of a file, and what is wrong with those that cannot be read."""
    ending = next((one for one in ENDINGS if sent.name.lower().endswith(one)), None)
    if ending is None:
        raise RequestError(422, NO_SUCH, "file")
    faults: list[ConfigError] = []
    with tempfile.TemporaryDirectory(prefix="fenceline-import-") as folder:
        path = Path(folder) / f"file{ending}"
        path.write_bytes(sent.content)
        try:
            said = read_things(path, kind or None, things.kinds, faults=faults)
        except ConfigError as error:
            said, faults = [], [*faults, error]
        return said, [_told(things, str(error), path) for error in faults]


def _apply(things: Things, said: list[Said], seen: int, *, dry_run: bool) -> tuple[list[Change], list[str]]:
    """Take entries, or try to; return what changes, and what is wrong with them."""
    visit = things.visit
    system = visit.form.get("system", "wgs84")
    chosen: System = system if system in SYSTEMS else "wgs84"
    if not said:
        return [], []
    try:
        changes = desk_of(things).take(
            said, seen, _name_of(visit.file), since=int(visit.now), system=chosen, dry_run=dry_run
        )
    except WrongThingError as error:
        path = Path("file.csv")
        return [], [_told(things, str(located(path, one)), path) for one in faults_of(error)]
    return changes, []


def _told(things: Things, sentence: str, path: Path) -> str:
    """Return a fault in the visitor's language, without the name of the file, which is the same in all."""
    bare = re.sub(rf"^{re.escape(str(path))}(?:, |: |:)", "", sentence)
    return things.visit.say(Text(bare, in_chinese(bare)))


def _name_of(sent: Sent | None) -> str:
    """Return a file's name as it stands in the history."""
    name = Path(sent.name.replace("\\", "/")).name if sent else ""
    return "".join(one for one in name if one.isprintable())[:100] or "file"


def _page(
    things: Things,
    kind: str,
    status: int = 200,
    refused: Text | None = None,
    faults: list[str] | None = None,
    changes: list[Change] | None = None,
    *,
    taken: bool = False,
) -> Response:
    visit = things.visit
    unique = list(dict.fromkeys(faults or []))
    return visit.page(
        "thing_import.html",
        status,
        kind=kind if kind in things.kinds else "",
        kinds=[(one, things.kind_name(one)) for one in things.kinds],
        systems=[(one, visit.say(text)) for one, text in SYSTEMS.items()],
        system=visit.form.get("system", "wgs84"),
        seen=things.known.serial,
        said=visit.say(refused) if refused else "",
        faults=unique[:MOST_FAULTS],
        more=max(0, len(unique) - MOST_FAULTS),
        changes=None if changes is None else [_change(things, one) for one in changes[:MOST_CHANGES]],
        count=len(changes or []),
        taken=taken,
    )


def _change(things: Things, one: Change) -> tuple[str, str, Part]:
    return things.visit.say(EDITED[one.what]), things.kind_name(one.kind), Part(one.id, "")
