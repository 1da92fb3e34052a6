"""Whether a board works as well with a new version as it did before: what it says of itself, compared.

Measuring, connections, free heap, why it started, tasks that ended, frames that it rejected. Nothing here knows a
database or a clock.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from hub.wire.messages import Status
from schemas.language import Text

LEAST_HEAP = 0.6
"""Share of the free heap of before that must be left: below, a longer outage may not fit."""
MORE_THAN_BEFORE = 3.0
"""So many times as many rejected frames or connections as before are too many, ..."""
FEW_REJECTED = 120.0
"""... unless there are fewer frames than this an hour, on all sensors together, ..."""
HARD_RESETS = ("watchdog", "brownout")
"""Starts that no order explains, as `reset` names them."""
CLEAN = ("N", "M", "C", "T", "S")
"""Flags of a sensor that answers."""
FEW_CONNECTIONS = 3
"""... or fewer connections than this while it is watched."""

T = TypeVar("T")


class Before(msgspec.Struct, frozen=True):
    """How a board was before it was told of the new version; None: it had not said."""

    agent: str
    heap_free: int | None = None
    reset: str = ""
    sensors: dict[str, str] = {}
    tasks: dict[str, int] = {}
    rejected_per_hour: float | None = None
    statuses_per_hour: float = 0.0


def before(statuses: Iterable[Status]) -> Before | None:
    """Return how a board is by its latest statuses, the newest first; None: it has never named its version."""
    online = [one for one in statuses if one.online]
    if not online or not isinstance(online[0].agent, str):
        return None
    now = online[0]
    rate = None
    for earlier in online[1:]:
        if not _same_run(earlier, now):
            break
        rate = rejected_per_hour(earlier, now)
    hours = (now.t - online[-1].t) / 3600 if online[-1].t else 0
    return Before(
        agent=online[0].agent,
        heap_free=_known(now.heap_free),
        reset=_known(now.reset) or "",
        sensors=dict(_known(now.sensors) or {}),
        tasks={name: task.ends for name, task in (_known(now.tasks) or {}).items()},
        rejected_per_hour=rate,
        statuses_per_hour=(len(online) - 1) / hours if hours > 0 else 0.0,
    )


def problem(was: Before, first: Status, last: Status, *, statuses: int, hours: float, recording: bool) -> Text | None:
    """Return why a board is not healthy with the new version, or None.

    `first`, `last`: its first status with it, and one from after it was watched for `hours`. `statuses`: how many came
    meanwhile: it says one with each connection. `recording`: records have come lately.
    """
    if not recording:
        return Text("no records come from it", "没有上报记录")
    return (
        _silent_sensor(was, last)
        or _little_heap(was, last)
        or _starts(was, (first, last), statuses, hours)
        or _ended_task(was, last)
        or _rejects(was, first, last)
    )


def _silent_sensor(was: Before, last: Status) -> Text | None:
    said = dict(_known(last.sensors) or {})
    for name, flag in was.sensors.items():
        now = said.get(name, "-")
        if flag in CLEAN and now not in CLEAN:
            return Text(
                f"sensor {name!r} does not measure: {now}, before {flag}", f"传感器{name!r}异常：{now}，原为{flag}"
            )
    return None


def _little_heap(was: Before, last: Status) -> Text | None:
    free = _known(last.heap_free)
    if free is None or not was.heap_free or free >= LEAST_HEAP * was.heap_free:
        return None
    return Text(f"heap: {free} bytes free, before {was.heap_free}", f"空闲内存{free}字节，原为{was.heap_free}字节")


def _starts(was: Before, heard: Iterable[Status], statuses: int, hours: float) -> Text | None:
    for status in heard:
        cause = _known(status.reset) or ""
        if cause in HARD_RESETS and was.reset != cause:
            return Text(
                f"it started by {cause}, before by {was.reset or '-'}", f"异常重启：{cause}，原为{was.reset or '-'}"
            )
    # One when it started, one that it was asked for, one an hour, and its usual share.
    if statuses <= 2 + FEW_CONNECTIONS + (1 + MORE_THAN_BEFORE * was.statuses_per_hour) * hours:
        return None
    return Text(f"it connected {statuses} times in {hours:.1f} h", f"{hours:.1f}小时内连接{statuses}次")


def _ended_task(was: Before, last: Status) -> Text | None:
    for name, task in (_known(last.tasks) or {}).items():
        if task.ends > was.tasks.get(name, 0):
            return Text(f"task {name!r} ended {task.ends} times: {task.cause}", f"任务{name!r}中断{task.ends}次")
    return None


def _rejects(was: Before, first: Status, last: Status) -> Text | None:
    rate, usual = rejected_per_hour(first, last), was.rejected_per_hour or 0.0
    if rate is None or rate <= max(FEW_REJECTED, MORE_THAN_BEFORE * usual):
        return None
    return Text(f"{rate:.0f} rejected frames an hour, before {usual:.0f}", f"每小时拒收{rate:.0f}帧，原为{usual:.0f}帧")


def rejected_per_hour(earlier: Status, later: Status) -> float | None:
    """Return how many frames an hour were rejected between two statuses of one run; None: it cannot be known."""
    seconds = later.t - earlier.t
    if seconds <= 0 or not earlier.t or not _same_run(earlier, later):
        return None
    return (_rejected(later) - _rejected(earlier)) * 3600 / seconds


def _same_run(earlier: Status, later: Status) -> bool:
    """Tell whether the counters may have gone on from one to the other."""
    return earlier.agent == later.agent and earlier.reset == later.reset and _rejected(earlier) <= _rejected(later)


def _rejected(status: Status) -> int:
    return sum((_known(status.rejected) or {}).values())


def _known(value: T | msgspec.UnsetType) -> T | None:
    return None if isinstance(value, msgspec.UnsetType) else value
