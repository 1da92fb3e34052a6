"""Whatever comes in whatever order, whoever is killed: one open alert for a cause, every step on record, told once."""

import random
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hub.config.alerts import Alerting, Recipient
from hub.desk.desk import DeskError
from hub.notify.queue import Queue
from tests.hub.alerting import NINE, WINDOW, AlertCity
from tests.hub.helpers import CITY

NEXT = {
    None: {"pending", "firing"},
    "pending": {"pending", "firing", "withdrawn"},
    "firing": {"firing", "acknowledged", "resolved", "closed"},
    "acknowledged": {"acknowledged", "resolved", "closed"},
    "resolved": {"resolved", "closed"},
    "closed": {"closed"},
    "withdrawn": {"withdrawn"},
}
DESK = Recipient(name="desk", url_env="DESK")
CHIEF = Recipient(name="chief", url_env="CHIEF", level=1)
BOARDS = st.sampled_from(["fence-1", "fence-2"])
WINDOWS = st.integers(0, 5)
LEVELS = st.sampled_from([None, 60.0, 69.9, 70.1, 75.0, 85.0])


class Life(RuleBasedStateMachine):
    """Judging, officers, time, the notifier and crashes, in any order."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.states, self.revisions, self.arrived = {}, Counter(), Counter()

    @initialize(fire_after=st.integers(1, 2), resolve_after=st.integers(1, 3))
    def begin(self, fire_after, resolve_after):
        config = Alerting(fire_after=fire_after, resolve_after=resolve_after, escalate_minutes={"violation": 20})
        self.city = AlertCity(Path(self.folder.name), config, levels=1)
        self.start_notifier()

    def start_notifier(self):
        self.queue = Queue(self.city.db, [DESK, CHIEF], self.city.clock, digest_above=3)
        self.queue.recover()

    def teardown(self):
        if hasattr(self, "city"):
            self.city.close()
        self.folder.cleanup()

    @rule(board=BOARDS, window=WINDOWS, level=LEVELS, late=st.booleans())
    def a_window_is_judged(self, board, window, level, late):
        key = board, window
        self.revisions[key] += 1
        news = not late and self.revisions[key] == 1
        self.city.judge(level, device=board, start=NINE + window * WINDOW, revision=self.revisions[key], news=news)

    @rule(board=BOARDS, window=WINDOWS, certain=st.booleans())
    def a_warning_comes(self, board, window, certain):
        self.city.warn(device=board, start=NINE + window * WINDOW, certain=certain)

    @rule(alert=st.integers(1, 4), act=st.sampled_from(["acknowledge", "comment", "close", "admin"]))
    def an_officer_acts(self, alert, act):
        desk = self.city.desk
        acts = {
            "acknowledge": lambda: desk.acknowledge(alert, "officer-2"),
            "comment": lambda: desk.comment(alert, "officer-2", "seen"),
            "close": lambda: desk.close(alert, "officer-2"),
            "admin": lambda: desk.close(alert, "root", "why not", admin=True),
        }
        try:
            acts[act]()
        except DeskError:
            return

    @rule(board=st.sampled_from(["", "fence-1"]), seconds=st.integers(60, 3600))
    def maintenance_is_announced(self, board, seconds):
        self.city.desk.maintenance.add("tower", board, self.city.now - 60, self.city.now + seconds, "works", "root")

    @rule(seconds=st.sampled_from([1, 60, 1500, 7200]))
    def time_passes(self, seconds):
        self.city.wait(seconds)

    @rule(recipient=st.sampled_from([DESK, CHIEF]), end=st.sampled_from(["taken", "refused", "killed"]))
    def the_notifier_works(self, recipient, end):
        random.seed(1)
        self.queue.choose(CITY)
        due = self.queue.take(recipient, CITY)
        if end == "killed":
            self.city.kill()
            self.start_notifier()
        elif due and end == "taken":
            self.arrived.update((one.event.alert, one.event.id, recipient.name) for one in due)
            self.queue.sent(due)
        elif due:
            self.queue.failed(due, "error 500")

    @rule()
    def everything_is_killed(self):
        self.city.kill()
        self.start_notifier()

    @invariant()
    def one_open_alert_for_a_cause(self):
        if hasattr(self, "city"):
            open_ = [
                (alert["device"], alert["rule"])
                for alert in self.city.rows()
                if alert["state"] in {"pending", "firing", "acknowledged"}
            ]
            assert len(open_) == len(set(open_))

    @invariant()
    def every_change_of_state_is_a_step(self):
        if not hasattr(self, "city"):
            return
        for alert in self.city.rows():
            before, state = self.states.get(alert["id"]), alert["state"]
            assert state in NEXT[before] or (before == "pending" and state in NEXT["firing"])
            self.states[alert["id"]] = state
            done = self.city.done(alert["id"])
            assert done[0] in {"early", "counted", "firing"}
            assert ("firing" in done) == (alert["fired"] is not None)
            for what in ("firing", "withdrawn", "acknowledged", "resolved", "closed"):
                assert done.count(what) <= 1
                if state == what:
                    assert what in done
            assert ("acknowledged" in done) == (alert["acknowledged"] is not None)

    @invariant()
    def nothing_is_told_twice(self):
        assert all(count == 1 for count in self.arrived.values())

    @invariant()
    def what_is_quiet_is_told_nobody(self):
        if hasattr(self, "city"):
            sql = "SELECT 1 FROM notification n JOIN alert_step s ON s.id = n.step WHERE s.quiet"
            assert self.city.rows(sql) == []


Life.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase
