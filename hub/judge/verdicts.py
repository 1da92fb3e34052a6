"""What judging gives: the verdict on one averaging window, and the early warning while a window is still open."""

from dataclasses import dataclass
from typing import Literal

from hub.wire.proof import Proof
from schemas import Limit, Standard

Outcome = Literal["compliant", "exceeded", "above_uncorrected", "open", "invalid"]
"""exceeded: above the limit. above_uncorrected: above a limit on noise, and the background that must be taken off was
not measured. open: a limit is known to hold, and its value, or what of the site decides it, is not. invalid: too little
of the window was measured, or under conditions in which nothing counts."""
Grade = Literal["", "violation", "suspicion"]
"""violation: the law is broken. suspicion: that calls for a measurement. Empty: neither."""
ABOVE: tuple[Outcome, ...] = ("exceeded", "above_uncorrected")
"""Outcomes of which people are told."""
SQL_ABOVE = "outcome IN ('" + "', '".join(ABOVE) + "')"
UNSAID: tuple[Outcome, ...] = ("open", "invalid")
"""Outcomes that do not say whether the limit was kept."""
InstrumentClass = Literal["", "type_approved", "class_1", "class_2", "indicative"]
"""How good an instrument is as the registry states it; empty: not stated, and judged as if it were good enough."""
Decision = Literal["simple", "guarded_acceptance", "guarded_rejection"]
"""How the uncertainty of measuring is taken into account (JCGM 106 = ISO/IEC Guide 98-4, clause 8; ILAC-G8). simple:
not at all. guarded_acceptance: a limit counts as kept only where the value is below it by the expanded uncertainty.
guarded_rejection: it counts as broken only where the value is above it by as much. What lies between is a suspicion."""
Binds = Literal["binds", "informs"]
"""binds: above it the site violates the law. informs: recorded, never a violation, never an alert."""

REASONS: dict[str, tuple[str, str]] = {
    "": ("", ""),
    "too_little": ("too little valid data", "有效数据不足"),
    "wind": ("wind too strong for a valid noise measurement", "风速过大，噪声测量无效"),
    "rain": ("rain or snow: no valid noise measurement", "有雨雪，噪声测量无效"),
    "no_oxygen": ("no valid oxygen reading to convert with", "缺少有效含氧量，无法折算"),
    "oxygen_high": ("so much oxygen as when a plant is started, stopped or at rest", "含氧量过高，属启停或停炉工况"),
    "starting": ("the plant was being started or stopped, as declared", "按申报属启炉、停炉时段"),
    "not_running": (
        "the plant was at rest, or next to it started or stopped, by flow or flag",
        "按流量或标记判定为停运，或与停运相邻的启停时段",
    ),
    "marked": ("marked as invalid by the enterprise, in time and with proof", "排污单位已按时标记为无效并提供证明"),
    "no_background": ("the background of the area is not known", "缺少区域背景值"),
    "background_near": ("too near to the background to be judged", "与背景噪声相差过小，无法评价"),
    "value_unknown": ("the value of the limit is not known", "限值数值尚未查明"),
    "indicative": (
        "measured by an instrument that only indicates: no violation without a measurement by a better one",
        "由指示性仪器测得：未经更高等级仪器测量不构成违法认定",
    ),
    "guard_band": (
        "nearer to the limit than the instrument is certain: a better measurement must decide",
        "与限值之差在仪器不确定度之内：须以更准确的测量为准",
    ),
    "withdrawn": ("what came late shows that it was not so", "迟到的数据表明并非如此"),
    "site_unknown": ("what of the site decides the limit is not known", "决定限值的站点情况不明"),
    "at_least": (
        "part of the sound was beyond the instrument: the level was this or higher",
        "部分声音超出仪器量程，实际声级不低于此值",
    ),
}
"""Why a verdict is invalid, open, or no more than a suspicion: English and Chinese by key. `at_least` stands with what
is above by the level that is certain, the empty key with every other outcome."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one window of one limit at one board.

    The readings that it rests on are those of (`device`, `quantity`) in `start` <= t < `end`.
    """

    district: str
    site: str
    device: str
    rule: str
    """What verdicts and alerts cite: "GB 12523-2025 laeq-day"."""
    standard: Standard
    limit: Limit
    quantity: str
    start: int
    """Unix s, like `end`."""
    end: int
    value: float | None
    """In the quantity's unit, as it was measured: not rounded, no background taken off. None: none."""
    compared: float | None
    """What was compared with the limit: rounded as the law has it, the background taken off."""
    background: float | None
    """Which background was known, in the quantity's unit."""
    limit_value: float | None
    """None: it is not known."""
    unit: str
    """As people write it."""
    decimals: int
    """Of the quantity, as people are told the value."""
    capture: float
    """Share of the window that was measured with flag N (of the first step's time, or of a later step's values)."""
    outcome: Outcome
    grade: Grade
    reason: str
    """A key of `REASONS`."""
    missing: str
    """What is not known: a property of the site, ``zone_class`` or ``value``. Where the outcome is not open, it is the
    same whatever that is."""
    assumed: str
    """What nobody has said of the site and is assumed: "sensitive=near"."""
    permitted: bool
    """The value is above the limit's, but so many windows above it are permitted: "compliant" for that reason."""
    revision: int
    """1; above 1: late data amended it."""
    judged: float
    """When, Unix s."""
    binding: Binds
    proof: Proof = "mac"
    """How well it is proven who measured: the weakest of what came in the days of its window."""
    instrument: InstrumentClass = ""
    uncertainty: float | None = None
    """Of the instrument at the limit: expanded (k = 2), in the quantity's unit; None: not stated."""
    decision: Decision = "simple"
    """By which rule it was decided: simple, too, where the uncertainty is not stated."""
    marks: tuple[int, ...] = ()
    """The marks that lie in its window (`hub.things.marks`), by number."""
    editions: tuple[tuple[str, str, int], ...] = ()
    """Of a permit that sets the limit, and of what belongs to it, as they held in the window: kind, id, number."""


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the field's own word
    """What is to be expected of a window that is still open."""

    district: str
    site: str
    device: str
    rule: str
    standard: Standard
    limit: Limit
    quantity: str
    start: int
    """Unix s, like `end`."""
    end: int
    limit_value: float
    unit: str
    used: float
    """Share of the window's budget (of noise: energy) that is used up; above 1 the limit is broken."""
    certain: bool
    """The limit can no longer be kept, whatever follows."""
    reached_at: float | None
    """When the budget will be used up if it goes on as in the last 5 minutes, Unix s; None: not in this window."""
    seen: float
    """Up to when the board has measured, Unix s."""
