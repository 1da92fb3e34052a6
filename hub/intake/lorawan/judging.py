"""Decides on one uplink: whose it is, whether it came before, what it is kept as."""

from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec

from hub.intake.admission import UNREADABLE, Admission
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import Node, Registry
from hub.wire.lorawan.kinds import PREFIX, UPLINK
from hub.wire.lorawan.logged import Head, identity_of, meaning, pack, unpack
from hub.wire.lorawan.uplink import Uplink, read_uplink
from hub.wire.proof import Proof
from hub.wire.said import Observed
from hub.wire.times import MOST_AHEAD, MOST_BEHIND

AGAIN_WITHIN = 300.0
"""The same frame of the same session so soon is the same: gateways hand it over late, devices repeat what they want
confirmed [s]. Later, the device has begun to count anew."""
RECENT = 16
"""Uplinks of a device that are remembered for that."""


class Came(NamedTuple):
    """What came, and how well it is proven that the network server sent it."""

    payload: bytes
    proof: Proof


class Judged(NamedTuple):
    """What becomes of it; nothing: it is another hub's."""

    outcomes: list[Admitted | Refused]


class Judging:
    """Judges uplinks against one registry; `latest` gives the newest payloads of a topic in the log, `clock` Unix s.

    `districts`: those of this hub; none: all. All hubs of a city may subscribe to one network server.
    """

    def __init__(
        self,
        admission: Admission,
        registry: Registry,
        latest: Callable[[str, int], list[bytes]],
        clock: Callable[[], float],
        districts: Collection[str] = (),
    ) -> None:
        self._admission = admission
        self._latest = latest
        self._clock = clock
        self._districts = districts
        self._recent: dict[str, deque[Uplink]] = {}  # by node, as the log has them
        self.use(registry)

    def use(self, registry: Registry) -> None:
        """Judge against another registry from now on."""
        self._registry = registry
        self._by_eui = {one.eui.lower(): one for one in registry.nodes.values()}

    def judge(self, came: Came) -> Judged:
        """Return what becomes of a message; it never fails."""
        node, outcome = self._judge(*came)
        if node and self._districts and self._registry.sites[node.site].district not in self._districts:
            return Judged([])
        return Judged([outcome])

    def judge_again(self, topic: str, payload: bytes) -> Admitted | Refused:  # noqa: ARG002 - the uplink says whose it is
        """Return what becomes of a refused message now; `payload` as it stands in quarantine."""
        return self._judge(payload, "none")[1]

    def _judge(self, payload: bytes, proof: Proof) -> tuple[Node | None, Admitted | Refused]:
        try:
            uplink = read_uplink(payload)
        except (*UNREADABLE, ValueError) as error:
            topic = f"{PREFIX}-/-/-/{UPLINK}"
            return None, Refused(topic, payload, None, "no_frame", f"no uplink of LoRaWAN: {error}", proof=proof)
        node = self._by_eui.get(uplink.eui)
        if node is None:
            detail = f"no node with DevEUI {uplink.eui} is in the registry"
            topic = f"{PREFIX}-/-/{uplink.eui}/{UPLINK}"
            return None, Refused(topic, payload, uplink.eui, "unknown_board", detail, proof=proof)
        return node, self._judge_own(node, uplink, payload, proof)

    def _judge_own(self, node: Node, uplink: Uplink, payload: bytes, proof: Proof) -> Admitted | Refused:
        site = self._registry.sites[node.site]
        topic = f"{PREFIX}{site.district}/{site.id}/{node.id}/{UPLINK}"

        def aside(reason: str, detail: str) -> Refused:
            return Refused(topic, payload, node.id, reason, detail, authentic=proof != "none", proof=proof)

        head = Head(node.codec, node.empty_mm, node.full_mm)
        try:
            said = meaning(head, uplink)
        except ValueError as error:
            return aside("schema", f"codec {node.codec}: {error}")
        now = self._clock()
        for one in said.moments if isinstance(said, Observed) else ():
            if one.t > now + MOST_AHEAD:
                return aside("future", f"t = {one.t} is more than {MOST_AHEAD} s ahead of the hub's clock")
            if one.t < now - MOST_BEHIND:
                return aside("past", f"t = {one.t} is more than {MOST_BEHIND // 86_400} days behind the hub's clock")
        found = self._admission.judge_proven(topic, pack(head, payload), proof, lambda: said)
        if isinstance(found, Refused):
            return aside(found.reason, found.detail)  # as it came: judged again, it is understood anew
        return msgspec.structs.replace(found, identity=identity_of(self._first(node, topic, uplink)))

    def _first(self, node: Node, topic: str, uplink: Uplink) -> Uplink:
        """Return the uplink as which this frame came first; the log knows it by that."""
        recent = self._recent.get(node.id)
        if recent is None:
            earlier = [read_uplink(unpack(logged)[1]) for logged in reversed(self._latest(topic, RECENT))]
            recent = self._recent[node.id] = deque(earlier, RECENT)
        for one in recent:
            if one._replace(time=uplink.time) == uplink and abs(one.time - uplink.time) <= AGAIN_WITHIN:
                return one
        recent.append(uplink)
        return uplink
