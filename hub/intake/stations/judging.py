"""Decides on one frame: whose it is, how well that is proven, what it is kept as, and whether it is acknowledged."""

import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from hub.intake.admission import Admission
from hub.intake.stations.profiles import Profiles
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import Registry, Station
from hub.wire.hj212 import END, Packet, Plain, Splitter, read_packet
from hub.wire.hj212.codes import COMMANDS
from hub.wire.proof import Proof
from hub.wire.station import identity_of, kind_of, meaning, packet_of, unpack
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
    """What becomes of a piece. `station`: whose it is for certain, else None; `safe`: once committed it is kept.

    `unknown`: factor codes of it that mean nothing here, with the reason.
    """

    outcomes: list[Admitted | Refused]
    station: Station | None = None
    safe: bool = False
    unknown: Mapping[str, str] = {}


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
        self._registry = registry
        self._by_mn = {station.mn: station for station in registry.stations.values()}
        self._networks = {
            station.id: [ipaddress.ip_network(text) for text in station.addresses]
            for station in registry.stations.values()
        }

    def judge(self, came: Came) -> Judged:
        """Return what becomes of a piece; it never fails."""
        if came.plain is None:
            detail = f"{len(came.raw)} bytes from {came.peer}: no frame of HJ 212 (## and four digits) is in them"
            return _foreign(came.raw, None, "no_frame", detail)
        packet = came.plain.packet
        mn = packet.field("MN") or ""
        station = self._by_mn.get(mn)
        if station is None:
            return _foreign(came.raw, mn, "unknown_board", f"no station with MN {mn[:40]!r} is in the registry")
        proof, why = self._prove(station, came)
        if proof is None:
            return _foreign(came.raw, station.id, why, f"station {station.id!r}: {_WHY[why]}, from {came.peer}")
        return self._judge_own(station, proof, came.raw, came.plain)

    def judge_again(self, payload: bytes) -> Admitted | Refused:
        """Return what becomes of a refused frame now; `payload` as it stands in quarantine."""
        raw = payload
        if not payload.startswith(b"#"):
            try:
                raw = unpack(payload).frames
            except (msgspec.DecodeError, ValueError):
                raw = payload
        if packet_of(raw) is None or not raw.startswith(b"##"):
            return Refused(_topic("-"), payload, None, "no_frame", "no frame of HJ 212")
        plain = read_packet(raw)
        station = self._by_mn.get(plain.packet.field("MN") or "")
        if station is None:
            return self.judge(Came(raw, plain, "the quarantine")).outcomes[0]
        password = self._registry.passwords.get(station.id)
        proven: Proof = "password" if password and _same(plain.packet.field("PW"), password) else "none"
        return self._judge_own(station, proven, raw, plain).outcomes[-1]

    def _prove(self, station: Station, came: Came) -> tuple[Proof | None, str]:
        """Return how well a frame's origin is proven; None: it is not the station's, and why."""
        assert came.plain is not None
        networks = self._networks[station.id]
        if networks:
            address = ipaddress.ip_address(came.peer)
            if not any(address in network for network in networks):
                return None, "address"
        if came.certified:
            return ("certificate", "") if came.certified == station.mn else (None, "bad_certificate")
        password = self._registry.passwords.get(station.id)
        if password is None:
            return "none", ""
        if not _same(came.plain.packet.field("PW"), password):
            return None, "bad_password"
        return "password", ""

    def _judge_own(self, station: Station, proof: Proof, raw: bytes, plain: Plain) -> Judged:
        packet, cn = plain.packet, plain.packet.field("CN") or ""
        topic, profile = self._topic(station, STATE), self._profiles.of(station.profile)
        known = proof != "none"

        def aside(reason: str, detail: str, *, safe: bool = known) -> Judged:
            refused = Refused(topic, raw, station.id, reason, detail, authentic=safe, proof=proof)
            return Judged([refused], station, safe)

        if profile is None:
            text = f"the registry names profile {station.profile!r}, and there is none; mend it, then replay this"
            return aside("profile", text, safe=False)
        if not plain.sound and not {"crc_wrong", "crc_missing"} & {*profile.faults}:
            # It is not known to be what the station sent: it sends it again, as it is not acknowledged.
            return aside("crc", f"the checksum is {plain.crc}; the profile does not know that of it", safe=False)
        if cn in TALK:
            return Judged([], station)
        if cn not in COMMANDS:
            return aside("command", f"CN {cn[:8]!r} is no command that is known")
        if packet.data and str(packet.data[0][0]).startswith(_CIPHER):
            return aside("encrypted", "the data area is encrypted, and the hub reads plain text alone")
        if packet.field("PNO") is not None:
            return self._join(station, proof, raw, packet)
        return self._keep(station, proof, raw, packet)

    def _keep(self, station: Station, proof: Proof, frames: bytes, packet: Packet) -> Judged:
        """Admit a whole packet, if what it says is understood."""
        head, line, unknown = self._profiles.head(station.profile, packet)
        topic = self._topic(station, kind_of(packet))
        if unknown and not head.codes and packet.field("CN") in OF_COMMAND:
            detail = "; ".join(f"{code[:16]!r}: {why}" for code, why in list(unknown.items())[:8])
            outcome: Admitted | Refused = Refused(
                topic, frames, station.id, "unknown_quantity", detail, authentic=proof != "none", proof=proof
            )
        else:
            outcome = self._admission.judge_proven(topic, line + frames, proof, lambda: meaning(packet, head))
            if isinstance(outcome, Admitted):
                whole = packet.field("PNO") is not None
                outcome = msgspec.structs.replace(outcome, identity=identity_of(packet, whole=whole))
        safe = isinstance(outcome, Admitted) or outcome.authentic
        return Judged([outcome], station, safe, unknown)

    def _join(self, station: Station, proof: Proof, raw: bytes, packet: Packet) -> Judged:
        """Keep a part by itself, and all together when it is the last that was missing."""
        topic = self._topic(station, PART)
        waiting = self._parts.get(station.id)
        if waiting is None:
            waiting = self._parts[station.id] = {}
            # What was acknowledged before the hub was started again does not come again.
            for payload in reversed(self._latest(topic, AGAIN)):
                frame = unpack(payload).frames
                _put(waiting, read_packet(frame).packet, frame)
        outcome = self._admission.judge_proven(topic, self._profiles.head(station.profile, packet).line + raw, proof)
        judged = Judged([outcome], station, isinstance(outcome, Admitted) or outcome.authentic)
        frames = _put(waiting, packet, raw)
        whole = packet_of(frames) if frames else None
        if frames is None or whole is None:
            return judged
        kept = self._keep(station, proof, frames, whole)
        return Judged([outcome, *kept.outcomes], station, judged.safe and kept.safe, kept.unknown)

    def _topic(self, station: Station, kind: str) -> str:
        site = self._registry.sites[station.site]
        return f"{PREFIX}{site.district}/{site.id}/{station.id}/{kind}"


_WHY = {
    "address": "its addresses in the registry do not have this one",
    "bad_password": "PW is not its password",
    "bad_certificate": "the certificate is of another one",
}


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


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


def frames_in(data: bytes) -> list[tuple[bytes, Plain | None]]:
    """Return the frames of bytes that are all there, and what is none (None)."""
    splitter = Splitter()
    pieces = [*splitter.feed(data), *splitter.rest()]
    return [(one.raw, None if one.junk else read_packet(one.raw)) for one in pieces if one.raw.strip()]
