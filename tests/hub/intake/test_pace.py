"""Taking waits for judging that is far behind, and never stops for it."""

import threading
import time
from types import SimpleNamespace

import pytest

from hub.intake import pace
from hub.intake.broker import Incoming
from hub.intake.pace import FAR, Pace

GROUP = [Incoming("t", bytes(400), False, n, 1, 1) for n in range(1000)]


class Stop(threading.Event):
    """Adds up how long was waited, and waits for nothing."""

    waited = 0.0

    def wait(self, timeout=None):
        self.waited += timeout
        return False


@pytest.fixture
def hub(monkeypatch):
    state = SimpleNamespace(now=1000.0, end=0, judged=0)
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: state.now))
    state.pace, state.stop = Pace(lambda: state.end, lambda: state.judged), Stop()
    return state


def take(hub, seconds, judging):
    """Let a thousand messages be taken each second, and so many judged."""
    for _ in range(int(seconds)):
        hub.now += 1
        hub.end += 1000
        if hub.judged is not None:
            hub.judged = min(hub.end, hub.judged + judging)
        hub.pace.keep(GROUP, hub.stop)


def test_nothing_waits_while_judging_follows_or_is_a_little_behind(hub):
    take(hub, 300, 1000)
    assert (hub.stop.waited, hub.pace.behind) == (0, 0)
    take(hub, FAR, 0)
    assert hub.stop.waited == 0


def test_far_behind_about_a_thousand_small_messages_are_taken_a_second_until_judging_has_caught_up(hub):
    take(hub, 3 * FAR, 500)  # half as fast: after two minutes it is one behind
    assert hub.stop.waited > 0
    hub.stop.waited = 0
    take(hub, 10, 500)
    assert hub.stop.waited == pytest.approx(10, rel=0.1), "a second for each thousand"
    hub.judged = hub.end
    hub.stop.waited = 0
    take(hub, 10, 1000)
    assert hub.stop.waited == 0


def test_a_judging_that_fails_or_is_not_there_keeps_nobody_waiting(hub):
    hub.judged = None
    take(hub, 300, 0)
    assert hub.stop.waited == 0


def test_it_waits_no_longer_than_until_the_hub_is_to_stop():
    judged = Pace(lambda: 10, lambda: 0)
    judged.behind = 2 * FAR
    judged._next = float("inf")
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    judged.keep(GROUP * 100, stop)
    assert time.monotonic() - began < 5
