"""What people are told of stations: what was found, with its figures, in both languages."""

import datetime as dt

from hub.alerts.network import Trouble
from hub.log.entry import Interval
from hub.wire.hj212 import FAULTS as ALL_FAULTS
from schemas import Quantity
from schemas.catalogue import told_quantity
from schemas.language import Text

RESTATES = "station restates"
FAULTS = "station has new faults"
STUCK = "station stuck: "
STEP = "station steps: "
CEILING = "station ceiling: "
AVERAGES = "station averages: "
EXCHANGED = "station instrument: "
"""Rules; behind a colon stands the quantity, or the factor's code."""

_BEIJING = dt.timezone(dt.timedelta(hours=8))


def trouble(device: str, place: Text, rule: str, since: float, found: Text) -> Trouble:
    """Return what was found of a station."""
    text = Text(
        f"{place.en}: {found.en} Look at the station and at whoever keeps it; the frames are in the log.",
        f"{place.zh}：{found.zh}请核查该监测站及其运维单位，原始报文已保存。",
    )
    return Trouble("station", device, rule, "suspicion", since, text)


def restates(interval: Interval) -> Text:
    """Return that a station says again what was, and otherwise."""
    when = _time(interval.t)
    called = [told_quantity(key) for key in sorted(interval.flagged)]
    names, kinds = ", ".join(one.en for one in called), "、".join(one.zh for one in called)
    return Text(
        f"it has said again what {names} was at {when}; the first values count, these are kept beside.",
        f"重复上报了{when}的{kinds}，以首次上报值为准，本次数据另存。",
    )


def faults(codes: list[str]) -> Text:
    """Return that frames have faults that this station does not have."""
    en = "; ".join(ALL_FAULTS[code].en for code in codes)
    zh = "；".join(ALL_FAULTS[code].zh for code in codes)
    return Text(
        f"its frames have faults that its profile does not know: {en}. A source whose faults change may be another.",
        f"报文出现其站点配置以外的错误：{zh}。错误特征变化可能意味着来源已改变。",
    )


def stuck(quantity: Quantity, value: float, seconds: float) -> Text:
    """Return that a value does not change."""
    minutes = f"{seconds / 60:.0f}"
    return Text(
        f"{quantity.called.en} has been {value:g} {quantity.label} for {minutes} min without a change.",
        f"{quantity.called.zh}已连续{minutes}分钟保持{value:g} {quantity.label}不变。",
    )


def step(quantity: Quantity, before: float, after: float, seconds: float) -> Text:
    """Return that a value changed faster than it can."""
    return Text(
        f"{quantity.called.en} went from {before:g} to {after:g} {quantity.label} within {seconds:.0f} s, "
        "faster than it can.",
        f"{quantity.called.zh}在{seconds:.0f}秒内由{before:g}变为{after:g} {quantity.label}，超出可能的变化速率。",
    )


def ceiling(quantity: Quantity, highest: float, above: int, of: int) -> Text:
    """Return that values stop at one level."""
    return Text(
        f"{above} of {of} values of {quantity.called.en} stop just at {highest:g} {quantity.label}, none is above: "
        "they may be cut off.",
        f"{quantity.called.zh}的{of}个数值中有{above}个恰好止于{highest:g} {quantity.label}，且无更高值，可能被截断。",
    )


def averages(quantity: Quantity, hour: int, said: float, mean: float) -> Text:
    """Return that an hour is not the mean of its minutes."""
    when = _time(hour)
    return Text(
        f"of the hour from {when} it says {quantity.called.en} = {said:g} {quantity.label}, and its own 60 "
        f"minutes make {mean:.4g}.",
        f"其上报的{when}起小时值{quantity.called.zh} = {said:g} {quantity.label}，而其60个分钟值平均为{mean:.4g}。",
    )


def exchanged(code: str, before: str, now: str) -> Text:
    """Return that an instrument has another serial number than before."""
    return Text(
        f"its instrument for {code} had the serial number {before[:40]!r}, and has {now[:40]!r} now: it was exchanged, "
        "or another source speaks in its name.",
        f"{code}的监测仪器编号原为{before[:40]!r}，现为{now[:40]!r}：仪器已更换，或另有来源冒用其名义。",
    )


def _time(t: float) -> str:
    return f"{dt.datetime.fromtimestamp(t, _BEIJING):%Y-%m-%d %H:%M}"
