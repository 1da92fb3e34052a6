"""What the kinds of rules take and give: samples of what a source said, findings, verdicts with their evidence."""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from hub.judge.verdicts import REASONS as OF_LIMITS
from hub.judge.verdicts import Grade, Outcome, Verdict
from schemas.language import Text

Value = str | float | bool
MOST_EVIDENCE = 100
"""Identities that a finding names one by one: the first ones and the last. `Finding.samples` counts them all."""

REASONS: dict[str, tuple[str, str]] = OF_LIMITS | {
    "position_uncertain": (
        "the positions are not certain enough to tell on which side of the boundary they lie",
        "定位误差过大，无法判断在边界哪一侧",
    ),
    "state_unknown": ("a sensor that the rule asks for says nothing", "规则所需的传感器没有数据"),
    "no_place": ("no area or route that the rule asks for was in force", "当时没有规则所需的有效区域或路线"),
    "no_permit": ("no permit was in force", "当时没有有效许可"),
    "gap": ("nothing was heard while it could have happened", "可能发生期间没有数据"),
    "not_confirmed": ("the second sensor does not confirm it", "第二个传感器未予证实"),
    "stuck": ("the sensor gives one and the same value", "传感器读数固定不变"),
    "incomplete": ("not everything was checked", "检查项目不完整"),
    "no_data": ("nothing was heard at all", "完全没有数据"),
    "no_manifest": ("no manifest of the vehicle was open", "当时没有该车辆有效的联单"),
    "outside_window": ("the manifest was not open at that time", "联单当时不在有效时段内"),
    "other_origin": ("it was not loaded where the manifest says", "装载地点与联单不符"),
    "other_target": ("it was not unloaded where the manifest says", "卸载地点与联单不符"),
    "other_material": ("the place does not take what the manifest names", "卸载场所不接收联单所列物料"),
    "not_signed": ("a signature was missing when the trip ended", "行程结束时联单缺少签认"),
    "lost_on_the_way": ("the load was not as heavy when it arrived as when it left", "到达时的载重与出发时不符"),
    "quantity_differs": ("the quantities do not agree", "数量不一致"),
    "over_capacity": ("more was loaded than the vehicle can carry", "装载量超过核定容积"),
    "total_near": ("most of the permitted yearly mass is used up", "许可年排放量即将用尽"),
    "not_said": ("the paper, or what is known of the thing, does not say it", "记录或台账未填写所需内容"),
    "weights_differ": ("gross less tare is not the net weight", "毛重减皮重与净重不符"),
    "overloaded": ("more was weighed than the vehicle may carry", "称重超过核定载质量"),
    "mixed": ("more than one kind in one load", "一车混装多类"),
    "no_round": ("no round of the vehicle was planned then", "当时该车没有计划作业"),
    "out_of_order": ("stops were served in another order than planned", "未按计划顺序作业"),
    "off_schedule": ("stops were served at other times than planned", "未按计划时间作业"),
    "nothing_served": ("it drove far, and served no stop", "行驶里程较长但没有完成任何一处作业"),
    "not_worn": (
        "what says where it was lay still, or was not worn, for much of that time",
        "定位设备在此期间大部分时间未佩戴或静止不动",
    ),
    "hotter": ("it became hotter than was announced", "实测最高气温高于预报"),
    "no_forecast": ("no maximum was announced for the day", "当日没有预报最高气温"),
    "nearly_used_up": ("most of what its permit allows is used up", "许可量即将用尽"),
    "ends_soon": ("it ends soon, and nothing follows it", "即将到期，且无后续许可"),
    "no_document": ("no document that names it was in force", "没有在有效期内的相关文件"),
    "clock_in_doubt": ("the terminal's clock is wrong, so its times are in doubt", "终端时钟不准，时间存疑"),
    "withdrawn": ("what came late shows that it was not so", "迟到的数据表明并非如此"),
}
"""Why a verdict is invalid, or no more than a suspicion: English and Chinese by key."""


def why(reason: str) -> Text:
    """Return the reason of a verdict as people are told it: a key of `REASONS`, or several with commas."""
    found = [REASONS.get(one, (one, one)) for one in reason.split(",")]
    return Text("; ".join(en for en, _ in found), "；".join(zh for _, zh in found))


class Sample(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a source said of one instant. A state that is not named is not known, and so is one that is null."""

    t: int
    """Unix s."""
    id: str
    """Its identity in the log, which evidence cites; the same one again with other content amends it."""
    lat: float | None = None
    """Degrees, WGS-84; None: the source had no fix."""
    lon: float | None = None
    radius: float = 0.0
    """Error radius of the position [m]: it lies in this circle."""
    speed: float | None = None
    """km/h."""
    states: Mapping[str, Value | None] = {}
    late: int | None = 0
    """By how much it came later than it was made [s], below 0: sooner; 0: in time; None: it came with a newer one."""


class Edition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a thing from one day on: an area, route, permit, bin, shift, vehicle.

    What begins at the same moment as an earlier edition of the thing corrects it; what begins later follows it.
    """

    kind: str
    id: str
    number: int
    """Counts up from 1 for each thing; the highest of those that begin at one moment holds."""
    valid_from: int | None = None
    """Unix s; None: it has held always."""
    valid_until: int | None = None
    """The first moment at which it does not hold any more, Unix s; None: none."""
    withdrawn: bool = False
    """It says that nothing begins at this moment: the editions before were a mistake."""
    properties: Mapping[str, object] = {}
    geometry: Mapping[str, object] | None = None
    """GeoJSON (RFC 7946): WGS-84, longitude first."""


class Cited(NamedTuple):
    """The edition of an area, route, permit or other thing by which something was judged."""

    kind: str
    id: str
    edition: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of rules says of one stretch of time."""

    start: int
    """Unix s; `end` is the first moment after it."""
    end: int
    outcome: Outcome
    grade: Grade = "violation"
    reason: str = ""
    """A key of `REASONS`, or several with commas."""
    value: float | None = None
    limit_value: float | None = None
    unit: str = ""
    """Of both values: s, 1 (a share)."""
    evidence: tuple[str, ...] = ()
    """Identities of the samples that it rests on, in the order of their times."""
    samples: int = 0
    """How many there are of these."""
    editions: tuple[Cited, ...] = ()
    open: bool = False
    """It goes on: `end` will move."""


class RuleVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of one rule on one stretch of time; the fields that `Verdict` has, too, mean what they mean there."""

    rule: str
    """The rule's id, or of a limit what verdicts and alerts cite."""
    kind: str
    """limit, or one of `hub.judge.kinds.KINDS`."""
    in_force: dt.date | None
    """The edition of the rule: the day from which it holds."""
    citation: str
    verified: str
    subject: str
    """Id of the thing, board or site that it is about."""
    start: int
    end: int
    outcome: Outcome
    grade: Grade
    reason: str
    value: float | None
    limit_value: float | None
    unit: str
    evidence: tuple[str, ...]
    samples: int
    editions: tuple[Cited, ...]
    open: bool
    lat: float | None = None
    """Where the last sample of its evidence lay that had a position, degrees, WGS-84, as `lon`."""
    lon: float | None = None
    revision: int
    """1; above 1: it takes the place of an earlier one, because late data, or a correction of a thing, changed it."""
    amends: int | None
    """Start of the verdict that it takes the place of, which late data may have moved."""
    judged: float


def of_limit(verdict: Verdict) -> RuleVerdict:
    """Return the verdict of a limit in the form that all kinds of rules share."""
    limit = verdict.limit
    return RuleVerdict(
        rule=verdict.rule,
        kind="limit",
        in_force=limit.in_force,
        citation=verdict.standard.id,
        verified=limit.weakest,
        subject=verdict.device,
        start=verdict.start,
        end=verdict.end,
        outcome=verdict.outcome,
        grade=verdict.grade,
        reason=verdict.reason,
        value=verdict.value,
        limit_value=verdict.limit_value,
        unit=verdict.unit,
        # A limit's readings are those of (device, quantity) in its window: `Verdict` says so.
        evidence=(f"{verdict.device}/{verdict.quantity}",),
        samples=0,
        editions=(),
        open=False,
        revision=verdict.revision,
        amends=verdict.start if verdict.revision > 1 else None,
        judged=verdict.judged,
    )
