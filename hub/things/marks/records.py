"""What a mark says and what it comes to, told by its events alone: no clock can change afterwards whether it counts."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

What = Literal["mark", "proof", "end", "withdraw", "accept", "reject"]
"""mark, proof, end (earlier than was said), withdraw: by those who are watched. accept, reject: by an officer."""
Standing = Literal["counts", "accepted", "awaits_proof", "rejected", "late", "back_dated", "withdrawn"]
"""counts: in time, nobody has decided. awaits_proof: in time so far, changes nothing yet. late: it, or its proof, came
after the deadline. back_dated: it begins longer before it was logged than is allowed."""
EFFECTIVE: tuple[Standing, ...] = ("counts", "accepted")
"""Only these change how anything is judged."""


class MarkEvent(msgspec.Struct, kw_only=True):
    """A row of the table."""

    id: int
    mark: int
    what: What
    logged: float
    """Unix s."""
    who: str
    text: str
    data: str


class Proof(msgspec.Struct, frozen=True):
    """A document that proves a mark."""

    sha256: str
    name: str
    media: str
    size: int
    logged: float = 0.0
    """Unix s."""
    who: str = ""


class Said(msgspec.Struct, frozen=True):
    """What the first event of a mark says beside its reason."""

    outlet: str
    """The thing whose data are marked."""
    kind: str
    """A reason that a pack declares (`schemas.domains.entries.MarkKind`)."""
    begin: int
    """Unix s, like `end`, which is the first moment after it."""
    end: int
    quantities: tuple[str, ...]
    back_s: float
    """So long before it was logged it might begin: the rule of then goes with the mark [s]."""
    deadline_s: float
    """So long after its end it had to be logged and proven [s]."""
    proof: bool
    """It counts only once it is proven."""
    state: Literal["", "starting", "stopping", "stopped"] = ""
    """What the plant was doing, as its kind says."""


class Decision(NamedTuple):
    """What an officer thought of it last."""

    what: What
    who: str
    when: float
    text: str


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A mark as its events make it."""

    id: int
    said: Said
    reason: str
    who: str
    logged: float
    """Unix s, by the hub's clock: this time counts, whatever the mark says of itself."""
    end: int
    """As it was ended; not later than was said first."""
    proofs: tuple[Proof, ...]
    decision: Decision | None
    withdrawn: float | None
    """When, Unix s."""
    last: int
    """The number of its newest event."""

    @property
    def earliest(self) -> float:
        """The earliest moment at which it might begin, Unix s."""
        return self.logged - self.said.back_s

    @property
    def deadline(self) -> float:
        """Until when it had to be logged and proven, Unix s."""
        return self.said.end + self.said.deadline_s

    @property
    def complete(self) -> float | None:
        """When it was logged and proven, Unix s; None: its proof is missing."""
        if not self.said.proof:
            return self.logged
        return min((one.logged for one in self.proofs), default=None)

    def standing(self, now: float) -> Standing:
        """Return what it comes to; `now` (Unix s) only tells whether a proof that is missing can still come in time."""
        if self.withdrawn is not None:
            return "withdrawn"
        if self.decision is not None and self.decision.what == "reject":
            return "rejected"
        if self.said.begin < self.earliest:
            return "back_dated"
        if (now if self.complete is None else self.complete) > self.deadline:
            return "late"
        if self.complete is None:
            return "awaits_proof"
        return "counts" if self.decision is None else "accepted"

    @property
    def effective(self) -> bool:
        """Whether it changes how anything is judged."""
        return self.complete is not None and self.standing(self.complete) in EFFECTIVE


def marks_in(events: Iterable[MarkEvent]) -> list[Mark]:
    """Return the marks that events make, in the order in which they were logged first."""
    by_mark: dict[int, list[MarkEvent]] = {}
    for event in events:
        by_mark.setdefault(event.mark, []).append(event)
    return [_mark(found) for found in by_mark.values()]


def _mark(events: Sequence[MarkEvent]) -> Mark:
    first = events[0]
    said = msgspec.json.decode(first.data, type=Said)
    proofs: list[Proof] = []
    end, decision, withdrawn = said.end, None, None
    for event in events[1:]:
        data: dict[str, Any] = msgspec.json.decode(event.data)
        if event.what == "proof":
            proofs.append(msgspec.convert(data | {"logged": event.logged, "who": event.who}, Proof))
        elif event.what == "end":
            end = min(end, int(data["end"]))
        elif event.what == "withdraw":
            withdrawn = event.logged
        else:
            decision = Decision(event.what, event.who, event.logged, event.text)
    return Mark(
        id=first.mark,
        said=said,
        reason=first.text,
        who=first.who,
        logged=first.logged,
        end=end,
        proofs=tuple(proofs),
        decision=decision,
        withdrawn=withdrawn,
        last=events[-1].id,
    )
