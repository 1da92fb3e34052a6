"""What alerts about limits look up in the tables of judging (`hub.compliance.tables`): it is only read, and only here.

Such an alert is made by judging alone, so wherever there is one, these tables are there, too.
"""

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
    if alert.kind != "limit":
        return []
    rows = db.execute(
        "SELECT v.judged FROM alert_window w JOIN verdict v ON v.device = ? AND v.rule = ? AND v.start = w.start "
        "WHERE w.alert = ? AND v.site = ?",
        (alert.device, alert.rule, alert.id, alert.site),
    )
    return [judged for (judged,) in rows]
