"""What commands about the law ask of their user alike: kind, zone class, jurisdiction and properties of a site."""

import difflib
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from hub.terminal.commands import option
from schemas import Limit, Standard, jurisdictions_of, site_properties
from schemas.domains import assumed_kind, site_kinds
from schemas.errors import UserError
from schemas.language import Text


class Zone(StrEnum):
    """Class of the acoustic environment (GB 3096)."""

    z0 = "0"
    z1 = "1"
    z2 = "2"
    z3 = "3"
    z4 = "4"
    z4a = "4a"
    z4b = "4b"


ZONE = Text("Its class of acoustic environment (GB 3096).", "所在声环境功能区类别（GB 3096）。")
ZoneOption = Annotated[Zone | None, option(ZONE)]
PropertyOption = Annotated[
    list[str] | None,
    option(
        Text("What else limits ask of a site, such as fuel=gas.", "限值涉及的其他属性，如 fuel=gas。"),
        "--property",
        metavar="NAME=VALUE",
    ),
]
JURISDICTION = Text(
    "Where it lies, a code or a name: CN, CN-SH, Shanghai, 上海, Foshan, EU.",
    "所在地的代码或名称：CN、CN-SH、Shanghai、上海、佛山、EU。",
)


def kind_of(name: str | None) -> str:
    """Return the kind of sites that --kind names; None: the one that is assumed.

    Raises:
        UserError: no domain pack declares it.
    """
    name = name or assumed_kind()
    if name is None or name not in site_kinds():
        raise unknown_name("--kind", name or "", site_kinds())
    return name


def places_of(name: str) -> tuple[str, ...]:
    """Return the codes of the jurisdictions in which --jurisdiction lies.

    Raises:
        UserError: there is none of that name.
    """
    try:
        return jurisdictions_of(name)
    except LookupError as error:
        raise UserError(f"--jurisdiction: {error.args[0]}.") from None


def properties_of(given: Iterable[str]) -> dict[str, str]:
    """Return the properties that --property gives as NAME=VALUE.

    Raises:
        UserError: one has a name or value that no site can have.
    """
    known = site_properties()
    properties = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in known:
            raise unknown_name("--property", name, known)
        if value not in known[name].values:
            raise UserError(f"--property {text}: expected {name}= one of: {', '.join(known[name].values)}.")
        properties[name] = value
    return properties


def unknown_name(option: str, name: str, known: Iterable[str]) -> UserError:
    """Return what to tell who gives an option a name that is not there."""
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(known)}."
    return UserError(f"{option} {name}: there is no such name; {hint}")


def standard_of(wanted: str, catalogue: Iterable[tuple[Standard, Limit]]) -> Standard:
    """Return a standard by its id; capitals and blanks do not matter.

    Raises:
        UserError: the catalogue has no such standard.
    """
    known = {_squeezed(s.id): s for s, _ in catalogue}
    try:
        return known[_squeezed(wanted)]
    except KeyError:
        near = difflib.get_close_matches(_squeezed(wanted), known, 2)
        hint = f"did you mean {' or '.join(repr(known[one].id) for one in near)}?"
        see = "'fenceline limits list' shows those there are."
        raise UserError(f"there is no standard {wanted!r}; {hint if near else see}") from None


def _squeezed(text: str) -> str:
    return "".join(text.casefold().split())
