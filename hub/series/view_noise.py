"""Shows statistics of noise: to people as a table, to programs as plain values."""

from collections.abc import Sequence
from datetime import datetime

from hub.judge.windows import LocalTime
from hub.series.noise import NAMES, Statistics
from hub.terminal.tables import say, table
from schemas.language import Text, tell

NONE = Text("Nothing was measured there in this time.", "该时段内没有测量数据。")
NOT_AVAILABLE = Text(
    "-: not available. Levels exceeded so many % of the time need a board that counts levels (its agent is older, its"
    ' configuration says "levels": false, or its meter states no time weighting F).',
    "-：无数据。累积百分声级需要设备统计声级（设备程序较旧、配置中 levels 为 false，或仪器未声明 F 时间计权）。",
)
AT_LEAST = Text(
    ">=: the sound was beyond the instrument; it was so loud at least.", ">=：声音超出仪器量程，实际不低于该值。"
)
TOGETHER = Text("together", "合计")
HEADS = (
    Text("site", "站点"),
    Text("board", "设备"),
    Text("from", "起"),
    Text("to", "止"),
    *(Text(name, name) for name in ("LAeq", "Ld", "Ln", "Ldn", "L5", "L10", "L50", "L90", "L95", "SD")),
    Text("LAeq %", "LAeq数据率%"),
    Text("levels %", "声级数据率%"),
    Text("wind, rain %", "风雨剔除%"),
)


def plain(one: Statistics, local: LocalTime) -> dict[str, object]:
    """Return statistics as JSON has them: times as people's clocks show them, dB with two decimals, null: not known."""
    values = {name: getattr(one, name) for name in ("laeq", "ld", "ln", "ldn")}
    values |= {name: one.levels.get(name) for name in NAMES}
    return {
        "site": one.site,
        "board": one.board or None,
        "start": _told(one.start, local),
        "end": _told(one.end, local),
        **{name: None if value is None else round(value, 2) for name, value in values.items()},
        "at_least": one.at_least,
        "capture": round(one.capture, 4),
        "counted": round(one.counted, 4),
        "left_out": round(one.left_out, 4),
    }


def show(found: Sequence[Statistics], local: LocalTime) -> None:
    """Print a table with a row for each window."""
    if not found:
        say(tell(NONE), wrap=True)
        return
    rows = [
        (
            one.site,
            one.board or tell(TOGETHER),
            _told(one.start, local)[:16].replace("T", " "),
            _told(one.end, local)[:16].replace("T", " "),
            *(_number(getattr(one, name)) for name in ("laeq", "ld", "ln", "ldn")),
            *((">=" if name in one.at_least else "") + _number(one.levels.get(name)) for name in NAMES),
            f"{one.capture * 100:.0f}",
            f"{one.counted * 100:.0f}",
            f"{one.left_out * 100:.0f}",
        )
        for one in found
    ]
    table([tell(head) for head in HEADS], rows, numbers=range(4, len(HEADS)))
    if any(not one.levels for one in found):
        say(tell(NOT_AVAILABLE), wrap=True)
    if any(one.at_least for one in found):
        say(tell(AT_LEAST), wrap=True)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _told(t: int, local: LocalTime) -> str:
    return datetime.fromtimestamp(t, local.zone).isoformat()
