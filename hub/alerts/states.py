"""What alerts can be, each word once: the database, the HTTP API, the command line and the texts all use these."""

from typing import Literal

Kind = Literal[
    "limit",
    "rule",
    "silent",
    "sensor",
    "clock",
    "calibration",
    "outbox",
    "numbers",
    "flood",
    "unheard",
    "lag",
    "certificate",
    "station",
    "sos",
]
"""What an alert is about: a limit; another rule of a pack; somebody who calls for help (sos); the
others are troubles of the network."""
State = Literal["pending", "firing", "acknowledged", "resolved", "closed", "withdrawn"]
StateAsked = Literal["open", State]
"""State by which alerts are looked for; open: not over yet."""
What = Literal[
    "early",
    "counted",
    "firing",
    "released",
    "suppressed",
    "raised",
    "escalated",
    "amended",
    "acknowledged",
    "comment",
    "resolved",
    "withdrawn",
    "closed",
]
"""What happens to an alert: an event of its audit trail."""
Sending = Literal["waiting", "sending", "sent", "unknown", "dropped", "refused"]
"""State of a notification; unknown: twice the hub was stopped while it was sent; refused: its service refused it for a
day for a reason that only a person can mend."""

OPEN: tuple[State, ...] = ("pending", "firing", "acknowledged")
"""States of what is not over. Of one cause there is at most one such alert; the database itself sees to it."""
WAITING: tuple[State, ...] = (*OPEN, "resolved")
"""States of what nobody has put away yet."""
SQL_OPEN = "state IN ('" + "', '".join(OPEN) + "')"
SQL_WAITING = "state IN ('" + "', '".join(WAITING) + "')"
"""As the index `alert_waiting` says it: SQLite takes it only where the same is asked."""
