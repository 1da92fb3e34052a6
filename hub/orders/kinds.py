"""What may be ordered: the commands that boards know (schemas/messages/command.schema.json), and how long each takes.

Calibrations are made at the fence, and versions come in waves (hub/orders/waves/): neither is an order that a person
gives one board here.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec

from schemas.chinese import in_chinese
from schemas.faults import as_type, explain, told
from schemas.language import Text

What = Literal[
    "ping", "selftest", "live", "relay", "reboot", "log", "flag", "identify", "time", "diagnose", "rotate-key"
]
"""What people may order."""
Kind = What | Literal["renew-certificate", "update"]
"""And what has a way of its own: certificates come from where they are signed, versions in waves."""
WHATS: tuple[What, ...] = get_args(What)
NAMES: dict[Kind, Text] = {
    "ping": Text("answer with a status", "上报状态"),
    "selftest": Text("sample every sensor", "自检所有传感器"),
    "live": Text("records of 1 s for some minutes", "限时上报 1 秒记录"),
    "relay": Text("switch the relay for some minutes", "限时接通或断开继电器"),
    "reboot": Text("start again", "重启"),
    "log": Text("the last lines of its log", "最近的日志"),
    "flag": Text("flag what sensors give for some minutes", "限时标记传感器数据"),
    "identify": Text("blink, so that it is found", "闪灯，便于查找"),
    "time": Text("take the hub's time", "向数据中心校时"),
    "diagnose": Text("say how it is: clock, storage, outbox, sensors", "上报诊断：时钟、存储、待发送、传感器"),
    "rotate-key": Text("work under a new key", "更换密钥"),
    "renew-certificate": Text("take a new certificate", "更换证书"),
    "update": Text("take a version of the agent", "更换程序版本"),
}

State = Literal["waiting", "sent", "done", "refused", "expired"]
STATES: dict[State, Text] = {
    "waiting": Text("waiting", "待发送"),
    "sent": Text("sent", "已发送"),
    "done": Text("done", "已执行"),
    "refused": Text("refused", "被拒绝"),
    "expired": Text("expired", "已过期"),
}
DO: dict[Kind, str] = {"rotate-key": "key", "renew-certificate": "certificate"}
"""What boards call an order, where that is not its own name."""

Minutes = Annotated[int, msgspec.Meta(ge=1, le=1440)]


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=False):
    """An order that says nothing else."""

    def lasts(self) -> float:
        """Return how long the board takes to answer [s]."""
        return 0.0


class _Selftest(_Kind, frozen=True):
    def lasts(self) -> float:
        return 65.0  # the longest period between two samples is 60 s


class _Live(_Kind, frozen=True):
    minutes: Minutes = 5

    def lasts(self) -> float:
        return 60.0 * self.minutes


class _Relay(_Kind, frozen=True):
    on: bool
    minutes: Minutes = 10


class _Log(_Kind, frozen=True):
    lines: Annotated[int, msgspec.Meta(ge=1, le=30)] = 20


class _Flag(_Kind, frozen=True, omit_defaults=True):
    flag: Literal["M", "C", "N"]
    minutes: Minutes | msgspec.UnsetType = msgspec.UNSET
    sensor: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | msgspec.UnsetType = msgspec.UNSET


class _Identify(_Kind, frozen=True):
    minutes: Annotated[int, msgspec.Meta(ge=1, le=60)] = 1

    def lasts(self) -> float:
        return 60.0 * self.minutes


class _Time(_Kind, frozen=True):
    def lasts(self) -> float:
        return 5.0  # so long the board waits for the hub's answer (edge/errands.py)


class _Certificate(_Kind, frozen=True):
    sealed: str
    """Enclosed under the board's key in keys.toml (hub/wire/sealing.py): what hub/orders/certificate.py makes."""

    def lasts(self) -> float:
        return 150.0  # the board tries it for 120 s (edge/agent.py)


class _Update(_Kind, frozen=True, omit_defaults=True):
    url: str
    sha256: str
    downgrade: bool = False

    def lasts(self) -> float:
        return 3660.0  # the most that a board takes for a bundle (edge/update.py)


_KINDS: dict[Kind, type[_Kind]] = {
    "ping": _Kind,
    "selftest": _Selftest,
    "live": _Live,
    "relay": _Relay,
    "reboot": _Kind,
    "log": _Log,
    "flag": _Flag,
    "identify": _Identify,
    "time": _Time,
    "diagnose": _Kind,
    "rotate-key": _Kind,
    "renew-certificate": _Certificate,
    "update": _Update,
}


class OrderError(Exception):
    """An order that cannot be given. `field` names what is wrong with it; `status`: as HTTP tells it."""

    def __init__(self, text: Text, field: str | None = None, status: int = 422) -> None:
        super().__init__(text.en)
        self.text, self.field, self.status = text, field, status


class MeanwhileError(OrderError):
    """Somebody else has decided meanwhile; whoever has read what may go on."""

    def __init__(self, who: str, what: Text) -> None:
        text = Text(
            f"{who} has decided meanwhile: {what.en}; look at it, then send yours again, or leave it",
            f"{who}已先行操作：{what.zh}；请查看后决定是否仍要提交",
        )
        super().__init__(text, "seen", 409)


def check(what: Kind, settings: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Return what else the command says, with what is usual filled in, and how long the board takes to answer [s].

    Raises:
        OrderError: the settings are none of such an order.
    """
    kind = _KINDS[what]
    for place, problem in explain(settings, kind):
        known = ", ".join(one.name for one in msgspec.structs.fields(kind))
        wrong, wrong_zh = f"{told(place)}: {problem}", f"{told(place)}：{in_chinese(problem)}"
        raise OrderError(
            Text(
                f"{what}: {wrong}; it takes {known or 'nothing else'}", f"{what}：{wrong_zh}；可用参数：{known or '无'}"
            ),
            str(place[0]) if place else None,
        )
    order = as_type(settings, kind)
    said: dict[str, Any] = msgspec.to_builtins(order)
    return said, order.lasts()
