"""The form of how boards are to work, of a board as of a template: what stands in it, and what somebody has written."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edge.checks import INTERVALS
from hub.console.badges import Badge
from hub.console.web import Visit
from hub.http.problems import RequestError
from hub.orders.desired.book import KEYS
from schemas.language import Text

LOOKS = {
    "none": ("quiet", "ring"),
    "pending": ("warn", "square"),
    "in_force": ("good", "circle"),
    "refused": ("bad", "triangle"),
}
STATES = {
    "none": Text("as its own file says", "以设备自身配置为准"),
    "pending": Text("pending", "待生效"),
    "in_force": Text("in force", "已生效"),
    "refused": Text("refused", "被拒绝"),
}
FIELDS = {
    "interval": Text("Length of a record, s", "记录间隔（秒）"),
    "period": Text("Between two samples, s", "采样周期（秒）"),
    "relay": Text("Relay's rule", "继电器规则"),
    "raw": Text("Values before calibration, too", "同时上报校准前的值"),
    "outbox": Text("Flash for records that wait, bytes", "待发送记录的存储空间（字节）"),
    "brokers": Text("Brokers, in the order in which they are tried", "消息代理（按尝试顺序）"),
    "sensors": Text("Sensors", "传感器"),
}
SOURCES = {"pack": Text("pack", "领域包"), "site": Text("site", "站点"), "board": Text("board", "设备")}
NO_NUMBER = Text("Expected a number.", "应为数字。")
NO_JSON = Text("Expected a rule as JSON, such as {example}.", "应为JSON规则，如{example}。")
NO_SENSORS = Text("Expected a list of sensors as JSON, such as {example}.", "应为JSON格式的传感器列表，如{example}。")
RULE = '{"quantity": "pm10", "on": 150, "off": 100}'
SENSORS = '[{"name": "dust", "type": "plantower", "port": "uart:1:9600:rx=16:tx=17"}]'


class Field(NamedTuple):
    """A field of the form."""

    key: str
    name: str
    value: str
    example: str
    """Of what is written as JSON; empty: of a plain field."""


def badge(visit: Visit, state: str) -> Badge:
    """Return how a board's state looks."""
    return Badge(*LOOKS[state], visit.say(STATES[state]))


def shown(settings: Mapping[str, Any], key: str) -> str:
    """Return a value for a table; empty: it is not named."""
    return "" if settings.get(key) is None else json.dumps(settings[key], ensure_ascii=False)


def fields(visit: Visit, settings: Mapping[str, Any], *, written: bool) -> list[Field]:
    """Return the form's fields with what `settings` say; `written`: with what was in the form that was sent."""
    examples = {"relay": RULE, "sensors": SENSORS}
    return [
        Field(
            key,
            visit.say(FIELDS[key]),
            visit.form.get(key, "") if written else _written(settings, key),
            examples.get(key, ""),
        )
        for key in KEYS
    ]


def intervals() -> tuple[int, ...]:
    """Return the lengths of records that a board takes [s]."""
    return tuple(INTERVALS)


def changes(visit: Visit) -> dict[str, Any]:
    """Return what the form says of each key; an empty field leaves it to what is below.

    Raises:
        RequestError: a field is not what it should be.
    """
    readers: dict[str, tuple[Callable[[str], Any], Text]] = {
        "interval": (int, NO_NUMBER),
        "period": (float, NO_NUMBER),
        "relay": (json.loads, NO_JSON),
        "raw": (lambda text: text == "true", NO_NUMBER),
        "outbox": (lambda text: {"max_bytes": int(text)}, NO_NUMBER),
        "brokers": (lambda text: text.replace(",", " ").split(), NO_NUMBER),
        "sensors": (json.loads, NO_SENSORS),
    }
    found: dict[str, Any] = {}
    for key, (read, wrong) in readers.items():
        text = visit.form.get(key, "").strip()
        try:
            found[key] = read(text) if text else None
        except (ValueError, RecursionError):
            example = SENSORS if key == "sensors" else RULE
            said = Text(wrong.en.format(example=example), wrong.zh.format(example=example))
            raise RequestError(422, said, key) from None
    return found


def reason(visit: Visit) -> str:
    """Return why somebody does something."""
    return visit.form.get("reason", "").replace("\r\n", "\n").strip()[:500]


def _written(settings: Mapping[str, Any], key: str) -> str:
    """Return a value as it stands in the form."""
    value = settings.get(key)
    if key == "brokers" and value:
        return " ".join(value)
    return str(value["max_bytes"]) if key == "outbox" and value else shown(settings, key)
