"""Starts the process that consumes the log (`hub.run.consumers`), and knows how far it is."""

from dataclasses import replace

import msgspec

from hub.process.child import Child
from hub.process.clock import Clock
from hub.run.consumers import ConsumerState, Job

JUDGING = ("compliance", "rules", "watch")
"""Consumers that alarm people: taking waits for them when they are far behind."""

_states = msgspec.json.Decoder(dict[str, ConsumerState]).decode


class Downstream:
    """The process as the hub sees it; it is started again when it ends by itself."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self._clock = clock
        self._child = Child(
            "the process of the log's consumers",
            "hub.run.consumers",
            lambda: replace(job, held=clock.held),
            self._hear,
            lambda: self._hear(b"{}"),
        )
        self.states: dict[str, ConsumerState] = {}
        """By consumer; empty while the process is not running."""

    def start(self) -> None:
        """Start the process; returns at once."""
        self._child.start()

    def wake(self) -> None:
        """Say that the log has grown, and what the hub holds to be the time: soon again, where that would wait now."""
        self._child.offer(msgspec.json.encode(self._clock.held))

    def stop(self) -> None:
        """Let the process end after what it is doing now."""
        self._child.stop()

    def judged(self) -> int | None:
        """Return up to where the log is judged; None: not known, or it fails, or waits for a time without doubt."""
        if self._clock.doubt:
            return None
        found = [state.position for name, state in self.states.items() if name in JUDGING and not state.problem]
        return min(found, default=None)

    def is_alive(self) -> bool:
        """Tell whether the process is looked after."""
        return self._child.is_alive()

    @property
    def pid(self) -> int | None:
        """The process, None before its first start."""
        return self._child.process.pid if self._child.process else None

    def _hear(self, states: bytes) -> None:
        self.states = _states(states)
