"""What boards say of themselves: of each one a point a minute, and a point for each event."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping

import msgspec

from hub.log.entry import Entry
from hub.orders.figures import Figures
from hub.registry.live import Registry
from hub.reports import points
from hub.watch.text import GIVEN_UP
from hub.wire.channels import Measured
from hub.wire.messages import Event, Status
from schemas.catalogue import told_quantity
from schemas.language import Text

CLOCKS = {"none": 0, "rtc": 1, "ntp": 2, "hub": 2}
"""How a board knows the time: not at all, from its own clock, from the network."""

MOST_TEXT = 2000
"""Longest text of an event, characters; the log has all of it."""
SWITCHED = {
    r"(\w+) (\S+), on at (\S+)": "{0}为{1}，达到{2}开启",
    r"(\w+) (\S+), off below (\S+)": "{0}为{1}，低于{2}关闭",
    r"on for (\d+) s": "已开启{0}秒",
    r"no normal value of (\w+)": "{0}没有正常数据",
    r"ordered for (\d+) s": "指令开启{0}秒",
    r"there is no rule": "没有规则",
    r"the order is over": "指令已到期",
}
"""What a board says of its relay, and the same in Chinese."""
NOTHING = Figures()
OFF = 35 * 86_400
"""An event whose own time differs from its arrival by more [s] is dated by the hub: no outbox keeps one so long."""


class Known(msgspec.Struct):
    """What is remembered of one board; counts and levels as in its status."""

    heard: float = 0.0
    """When something of it came last, by the hub's clock, Unix s."""
    online: int = 0
    clock: str = ""
    relay: int | None = None
    cal_due: str = ""
    numbers: dict[str, float] = {}
    words: dict[str, str] = {}
    faulty: int = 0
    """Sensors that its status called anything but normal."""


class Fleet:
    """The boards by id; `changed` are those to be saved. For one never heard, silence counts from `began` (Unix s)."""

    def __init__(self, began: float) -> None:
        self._began = began
        self.boards: dict[str, Known] = {}
        self.changed: set[str] = set()

    def hear(self, entry: Entry, registry: Registry) -> str | None:
        """Take a message; return the point of an event."""
        district, site, device, _ = entry.place
        said = entry.said
        board = self.boards.setdefault(device, Known())
        self.changed.add(device)
        if isinstance(said, Status):
            if said.online:
                # A retained status may be days old: only what the hub could hear then counts.
                board.heard = max(board.heard, min(entry.received, float(said.t)))
            _take_status(board, said)
            return None
        board.heard = max(board.heard, entry.received)
        if isinstance(said, Measured):
            board.clock = said.clock if said.clock in CLOCKS else board.clock
        if not isinstance(said, Event):
            return None
        event = said
        if event.event == "relay" and isinstance(event.detail, dict):
            board.relay = int(bool(event.detail.get("on")))
        tags = {"district": district, "site": site, "device": device, "event": event.event}
        fields = _told(event) | points.names(registry.sites.get(site), registry)
        # A board whose clock was never set tells of 1970.
        t = event.t if abs(event.t - entry.received) < OFF else entry.received
        return points.point("event", tags, fields, t, entry.offset)

    def newest(self) -> float | None:
        """Return when a board was last heard, Unix s; None: none was."""
        return max((board.heard for board in self.boards.values()), default=0.0) or None

    def points(
        self,
        measurements: list[str],
        registry: Registry,
        now: float,
        silent_after: float,
        ordered: Mapping[str, Figures],
    ) -> Iterator[str]:
        """Yield the state of every board in service for each measurement.

        Silent: not heard for `silent_after` s. `ordered`: what stands in the way of orders, by board.
        """
        today = dt.datetime.fromtimestamp(now, registry.zone).date()
        for board in registry.boards.values():
            if registry.is_retired(board.id, today):
                continue
            site, known = registry.site_of(board.id), self.boards.get(board.id, Known())
            silent = now - (known.heard or self._began) >= silent_after
            due = [day for day in (board.calibration_due, _day(known.cal_due)) if day]
            fields: dict[str, points.Value] = {
                "silent": int(silent),
                "online": int(known.online and not silent),
                "silent_s": max(0.0, now - known.heard) if known.heard else None,
                "last_heard": known.heard or None,
                "clock": known.clock or None,
                "clock_level": CLOCKS.get(known.clock),
                "relay": known.relay,
                "faulty": known.faulty,
                "cal_due_days": (max(due) - today).days if due else None,
                **_ordered(ordered.get(board.id, NOTHING), registry.key_since.get(board.id), now),
                **known.numbers,
                **known.words,
                **points.names(site, registry),
            }
            tags = {"district": site.district, "site": site.id, "device": board.id}
            for measurement in measurements:
                yield points.point(measurement, tags, fields, now - now % 60)


def _ordered(figures: Figures, key_since: float | None, now: float) -> dict[str, points.Value]:
    return {
        "orders_open": figures.orders_open,
        "config_state": figures.config or "none",
        "config_why": figures.why[:MOST_TEXT] or None,
        "update_state": figures.update or "none",
        "wants_a_look": int(figures.wants_a_look),
        "key_days": None if key_since is None else max(0.0, (now - key_since) // 86_400),
    }


def _take_status(board: Known, status: Status) -> None:
    board.online = int(status.online)
    for name in ("depth", "dropped", "rssi", "heap_free", "heap_used", "cal", "config"):
        value = getattr(status, name)
        if value is not msgspec.UNSET:
            board.numbers[name] = float(value)
    for name in ("agent", "runtime", "reset"):
        value = getattr(status, name)
        if value is not msgspec.UNSET:
            board.words[name] = value
    if isinstance(status.cal_due, str):
        board.cal_due = status.cal_due
    if isinstance(status.sensors, dict):
        board.faulty = sum(flag != "N" for flag in status.sensors.values())


def _told(event: Event) -> dict[str, points.Value]:
    """Return an event's fields: what it says as text, and its number where it has one."""
    if event.dropped:
        stream, first, last, reason = event.dropped
        why, numbers = GIVEN_UP.get(reason, Text(reason, reason)), f"{first}-{last} ({stream})"
        return {"count": last - first + 1, **_both(Text(f"{why.en}: {numbers}", f"{why.zh}：{numbers}"))}
    detail = event.detail if isinstance(event.detail, dict) else {}
    if event.event != "relay":
        plain = msgspec.json.encode(detail).decode()
        return {"count": 1, **_both(Text(plain, plain) if detail else Text("-", "-"))}
    why = switched(str(detail.get("why", "")))
    return {"count": 1, "on": int(bool(detail.get("on"))), **_both(why)}


def _both(said: Text) -> dict[str, points.Value]:
    return {"text_en": said.en[:MOST_TEXT], "text_zh": said.zh[:MOST_TEXT]}


def switched(why: str) -> Text:
    """Return why a board's relay was switched, as the board says it in English (edge/relay.py)."""
    for said, zh in SWITCHED.items():
        if match := re.fullmatch(said, why):
            en = " ".join(told_quantity(part).en for part in why.split(" "))
            return Text(en, zh.format(*(told_quantity(part).zh for part in match.groups())))
    return Text(why, why)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
