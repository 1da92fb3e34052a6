"""Columns of an alert that are derived from a verdict or an early warning: cause, limit, severity."""

from hub.config.alerts import Severity
from hub.judge.verdicts import Verdict
from hub.judge.verdicts import Warning as Early
from hub.registry.live import NightWork
from schemas.language import Text

OF_VERDICTS = ("value", "capture", "instrument", "uncertainty", "decision")
"""Columns that only a verdict has."""
CRITICAL_DB = 10.0
"""An exceedance by so much is critical, dB."""
CRITICAL_RATIO = 2.0
"""Of quantities that are no levels, one of so many times the limit."""
OUTCOMES: dict[str, Text] = {
    "compliant": Text("compliant", "达标"),
    "exceeded": Text("exceeded", "超标"),
    "above_uncorrected": Text("above the limit, background not taken off", "超过限值，未扣除背景"),
    "open": Text("undecided", "待定"),
    "invalid": Text("invalid", "无效"),
}
RULED: dict[str, Text] = {
    "compliant": Text("rule kept", "合规"),
    "exceeded": Text("rule broken", "违规"),
    "suspicion": Text("rule broken, suspected", "疑似违规"),
    "warning": Text("not broken yet", "尚未违规"),
    "invalid": Text("cannot be told", "无法判定"),
    "open": Text("open", "待定"),
}
"""What outcomes are called where no limit is meant; a breach that is no more than suspected as `suspicion`, one
that is still to come as `warning`."""
LESS: dict[Severity, Severity] = {"critical": "violation", "violation": "warning", "suspicion": "warning"}
"""What a permit for night work makes of a severity."""


def rests_on(judged: Verdict | Early) -> dict[str, object]:
    """Return the columns that say by which limit an alert was raised."""
    limit = judged.limit
    return {
        "limit_value": judged.limit_value,
        "unit": judged.unit,
        "quantity": judged.quantity,
        "standard": judged.standard.id,
        "clause": limit.clause,
        "verified": limit.verified,
        "averaging_verified": limit.averaging.verified,
        "length": judged.end - judged.start,
        **({name: getattr(judged, name) for name in OF_VERDICTS} if isinstance(judged, Verdict) else {}),
    }


def severity_of(v: Verdict, permit: NightWork | None) -> Severity:
    """Return how grave it is that a value is above its limit. A permit for night work lowers it; the limit still binds.

    What is only a suspicion never becomes a violation, however far above the limit it is.
    """
    limit = v.limit_value or 0.0
    above = v.compared if v.compared is not None else limit
    if v.grade == "suspicion":
        critical = False
    elif v.unit.startswith("dB"):
        critical = above - limit >= CRITICAL_DB
    else:
        critical = above >= CRITICAL_RATIO * limit
    severity: Severity = "critical" if critical else "suspicion" if v.grade == "suspicion" else "violation"
    return LESS[severity] if permit else severity
