"""Decides on one frame: whose it is, how well that is proven, what it is kept as, and what is answered."""

import hmac
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from hub.intake.admission import Admission
from hub.intake.terminals.profiles import Profiles
from hub.intake.terminals.speech import ALREADY, BAD, FAILED, NO_TERMINAL, OK, REGISTERED, UNSUPPORTED, Reply
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import Registry, Terminal
from hub.wire.channels import Moment, Observed
from hub.wire.jt808 import Content, Header, Plain, Position, read_plain
from hub.wire.jt808.bodies import LAYOUTS
from hub.wire.jt808.frame import ENCRYPTED
from hub.wire.jt808.stream import MOST_NUMBER, MOST_PARTS, key_of
from hub.wire.proof import Proof
from hub.wire.terminal import (
    ASKED,
    BATCHED,
    CARD,
    MARK,
    POSITION,
    WAYBILL,
    Head,
    Of,
    digest_of,
    identity_of,
    identity_of_fix,
    identity_of_session,
    pack,
    unix_of,
    unpack,
)
from hub.wire.terminal_kinds import BATCH, FIX, PART, PREFIX, SESSION, STATE
from hub.wire.times import MOST_AHEAD, MOST_BEHIND

ANSWER, HEARTBEAT, LOG_OFF, REGISTRATION, AUTHENTICATION = 0x0001, 0x0002, 0x0003, 0x0100, 0x0102
OF_CONNECTION = 64
"""Terminals that may prove themselves on one connection: gateways carry several."""
AGAIN = 64
"""Parts in the log that are looked at when a terminal's first part comes."""
MOST_TOLD = 1000  # terminals whose registration does not fit, told once each

log = logging.getLogger("hub.terminals")


class Session:
    """Who has proven on a connection who they are; only the thread that judges touches it."""

    __slots__ = ("proven",)

    def __init__(self) -> None:
        self.proven: dict[str, Proof] = {}


class Came(NamedTuple):
    """A piece of what came on a connection; `plain` is None for bytes that are no frame."""

    raw: bytes
    plain: Plain | None
    peer: str
    session: Session


class Gap(NamedTuple):
    """What is missing of a message that comes in parts: serial of its first part, and numbers; none: it is whole."""

    first: int
    missing: tuple[int, ...]


class Judged(NamedTuple):
    """What becomes of a piece.

    `terminal`: whose it is for certain, else None; `reply`: what is said once all is committed; `gap`: of a part, what
    is missing beside it.
    """

    outcomes: list[Admitted | Refused]
    terminal: Terminal | None = None
    reply: Reply | None = None
    gap: Gap | None = None


class Unit(NamedTuple):
    """Something that is kept by itself. `wrong`: why it cannot be understood."""

    kind: str
    head: Head
    data: bytes
    identity: tuple[bytes, bytes]
    position: Position | None = None
    wrong: str = ""


class Judging:
    """Judges frames against one registry; `latest` gives the newest payloads of a topic in the log, `clock` Unix s."""

    def __init__(
        self,
        admission: Admission,
        registry: Registry,
        profiles: Profiles,
        latest: Callable[[str, int], list[bytes]],
        clock: Callable[[], float],
    ) -> None:
        self._admission = admission
        self._profiles = profiles
        self._latest = latest
        self._clock = clock
        self._parts: dict[str, dict[tuple[int, int, int], dict[int, bytes]]] = {}
        self._used: dict[str, str] = {}  # by terminal, the digest of the code that it has used
        self._told: set[str] = set()
        self.use(registry)

    def use(self, registry: Registry) -> None:
        """Judge against another registry from now on."""
        self._registry = registry
        self._by_phone = {one.phone.lstrip("0"): one for one in registry.terminals.values()}

    def judge(self, came: Came) -> Judged:
        """Return what becomes of a piece; it never fails."""
        plain, raw = came.plain, came.raw
        if plain is None or plain.header is None:
            return _foreign(raw, None, "no_frame", f"{len(raw)} bytes from {came.peer}: no frame of JT/T 808 in them")
        header = plain.header
        terminal = self._by_phone.get(header.terminal)
        if not plain.sound:
            # It is not known to be what the terminal sent, nor whose it is: it is sent again, as nobody answers.
            name = terminal.id if terminal else None
            what = "checksum" if plain.checksum == "wrong" else "length"
            return _foreign(raw, name, what, f"the {what} is wrong, from {came.peer}")
        if terminal is None:
            name, reply = header.terminal[:32], Reply(0x8100, NO_TERMINAL)
            detail = f"no terminal with the number {name!r} is in the registry"
            outcomes = _set_aside(raw, header, plain.body, name, "unknown_board", detail)
            return Judged(outcomes, None, reply if header.message == REGISTRATION else None)
        if header.message == REGISTRATION:
            return self._register(terminal, header, plain.body)
        if header.message == AUTHENTICATION:
            return self._authenticate(terminal, came, header, plain.body)
        proof = came.session.proven.get(terminal.id)
        if proof is None:
            detail = f"terminal {terminal.id!r} has not proven itself with its code (0102), from {came.peer}"
            outcomes = _set_aside(raw, header, plain.body, terminal.id, "not_authenticated", detail)
            return Judged(outcomes, None, Reply(0x8001, FAILED))
        if header.message in {ANSWER, HEARTBEAT, LOG_OFF}:
            if header.message == LOG_OFF:
                del came.session.proven[terminal.id]
            return Judged([], terminal, None if header.message == ANSWER else Reply(0x8001, OK))
        return self._judge_own(terminal, proof, raw, header, plain.body)

    def judge_again(self, topic: str, payload: bytes) -> Admitted | Refused:
        """Return what becomes of a refused frame now, or of one fix of a batch; `payload` as it is in quarantine."""
        try:
            of = None if payload.startswith(MARK) else unpack(payload).head.of
        except (msgspec.DecodeError, ValueError):
            return Refused(topic, payload, None, "no_frame", "no frame of JT/T 808")
        plain = None if of else read_plain(payload)
        phone = of.phone if of else plain.header.terminal if plain and plain.header else ""
        if plain is not None and not plain.sound:
            return Refused(topic, payload, None, "no_frame", "no frame of JT/T 808 whose length and checksum are right")
        terminal = self._by_phone.get(phone)
        if terminal is None:
            detail = f"no terminal with the number {phone[:32]!r} is in the registry"
            return Refused(topic, payload, phone[:32], "unknown_board", detail, proof="none")
        head = self._profiles.head(terminal.profile)
        if head is None:
            return Refused(topic, payload, terminal.id, "profile", _no_profile(terminal), proof="none")
        if of:
            body = unpack(payload).data
            unit = Unit(FIX, msgspec.structs.replace(head, of=of), body, identity_of_fix(body), Position.parse(body))
        else:
            assert plain is not None
            assert plain.header is not None
            unit = next(units_of(plain.header, plain.body, payload, head))
        return self._keep(terminal, "none", unit)

    def _register(self, terminal: Terminal, header: Header, body: bytes) -> Judged:
        """Tell a terminal its code. One that has used the code of the file of keys knows it: nobody else is told."""
        content, _ = Content.parse(REGISTRATION, body, newer=header.version is not None)
        plate = content.text("plate")
        if terminal.plate and plate != terminal.plate and terminal.id not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(terminal.id)
            log.warning("terminal %s registers with plate %r, the registry has %r", terminal.id, plate, terminal.plate)
        code = self._registry.passwords.get(terminal.id)
        if code is None:
            return Judged([], terminal, Reply(0x8100, REGISTERED, terminal.id))
        if self._has_used(terminal, code):
            log.warning(
                "terminal %s registers again, and is not told its code: give it another in the file of keys if it has "
                "forgotten it",
                terminal.id,
            )
            return Judged([], None, Reply(0x8100, ALREADY))
        return Judged([], None, Reply(0x8100, REGISTERED, code))

    def _has_used(self, terminal: Terminal, code: str) -> bool:
        digest = digest_of(code)
        if self._used.get(terminal.id) != digest:
            for payload in self._latest(self._topic(terminal, SESSION), 1):
                self._used[terminal.id] = unpack(payload).head.code
        return self._used.get(terminal.id) == digest

    def _authenticate(self, terminal: Terminal, came: Came, header: Header, body: bytes) -> Judged:
        password = self._registry.passwords.get(terminal.id)
        if password is not None and not any(_same(code, password) for code in _codes(header, body)):
            detail = f"terminal {terminal.id!r}: the code of 0102 is not its own, from {came.peer}"
            return _foreign(came.raw, terminal.id, "bad_password", detail)._replace(reply=Reply(0x8001, FAILED))
        proven = came.session.proven
        if len(proven) >= OF_CONNECTION and terminal.id not in proven:
            return Judged([], None, Reply(0x8001, FAILED))
        proven[terminal.id] = "none" if password is None else "password"
        reply = Reply(0x8001, OK)
        if password is None or self._has_used(terminal, password):
            return Judged([], terminal, reply)
        digest = digest_of(password)
        unit = Unit(SESSION, Head(code=digest), came.raw, identity_of_session(digest))
        outcome = self._keep(terminal, "password", unit)
        if isinstance(outcome, Admitted):
            self._used[terminal.id] = digest
        return Judged([outcome], terminal, reply)

    def _judge_own(self, terminal: Terminal, proof: Proof, raw: bytes, header: Header, body: bytes) -> Judged:
        head = self._profiles.head(terminal.profile)
        if head is None:
            detail = _no_profile(terminal)
            outcomes = _set_aside(raw, header, body, terminal.id, "profile", detail, proof)
            return Judged(outcomes, terminal, Reply(0x8001, FAILED))
        if header.total and not header.bits & ENCRYPTED:
            return self._join(terminal, proof, raw, header, body, head)
        outcomes = [self._keep(terminal, proof, unit) for unit in units_of(header, body, raw, head)]
        return Judged(outcomes, terminal, _reply(outcomes))

    def _join(self, terminal: Terminal, proof: Proof, raw: bytes, header: Header, body: bytes, head: Head) -> Judged:
        """Keep a part by itself, and what all together say when it is the last that was missing."""
        if not 0 < header.number <= header.total <= MOST_NUMBER:
            detail = f"part {header.number} of {header.total}: expected 1 to {MOST_NUMBER} parts"
            topic = self._topic(terminal, PART)
            refused = Refused(topic, raw, terminal.id, "schema", detail, authentic=proof != "none", proof=proof)
            return Judged([refused], terminal, _reply([refused]))
        waiting = self._parts.get(terminal.id)
        if waiting is None:
            waiting = self._parts[terminal.id] = {}
            # What was acknowledged before the hub was started again does not come again.
            for payload in reversed(self._latest(self._topic(terminal, PART), AGAIN)):
                frame = unpack(payload).data
                earlier = read_plain(frame).header
                if earlier is not None:
                    _put(waiting, earlier, frame)
        outcome = self._keep(terminal, proof, Unit(PART, head, raw, identity_of(header, body)))
        key = key_of(header)
        frames = _put(waiting, header, raw)
        if frames is None:
            there = waiting.get(key, {})
            missing = tuple(number for number in range(1, header.total + 1) if number not in there)
            return Judged([outcome], terminal, _reply([outcome]), Gap(key[1], missing))
        whole = b"".join(read_plain(frame).body for frame in frames)
        first = header._replace(total=0, number=0)
        units = units_of(first, whole, b"".join(frames), head)
        # Of a batch that came in parts the bytes are kept already.
        kept = [self._keep(terminal, proof, unit) for unit in units if unit.kind != BATCH or unit.wrong]
        outcomes = [outcome, *kept]
        return Judged(outcomes, terminal, _reply(outcomes), Gap(key[1], ()))

    def _keep(self, terminal: Terminal, proof: Proof, unit: Unit) -> Admitted | Refused:
        """Admit a unit, if what it says is understood."""
        topic, known = self._topic(terminal, unit.kind), proof != "none"
        payload = pack(unit.head, unit.data)

        def aside(reason: str, detail: str) -> Refused:
            kept = payload if unit.head.of else unit.data
            return Refused(topic, kept, terminal.id, reason, detail, authentic=known, proof=proof)

        if unit.wrong:
            return aside(_REASONS.get(unit.wrong, "schema"), unit.wrong)
        position, head = unit.position, unit.head
        if position is None:
            found = self._admission.judge_proven(topic, payload, proof)
        else:
            when, now = unix_of(position.time, head.utc), self._clock()
            if when is None:
                return aside("schema", f"time {position.time}: expected YYMMDDhhmmss")
            if when > now + MOST_AHEAD:
                return aside("future", f"t = {when} is more than {MOST_AHEAD} s ahead of the hub's clock")
            if when < now - MOST_BEHIND:
                return aside("past", f"t = {when} is more than {MOST_BEHIND // 86_400} days behind the hub's clock")
            found = self._admission.judge_proven(topic, payload, proof, lambda: Observed([Moment(when)]))
        return msgspec.structs.replace(found, identity=unit.identity) if isinstance(found, Admitted) else found

    def _topic(self, terminal: Terminal, kind: str) -> str:
        site = self._registry.sites[terminal.site]
        return f"{PREFIX}{site.district}/{site.id}/{terminal.id}/{kind}"


_UNKNOWN = "the message is none that is known"
_UNREADABLE = "the body is encrypted, and the hub reads plain text alone"
_REASONS = {_UNKNOWN: "command", _UNREADABLE: "encrypted"}


def units_of(header: Header, body: bytes, frames: bytes, head: Head) -> Iterator[Unit]:
    """Yield what is kept of a whole message, each by itself; the first is the message, where it is more than a fix.

    Args:
        header: Of the message, or of its first part.
        body: All of it.
        frames: It as it came.
        head: How it is understood.
    """
    if header.message == POSITION and not header.total and not header.bits & ENCRYPTED:
        position = Position.parse(body)
        if position is not None:
            yield Unit(FIX, head, frames, identity_of_fix(body), position)
            return
    identity = identity_of(header, body)
    if header.bits & ENCRYPTED:
        yield Unit(STATE, head, frames, identity, wrong=_UNREADABLE)
        return
    if header.total:
        yield Unit(PART, head, frames, identity)
        return
    content, _ = Content.parse(header.message, body, newer=header.version is not None)
    if header.message in {POSITION, ASKED}:
        positions = content.positions
        if not positions:
            yield Unit(FIX, head, frames, identity, wrong=f"a body of {len(body)} bytes: too short for a position")
            return
        yield Unit(FIX, head, frames, identity_of_fix(content.bodies[0]), positions[0])
    elif header.message == BATCHED:
        yield from _of_batch(header, content, Unit(BATCH, head, frames, identity))
    elif header.message in {CARD, WAYBILL}:
        wrong = f"a body of {len(body)} bytes: too short" if content.edition is None else ""
        yield Unit(STATE, head, frames, identity, wrong=wrong)
    elif header.message in LAYOUTS and header.message < 0x8000:
        yield Unit(STATE, head, frames, identity)
    else:
        yield Unit(STATE, head, frames, identity, wrong=_UNKNOWN)


def _of_batch(header: Header, content: Content, batch: Unit) -> Iterator[Unit]:
    bodies = content.bodies
    positions = [Position.parse(one) for one in bodies]
    read = sum(one is not None for one in positions)
    if content.edition is None or content.rest or not content.number("count") == len(bodies) == read:
        batch = batch._replace(wrong=f"a batch of {content.number('count')} positions: {read} could be read")
    yield batch
    for number, (body, position) in enumerate(zip(bodies, positions, strict=True)):
        if position is not None:
            head = msgspec.structs.replace(batch.head, of=Of(header.terminal, header.serial, number))
            yield Unit(FIX, head, body, identity_of_fix(body), position)


def _codes(header: Header, body: bytes) -> Iterator[str]:
    """Yield what may be the code of an authentication: there are terminals of 2019 that send it as those of 2013 do."""
    for newer in {header.version is not None, False}:
        content, _ = Content.parse(AUTHENTICATION, body, newer=newer)
        yield content.text("code")


def _reply(outcomes: Sequence[Admitted | Refused]) -> Reply:
    """Return the answer once all is committed: nothing is acknowledged that somebody could push out of quarantine."""
    if not all(isinstance(one, Admitted) or one.authentic for one in outcomes):
        return Reply(0x8001, BAD)
    unread = any(isinstance(one, Refused) and one.reason in _REASONS.values() for one in outcomes)
    return Reply(0x8001, UNSUPPORTED if unread else OK)


def _put(waiting: dict[tuple[int, int, int], dict[int, bytes]], header: Header, raw: bytes) -> list[bytes] | None:
    """Add a part; return all frames of its message in their order when none is missing."""
    key = key_of(header)
    parts = waiting.setdefault(key, {})
    parts[header.number] = raw
    if len(waiting) > MOST_PARTS:
        del waiting[next(iter(waiting))]
    if len(parts) < header.total:
        return None
    waiting.pop(key, None)
    return [parts[number] for number in sorted(parts)]


def _set_aside(
    raw: bytes, header: Header, body: bytes, name: str, reason: str, detail: str, proof: Proof = "none"
) -> list[Admitted | Refused]:
    """Return what is not taken now as it goes into quarantine: each fix by itself, so that each can be taken later."""
    refused: list[Admitted | Refused] = []
    for unit in units_of(header, body, raw, Head()):
        payload = pack(unit.head, unit.data) if unit.head.of else raw
        refused.append(Refused(_topic(name, unit.kind), payload, name, reason, detail, proof=proof))
    return refused


def _foreign(raw: bytes, name: str | None, reason: str, detail: str) -> Judged:
    return Judged([Refused(_topic(name or "-", STATE), raw, name, reason, detail, proof="none")])


def _topic(device: str, kind: str) -> str:
    return f"{PREFIX}-/-/{device}/{kind}"


def _no_profile(terminal: Terminal) -> str:
    return f"the registry names profile {terminal.profile!r}, and there is none; mend it, then replay this"


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())
