"""How boards are to work, as programs read it: a board with what it says, a template with its boards, every change."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from hub.orders.desired.book import KEYS, Change, DesiredBook, Edition, Place, Told, boards_of, known, layers
from hub.orders.desired.rules import Settings
from hub.orders.desk import moment
from hub.orders.kinds import OrderError
from hub.registry.live import Registry
from schemas import domains
from schemas.language import Text

NONE_THERE = {
    "pack": Text("there is no pack {name!r} that has kinds of sites", "没有适用于站点的领域包{name!r}"),
    "site": Text("site {name!r} is not in the registry", "登记册中没有站点{name!r}"),
    "board": Text("board {name!r} is not in the registry", "登记册中没有设备{name!r}"),
}


def refuse_unknown(registry: Registry, place: Place, name: str) -> None:
    """Refuse a place that is not there.

    Raises:
        OrderError: it is not.
    """
    if name not in known(registry, place):
        text = NONE_THERE[place]
        said = Text(text.en.format(name=name), text.zh.format(name=name))
        raise OrderError(said, "device" if place == "board" else place, 404)


def shown_desired(book: DesiredBook, registry: Registry, device: str) -> dict[str, Any]:
    """Return how a board is to work, and what it has said of it, as programs read it.

    Raises:
        OrderError: the registry has no such board.
    """
    refuse_unknown(registry, "board", device)
    site = registry.boards[device].site
    parts, sources, desired = _layered(book, registry, "board", device)
    told = book.told(device)
    state = _state(told, desired)
    in_force = json.loads(told.in_force) if told and told.in_force else None
    pack = next((name for place, name in layers(registry, "board", device) if place == "pack"), None)
    return {
        "device": device,
        "site": site,
        "pack": pack,
        "pack_template": parts.get("pack", {}),
        "template": parts["site"],
        "overrides": parts["board"],
        "pack_edition": book.edition("pack", pack) if pack else 0,
        "template_edition": book.edition("site", site),
        "edition": book.edition("board", device),
        "desired": desired,
        "sources": sources,
        "state": state,
        "revision": told.revision if told else None,
        "pending_since": moment(told.since, registry.zone) if told and state == "pending" else None,
        "refused_because": told.problem if told and state == "refused" else None,
        "reported_revision": told.reported if told and told.reported else None,
        "reported": in_force,
        "diff": difference(in_force or {}, desired),
    }


def shown_template(book: DesiredBook, registry: Registry, place: Place, name: str) -> dict[str, Any]:
    """Return what a pack or a site says of its boards' work, and how far each of them is, as programs read it.

    Raises:
        OrderError: there is none.
    """
    refuse_unknown(registry, place, name)
    parts, sources, desired = _layered(book, registry, place, name)
    told = {one.device: one for one in book.all_told()}
    boards = []
    for device in boards_of(registry, place, name):
        wanted, said = book.desired(registry, device), told.get(device)
        state = _state(said, wanted)
        in_force = json.loads(said.in_force) if said and said.in_force else {}
        boards.append(
            {
                "device": device,
                "site": registry.boards[device].site,
                "state": state,
                "pending_since": moment(said.since, registry.zone) if said and state == "pending" else None,
                "refused_because": said.problem if said and state == "refused" else None,
                "overrides": book.settings("board", device),
                "diff": difference(in_force, wanted),
            }
        )
    return {
        "place": place,
        "name": name,
        "settings": parts[place],
        "edition": book.edition(place, name),
        "shipped": shipped(name) if place == "pack" else None,
        "desired": desired,
        "sources": sources,
        "boards": boards,
    }


def shipped(pack: str) -> Settings:
    """Return the template that a pack ships; nothing holds of it before somebody has taken it over."""
    return next((one.boards for one in domains.packs() if one.id == pack), {})


def taking_over(book: DesiredBook, pack: str) -> Settings:
    """Return the changes by which a pack's template becomes what the pack ships."""
    return dict.fromkeys(book.settings("pack", pack)) | shipped(pack)


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the keys in which two settings differ, each with its value before and after; None: not named."""
    return [
        {"key": key, "reported": before.get(key), "desired": after.get(key)}
        for key in KEYS
        if before.get(key) != after.get(key)
    ]


def shown_history(book: DesiredBook, registry: Registry, place: Place, name: str) -> list[dict[str, Any]]:
    """Return every edition of a place's settings and of the templates below it as programs read it, the oldest first.

    Raises:
        OrderError: there is no such place.
    """
    refuse_unknown(registry, place, name)
    return [shown_edition(one, registry.zone) for one in book.history(registry, place, name)]


def shown_edition(one: Edition, zone: ZoneInfo) -> dict[str, Any]:
    """Return an edition of a place's settings as programs read it."""
    return {
        "id": one.id,
        "time": moment(one.made, zone),
        "place": one.place,
        "name": one.name,
        "settings": one.settings,
        "who": one.who,
        "reason": one.reason,
    }


def shown_change(change: Change, zone: ZoneInfo) -> dict[str, Any]:
    """Return what a place says now, and what that replaced, as programs read it."""
    replaced = shown_edition(change.replaced, zone) if change.replaced else None
    return {"settings": change.settings, "edition": change.edition, "replaced": replaced}


def _layered(
    book: DesiredBook, registry: Registry, place: Place, name: str
) -> tuple[dict[str, Settings], dict[str, str], Settings]:
    """Return what each layer says, from which each key comes, and all together."""
    parts: dict[str, Settings] = {}
    sources: dict[str, str] = {}
    together: Settings = {}
    for layer, id_ in layers(registry, place, name):
        parts[layer] = book.settings(layer, id_)
        sources |= dict.fromkeys(parts[layer], layer)
        together |= parts[layer]
    return parts, sources, together


def _state(told: Told | None, desired: Settings) -> str:
    if told is None:
        return "pending" if desired else "none"
    return told.state if json.loads(told.settings) == desired else "pending"
