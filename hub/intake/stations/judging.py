"""Decides on one frame: whose it is, how well that is proven, what it is kept as, and whether it is acknowledged."""

import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from hub.intake.admission import Admission
from hub.intake.stations.profiles import Profile, Profiles
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import Registry, Station
from hub.wire.hj212 import END, Packet, Plain, Splitter, UnreadableError, opened, read_packet
from hub.wire.hj212.codes import COMMANDS
from hub.wire.proof import Proof
from hub.wire.station import Head, identity_of, kind_of, line_of, meaning, pack, packet_of, unpack
from hub.wire.station_kinds import OF_COMMAND, PART, PREFIX, STATE

TALK = frozenset({"1011", "1013", "9011", "9012", "9013", "9015", "9021"})
"""Commands that belong to the conversation and carry no data: they are answered and not kept."""
MOST_PARTS = 16
"""Packets of a station that wait for their other parts."""
AGAIN = 64
"""Parts in the log that are looked at when a station's first part comes."""

_ID = re.compile(r"[^a-z0-9-]+")
_CIPHER = "{0x"


class Came(NamedTuple):
    """A piece of what came on a connection. `certified`: the common name of the station's certificate, if it has one.

    `plain` is None for bytes that are no frame.
    """

    raw: bytes
    plain: Plain | None
    peer: str
    certified: str = ""


class Judged(NamedTuple):
    """What becomes of a piece; nothing is kept of what belongs to the conversation.

    `station`: whose it is for certain, else None; `safe`: once committed it is kept. `unknown`: factor codes of it that
    mean nothing here, with the reason.
    """

    outcomes: list[Admitted | Refused]
    station: Station | None = None
    safe: bool = False
    unknown: Mapping[str, str] = {}


class _Known(NamedTuple):
    """A station of the registry, and what judging needs of it. `place`: its topics up to the kind."""

    station: Station
    place: str
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    password: bytes | None
    cipher: bytes | None
    profile: Profile | None


class Judging:
    """Judges frames against one registry; `latest` gives the newest payloads of a topic in the log."""

    def __init__(
        self,
        admission: Admission,
        registry: Registry,
        profiles: Profiles,
        latest: Callable[[str, int], list[bytes]],
    ) -> None:
        self._admission = admission
        self._profiles = profiles
        self._latest = latest
        self._parts: dict[str, dict[tuple[str, ...], dict[str, bytes]]] = {}
        self.use(registry)

    def use(self, registry: Registry) -> None:
        """Judge against another registry from now on."""
        self._by_mn: dict[str, _Known] = {}
        for station in registry.stations.values():
            site, password = registry.sites[station.site], registry.passwords.get(station.id)
            self._by_mn[station.mn] = _Known(
                station,
                f"{PREFIX}{site.district}/{site.id}/{station.id}/",
                tuple(map(ipaddress.ip_network, station.addresses)),
                None if password is None else password.encode(),
                registry.ciphers.get(station.id),
                self._profiles.of(station.profile),
            )

    def judge(self, came: Came) -> Judged:
        """Return what becomes of a piece; it never fails."""
        if came.plain is None:
            detail = f"{len(came.raw)} bytes from {came.peer}: no frame of HJ 212 (## and four digits) is in them"
            return _foreign(came.raw, None, "no_frame", detail)
        said = came.plain.packet.named()
        mn = said.get("MN", "")
        known = self._by_mn.get(mn)
        if known is None:
            return _foreign(came.raw, mn, "unknown_board", f"no station with MN {mn[:40]!r} is in the registry")
        proof, why = _prove(known, came, said.get("PW"))
        if proof is None:
            id_ = known.station.id
            return _foreign(came.raw, id_, why, f"station {id_!r}: {_WHY[why]}, from {came.peer}")
        return self._judge_own(known, proof, came.raw, came.plain, said)

    def judge_again(self, topic: str, payload: bytes) -> Admitted | Refused:  # noqa: ARG002 - the frame says whose it is
        """Return what becomes of a refused frame now; `payload` as it stands in quarantine."""
        raw = payload
        if not payload.startswith(b"#"):
            try:
                logged = unpack(payload)
                raw = logged.sealed or logged.frames
            except (msgspec.DecodeError, ValueError):
                raw = payload
        packet = packet_of(raw)
        if packet is None or not raw.startswith(b"##"):
            return Refused(_topic("-"), payload, None, "no_frame", "no frame of HJ 212")
        first, several, _ = raw.partition(END + b"##")
        plain = read_packet(first)
        said = plain.packet.named()
        known = self._by_mn.get(said.get("MN", ""))
        if known is None:
            return self.judge(Came(raw, plain, "the quarantine")).outcomes[0]
        proven: Proof = "password" if known.password and _same(said.get("PW"), known.password) else "none"
        if several and known.profile is not None:  # the parts of one
            return self._keep(known, proven, raw, packet, joined=True).outcomes[-1]
        again = self._judge_own(known, proven, raw, plain, said).outcomes
        # What belongs to the conversation is answered and not kept; but here it was kept, and must not be lost.
        return again[-1] if again else self._keep(known, proven, raw, plain.packet).outcomes[-1]

    def _judge_own(self, known: _Known, proof: Proof, raw: bytes, plain: Plain, said: Mapping[str, str]) -> Judged:
        packet, cn, station, profile = plain.packet, said.get("CN", ""), known.station, known.profile

        def aside(reason: str, detail: str, *, safe: bool = proof != "none") -> Judged:
            refused = Refused(known.place + STATE, raw, station.id, reason, detail, authentic=safe, proof=proof)
            return Judged([refused], station, safe)

        if profile is None:
            text = f"the registry names profile {station.profile!r}, and there is none; mend it, then replay this"
            return aside("profile", text, safe=False)
        frame, sealed = raw, b""
        if packet.area and packet.area.startswith(_CIPHER):
            sound = plain.sound  # over what was sent: without the key no more can be said
            try:
                frame, sealed = opened(raw, known.cipher), raw
            except UnreadableError:
                text = "its key is not known, or does not fit; add it to [sm4] in the file of keys, then replay this"
                return aside("encrypted", f"the data area is encrypted: {text}", safe=sound and proof != "none")
            plain = read_packet(frame)
            packet = plain.packet
            plain = plain if plain.sound or not sound else plain._replace(crc="standard")
        if not plain.sound and not {"crc_wrong", "crc_missing"} & {*profile.faults}:
            # It is not known to be what the station sent: it sends it again, as it is not acknowledged.
            return aside("crc", f"the checksum is {plain.crc}; the profile does not know that of it", safe=False)
        if cn in TALK:
            return Judged([], station)
        if cn not in COMMANDS:
            return aside("command", f"CN {cn[:8]!r} is no command that is known")
        if "PNO" in said:
            return self._join(known, proof, frame, packet, sealed)
        return self._keep(known, proof, frame, packet, sealed)

    def _keep(
        self,
        known: _Known,
        proof: Proof,
        frames: bytes,
        packet: Packet,
        sealed: bytes = b"",
        *,
        joined: bool = False,
    ) -> Judged:
        """Admit a whole packet, if what it says is understood; `joined`: of its parts. `sealed`: as it came."""
        station, cut = known.station, packet.cut()
        head, line, unknown = self._profiles.head(station.profile, packet.field("ST") or "", cut.form)
        topic = known.place + kind_of(packet)
        if unknown and not head.codes and packet.field("CN") in OF_COMMAND:
            detail = "; ".join(f"{code[:16]!r}: {why}" for code, why in list(unknown.items())[:8])
            outcome: Admitted | Refused = Refused(
                topic, sealed or frames, station.id, "unknown_quantity", detail, authentic=proof != "none", proof=proof
            )
        else:
            line = _sealed(head, line, sealed)
            outcome = self._admission.judge_proven(
                topic,
                pack(line, frames, sealed),
                proof,
                lambda: meaning(packet, line, cut),
                identity_of(packet, cut, whole=joined),
            )
        safe = isinstance(outcome, Admitted) or outcome.authentic
        return Judged([outcome], station, safe, unknown)

    def _join(self, known: _Known, proof: Proof, raw: bytes, packet: Packet, sealed: bytes) -> Judged:
        """Keep a part by itself, and all together when it is the last that was missing."""
        station, topic = known.station, known.place + PART
        waiting = self._parts.get(station.id)
        if waiting is None:
            waiting = self._parts[station.id] = {}
            # What was acknowledged before the hub was started again does not come again.
            for payload in reversed(self._latest(topic, AGAIN)):
                frame = unpack(payload).frames
                _put(waiting, read_packet(frame).packet, frame)
        head, line, _ = self._profiles.head(station.profile, packet.field("ST") or "", packet.cut().form)
        payload = pack(_sealed(head, line, sealed), raw, sealed)
        outcome = self._admission.judge_proven(topic, payload, proof)
        judged = Judged([outcome], station, isinstance(outcome, Admitted) or outcome.authentic)
        frames = _put(waiting, packet, raw)
        whole = packet_of(frames) if frames else None
        if frames is None or whole is None:
            return judged
        kept = self._keep(known, proof, frames, whole, joined=True)
        return Judged([outcome, *kept.outcomes], station, judged.safe and kept.safe, kept.unknown)


_WHY = {
    "address": "its addresses in the registry do not have this one",
    "bad_password": "PW is not its password",
    "bad_certificate": "the certificate is of another one",
}


def _prove(known: _Known, came: Came, password: str | None) -> tuple[Proof | None, str]:
    """Return how well a frame's origin is proven; None: it is not the station's, and why."""
    if known.networks:
        address = ipaddress.ip_address(came.peer)
        if not any(address in network for network in known.networks):
            return None, "address"
    if came.certified:
        return ("certificate", "") if came.certified == known.station.mn else (None, "bad_certificate")
    if known.password is None:
        return "none", ""
    if not _same(password, known.password):
        return None, "bad_password"
    return "password", ""


def _sealed(head: Head, line: bytes, sealed: bytes) -> bytes:
    return line_of(msgspec.structs.replace(head, sealed=len(sealed))) if sealed else line


def _put(waiting: dict[tuple[str, ...], dict[str, bytes]], packet: Packet, raw: bytes) -> bytes | None:
    """Add a part; return all frames of its packet when none is missing."""
    key = tuple(packet.field(name) or "" for name in ("QN", "ST", "CN", "PNUM"))
    parts = waiting.setdefault(key, {})
    parts[packet.field("PNO") or ""] = raw
    if len(waiting) > MOST_PARTS:
        del waiting[next(iter(waiting))]
    if str(len(parts)) != (key[-1].lstrip("0") or "0"):
        return None
    waiting.pop(key, None)
    return END.join(parts[number] for number in sorted(parts, key=lambda text: (len(text), text))) + END


def _foreign(raw: bytes, name: str | None, reason: str, detail: str) -> Judged:
    device = _ID.sub("-", name.lower())[:32] if name and reason == "unknown_board" else name
    return Judged([Refused(_topic(device or "-"), raw, name and name[:32], reason, detail, proof="none")])


def _topic(device: str) -> str:
    return f"{PREFIX}-/-/{device}/{STATE}"


def _same(given: str | None, wanted: bytes) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted)


def frames_in(data: bytes) -> list[tuple[bytes, Plain | None]]:
    """Return the frames of bytes that are all there, and what is none (None)."""
    splitter = Splitter()
    pieces = [*splitter.feed(data), *splitter.rest()]
    return [(one.raw, None if one.junk else read_packet(one.raw)) for one in pieces if one.raw.strip()]
