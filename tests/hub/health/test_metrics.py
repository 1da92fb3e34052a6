"""What Prometheus reads at /metrics says how the hub does."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.health.metrics import Metrics, Observation, Progress
from hub.log.log import Log
from tests.hub.helpers import NOON


class Hub:
    """A hub in a state of the test's choice."""

    def __init__(self, **state):
        self.state = state

    def observe(self):
        return Observation(**self.state)


def state(folder, **changes):
    usual = {
        "now": NOON,
        "data": folder,
        "inbox": 12,
        "inbox_capacity": 10_000,
        "log_end": 500,
        "connected": True,
        "sessions": 2,
        "boards_heard": 7,
        "alerts_firing": 1,
        "consumers": {"store": Progress(500), "compliance": Progress(440, waiting_since=NOON - 90)},
        "quarantine": {"mac": 3, "unknown": 1},
        "notifications": {"waiting": 4, "failing": 1},
    }
    return usual | changes


def read(metrics):
    """Return {(name, label value or ""): value} as Prometheus reads it."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def test_what_is_committed_is_counted_by_outcome_and_reason():
    metrics = Metrics()
    metrics.committed(0.004, accepted=90, duplicate=7, quarantined={"mac": 2, "schema": 1}, records=450)
    metrics.committed(0.5, accepted=10, duplicate=0, quarantined={"mac": 1}, records=50)
    seen = read(metrics)
    assert seen["fenceline_messages_total", "accepted"] == 100
    assert seen["fenceline_messages_total", "duplicate"] == 7
    assert seen["fenceline_messages_total", "quarantined"] == 4
    assert seen["fenceline_records_total", ""] == 500
    assert seen["fenceline_quarantined_total", "mac"] == 3
    assert seen["fenceline_quarantined_total", "schema"] == 1
    assert seen["fenceline_commit_seconds_count", ""] == 2
    assert seen["fenceline_commit_seconds_sum", ""] == pytest.approx(0.504)
    assert seen["fenceline_commit_messages_sum", ""] == 111


def test_outcomes_are_there_before_the_first_message():
    assert read(Metrics())["fenceline_messages_total", "quarantined"] == 0


def test_the_hubs_state_is_looked_up_when_asked(tmp_path):
    metrics, hub = Metrics(), Hub(**state(tmp_path))
    metrics.watch(hub)
    seen = read(metrics)
    assert seen["fenceline_observed", ""] == 1
    assert seen["fenceline_inbox_messages", ""] == 12
    assert seen["fenceline_inbox_capacity_messages", ""] == 10_000
    assert seen["fenceline_log_end_offset", ""] == 500
    assert seen["fenceline_broker_connected", ""] == 1
    assert seen["fenceline_broker_sessions", ""] == 2
    assert seen["fenceline_boards_heard", ""] == 7
    assert seen["fenceline_alerts_firing", ""] == 1
    assert seen["fenceline_notifications", "waiting"] == 4
    assert seen["fenceline_notifications", "failing"] == 1
    assert seen["fenceline_quarantine_messages", "mac"] == 3
    assert seen["fenceline_data_free_bytes", ""] > 0
    hub.state = state(tmp_path, connected=False, inbox=13)
    seen = read(metrics)
    assert seen["fenceline_broker_connected", ""] == 0
    assert seen["fenceline_inbox_messages", ""] == 13


def test_a_consumers_lag_is_the_age_of_what_it_has_yet_to_take(tmp_path):
    metrics = Metrics()
    metrics.watch(
        Hub(**state(tmp_path, consumers={
            "store": Progress(500),
            "compliance": Progress(440, waiting_since=NOON - 90, problem="disk full"),
        }))
    )  # fmt: skip
    seen = read(metrics)
    assert seen["fenceline_consumer_position", "compliance"] == 440
    assert seen["fenceline_consumer_backlog_entries", "compliance"] == 60
    assert seen["fenceline_consumer_lag_seconds", "compliance"] == 90
    assert seen["fenceline_consumer_failing", "compliance"] == 1
    assert seen["fenceline_consumer_backlog_entries", "store"] == 0
    assert seen["fenceline_consumer_lag_seconds", "store"] == 0
    assert seen["fenceline_consumer_failing", "store"] == 0


def test_each_database_is_told_by_its_path_and_copies_are_not(tmp_path):
    for path in ("log.db", "north/log.db", ".restoring/log.db"):
        Log(tmp_path / path).close()
    metrics = Metrics()
    metrics.watch(Hub(**state(tmp_path)))
    sizes = {name: value for (metric, name), value in read(metrics).items() if metric == "fenceline_database_bytes"}
    assert sizes == {path: (tmp_path / path).stat().st_size for path in ("log.db", "north/log.db")}


def test_counters_are_still_seen_when_the_state_is_not(tmp_path, caplog):
    metrics, hub = Metrics(), Hub()
    metrics.watch(hub)
    metrics.committed(0.1, accepted=1, duplicate=0, quarantined={}, records=1)
    seen = read(metrics)
    assert seen["fenceline_observed", ""] == 0
    assert seen["fenceline_records_total", ""] == 1
    assert "cannot be observed" in caplog.text


def test_two_hubs_in_one_process_count_apart(tmp_path):
    one, other = Metrics(), Metrics()
    one.watch(Hub(**state(tmp_path)))
    other.watch(Hub(**state(tmp_path)))
    one.committed(0.1, accepted=1, duplicate=0, quarantined={}, records=1)
    assert read(one)["fenceline_records_total", ""] == 1
    assert read(other)["fenceline_records_total", ""] == 0


def test_the_process_itself_is_measured():
    seen = read(Metrics())
    assert seen["process_resident_memory_bytes", ""] > 0
    assert any(name == "python_info" for name, _ in seen)
