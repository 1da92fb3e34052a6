"""What becomes of a message: admitted into the log, or refused into quarantine."""

from dataclasses import dataclass

import msgspec

from hub.wire.channels import Said
from hub.wire.messages import Message
from hub.wire.outline import NOTHING, Outline
from hub.wire.proof import Proof

Finding = tuple[int, str, str]
"""Index of the record in its message, quantity, flag (HJ 212: T over range, D faulty, S said again of a time of which
the source had said something). `D@1794999990`: it has been faulty since that record began, Unix s, as shows only now.
With the quantity `PLACE` it says where the record was made, "district/site", where that is not what the topic says;
with the index `WHOLE`, where all of the message was."""
PLACE = "@"
WHOLE = -1


class Apart(msgspec.Struct, frozen=True):
    """Records of a message that were not made at a site of this hub's: kept in quarantine, never counted."""

    indices: tuple[int, ...]
    reason: str
    """nowhere or other_district."""
    detail: str


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A message that counts. `findings` are `[index of the record, quantity, flag]` where a value is implausible."""

    topic: str
    payload: bytes
    district: str
    site: str
    device: str
    kind: str
    message: Message | Said
    findings: list[Finding] = []
    proof: Proof | None = None
    """How well its origin is proven; None: as its channel has it."""
    also: tuple[str, ...] = ()
    """Further topics under which its source, which has moved, may have said the same."""
    apart: Apart | None = None
    identity: tuple[bytes, bytes] | None = None
    """As its channel's `identity` gives it, where that is known already."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message for quarantine.

    `reason`: topic, unknown_board, not_json or bad_mac for what anybody may have sent; retired_board, wrong_topic,
    schema, unknown_quantity, interval, future, past, old_status, nowhere or other_district (see `hub.intake.standing`)
    for what is `authentic`: the board's own, by a good
    MAC. Also store (the series store refuses the point), other_content and not_compared (see `hub.log.repeats`), and
    internal (a mistake of the hub's own).
    `outline` is what an authentic message of telemetry says of its records: those are done with. `latest`: none of them
    is later than this (Unix s), as far as can be known. `event`: the number of an authentic event, which its board may
    forget; 0: it is none, or has none. `proof`: as in `Admitted`.
    """

    topic: str
    payload: bytes
    device: str | None
    reason: str
    detail: str
    authentic: bool = False
    outline: Outline = NOTHING
    latest: int = 0
    proof: Proof | None = None
    event: int = 0

    @property
    def span(self) -> tuple[str, int, int] | None:
        """Return `(stream, first, count)` of the records that are done with; None where it names none."""
        return self.outline.span
