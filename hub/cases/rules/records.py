"""A case and what happens to it. Times are Unix s."""

from typing import Any, Literal

import msgspec

from hub.cases.rules.calendar import Unit

Source = Literal["alert", "citizen", "patrol", "department"]
State = Literal[
    "reported",
    "verifying",
    "filed",
    "dispatched",
    "handling",
    "fed_back",
    "checking",
    "closed",
    "archived",
    "refused",
    "suspended",
    "appealed",
]
StateAsked = Literal["open", State]
"""State by which cases are looked for; open: not over yet."""
OVER: frozenset[State] = frozenset({"closed", "archived", "refused"})
"""States of what nobody has to do anything about any more."""
What = Literal[
    "report",
    "ask_verification",
    "verify",
    "file",
    "refuse",
    "send_back",
    "dispatch",
    "return",
    "receive",
    "ask_extension",
    "grant_extension",
    "deny_extension",
    "suspend",
    "resume",
    "add_co_handler",
    "remove_co_handler",
    "supervise",
    "feed_back",
    "send_check",
    "inspect",
    "rework",
    "close",
    "force_close",
    "appeal",
    "review",
    "uphold",
    "reject_appeal",
    "archive",
    "comment",
    "join_alert",
    "attach",
    "move_deadline",
    "remind",
]
"""What is done with a case; each is an event of its history."""
Found = Literal["exists", "not_exists", "unable"]
"""What a collector found on site, before filing."""
Shows = Literal["before", "after", "document"]
"""What an attachment shows: the place before handling, after it, or neither."""
Checked = Literal["pass", "fail", "unable"]
"""What a collector found on site, after handling."""


class Counted(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """What of a case its rates rest on; it is read of thousands of cases at once.

    A database has it as an array: another field comes behind all others, with a default.
    """

    id: int
    source: Source
    district: str
    code: str
    kind: str = "event"
    reported: float
    reported_by: str
    reported_as: str
    """The position, as those that follow: the role in which somebody acted."""
    filed: float | None = None
    refused: float | None = None
    deadline: float | None = None
    """None: it is not filed, or suspended."""
    department: str = ""
    dispatched: float | None = None
    """First."""
    dispatched_by: str = ""
    dispatched_as: str = ""
    dispatches: int = 0
    """How many times it was sent to a department."""
    returned: int = 0
    """How many times a department gave it back."""
    handled_by: str = ""
    handled_as: str = ""
    fed_back: float | None = None
    """First."""
    finished: float | None = None
    """When the department was done, last."""
    rework: int = 0
    """How many times it was sent back to be done again."""
    closed: float | None = None

    @property
    def is_on_time(self) -> bool | None:
        """Whether the department was done by the deadline; None: it is not closed, or there was none."""
        if self.closed is None or self.deadline is None or self.finished is None:
            return None
        return self.finished <= self.deadline


class Case(Counted, kw_only=True, array_like=False, gc=True):
    """A case as its history adds up to it: `hub.cases.rules.machine.apply` is all that changes one."""

    number: str
    """For people: the local day of the report and the case's number."""
    seq: int = 1
    """Of the newest event of its history."""
    state: State = "reported"
    site: str = ""
    lat: float | None = None
    """WGS-84, degrees."""
    lon: float | None = None
    place: str = ""
    """In words."""
    about: str = ""
    """The thing that it is about, kind and id, such as shop/s-1; empty: none that is known."""
    code_edition: str = ""
    """Of the table of codes."""
    text: str = ""
    alerts: tuple[int, ...] = ()
    verified: Found | None = None
    verified_by: str = ""
    filed_by: str = ""
    filed_as: str = ""
    standard: str = ""
    amount: float = 0
    """The time limit, in `unit`."""
    unit: Unit = "work_hour"
    extra: float = 0
    """Extensions that were granted, in `unit`."""
    asked_extra: float = 0
    """An extension that was asked and not decided, in `unit`."""
    runs_from: float | None = None
    """When the limit began."""
    stopped: float | None = None
    """Since when the limit stands still."""
    pauses: tuple[tuple[float, float], ...] = ()
    """When it stood still before."""
    calendar: str = ""
    """The edition of the calendar by which `deadline` was reckoned."""
    reminded: float | None = None
    """Of which deadline those whose work it is have been reminded."""
    co_handlers: tuple[str, ...] = ()
    checked: Checked | None = None
    forced: bool = False
    before: State | None = None
    """In which state it was suspended or appealed."""
    supervised: float | None = None
    """Since when somebody above watches over it (督办)."""
    appeals: int = 0
    updated: float
    judges: tuple[str, ...] = ()
    """Who has judged in it: filed, checked, closed. They may not dispatch it."""
    commanders: tuple[str, ...] = ()
    """Who has dispatched or decided on time in it. They may not judge it."""
    handlers: tuple[str, ...] = ()
    """Who has worked on it. They may not judge it."""

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.state not in OVER

    @property
    def counted(self) -> Counted:
        """What of it its rates rest on, alone."""
        return Counted(**{name: getattr(self, name) for name in Counted.__struct_fields__})


class Event(msgspec.Struct, kw_only=True):
    """Something that happened to a case; its columns in cases.db have the same names."""

    id: int = 0
    casefile: int
    seq: int
    """1, 2, ... in each case."""
    time: float
    who: str
    """`hub.access.names.HUB`, or a user."""
    position: str
    """The role in which they acted."""
    what: What
    before: State | None
    after: State
    text: str
    """As it was written: a reason, a remark."""
    data: dict[str, Any]
    """What else the act says, and what was reckoned from it: so a history is replayed without any calendar."""
    joined: bool
    """Whether supervision and command were one centre, by the city's setting."""
    key: str
    """By which the caller names this act, so that it takes effect once; empty: none was given."""
    asked: str
    """SHA-256 of what was asked under that key."""
