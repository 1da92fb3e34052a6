"""Decides on one frame of a badge: whose it is, whether it may be kept, what is answered.

An SOS is kept and answered whatever else is wrong with it. Of everything else outside a shift a digest alone is kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from hub.intake.admission import Admission
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import Badge, Registry
from hub.wire.badge.frame import ALARM, HEARTBEAT, POSITIONS, Frame, calls_for_help, read_frame, read_position
from hub.wire.badge.kinds import FIX, PREFIX, STATE, WITHHELD
from hub.wire.badge.logged import Head, identity_of, meaning, pack, unpack, withheld
from hub.wire.said import Observed
from hub.wire.times import MOST_AHEAD, MOST_BEHIND


class Came(NamedTuple):
    """A piece of what came on a connection; `frame` is None for bytes that are none."""

    raw: bytes
    frame: Frame | None
    peer: str


class Judged(NamedTuple):
    """What becomes of a piece. `badge`: whose it is; `reply`: what is said once all is committed."""

    outcomes: list[Admitted | Refused]
    badge: Badge | None = None
    reply: bytes = b""


class Judging:
    """Judges frames against one registry; `clock` gives Unix s.

    `on_shift(badge, t)` tells whether whoever wears a badge is at work at a moment, Unix s. `secret`: see
    `hub.intake.badges.secret`.
    """

    def __init__(
        self,
        admission: Admission,
        registry: Registry,
        on_shift: Callable[[str, int], bool],
        clock: Callable[[], float],
        secret: bytes,
    ) -> None:
        self._secret = secret
        self._admission = admission
        self._on_shift = on_shift
        self._clock = clock
        self.use(registry)

    def use(self, registry: Registry) -> None:
        """Judge against another registry from now on."""
        self._registry = registry
        self._by_number = {one.number.lstrip("0"): one for one in registry.badges.values()}

    def judge(self, came: Came) -> Judged:
        """Return what becomes of a piece; it never fails."""
        raw, frame, peer = came
        if frame is None:
            # Bytes that are no frame may be half of a position: nobody knows whose, nor whether it may be kept.
            detail = f"{len(raw)} bytes from {peer}: no frame of the watch protocol; they are not kept"
            return Judged(
                [Refused(_topic("-", STATE), withheld(raw, self._secret), None, "no_frame", detail, proof="none")]
            )
        badge = self._by_number.get(frame.id.lstrip("0"))
        if badge is None:
            name, sos = frame.id[:32], calls_for_help(frame)
            detail = f"no badge with the number {name!r} is in the registry, from {peer}"
            kept = raw if sos else withheld(raw, self._secret)
            refused = Refused(_topic(name, FIX if sos else STATE), kept, name, "unknown_board", detail, proof="none")
            return Judged([refused])
        reply = frame.reply(frame.command) if frame.command in {ALARM, HEARTBEAT} else b""
        if frame.command == HEARTBEAT:
            return Judged([], badge, reply)
        outcome = self._judge_own(badge, raw, frame)
        return Judged([outcome], badge, reply)

    def judge_again(self, topic: str, payload: bytes) -> Admitted | Refused:
        """Return what becomes of a refused frame now; `payload` as it stands in quarantine."""
        frame = read_frame(payload)
        if frame is None:
            return Refused(topic, payload, None, "no_frame", "no frame of the watch protocol")
        outcomes = self.judge(Came(payload, frame, "the quarantine")).outcomes
        return outcomes[0] if outcomes else Refused(topic, payload, None, "no_frame", "it says nothing that is kept")

    def _judge_own(self, badge: Badge, raw: bytes, frame: Frame) -> Admitted | Refused:
        now, sos = int(self._clock()), calls_for_help(frame)
        site = self._registry.sites[badge.site]
        place = f"{PREFIX}{site.district}/{site.id}/{badge.id}/"
        head = Head(came=now if sos or frame.command not in POSITIONS else 0)
        if sos:
            # Not asked whether it is retired, or when it was: somebody calls for help.
            said = meaning(head, frame)
            return Admitted(
                place + FIX,
                pack(head, raw),
                site.district,
                site.id,
                badge.id,
                FIX,
                said,
                proof="none",
                identity=identity_of(frame, now),
            )
        position, problem = None, ""
        if frame.command in POSITIONS:
            try:
                position = read_position(frame)
            except ValueError as error:
                problem = str(error)
        if not self._on_shift(badge.id, position.t if position else now):
            return self._admission.judge_proven(place + WITHHELD, withheld(raw, self._secret), "none")

        def aside(reason: str, detail: str) -> Refused:
            return Refused(place + FIX, raw, badge.id, reason, detail, proof="none")

        if problem:
            return aside("schema", problem)
        if position and position.t > now + MOST_AHEAD:
            return aside("future", f"t = {position.t} is more than {MOST_AHEAD} s ahead of the hub's clock")
        if position and position.t < now - MOST_BEHIND:
            return aside("past", f"t = {position.t} is more than {MOST_BEHIND // 86_400} days behind the hub's clock")
        topic = place + (FIX if position else STATE)
        said_later: Callable[[], Observed] = lambda: meaning(head, frame)  # noqa: E731 - as admission asks for it
        found = self._admission.judge_proven(topic, pack(head, raw), "none", said_later)
        if isinstance(found, Refused):
            return aside(found.reason, found.detail)
        return msgspec.structs.replace(found, identity=identity_of(frame, head.came))


def frame_of(payload: bytes) -> Frame | None:
    """Return the frame in a logged payload, or None where it was not kept."""
    head, raw = unpack(payload)
    return None if head.digest else read_frame(raw)


def _topic(device: str, kind: str) -> str:
    return f"{PREFIX}-/-/{device}/{kind}"
