"""An alert and what belongs to it, as their tables in compliance.db hold them (`hub.alerts.tables`)."""

from typing import Literal, NamedTuple

import msgspec

from hub.alerts.states import Kind, Sending, State, What
from hub.config.alerts import Severity
from schemas.standards import Verified


class Alert(msgspec.Struct, kw_only=True):
    """One continuing cause: a limit at a board, or a trouble of a board or of the hub. Times are Unix s."""

    id: int = 0
    """0: not in the database yet."""
    kind: Kind
    district: str
    """Empty, as site and device: of the hub itself."""
    site: str
    device: str
    rule: str
    """With the device, the cause: "GB 12523-2025 laeq-day", "board silent"."""
    state: State
    severity: Severity
    opened: float
    fired: float | None = None
    acknowledged: float | None = None
    resolved: float | None = None
    closed: float | None = None
    acknowledged_by: str | None = None
    escalation: int = 0
    """The level up to which recipients have been called."""
    maintenance: int | None = None
    """The maintenance window for which nobody is told of it."""
    permit: str | None = None
    """Number of the permit for night work that held."""
    first: int
    """Start of the first window that broke the limit, or since when the trouble has lasted."""
    last: int
    """End of the last window that broke it, or when the trouble was seen last."""
    value: float | None = None
    """Worst so far, in `unit`; None, as what follows: a trouble of the network."""
    limit_value: float | None = None
    unit: str | None = None
    quantity: str | None = None
    capture: float | None = None
    """Share of the window with the worst value that was measured, 0 to 1."""
    standard: str | None = None
    clause: str | None = None
    verified: Verified | None = None
    averaging_verified: Verified | None = None
    length: int = 0
    """Of a window [s]."""
    exceeded: int = 0
    """Windows in a row that broke the limit."""
    kept: int = 0
    """Windows in a row that kept it since."""
    judged_to: int = 0
    """End of the newest window that counted."""
    early_end: int = 0
    """End of the open window that was warned of."""
    certain: bool = False
    """It was told that this window can no longer keep the limit."""
    text: str
    """What people were told first, as a line in English and one in Chinese."""
    instrument: str = ""
    """Class of what measured it (`hub.judge.verdicts.InstrumentClass`); empty: not stated."""
    uncertainty: float | None = None
    """Of it at the limit, expanded (k = 2), in `unit`; None: not stated."""
    decision: str = "simple"


class Waiting(NamedTuple):
    """What alerts that nobody has put away are counted by."""

    state: State
    severity: Severity
    mine: bool
    """Acknowledged by whoever asks."""


class OpenAlerts(NamedTuple):
    """So many alerts at a site are not over and say the same of it."""

    site: str
    kind: Kind
    severity: Severity
    fired: bool
    """False: early warnings."""
    alerts: int


class AlertEvent(msgspec.Struct, kw_only=True):
    """Something that happened to an alert: a step of its audit trail."""

    id: int = 0
    alert: int
    time: float
    """Unix s."""
    who: str
    """`hub.access.names.HUB`, or a user."""
    what: What
    detail: str
    """As it was told, in English; what a user wrote, as it was written."""
    detail_zh: str
    severity: Severity
    """Of the alert then."""
    quiet: bool
    """Recorded, but nobody is told."""


class AlertWindow(msgspec.Struct, kw_only=True):
    """A judged window on which an alert rests, as it was judged last."""

    alert: int
    start: int
    """Unix s."""
    end: int
    revision: int
    """Above 1: late data amended it."""
    outcome: str
    value: float | None
    """In the alert's unit."""
    capture: float | None
    """Share that was measured, 0 to 1."""


Subject = Literal["alert", "case"]
"""What people are told of."""


class Notification(msgspec.Struct, kw_only=True):
    """That one recipient is told of one event; the table is `hub.notify`'s."""

    id: int
    subject: Subject
    alert: int
    """The number of that."""
    step: int
    """The event's number."""
    recipient: str
    state: Sending
    attempts: int
    due: float
    """Not to be sent before, Unix s."""
    repeated: int
    """Whether it was sent was left open 1: by a crash, 2: by a lost answer; it was sent again, and said so."""
    sent: float | None
    """Unix s."""
    digest: int | None
    """The first notification of the digest with which it was sent."""
    error: str | None
    """Of the last attempt."""
