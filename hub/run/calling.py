"""Tells people of calls for help, in the process that takes messages.

The consumers' process judges, and leaves the processor to others (`hub.run.consumers.NICE`): whoever calls for help
must not wait for that. A hub without badges has none of this.
"""

from hub.config.files import Config
from hub.log.consumer import Consumer
from hub.notify.sender import Notifier
from hub.process.clock import Clock
from hub.registry.live import LiveRegistry, Registry
from hub.watch.calls import Calls

AGAIN = 1.0
"""An alarm that could not be written is tried again so soon [s]."""


class Calling:
    """Finds calls for help in the log, and sends what is said of them; each in a thread of its own."""

    def __init__(self, config: Config, registry: LiveRegistry, clock: Clock) -> None:
        self._registry = registry
        self._calls = Calls(config.data, registry.current, clock.now, lambda: clock.held)
        self._known = registry.current
        self._consumer = Consumer("calls", self._calls, self._calls, config.data, longest=AGAIN)
        self._notifier = Notifier(config, self._current, clock.now, calls=True)

    def start(self) -> None:
        """Start both threads."""
        self._consumer.start()
        self._notifier.start()

    def wake(self) -> None:
        """Say that the log has grown."""
        if self._registry.current is not self._known:
            self._known = self._registry.current
            self._calls.use(self._known)
        self._consumer.wake()

    def stop(self) -> None:
        """Let both end after what they are doing now."""
        self._consumer.stop()
        self._notifier.stop()
        for thread in (self._consumer, self._notifier):
            if thread.is_alive():
                thread.join()
        self._calls.close()

    def is_alive(self) -> bool:
        """Tell whether both run."""
        return self._consumer.is_alive() and self._notifier.is_alive()

    @property
    def position(self) -> int:
        """The offset of the log up to which all calls are told of."""
        return self._calls.position()

    @property
    def state(self) -> tuple[bool, str]:
        """Whether calls are told of, and in words."""
        problem = self._consumer.failing
        return not problem, problem or f"told of up to offset {self.position}"

    def _current(self) -> Registry:
        return self._registry.current
