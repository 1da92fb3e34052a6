"""What judging gives: the verdict on one averaging window, and the early warning while a window is still open."""

from dataclasses import dataclass
from typing import Literal

from hub.wire.channels import Proof
from schemas import Limit, Standard

Outcome = Literal["compliant", "exceeded", "invalid"]
Binds = Literal["binds", "informs"]
"""binds: above it the site violates the law. informs: recorded, never a violation, never an alert."""

REASONS: dict[str, tuple[str, str]] = {
    "": ("", ""),
    "too_little": ("too little valid data", "有效数据不足"),
    "wind": ("wind too strong for a valid noise measurement", "风速过大，噪声测量无效"),
    "no_oxygen": ("no valid oxygen reading to convert with", "缺少有效含氧量，无法折算"),
    "no_background": ("the background of the area is not known", "缺少区域背景值"),
    "at_least": (
        "part of the sound was beyond the instrument: the level was this or higher",
        "部分声音超出仪器量程，实际声级不低于此值",
    ),
}
"""Why a verdict is invalid: English and Chinese by key. `at_least` stands with what is exceeded by the level that is
certain, the empty key with every other outcome."""


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
    """In the quantity's unit, not rounded; it was rounded to `decimals` before it was compared. None: none."""
    limit_value: float
    unit: str
    """As people write it."""
    decimals: int
    capture: float
    """Share of the window that was measured with flag N (of the first step's time, or of a later step's values)."""
    outcome: Outcome
    reason: str
    """A key of `REASONS`."""
    permitted: bool
    """The value is above the limit's, but so many windows above it are permitted: "compliant" for that reason."""
    revision: int
    """1; above 1: late data amended it."""
    judged: float
    """When, Unix s."""
    binding: Binds
    proof: Proof = "mac"
    """How well it is proven who measured: the weakest of what came in the days of its window."""


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
