"""Judges what a board shows of itself: pass or fail, and for each failure what to do. Values in, values out."""

import datetime as dt
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from firmware.channels import is_plausible, shown
from firmware.link.session import SensorSeen
from schemas.chinese import in_chinese
from schemas.language import Text

CLOCK_MOST_S = 5
LEAST_FREE = 400 * 1024
"""Bytes: below, littlefs gets slow and an update has no room (edge/README.md)."""
MOST_REJECTED = 0.1
"""Share of frames that may arrive damaged."""
SOON = dt.timedelta(days=30)


class ResultState(StrEnum):
    """How a check came out."""

    ok = "ok"
    warning = "warning"
    problem = "problem"
    skipped = "skipped"


class Result(NamedTuple):
    """One check: what was looked at, how it came out, what was found, and what to do."""

    name: Text
    state: ResultState
    found: Text
    remedy: Text = Text("", "")


def same(text: str) -> Text:
    """Return a text that is the same in both languages: a number, a name."""
    return Text(text, text)


def software(version: str, *, whole: bool) -> Result:
    """Judge the installed software; `whole`: every file has the SHA-256 of its manifest."""
    name = Text("Software", "软件")
    if whole:
        return Result(name, ResultState.ok, same(f"Fenceline {version}"))
    return Result(
        name,
        ResultState.problem,
        Text("files are damaged", "文件已损坏"),
        Text("fenceline board install", "执行 fenceline board install"),
    )


def identity(config: dict[str, Any], *, has_key: bool) -> Result:
    """Judge configuration and key."""
    name = Text("Identity and key", "身份与密钥")
    if has_key:
        return Result(name, ResultState.ok, same(f"{config['device']}, {config['site']}, {config['district']}"))
    return Result(
        name,
        ResultState.problem,
        Text("there is no whole key", "没有完整的密钥"),
        Text("fenceline board provision --force", "执行 fenceline board provision --force"),
    )


def certificate(expires: dt.datetime | None, now: dt.datetime, *, secured: bool) -> Result:
    """Judge the client certificate; `expires` None: it cannot be read."""
    name = Text("Certificate", "证书")
    again = Text(
        "provision the board again with a new certificate (--force keeps key and records)",
        "用新证书重新配置设备（--force 会保留密钥和记录）",
    )
    if not secured:
        return Result(
            name,
            ResultState.warning,
            Text("no TLS: only for a laboratory", "未启用 TLS：仅限实验室"),
            Text(
                "give it the city's certificates before it goes to a fence (provision --force --ca ...)",
                "投入使用前须装入全市统一颁发的证书（provision --force --ca ……）",
            ),
        )
    if expires is None or expires < now:
        return Result(name, ResultState.problem, same("-" if expires is None else f"{expires:%Y-%m-%d}"), again)
    if expires < now + SOON:
        return Result(name, ResultState.warning, same(f"{expires:%Y-%m-%d}"), again)
    return Result(name, ResultState.ok, Text(f"good until {expires:%Y-%m-%d}", f"有效期至 {expires:%Y-%m-%d}"))


def clock(board: int, now: float) -> Result:
    """Judge the clock against the laptop's, both Unix s; `board` 0: never set."""
    name = Text("Clock", "时钟")
    remedy = Text(
        "check this laptop's clock, then let the board reach a time server (UDP 123), or provision it again, which "
        "sets it",
        "请先确认本机时钟，再让设备能访问时间服务器（UDP 123），或重新配置（会设置时钟）",
    )
    if board == 0:
        return Result(name, ResultState.problem, Text("never set", "从未设置"), remedy)
    ahead = board - now
    told = Text(f"{round(ahead):+d} s against this laptop", f"与本机相差 {round(ahead):+d} 秒")
    return (
        Result(name, ResultState.ok, told)
        if abs(ahead) <= CLOCK_MOST_S
        else Result(name, ResultState.problem, told, remedy)
    )


def storage(told: dict[str, Any]) -> Result:
    """Judge a real write and read of the board's flash, and the room left."""
    name = Text("Storage", "存储")
    if told["problem"]:
        return Result(
            name,
            ResultState.problem,
            same(str(told["problem"])),
            Text(
                "is it full? fenceline board backup, then sync; else the flash is worn: rescue, and replace the board",
                "是否已满？先备份并发送数据；否则闪存已损坏：执行 rescue 并更换主板",
            ),
        )
    free = told["free"]
    if free is None:
        return Result(name, ResultState.ok, Text("written and read back", "写入并读回正常"))
    found = Text(f"written and read back, {free // 1024} KB free", f"写入并读回正常，剩余 {free // 1024} KB")
    if free >= LEAST_FREE:
        return Result(name, ResultState.ok, found)
    return Result(
        name,
        ResultState.warning,
        found,
        Text(
            "lower outbox max_bytes, or remove files that are not the board's",
            "减小 outbox 的 max_bytes，或删除无关文件",
        ),
    )


def outbox(told: dict[str, Any]) -> Result:
    """Judge what waits in the outbox."""
    name = Text("Outbox", "发件箱")
    found = Text(
        f"{told['records']} records, {told['damaged']} damaged", f"{told['records']} 条记录，{told['damaged']} 条损坏"
    )
    if not told["damaged"]:
        return Result(name, ResultState.ok, found)
    return Result(
        name,
        ResultState.problem,
        found,
        Text(
            "the flash is failing: fenceline board rescue, then replace the board",
            "闪存即将失效：执行 rescue 后更换主板",
        ),
    )


def buses(told: dict[str, Any]) -> list[Result]:
    """Judge the I2C and I2S lines."""
    results = []
    for spec, one in told.items():
        name = Text(f"Bus {spec}", f"总线 {spec}")
        wires = Text(
            "check power, ground and the two wires; SDA and SCL may be swapped",
            "检查供电、地线和两根信号线；SDA 与 SCL 可能接反",
        )
        if one["problem"]:
            results.append(Result(name, ResultState.problem, same(one["problem"]), wires))
        elif one["found"] is not None and not one["found"]:
            results.append(Result(name, ResultState.problem, Text("nobody answers", "无设备应答"), wires))
        else:
            shown = ", ".join(hex(address) for address in one["found"] or ()) or "open"
            results.append(Result(name, ResultState.ok, same(shown)))
    return results


_REMEDIES = {
    "B": Text(
        "check power and wires: RX and TX, A and B, or trigger and echo may be swapped; then baud rate and address in "
        "the settings",
        "检查供电和接线：RX/TX、A/B 或触发/回波线可能接反；再检查配置中的波特率和地址",
    ),
    "D": Text("clean the sensor; if it stays, replace it", "清洁传感器；如仍异常请更换"),
    "T": Text("is the source too strong? else replace the sensor", "源是否过强？否则更换传感器"),
    "M": Text("wait until it is warm, then check again", "等待预热完成后再次检查"),
    "C": Text("wait a minute until the calibration is over, then check again", "校准结束一分钟后再次检查"),
}


def sensor(name: str, seen: SensorSeen, values: dict[str, float]) -> Result:
    """Judge a sensor by what it has given."""
    title = Text(f"Sensor {name}", f"传感器 {name}")
    given = {channel: values[channel] for channel in seen.channels if channel in values}
    told_values = ", ".join(shown(channel, value) for channel, value in given.items())
    if seen.flag != "N" or not given:
        why = seen.why or told_values
        told = Text(*(": ".join(part for part in (seen.flag, said) if part) for said in (why, in_chinese(why))))
        state = ResultState.warning if seen.flag in "MC" and seen.flag else ResultState.problem
        return Result(title, state, told, _REMEDIES.get(seen.flag, _REMEDIES["B"]))
    odd = [channel for channel, value in given.items() if not is_plausible(channel, value)]
    if odd:
        return Result(
            title,
            ResultState.problem,
            Text(f"not plausible: {told_values}", f"数值不合理：{told_values}"),
            Text("check scale and channel in its settings", "检查配置中的比例和通道"),
        )
    if seen.rejected > MOST_REJECTED * (seen.n + seen.rejected):
        return Result(
            title,
            ResultState.warning,
            Text(f"{told_values}; {seen.rejected} damaged frames", f"{told_values}；损坏帧 {seen.rejected} 个"),
            Text(
                "the line is disturbed: shield it, shorten it, terminate RS-485",
                "线路受干扰：请屏蔽、缩短线路或加 RS-485 终端电阻",
            ),
        )
    return Result(title, ResultState.ok, same(told_values))


def supply(values: dict[str, float]) -> Result:
    """Judge the supply voltage, where a sensor gives it."""
    name = Text("Supply voltage", "供电电压")
    if "supply" not in values:
        return Result(name, ResultState.skipped, Text("no sensor gives it", "没有传感器提供"))
    volts = values["supply"]
    if is_plausible("supply", volts):
        return Result(name, ResultState.ok, same(f"{volts:.2f} V"))
    return Result(
        name,
        ResultState.problem,
        same(f"{volts:.2f} V"),
        Text("check the power supply under load, and its cable", "检查电源带载电压及线缆"),
    )


CAUSES = {
    "power": Text("power came on", "上电"),
    "reset": Text("reset button", "复位键"),
    "sleep": Text("woke from sleep", "休眠唤醒"),
    "software": Text("restarted by its software", "软件重启"),
    "process": Text("a virtual board", "虚拟设备"),
    "brownout": Text("brownout: the supply broke down", "供电跌落"),
    "watchdog": Text("watchdog: it hung", "看门狗（曾死机）"),
}
"""Why a board started, by the word of its agent (`reset_cause` in edge/)."""


def reset(cause: str) -> Result:
    """Judge why the board started last."""
    name = Text("Last start", "上次启动")
    remedies = {
        "brownout": Text("the supply is too weak: another supply, a shorter cable", "供电不足：更换电源或缩短线缆"),
        "watchdog": Text(
            "it hung: fenceline board logs; then install", "曾死机：查看 fenceline board logs，再重新安装"
        ),
    }
    told = CAUSES.get(cause, same(cause))
    if cause in remedies:
        return Result(name, ResultState.warning, told, remedies[cause])
    return Result(name, ResultState.ok, told)


def calibration(content: dict[str, Any] | None, today: dt.date) -> Result:
    """Judge the calibration in force; None: there is none."""
    name = Text("Calibration", "校准")
    remedy = Text("fenceline board calibrate --help", "见 fenceline board calibrate --help")
    if not content or not content.get("id"):
        return Result(name, ResultState.warning, Text("never calibrated", "从未校准"), remedy)
    due = str(content.get("due", ""))
    found = Text(f"number {content['id']}, due {due or '-'}", f"编号 {content['id']}，到期 {due or '-'}")
    if due and due <= today.isoformat():
        return Result(name, ResultState.problem, found, remedy)
    return Result(name, ResultState.ok, found)


OPTICAL = ("plantower", "sds011", "sps30", "winsen")
"""Drivers of sensors that see water for dust: they heat or dry no air."""


def humidity(types: Collection[str], content: dict[str, Any] | None, channels: Collection[str]) -> list[Result]:
    """Judge whether it is stated how optical dust sensors are corrected for humidity; nothing without such a sensor.

    Args:
        types: of the board's sensors.
        content: the calibration in force; None: there is none.
        channels: what the board's sensors give.
    """
    dust = [one for one in ("pm1", "pm25", "pm10", "tsp") if one in channels]
    if not dust or not set(OPTICAL).intersection(types):
        return []
    name = Text("Humidity correction of dust", "颗粒物湿度修正")
    kappa = {one: how["kappa"] for one, how in (content or {}).get("channels", {}).items() if "kappa" in how}
    missing = ", ".join(one for one in dust if one not in kappa)
    if missing:
        found = Text(
            f"no kappa is stated for {missing}: water counts as dust", f"{missing} 未注明 kappa：水汽会计为颗粒物"
        )
        remedy = Text(
            "state it in the calibration (edge/calibration.py); 0 says that the inlet dries the air",
            "请在校准文件中注明（edge/calibration.py）；0 表示进气口已除湿",
        )
        return [Result(name, ResultState.warning, found, remedy)]
    if any(kappa[one] for one in dust) and "humidity" not in channels:
        found = Text("kappa is stated, and no sensor gives a humidity", "注明了 kappa，但没有湿度传感器")
        remedy = Text(
            "add a hygrometer, such as sht3x: without one nothing counts",
            "请加装湿度传感器（如 sht3x），否则数据均无效",
        )
        return [Result(name, ResultState.problem, found, remedy)]
    return [Result(name, ResultState.ok, same(", ".join(f"{one} {kappa[one]:g}" for one in dust)))]


def passed(results: Sequence[Result]) -> bool:
    """Tell whether nothing is in the way."""
    return all(result.state is not ResultState.problem for result in results)
