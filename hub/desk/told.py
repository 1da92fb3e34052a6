"""Who was told of an alert: the notifications of `hub.notify`, which are only read here, to be shown with it."""

import sqlite3

from hub.alerts.records import Notification
from hub.storage.rows import select


def notifications_of(db: sqlite3.Connection, alert: int) -> list[Notification]:
    """Return the notifications of an alert in the order in which they were chosen."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'notification'").fetchone():
        return []  # nobody has been told of anything yet
    return select(db, Notification, "FROM notification WHERE subject = 'alert' AND alert = ? ORDER BY id", alert)
