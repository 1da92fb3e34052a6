"""What alerts look up in the tables of judging (`hub.compliance.tables`): it is only read, and only here.

An alert about a limit or a rule is made by judging alone, so wherever there is one, these tables are there, too.
"""

import json
import sqlite3

from hub.alerts.records import Alert
from hub.judge.verdicts import UNSAID


def is_dumb(db: sqlite3.Connection, alert: Alert, since: float) -> bool:
    """Tell whether nothing has been measured by an alert's board, where the alert is, since `since`, Unix s.

    Not of one that was never heard. At every site but its first one a board is judged by a key of its own
    (`hub.limits.places.Places`).
    """
    row = db.execute(
        "SELECT t FROM latest WHERE device IN (?, ?) ORDER BY length(device) DESC LIMIT 1",
        (alert.device, f"{alert.device}@{alert.site}"),
    ).fetchone()
    return row is not None and row[0] < since


def is_void(db: sqlite3.Connection, alert: Alert) -> bool:
    """Tell whether the newest window after those on which an alert rests does not say if the limit was kept."""
    row = db.execute(
        "SELECT outcome FROM verdict WHERE device = ? AND rule = ? AND start >= ? AND site = ? "
        "ORDER BY start DESC, revision DESC LIMIT 1",
        (alert.device, alert.rule, alert.last, alert.site),
    ).fetchone()
    return row is not None and row[0] in UNSAID


def judged_at(db: sqlite3.Connection, alert: Alert) -> list[float]:
    """Return when each verdict on the windows of an alert was given, Unix s; that of an amended one, too."""
    if alert.kind == "rule":
        return [judged for (judged,) in db.execute(f"SELECT DISTINCT judged {_OF_RULE}", _rule(alert))]
    if alert.kind != "limit":
        return []
    rows = db.execute(
        "SELECT v.judged FROM alert_window w JOIN verdict v ON v.device = ? AND v.rule = ? AND v.start = w.start "
        "WHERE w.alert = ? AND v.site = ?",
        (alert.device, alert.rule, alert.id, alert.site),
    )
    return [judged for (judged,) in rows]


def cited_by(db: sqlite3.Connection, alert: Alert) -> tuple[list[str], int | None]:
    """Return the identities of the samples on which an alert about a rule rests, and when the first was made, Unix s.

    What nothing can change any more is forgotten there; then that time is not known.
    """
    if alert.kind != "rule":
        return [], None
    rows = db.execute(f"SELECT DISTINCT value FROM (SELECT evidence {_OF_RULE}), json_each(evidence)", _rule(alert))  # noqa: S608
    samples = [sample for (sample,) in rows]
    first = db.execute(
        "SELECT min(t) FROM rule_sample WHERE id = ? AND sample IN (SELECT value FROM json_each(?))",
        (alert.device, json.dumps(samples)),
    ).fetchone()[0]
    return samples, first


_OF_RULE = (
    "FROM rule_verdict WHERE rule = ? AND subject = ? AND start IN (SELECT start FROM alert_window WHERE alert = ?)"
)


def _rule(alert: Alert) -> tuple[str, str, int]:
    return alert.rule, alert.device, alert.id
