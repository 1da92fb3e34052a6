"""Decides on one message: admitted, or refused with a reason. Looks only at the message, the registry and the clock."""

import logging
from collections.abc import Callable, Collection
from datetime import date, datetime

import msgspec

from hub.intake.plausibility import Plausibility
from hub.intake.standing import belongs, placed
from hub.log.outcomes import Admitted, Finding, Refused
from hub.registry.live import Board, Registry, Sender
from hub.registry.stays import has_moved
from hub.wire.channels import CHANNELS, Measured, Said, channel
from hub.wire.messages import DECODERS, KINDS, Event, Message, Status, Telemetry, TelemetryDecoder
from hub.wire.outline import NOTHING, event_number, outline
from hub.wire.proof import Proof
from hub.wire.seal import authentic, authentic_by
from hub.wire.times import MOST_AHEAD, MOST_BEHIND
from hub.wire.topics import PREFIX, Topic, split
from schemas import Quantity

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no message: not JSON, against the schema, not UTF-8, nested without end."""


log = logging.getLogger("hub.admission")


class Admission:
    """Judges messages against one registry and one catalogue; `clock` gives Unix time in s.

    `districts`: those of this hub; none: all. What was made in another one does not count here.
    """

    def __init__(
        self,
        registry: Registry,
        quantities: dict[str, Quantity],
        clock: Callable[[], float],
        districts: Collection[str] = (),
    ) -> None:
        self._registry = registry
        self._plausibility = Plausibility(quantities)
        self._decode = TelemetryDecoder(self._plausibility.known).decode_known
        self._clock = clock
        self._districts = districts
        self._ends: dict[str, float] = {}

    def use(self, registry: Registry) -> None:
        """Judge against another registry from now on."""
        self._registry = registry

    def ends(self) -> dict[str, float]:
        """Return by board the end of the newest record of its latest message since the last call, Unix s."""
        ends, self._ends = self._ends, {}
        return ends

    def judge(self, topic: str, payload: bytes) -> Admitted | Refused:
        """Return what becomes of a board's message; it never fails."""
        parts = split(topic)
        if len(parts) != 4 or parts[3] not in KINDS:
            return self._judge_other(topic, payload)
        district, site, device, kind = parts
        registry = self._registry
        board, key = registry.boards.get(device), registry.keys.get(device)
        if board is None or key is None:
            return Refused(topic, payload, device, "unknown_board", f"board {device!r} is not in the registry")
        device = board.id  # the same string each time: what remembers boards by it needs no more room
        if not authentic(payload, key) and not authentic_by(payload, registry.others.get(device, ())):
            reason, detail = _why_not_authentic(payload)
            return Refused(topic, payload, device, reason, detail)
        # From here on the message is the board's own: whatever it says, it is kept and done with.
        try:
            return self._judge_own(topic, payload, board, Topic(district, site, device, kind))
        except UNREADABLE as error:
            return self._set_aside(topic, payload, device, "schema", str(error))
        except Exception as error:
            # One message that shows a mistake of ours must not keep all the others from being heard.
            log.exception("a message on %s could not be judged; it is in quarantine", topic)
            return self._set_aside(topic, payload, device, "internal", repr(error))

    def _judge_own(self, topic: str, payload: bytes, board: Board, place: Topic) -> Admitted | Refused:
        """Return what becomes of a message that its board has sealed."""
        registry, (district, site, device, kind) = self._registry, place
        if board.retired and registry.is_retired(device, self._today()):
            return self._set_aside(
                topic, payload, device, "retired_board", f"board {device!r} is retired since {board.retired}"
            )
        if elsewhere := _elsewhere(registry, board, place):
            return self._set_aside(topic, payload, device, "wrong_topic", f"the board belongs to {elsewhere}")
        if kind != "telemetry":
            said = DECODERS[kind].decode(payload)
            problem = self._out_of_time(said)
            findings: list[Finding] = []
        else:
            said, known = self._decode(payload)
            problem = self._problem(device, said, known=known)
            findings = [] if problem else self._plausibility.check(device, said)
        if problem:
            return self._set_aside(topic, payload, device, *problem)
        admitted = Admitted(topic, payload, district, site, device, kind, said, findings)
        if has_moved(board):
            admitted = placed(admitted, board, registry, self._districts)
            apart = admitted.apart
            if apart and (not isinstance(said, Telemetry) or len(apart.indices) == len(said.records)):
                return self._set_aside(topic, payload, device, apart.reason, apart.detail)
        return admitted

    def _judge_other(self, topic: str, payload: bytes) -> Admitted | Refused:
        if any(topic.startswith(prefix) for prefix in CHANNELS if prefix != PREFIX):
            return self.judge_proven(topic, payload, None)
        return Refused(topic, payload, None, "topic", f"expected {PREFIX}DISTRICT/SITE/DEVICE/ and one of {KINDS}")

    def judge_proven(
        self,
        topic: str,
        payload: bytes,
        proof: Proof | None,
        said: Callable[[], Said] | None = None,
        identity: tuple[bytes, bytes] | None = None,
    ) -> Admitted | Refused:
        """Return what becomes of a message of a channel without seals; it never fails.

        `proof`: how well the channel's server could prove its origin; None: as the channel has it. `said`: gives what
        decoding the payload would, by whoever has read it already; it may raise the same. `identity`: as in `Admitted`.
        """
        try:
            found, place = channel(topic)
            decode = found.decoders[place.kind]
        except (ValueError, KeyError):
            expected = " or ".join(f"{prefix}DISTRICT/SITE/SOURCE/KIND" for prefix in CHANNELS)
            return Refused(topic, payload, None, "topic", f"expected {expected}", proof=proof)
        registry, source = self._registry, place.device
        sender = registry.sender(source)
        if sender is None or sender.channel != found.name:
            detail = f"no {found.name} {source!r} is in the registry"
            return Refused(topic, payload, source, "unknown_board", detail, proof=proof)
        known = (proof or found.proof) != "none"

        def aside(reason: str, detail: str) -> Refused:
            return Refused(topic, payload, sender.id, reason, detail, authentic=known, proof=proof)

        try:
            if sender.retired and self._today() >= sender.retired:
                return aside("retired_board", f"{source!r} is retired since {sender.retired}")
            if elsewhere := _elsewhere(registry, sender, place):
                return aside("wrong_topic", f"it belongs to {elsewhere}")
            message = said() if said else decode(payload)
            return self._judge_decoded(topic, payload, sender, place, message, proof, identity)
        except (*UNREADABLE, ValueError) as error:
            return aside("schema", str(error))
        except Exception as error:
            log.exception("a message on %s could not be judged; it is in quarantine", topic)
            return aside("internal", repr(error))

    def _judge_decoded(
        self,
        topic: str,
        payload: bytes,
        sender: Sender,
        place: Topic,
        message: Said,
        proof: Proof | None,
        identity: tuple[bytes, bytes] | None,
    ) -> Admitted | Refused:
        problem = self._problem_of(message) if isinstance(message, Measured) else None
        findings = (
            [] if problem or not isinstance(message, Measured) else self._plausibility.check_range(message.records)
        )
        district, site, _, kind = place
        admitted = Admitted(
            topic, payload, district, site, sender.id, kind, message, findings, proof, identity=identity
        )
        if has_moved(sender) and not problem:
            admitted = placed(admitted, sender, self._registry, self._districts)
            # Such a message is known by its bytes, and taken as a whole or not at all.
            problem = (admitted.apart.reason, admitted.apart.detail) if admitted.apart else None
        if problem is None:
            return admitted
        known = (proof or channel(topic)[0].proof) != "none"
        return Refused(topic, payload, sender.id, *problem, authentic=known, proof=proof)

    def _problem_of(self, message: Measured) -> tuple[str, str] | None:
        """Return why records without numbers cannot be used, or None."""
        now = self._clock()
        for record in message.records:
            end = record.t + record.dt
            if record.dt < 1:
                return "interval", f"t = {record.t}, dt = {record.dt}: expected a length of at least 1 s"
            if end > now + MOST_AHEAD:
                return "future", f"t = {record.t} is more than {MOST_AHEAD} s ahead of the hub's clock"
            if end < now - MOST_BEHIND:
                return "past", f"t = {record.t} is more than {MOST_BEHIND // 86_400} days behind the hub's clock"
            unknown = self._plausibility.unknown(record)
            if unknown is not None:
                return "unknown_quantity", f"{unknown!r} is not in the catalogue of quantities"
        return None

    def _set_aside(self, topic: str, payload: bytes, device: str, reason: str, detail: str) -> Refused:
        """Refuse an authentic message.

        Under another kind's topic it stands for no records: telemetry played back there must not make its board forget.
        """
        said = outline(payload) if topic.endswith("/telemetry") else NOTHING
        # What a record is that cannot be read was not made later than now, by a clock that is right.
        latest = max(said.latest, int(self._clock()) + MOST_AHEAD)
        event = event_number(payload) if topic.endswith("/event") else 0
        return Refused(topic, payload, device, reason, detail, authentic=True, outline=said, latest=latest, event=event)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), self._registry.zone).date()

    def _out_of_time(self, message: Message) -> tuple[str, str] | None:
        """Return why an event or a status is none of this time, or None.

        0 is the time of a board whose clock is not set. A status tells no time of its own where it is the last will,
        made when the board connected; nor does it tell that a clock is wrong, since the broker keeps it for ever.
        """
        now = self._clock()
        if isinstance(message, Event) and message.t:
            if message.t > now + MOST_AHEAD:
                return "future", f"event: t = {message.t} is more than {MOST_AHEAD} s ahead of the hub's clock"
            if message.t < now - MOST_BEHIND:
                days = MOST_BEHIND // 86_400
                return "past", f"event: t = {message.t} is more than {days} days behind the hub's clock"
        if isinstance(message, Status) and message.online and 0 < message.t < now - MOST_BEHIND:
            return (
                "old_status",
                f"status: t = {message.t} is more than {MOST_BEHIND // 86_400} days old; it says nothing",
            )
        return None

    def _problem(self, device: str, message: Telemetry, *, known: bool) -> tuple[str, str] | None:
        """Return why the records of a message cannot be used, or None; `known`: the catalogue has all quantities."""
        if message.clock not in {"none", "hub"}:  # what the hub told them is no word of their own
            last = message.records[-1]
            self._ends[device] = last.t + last.dt
        now = self._clock()
        earliest, latest = now - MOST_BEHIND, now + MOST_AHEAD
        number = message.seq
        for record in message.records:
            end = record.t + record.dt
            if record.t % 60 + record.dt > 60:
                return "interval", f"record {number}: t = {record.t}, dt = {record.dt} straddles a full minute"
            if end > latest:
                return "future", f"record {number}: t = {record.t} is more than {MOST_AHEAD} s ahead of the hub's clock"
            if end < earliest:
                days = MOST_BEHIND // 86_400
                return "past", f"record {number}: t = {record.t} is more than {days} days behind the hub's clock"
            if not known or record.f:
                unknown = self._plausibility.unknown(record)
                if unknown is not None:
                    return "unknown_quantity", f"record {number}: {unknown!r} is not in the catalogue of quantities"
            number += 1
        return None


def _elsewhere(registry: Registry, sender: Sender, place: Topic) -> str:
    """Return where a sender belongs, if it has never spoken under the topics of this place."""
    home = registry.sites[sender.site]
    if (place.site == home.id and place.district == home.district) or (
        has_moved(sender) and belongs(registry, sender, place.district, place.site)
    ):
        return ""
    return f"{home.district}/{home.id}"


def _why_not_authentic(payload: bytes) -> tuple[str, str]:
    try:
        msgspec.json.decode(payload)
    except UNREADABLE as error:
        return "not_json", str(error)
    return "bad_mac", "the MAC is missing, not the last member, or not made with this board's key"
