"""What an alert takes over from a verdict or an early warning."""

from hub.alerts.text import clause_of
from hub.config.alerts import SEVERITIES, Severity
from hub.judge.verdicts import Verdict
from hub.judge.verdicts import Warning as Early
from hub.registry.live import NightWork

CRITICAL_DB = 10.0
"""An exceedance by so much is critical, dB."""
CRITICAL_RATIO = 2.0
"""Of quantities that are no levels, one of so many times the limit."""
OUTCOMES = {"compliant": "达标", "exceeded": "超标", "invalid": "无效"}


def rests_on(judged: Verdict | Early) -> dict[str, object]:
    """Return the columns that say by which limit an alert was raised."""
    limit = judged.limit
    return {
        "limit_value": judged.limit_value,
        "unit": judged.unit,
        "quantity": judged.quantity,
        "standard": judged.standard.id,
        "clause": clause_of(limit),
        "verified": limit.verified,
        "averaging_verified": limit.averaging.verified,
        "length": judged.end - judged.start,
        **({"value": judged.value, "capture": judged.capture} if isinstance(judged, Verdict) else {}),
    }


def severity_of(v: Verdict, permit: NightWork | None) -> Severity:
    """Return how grave an exceedance is. A permit for night work lowers it by one; the limit still binds."""
    above = v.value if v.value is not None else v.limit_value
    if v.unit.startswith("dB"):
        critical = above - v.limit_value >= CRITICAL_DB
    else:
        critical = above >= CRITICAL_RATIO * v.limit_value
    severity: Severity = "critical" if critical else "violation"
    return SEVERITIES[SEVERITIES.index(severity) - 1] if permit else severity
