"""Finds values that no instrument in order gives: out of range, changing impossibly fast, or stuck.

Such readings are kept and flagged, so that they do not count towards a verdict. What is implausible for a quantity
stands in schemas/quantities.toml; those figures are this project's own choice, no standard sets them.

That an instrument stands still shows only after a while. So the first reading that is flagged for it also says since
when, `D@1794999990`: what was given from then on does not count either, and verdicts on it are amended.
"""

import math
import sys
from array import array
from collections.abc import Sequence

from hub.log.outcomes import Finding
from hub.wire.channels import Record as Reported
from hub.wire.messages import Record, Telemetry
from schemas import Quantity

PAUSE = 600
"""After so long without a record nothing is known of how fast a value changed or how long it stood still [s]."""

MOST_SETS = 4096
"""Sets of quantities that are remembered as known; boards of one kind all send the same."""

_STREAM, _NEXT, _END, _FREE = range(4)


class Plausibility:
    """Remembers of each board the last values in the order in which it made them (about 250 bytes a board).

    Only an unbroken run of record numbers is followed: what a board sends out of turn is checked for its range alone.
    """

    def __init__(self, quantities: dict[str, Quantity]) -> None:
        self._quantities = quantities
        # Between which values nothing is wrong; where the last one stands in a board's array, before the time since
        # when it has been the same (0: nowhere; below 0: that has been told); by how much it can change in a second;
        # the quantity, which knows the rest. Made when a quantity is first heard of, so that arrays have no room for
        # what a city does not measure.
        self._rules: dict[str, tuple[float, float, int, float, Quantity]] = {}
        self._places = _FREE
        self.known: set[tuple[str, ...]] = set()
        """Sets of quantities that the catalogue has, as records were found to have them; never any other key."""
        self._boards: dict[str, array[float]] = {}

    def check_range(self, records: Sequence[Reported]) -> list[Finding]:
        """Return what is out of range in records without numbers, of which nothing is followed from one to the next."""
        findings: list[Finding] = []
        for index, record in enumerate(records):
            for key, value in record.v.items():
                low, high = self._rules[key][-1].range
                if not low <= value <= high:
                    findings.append((index, key, "T" if value > high else "D"))
        return findings

    def unknown(self, record: Record | Reported) -> str | None:
        """Return a quantity that the catalogue does not have, or None."""
        keys = tuple(record.v)
        if keys not in self.known:
            for key in keys:
                if key not in self._rules and not self._learn(key):
                    return key
            if len(self.known) < MOST_SETS:
                self.known.add(tuple(map(sys.intern, keys)))
        for key in record.f:
            if key not in self._quantities:
                return key
        return None

    def check(self, device: str, message: Telemetry) -> list[Finding]:
        """Return what is implausible in a message's records, and remember them; none has an `unknown` quantity."""
        findings: list[Finding] = []
        state = self._state(device, message)
        places = 0 if state is None else len(state)
        rules = self._rules
        for index, record in enumerate(message.records):
            begin, end, flags = record.t, record.t + record.dt, record.f
            after_pause = state is not None and begin - state[_END] > PAUSE
            passed = 0.0 if state is None else max(record.dt, end - state[_END])
            for key, value in record.v.items():
                low, high, at, rate, quantity = rules[key]
                if not low <= value <= high and (flag := quantity.flag(value)):
                    findings.append((index, key, flag))
                elif at and state is not None and key not in flags:
                    if at >= places:
                        state.extend([0.0] * (at + 2 - places))
                        places = at + 2
                    last = state[at]
                    if value == last:
                        flag = _still(state, at, begin, end, quantity.still_for(value), after_pause=after_pause)
                        if flag:
                            findings.append((index, key, flag))
                        continue
                    if rate and abs(value - last) > rate * passed and state[at + 1] and not after_pause:
                        findings.append((index, key, "D"))
                    state[at] = value
                    state[at + 1] = begin
            if state is not None:
                state[_END] = end
        return findings

    def _learn(self, key: str) -> bool:
        """Make a quantity's rule; tell whether the catalogue has it."""
        quantity = self._quantities.get(key)
        if quantity is None:
            return False
        rate = (quantity.max_rate or 0) / 60
        at = self._places if rate or quantity.stuck_after or quantity.zero_after else 0
        self._places += 2 * bool(at)
        low, high = quantity.range
        for sentinel in quantity.sentinels:
            high = min(high, math.nextafter(sentinel, -math.inf))
        self._rules[key] = low, high, at, rate, quantity
        return True

    def _state(self, device: str, message: Telemetry) -> "array[float] | None":
        """Return the board's array if the message continues its run of records or begins a new one, else None."""
        stream = float(int(message.stream, 16))
        state = self._boards.get(device)
        if state is None:
            state = self._boards[device] = array("d", [0.0] * _FREE)
        continues = state[_STREAM] == stream and state[_NEXT] == message.seq
        # After a jump the older ones may still be to come; if they are not, the run begins anew here.
        if not continues and state[_STREAM] == stream and (message.seq < state[_NEXT] or message.oldest < message.seq):
            return None
        if not continues:
            state[:] = array("d", [0.0] * len(state))
            state[_STREAM] = stream
        state[_NEXT] = message.seq + len(message.records)
        return state


def _still(state: "array[float]", at: int, begin: int, end: int, longest: float | None, *, after_pause: bool) -> str:
    """Return the flag of a value that is the same as the last one; `longest`: for how long it may be [s]."""
    since = state[at + 1]
    if not since or after_pause:
        state[at + 1] = begin
        return ""
    if longest is None or end - abs(since) <= longest:
        return ""
    if since < 0:
        return "D"
    state[at + 1] = -since
    return f"D@{int(since)}"
