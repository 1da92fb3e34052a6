"""What drives the log's consumers: it goes on after every failure, and says how far it is and what fails."""

import dataclasses
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.log import consumer
from hub.log.consumer import Consumer, pause_after
from hub.log.entry import Entry
from hub.log.feed import Feed
from hub.log.log import Log
from hub.process.turns import Turns
from hub.series import SqliteStore, StoreError
from hub.series.sink import StoreSink
from tests.hub.helpers import NOON, Hub, Speaker, execute, query, readings, record

ROOT = Path(__file__).parent.parent.parent.parent


class Sink:
    """Takes what it gets, after the failures that a test gave it."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.given = []
        self.offset = 0

    def position(self):
        return self.offset

    def take(self, entries):
        self.given.append([entry.offset for entry in entries])
        if entries and self.failures:
            raise self.failures.pop(0)
        self.offset = entries[-1].offset if entries else self.offset


class CountingLog(Log):
    """A log that counts how often it is read."""

    reads = 0

    def read(self, after, most, size):
        self.reads += 1
        return super().read(after, most, size)


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def soon(monkeypatch):
    """No pause is longer than a moment."""
    monkeypatch.setattr(consumer, "LONGEST_PAUSE", 0.01)


@contextmanager
def running(hub, sink, log=Log):
    with closing(log(hub.folder / "log.db")) as source:
        feeder = Consumer("store", source, sink)
        feeder.start()
        try:
            yield feeder
        finally:
            feeder.stop()
            feeder.join(10)
            assert not feeder.is_alive()


def until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_says_how_far_it_is(hub):
    sink = Sink()
    assert Consumer("store", hub.log, sink).position is None
    with running(hub, sink) as feeder:
        until(lambda: feeder.position == 0)
        hub.hear(Speaker().batch(1, 3), Speaker("fence-2").batch(1, 3))
        feeder.wake()
        until(lambda: feeder.position == 2)
    assert feeder.failing is None


def test_it_says_what_fails_and_goes_on_by_itself(hub, soon):
    sink = Sink()
    sink.failures = [StoreError("disk full")] * 1_000_000
    hub.hear(Speaker().batch(1, 3))
    with running(hub, sink) as feeder:
        until(lambda: feeder.failing == "disk full")
        assert feeder.position == 0
        sink.failures = []
        until(lambda: feeder.position == 1)
        assert feeder.failing is None


def test_what_a_store_does_not_take_is_read_once_and_given_again(hub, soon):
    sink = Sink(*[StoreError("away")] * 5)
    hub.hear(Speaker().batch(1, 3), Speaker("fence-2").batch(1, 3))
    with running(hub, sink, CountingLog) as feeder:
        until(lambda: feeder.position == 2)
        assert feeder._source.reads <= 2
    assert sink.given[:6] == [[1, 2]] * 6


class HalfWay(Sink):
    """Fails in a way that nobody foresaw, with the first entry done."""

    def take(self, entries):
        if len(entries) > 1:
            self.offset = entries[0].offset
            self.given.append([entry.offset for entry in entries])
            raise ZeroDivisionError("ours")
        super().take(entries)


def test_after_a_failure_that_nobody_foresaw_it_asks_the_sink_how_far_it_is(hub, soon):
    sink = HalfWay()
    hub.hear(Speaker().batch(1, 3), Speaker("fence-2").batch(1, 3))
    with running(hub, sink) as feeder:
        until(lambda: feeder.position == 2)
    assert sink.given[:2] == [[1, 2], [2]]


def test_it_ends_at_once_though_a_long_pause_has_begun(hub):
    sink = Sink(StoreError("away", retry_after=600))
    hub.hear(Speaker().batch(1, 3))
    with running(hub, sink) as feeder:
        until(lambda: feeder.failing)
        began = time.monotonic()
    assert time.monotonic() - began < 10  # and not 600


def test_a_failing_consumer_keeps_none_of_the_others(hub, soon):
    hub.hear(Speaker().batch(1, 3))
    with running(hub, Sink(*[StoreError("away")] * 1_000_000)) as bad, running(hub, Sink()) as good:
        until(lambda: bad.failing and good.position == 1)
        assert bad.position == 0


@given(failures=st.integers(0, 10_000), requested=st.floats(0, 1e9))
def test_pauses_are_drawn_from_a_span_that_doubles_up_to_a_minute(failures, requested):
    span = min(60, 2 ** min(failures, 6))
    assert 0 <= pause_after(failures) <= span
    assert min(requested, 600) <= pause_after(failures, requested) <= min(requested, 600) + span


class Narrow(Sink):
    """There is never memory for more than so many entries."""

    room = 1

    def take(self, entries):
        if len(entries) > self.room:
            self.given.append([entry.offset for entry in entries])
            raise MemoryError
        super().take(entries)


def test_a_batch_for_which_there_is_no_memory_is_cut_until_it_passes_and_grows_again(hub, soon, monkeypatch):
    monkeypatch.setattr(consumer, "MOST", 16)
    monkeypatch.setattr(consumer, "GROWS_AFTER", 2)
    board, sink = Speaker(), Narrow()
    hub.hear(*[board.batch(n, n) for n in range(1, 61)])
    with running(hub, sink) as feeder:
        until(lambda: feeder.position > 3)
        sink.room = 1000
        until(lambda: feeder.position == 60)
        assert feeder.failing is None
    sizes = [len(given) for given in sink.given if given]
    assert sizes[:5] == [16, 8, 4, 2, 1]
    assert max(sizes[5:]) > 2


def test_a_store_that_finds_no_memory_keeps_nothing_of_what_was_too_much(hub, tmp_path):
    class NarrowStore(SqliteStore):
        def write(self, intervals, position):
            if len(intervals) > 3:
                raise MemoryError
            super().write(intervals, position)

    with closing(NarrowStore(tmp_path / "series.db")) as store:
        sink, entries = StoreSink(store), entries_of(hub)
        with pytest.raises(MemoryError):
            sink.take(entries)
        assert (sink.position(), sink._waiting) == (0, [])
        for entry in entries:
            sink.take([entry])
    assert numbers(tmp_path) == list(range(1, 25))


KILLED = """
import os, signal, sys, time
from pathlib import Path
from hub.log.consumer import Consumer
from hub.log.log import Log

class Fat:  # a batch of more than two entries is the end of its process
    file = Path(sys.argv[1]) / "done"

    def position(self):
        return int(self.file.read_text()) if self.file.exists() else 0

    def take(self, entries):
        if len(entries) > 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if entries:
            self.file.write_text(str(entries[-1].offset))

folder = Path(sys.argv[1])
consumer = Consumer("fat", Log(folder / "log.db"), Fat(), folder)
consumer.start()
while consumer.position != int(sys.argv[2]):
    time.sleep(0.01)
consumer.stop()
consumer.join()
"""


def test_a_process_that_is_killed_in_its_batch_tries_smaller_ones_until_all_is_done(hub):
    board = Speaker()
    hub.hear(*[board.batch(n, n) for n in range(1, 41)])
    codes = []
    while not codes or codes[-1]:
        command = [sys.executable, "-c", KILLED, hub.folder, "40"]
        codes.append(subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode)
        assert len(codes) < 20
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert (hub.folder / "done").read_text() == "40"


def test_a_burst_goes_first_and_a_longer_one_does_not(hub, monkeypatch):
    monkeypatch.setattr(consumer, "MOST", 4)
    monkeypatch.setattr(consumer, "BURST", 1.0)
    board, sink = Speaker(), Sink()
    hub.hear(*[board.batch(n, n) for n in range(1, 9)])
    with running(hub, sink) as feeder:
        began, n = time.monotonic(), 9
        while not sink.offset:
            hub.hear(board.batch(n, n))
            n += 1
            assert time.monotonic() - began < 10
            time.sleep(0.02)
        assert time.monotonic() - began > 0.8
        feeder.wake()
        until(lambda: sink.offset == n - 1)


def test_pauses_differ_so_that_hubs_do_not_come_back_all_at_once():
    pauses = [pause_after(10) for _ in range(1000)]
    assert min(pauses) < 10
    assert max(pauses) > 50
    assert len(set(pauses)) > 900


class Away(SqliteStore):
    """A store that is away as long as a test wants."""

    away = False

    def __init__(self, path):
        super().__init__(path)
        self.sizes = []

    def write(self, intervals, position):
        self.sizes.append(len(intervals))
        if self.away:
            raise StoreError("away")
        super().write(intervals, position)


@pytest.fixture
def store(tmp_path):
    with closing(Away(tmp_path / "series.db")) as store:
        yield store


def entries_of(hub, messages=8, records=3):
    board = Speaker()
    for _ in range(messages):
        hub.hear(board.batch(board.next, board.next + records - 1))
    return hub.entries()


def numbers(tmp_path):
    return [row["seq"] for row in query(tmp_path / "series.db", "SELECT seq FROM reading ORDER BY seq")]


def test_many_records_are_written_in_several_parts_and_each_moves_the_position(hub, store, tmp_path, monkeypatch):
    monkeypatch.setattr("hub.series.sink.MOST_INTERVALS", 6)
    sink = StoreSink(store)
    sink.take(entries_of(hub, messages=5))
    assert store.sizes == [6, 6, 3]
    assert sink.position() == store.position() == 5
    assert numbers(tmp_path) == list(range(1, 16))


def test_what_waits_for_the_store_is_decoded_once(hub, store, tmp_path, monkeypatch):
    monkeypatch.setattr("hub.series.sink.MOST_INTERVALS", 6)
    decoded = []

    def counting(entry, said, decode=Entry._decoded):
        decoded.append(entry.offset)
        return decode(entry, said)

    monkeypatch.setattr(Entry, "_decoded", counting)
    sink, entries = StoreSink(store), entries_of(hub)
    store.away = True
    for _ in range(5):
        with pytest.raises(StoreError):
            sink.take(entries)
    assert decoded == [1, 2]
    assert store.sizes == [6] * 5
    assert sink.position() == 0
    store.away = False
    sink.take(entries)
    assert decoded == list(range(1, 9))
    assert numbers(tmp_path) == list(range(1, 25))
    assert sink.position() == 8


def test_entries_without_records_move_the_position(hub, store):
    sink = StoreSink(store)
    board = Speaker()
    hub.hear(board.dropped(1, 5))
    sink.take(hub.entries())
    assert sink.position() == store.position() == 1


def test_a_sink_made_anew_goes_on_where_the_store_is(hub, store, tmp_path):
    entries = entries_of(hub)
    StoreSink(store).take(entries[:5])
    sink = StoreSink(store)
    assert sink.position() == 5
    sink.take(hub.log.read(sink.position(), 100))
    assert numbers(tmp_path) == list(range(1, 25))


def test_a_database_that_cannot_be_written_is_told_and_written_later(hub, tmp_path, soon):
    with closing(SqliteStore(tmp_path / "series.db")) as store:
        execute(tmp_path / "series.db", "CREATE TRIGGER t BEFORE INSERT ON record BEGIN SELECT RAISE(ABORT, 'no'); END")
        hub.hear(Speaker().batch(1, 3))
        with running(hub, StoreSink(store)) as feeder:
            until(lambda: feeder.failing == "the series database cannot be written: no")
            execute(tmp_path / "series.db", "DROP TRIGGER t")
            until(lambda: feeder.position == 1)
    assert numbers(tmp_path) == [1, 2, 3]


def test_values_with_a_flag_or_a_finding_stand_apart_and_the_boards_own_flag_comes_first(hub):
    board = Speaker()
    text = record(NOON - 60, laeq=60.0, pm10=20_000, pm25=35, flags={"pm25": "D", "tsp": "B"})
    hub.hear(board.telemetry(text))
    (entry,) = hub.entries()
    entry = dataclasses.replace(entry, findings=[(0, "pm10", "T"), (0, "pm25", "T")])
    (interval,) = entry.intervals
    assert interval.values == {"laeq": 60.0}
    assert interval.flagged == {"pm10": ("T", 20_000), "pm25": ("D", 35), "tsp": ("B", None)}
    assert [(r.quantity, r.value, r.flag) for r in readings(entry)] == [
        ("laeq", 60.0, "N"),
        ("pm10", 20_000, "T"),
        ("pm25", 35, "D"),
        ("tsp", None, "B"),
    ]


def test_only_the_records_that_were_new_are_given(hub):
    board = Speaker()
    hub.hear(board.batch(3, 4), board.batch(1, 6), board.dropped(1, 2))
    assert [[i.seq for i in entry.intervals] for entry in hub.entries()] == [[3, 4], [1, 2, 5, 6], []]


def test_two_threads_may_wake_it(hub):
    with running(hub, Sink()) as feeder:
        hub.hear(Speaker().batch(1, 3))
        wakers = [threading.Thread(target=feeder.wake) for _ in range(10)]
        for waker in wakers:
            waker.start()
        for waker in wakers:
            waker.join()
        until(lambda: feeder.position == 1)


def test_consumers_that_keep_pace_share_what_is_read_and_decoded(hub, tmp_path, monkeypatch):
    decoded = []

    def counting(entry, said, decode=Entry._decoded):
        decoded.append(entry.offset)
        return decode(entry, said)

    monkeypatch.setattr(Entry, "_decoded", counting)
    board = Speaker()
    hub.hear(*(board.telemetry(record(NOON + 10 * n, laeq=60.0)) for n in range(25)))
    with closing(Feed(tmp_path / "log.db", Turns())) as feed:
        first, second = Sink(), Sink()
        for sink in (first, second):
            reader = feed.reader()
            while entries := reader.read(sink.offset, 7):
                assert [i.seq for entry in entries for i in entry.intervals] == [entry.offset for entry in entries]
                sink.take(entries)
            assert [offset for given in sink.given for offset in given] == list(range(1, 26))
    assert decoded == list(range(1, 26))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), max_size=60), st.integers(1, 4000))
def test_a_consumer_that_lags_or_is_set_back_reads_the_same(turns, kept):
    with tempfile.TemporaryDirectory() as folder, Hub(Path(folder)) as hub:
        board = Speaker()
        hub.hear(*(board.telemetry(record(NOON + 10 * n, laeq=60.0)) for n in range(25)))
        expected = hub.entries()
        with closing(Feed(Path(folder) / "log.db", Turns(), kept)) as feed:
            at, readers = [0, 0, 12], [feed.reader() for _ in range(3)]
            for who, most in turns:
                entries = readers[who].read(at[who], most)
                assert entries == expected[at[who] : at[who] + most][: len(entries)]
                assert entries or at[who] >= len(expected)
                at[who] = entries[-1].offset if entries else 0
