"""Finds values that no instrument in order gives: out of range, changing impossibly fast, or stuck.

Such readings are kept and flagged, so that they do not count towards a verdict. What is implausible for a quantity
stands in schemas/quantities.toml; those figures are this project's own choice, no standard sets them.
"""

from array import array

from hub.messages import Record, Telemetry
from schemas import Quantity

Finding = tuple[int, str, str]
"""Index of the record in its message, quantity, flag (HJ 212: T over range, D faulty)."""

PAUSE = 600
"""After so long without a record nothing is known of how fast a value changed or how long it stood still, s."""

_STREAM, _NEXT, _END = range(3)


class Plausibility:
    """Remembers of each board the last values in the order in which it made them (about 400 bytes a board).

    Only an unbroken run of record numbers is followed: what a board sends out of turn is checked for its range alone.
    """

    def __init__(self, quantities: dict[str, Quantity]) -> None:
        followed = [key for key, q in quantities.items() if q.max_rate is not None or q.stuck_after is not None]
        # Where a quantity's last value stands in a board's array; behind it, since when it has been the same.
        places = {key: 3 + 2 * i for i, key in enumerate(followed)}
        self._rules = {
            key: (*q.range, places.get(key, 0), (q.max_rate or 0) / 60, q.stuck_after or 0)
            for key, q in quantities.items()
        }
        self._blank = array("d", [0.0] * (3 + 2 * len(followed)))
        self._boards: dict[str, array[float]] = {}

    def unknown(self, record: Record) -> str | None:
        """Return a quantity that the catalogue does not have, or None."""
        rules = self._rules
        for key in record.v:
            if key not in rules:
                return key
        for key in record.f:
            if key not in rules:
                return key
        return None

    def check(self, device: str, message: Telemetry) -> list[Finding]:
        """Return what is implausible in a message's records, and remember them."""
        findings: list[Finding] = []
        state = self._state(device, message)
        rules = self._rules
        for index, record in enumerate(message.records):
            after_pause = state is not None and record.t - state[_END] > PAUSE
            for key, value in record.v.items():
                low, high, at, rate, stuck = rules[key]
                if value > high:
                    findings.append((index, key, "T"))
                elif value < low:
                    findings.append((index, key, "D"))
                elif at and state is not None and key not in record.f:
                    if value != state[at] and not rate:  # the usual case
                        state[at], state[at + 1] = value, record.t
                    elif self._is_odd(state, at, value, record, rate, stuck, after_pause=after_pause):
                        findings.append((index, key, "D"))
            if state is not None:
                state[_END] = record.t + record.dt
        return findings

    def _state(self, device: str, message: Telemetry) -> "array[float] | None":
        """Return the board's array if the message continues its run of records or begins a new one, else None."""
        stream = float(int(message.stream, 16))
        state = self._boards.get(device)
        if state is None:
            state = self._boards[device] = array("d", self._blank)
        continues = state[_STREAM] == stream and state[_NEXT] == message.seq
        # After a jump the older ones may still be to come; if they are not, the run begins anew here.
        if not continues and state[_STREAM] == stream and (message.seq < state[_NEXT] or message.oldest < message.seq):
            return None
        if not continues:
            state[:] = self._blank
            state[_STREAM] = stream
        state[_NEXT] = message.seq + len(message.records)
        return state

    def _is_odd(
        self,
        state: "array[float]",
        at: int,
        value: float,
        record: Record,
        rate: float,
        stuck: float,
        *,
        after_pause: bool,
    ) -> bool:
        last, since = state[at], state[at + 1]
        state[at] = value
        if not since or after_pause or value != last:
            state[at + 1] = record.t
        if not since or after_pause:
            return False
        if rate and abs(value - last) > rate * max(record.dt, record.t + record.dt - state[_END]):
            return True
        # Zero is what many instruments rightly show for hours: no wind, a stack that stands still.
        return bool(stuck and value and value == last and record.t + record.dt - since > stuck)
