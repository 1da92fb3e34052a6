"""Plates on paper: a sheet for those that are chosen, and the exchange of one that was lost or stolen."""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import segno
from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from hub.access.caller import refuse_role
from hub.cases.refusal import as_written
from hub.console.cases.visit import CaseVisit, acting_in_cases, at_cases
from hub.console.patrol.visit import Round
from hub.console.today import Short
from hub.console.web import Shared
from hub.http.server import is_loopback
from hub.storage.database import transaction
from hub.things.entries import Thing
from schemas.language import Text

HERE = "/console/plates"
MOST = 400
"""Plates of one sheet."""
NONE = Text("Choose at least one.", "请至少选择一个。")


class Line(NamedTuple):
    """Something that may have a plate."""

    thing: Thing
    name: str
    number: str
    has: bool
    """Whether it has a code already."""


class Drawn(NamedTuple):
    """A plate as it is printed."""

    zh: str
    en: str
    number: str
    where: str
    path: str
    """The dark squares of its QR code, as an SVG path."""
    size: int
    """Of the drawing, squares."""


def add_plates(router: APIRouter, shared: Shared) -> None:
    """Add the choice, the sheet and the exchange."""
    visitor, actor = Depends(at_cases(shared)), Depends(acting_in_cases(shared))

    @router.get("/plates/{kind}")
    def choose(cases: Annotated[CaseVisit, visitor], kind: str, along: Short = "") -> Response:
        refuse_role(cases.visit.user, "officer")
        return _choice(Round(cases, kind), along)

    @router.post("/plates/{kind}")
    def draw(cases: Annotated[CaseVisit, actor], kind: str) -> Response:
        refuse_role(cases.visit.user, "officer")
        round_ = Round(cases, kind)
        chosen = [one for one in round_.all if f"thing-{one.id}" in cases.visit.form][:MOST]
        if not chosen:
            return _choice(round_, cases.visit.form.get("along", ""), NONE)
        with transaction(cases.desk.book.db):
            round_.plates.issue(kind, [one.id for one in chosen], round_.now, cases.visit.user.name)
        codes = round_.plates.codes(kind)
        drawn = [_drawn(round_, one, f"{_address(shared)}/p/{codes[one.id]}") for one in chosen]
        return cases.visit.page(
            "plate_sheet.html",
            kind=kind,
            kind_name=round_.things.kind_name(kind),
            along=cases.visit.form.get("along", ""),
            plates=drawn,
            duties=[(one.zh, one.en) for one in round_.patrol.duty.values()],
        )

    @router.post("/plates/{kind}/{id}/exchange")
    def exchange(cases: Annotated[CaseVisit, actor], kind: str, id: str) -> Response:  # noqa: A002
        refuse_role(cases.visit.user, "officer")
        round_ = Round(cases, kind)
        thing = round_.find(id)
        why = as_written(cases.visit.form.get("text", ""), needed=True)
        held = next((one for one in round_.plates.of(kind, thing.id) if one.ended is None), None)
        # The form names the plate that it is about: sent twice, it exchanges one plate once.
        if held is not None and held.code.startswith(cases.visit.form.get("plate", "-")):
            with transaction(cases.desk.book.db):
                round_.plates.exchange(held.code, round_.now, cases.visit.user.name, why)
        return RedirectResponse(f"/console/patrol/{kind}/{thing.id}#plates", 303)


def _choice(round_: Round, along: str, refused: Text | None = None) -> Response:
    visit = round_.cases.visit
    codes = round_.plates.codes(round_.kind)
    things = [one for one in round_.all if along and one.properties.get(round_.patrol.along) == along]
    lines = [
        Line(one, round_.things.name(one), round_.said(one, round_.patrol.number), one.id in codes)
        for one in sorted(things, key=lambda one: one.id)
    ]
    address = _address(visit.shared)
    return visit.page(
        "plates.html",
        422 if refused else 200,
        kind=round_.kind,
        kind_name=round_.things.kind_name(round_.kind),
        rounds=[] if along else round_.along(),
        along=along,
        along_name=round_.along_name(along) if along else "",
        lines=lines[:MOST],
        more=len(lines) - MOST,
        address=address,
        nowhere=_is_nowhere(address),
        said=visit.say(refused) if refused else "",
        public=visit.shared.config.console.plates,
    )


def _address(shared: Shared) -> str:
    return shared.config.console_address


def _is_nowhere(address: str) -> bool:
    """Tell whether no phone can reach an address."""
    host = address.partition("://")[2].rpartition(":")[0] or address.partition("://")[2]
    return not address or is_loopback(host.strip("[]"))


def _drawn(round_: Round, thing: Thing, address: str) -> Drawn:
    path, size = qr_path(address)
    number, where = round_.said(thing, round_.patrol.number), round_.said(thing, round_.patrol.where)
    return Drawn(thing.zh, thing.en if thing.en != thing.zh else "", number, where, path, size)


def qr_path(text: str) -> tuple[str, int]:
    """Return the dark squares of a text's QR code as an SVG path, and the side of the drawing; four squares around."""
    # Quarter of the squares may be lost: plates hang in the rain for years.
    rows = list(segno.make(text, error="q", micro=False, boost_error=False).matrix_iter(border=4))
    return "".join(_runs(rows)), len(rows)


def _runs(rows: Iterable[Iterable[int]]) -> Iterable[str]:
    for y, row in enumerate(rows):
        begin = None
        for x, dark in enumerate((*row, 0)):
            if dark and begin is None:
                begin = x
            elif not dark and begin is not None:
                yield f"M{begin} {y}h{x - begin}v1h{begin - x}z"
                begin = None
