"""Where people's orders come in, from the command line and the API alike, and how they are shown."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from hub.orders.book import Asked, Order, OrderBook, Step
from hub.orders.kinds import Kind, OrderError
from hub.registry.live import Board, Registry
from schemas.language import Text

USUAL = 3600
"""How long an order waits for its board, where nobody says it [s]."""


def give(
    book: OrderBook,
    registry: Registry,
    device: str,
    what: Kind,
    settings: dict[str, Any],
    who: str,
    reason: str,
    now: float,
    lives: float = USUAL,
    key: str | None = None,
    seen: int | None = None,
) -> Order:
    """Give a board of the registry an order on behalf of `who`; it may begin with it for `lives` s.

    `key`, `seen`: see `hub.orders.book.Asked`.

    Raises:
        OrderError: there is no such board, it is retired, or the order cannot be one.
    """
    _board(registry, device)
    if registry.is_retired(device, dt.datetime.fromtimestamp(now, registry.zone).date()):
        text = Text(
            f"board {device!r} is retired since {registry.boards[device].retired}; it hears no orders",
            f"设备{device!r}已于{registry.boards[device].retired}停用，不再接收指令",
        )
        raise OrderError(text, "device", 409)
    site = registry.site_of(device)
    return book.give(Asked(device, site.district, site.id, what, settings, who, reason, lives, key, seen), now)


def shown(order: Order, zone: ZoneInfo) -> dict[str, Any]:
    """Return an order as programs read it; times are ISO 8601 in the city's time zone."""
    return {
        "id": order.id,
        "device": order.device,
        "district": order.district,
        "site": order.site,
        "what": order.what,
        "settings": order.told,
        "who": order.who,
        "reason": order.reason,
        "state": order.state,
        "given": moment(order.given, zone),
        "expires": moment(order.expires, zone),
        "attempts": order.attempt,
        "ended": None if order.ended is None else moment(order.ended, zone),
        "answer": order.answer,
    }


def shown_step(step: Step, zone: ZoneInfo) -> dict[str, str]:
    """Return a step of the audit trail as programs read it."""
    return {"time": moment(step.time, zone), "who": step.who, "what": step.what, "detail": step.detail}


def _board(registry: Registry, device: str) -> Board:
    if device not in registry.boards:
        text = Text(f"board {device!r} is not in the registry", f"登记册中没有设备{device!r}")
        raise OrderError(text, "device", 404)
    return registry.boards[device]


def moment(t: float, zone: ZoneInfo) -> str:
    """Return a Unix time as ISO 8601 with offset."""
    return dt.datetime.fromtimestamp(t, zone).isoformat(timespec="seconds")
