"""The log keeps every message verbatim, each record once, and tells a board to forget only what is committed."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.log.log import Log
from hub.storage.database import DatabaseError
from tests.hub.helpers import NOON, Hub, Speaker, execute, query, readings, record

STREAM = "9f3a12c4"


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def board():
    return Speaker("fence-1", STREAM)


def stored(hub):
    """Return the numbers of the records that consumers get, in the order in which they get them."""
    return [reading.seq for entry in hub.entries() for reading in readings(entry)]


def test_a_message_is_kept_verbatim_and_acknowledged_up_to_its_last_record(hub, board):
    topic, payload = board.batch(1, 30)
    assert hub.hear((topic, payload)) == {("fence-1", STREAM): 30}
    (entry,) = hub.entries()
    assert (entry.offset, entry.topic, entry.payload) == (1, topic, payload)
    assert entry.received == NOON
    assert board.signer.unseal(entry.payload)["seq"] == 1
    assert stored(hub) == list(range(1, 31))


def test_the_other_kinds_are_kept_too_and_acknowledge_no_record(hub, board):
    said = [board.say("status", '{"online":false,"t":0}'), board.say("reply", '{"id":"c","t":0,"ok":true,"detail":""}')]
    assert hub.hear(*said) == {}
    assert [(entry.topic, entry.payload) for entry in hub.entries()] == said
    assert stored(hub) == []


def test_findings_go_with_the_message(hub, board):
    hub.hear(board.telemetry(record(NOON - 60, laeq=150.0, pm10=80)))
    assert {(r.quantity, r.value, r.flag) for r in readings(hub.entries()[0])} == {
        ("laeq", 150.0, "T"),
        ("pm10", 80.0, "N"),
    }


def test_a_message_that_comes_twice_is_kept_once_and_acknowledged_twice(hub, board):
    """The first acknowledgement may have been lost: without the second the board would send for ever."""
    message = board.batch(1, 30)
    assert hub.hear(message, message) == {("fence-1", STREAM): 30}
    assert hub.hear(message) == {("fence-1", STREAM): 30}
    assert len(hub.entries()) == 1
    assert stored(hub) == list(range(1, 31))
    assert hub.log.counts() == {("", "accepted"): 1, ("", "duplicate"): 2}


def test_overlapping_messages_give_each_record_once(hub, board):
    hub.hear(board.batch(1, 5), board.batch(10, 12))
    hub.hear(board.batch(3, 11))
    assert [entry.fresh for entry in hub.entries()] == [[(1, 6)], [(10, 13)], [(6, 10)]]
    hub.hear(board.batch(1, 20))
    assert all(reading.t == NOON - 86_400 + 10 * reading.seq for entry in hub.entries() for reading in readings(entry))
    assert stored(hub) == [1, 2, 3, 4, 5, 10, 11, 12, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 19, 20]


def test_a_message_that_fills_several_holes_gives_what_was_missing(hub, board):
    hub.hear(board.batch(3, 4), board.batch(7, 8))
    assert hub.hear(board.batch(1, 10)) == {("fence-1", STREAM): 10}
    assert hub.entries()[2].fresh == [(1, 3), (5, 7), (9, 11)]
    assert sorted(stored(hub)) == list(range(1, 11))


def test_nothing_is_acknowledged_beyond_a_record_that_is_missing(hub, board):
    assert hub.hear(board.batch(31, 60)) == {}
    assert hub.hear(board.batch(61, 90)) == {}
    assert hub.hear(board.batch(1, 30)) == {("fence-1", STREAM): 90}
    assert hub.gaps() == []


def test_boards_and_streams_are_counted_apart(hub):
    hub.hear(Speaker("fence-1", "aaaaaaaa").batch(1, 5))
    acks = hub.hear(Speaker("fence-2", "aaaaaaaa").batch(1, 7), Speaker("fence-1", "bbbbbbbb").batch(1, 9))
    assert acks == {("fence-2", "aaaaaaaa"): 7, ("fence-1", "bbbbbbbb"): 9}
    assert len(stored(hub)) == 5 + 7 + 9


def test_what_a_board_no_longer_has_becomes_a_gap(hub, board):
    hub.hear(board.batch(1, 3))
    assert hub.hear(board.batch(10, 12, oldest=8)) == {("fence-1", STREAM): 7}
    assert hub.gaps() == [("fence-1", 4, 7, "")]
    assert hub.hear(board.batch(8, 12, oldest=8)) == {("fence-1", STREAM): 12}
    assert hub.gaps() == [("fence-1", 4, 7, "")]


def test_a_gap_has_the_reason_that_the_board_gave(hub, board):
    assert hub.hear(board.dropped(1, 64)) == {("fence-1", STREAM): 64}
    assert hub.hear(board.batch(65, 70, oldest=65)) == {("fence-1", STREAM): 70}
    assert hub.gaps() == [("fence-1", 1, 64, "full")]


def test_a_reason_that_comes_after_the_gap_is_added_to_it(hub, board):
    hub.hear(board.batch(65, 70, oldest=65))
    assert hub.gaps() == [("fence-1", 1, 64, "")]
    hub.hear(board.dropped(1, 64))
    assert hub.gaps() == [("fence-1", 1, 64, "full")]


def test_a_reason_told_piece_by_piece_is_added_to_the_whole_gap(hub, board):
    """An outbox drops segment by segment, and tells each."""
    hub.hear(board.batch(65, 70, oldest=65))
    hub.hear(board.dropped(1, 32), board.dropped(33, 64))
    reasons = {number: reason for _, first, last, reason in hub.gaps() for number in range(first, last + 1)}
    assert reasons == dict.fromkeys(range(1, 65), "full")


def test_what_arrived_before_the_board_dropped_it_is_no_gap(hub, board):
    hub.hear(board.batch(1, 30))
    hub.hear(board.dropped(1, 64))
    assert hub.gaps() == [("fence-1", 31, 64, "full")]
    assert stored(hub) == list(range(1, 31))


def test_records_at_hand_are_no_gap_though_the_board_has_dropped_them_since(hub, board):
    """The outbox may overflow between the reading of a batch and its sending: `oldest` has then passed the batch."""
    assert hub.hear(board.batch(1, 30, oldest=65)) == {("fence-1", STREAM): 64}
    assert stored(hub) == list(range(1, 31))
    assert hub.gaps() == [("fence-1", 31, 64, "")]


def test_quarantined_records_are_done_with_when_they_are_authentic(hub, board):
    assert hub.hear(board.batch(1, 3), board.unusable(4, 6), board.batch(7, 9)) == {("fence-1", STREAM): 9}
    assert stored(hub) == [1, 2, 3, 7, 8, 9]
    (refused,) = hub.quarantine()
    assert (refused["topic"], refused["payload"]) == board.unusable(4, 6)
    assert (refused["device"], refused["reason"]) == ("fence-1", "unknown_quantity")
    assert refused["received"] == NOON
    assert "phlogiston" in refused["detail"]
    assert hub.log.counts()["fence-1", "unknown_quantity"] == 1


def test_a_message_under_the_wrong_topic_is_done_with_for_its_own_board(hub, board):
    _, payload = board.batch(1, 3)
    assert hub.hear(("fenceline/1/south/mill/fence-1/telemetry", payload)) == {("fence-1", STREAM): 3}
    assert [refused["reason"] for refused in hub.quarantine()] == ["wrong_topic"]


def test_a_message_with_a_bad_mac_never_makes_a_board_forget(hub, board):
    hub.hear(board.batch(1, 3))
    _, forged = Speaker("fence-2", STREAM).batch(4, 6)
    assert hub.hear((board.topic + "telemetry", forged)) == {}
    assert hub.hear((board.topic + "telemetry", board.batch(4, 6)[1].replace(b'"cal":3', b'"cal":4'))) == {}
    assert [refused["reason"] for refused in hub.quarantine()] == ["bad_mac", "bad_mac"]
    assert hub.hear(board.batch(1, 3)) == {("fence-1", STREAM): 3}


def test_a_reopened_log_goes_on_the_same(hub, board):
    hub.hear(board.batch(1, 3), board.batch(7, 9), board.unusable(11, 11))
    hub.log.save_position("store", 2)
    kept = hub.entries()
    hub.restart()
    assert hub.entries() == kept
    assert hub.log.position("store") == 2
    assert hub.hear(board.batch(1, 12)) == {("fence-1", STREAM): 12}
    (entry,) = hub.log.read(2, 10)
    assert entry.offset == 3
    assert entry.fresh == [(4, 7), (10, 11), (12, 13)]


def test_the_boards_of_which_records_have_come_of_late_are_counted(hub, board):
    other = Speaker("fence-2", "00000001")
    hub.hear(board.batch(1, 3))
    hub.now += 100
    hub.hear(other.batch(1, 1), other.unusable(2, 2))
    assert (hub.log.heard(hub.now - 100), hub.log.heard(hub.now - 99), hub.log.heard(hub.now + 1)) == (2, 1, 0)
    hub.hear(Speaker("fence-2", "00000002").batch(1, 1))
    assert hub.log.heard(hub.now) == 1, "a board with a new outbox is the same board"


def test_each_consumer_reads_on_from_its_own_position(hub, board):
    for first in (1, 4, 7, 10):
        hub.hear(board.batch(first, first + 2))
    assert [entry.offset for entry in hub.log.read(0, 2)] == [1, 2]
    assert [entry.offset for entry in hub.log.read(2, 100)] == [3, 4]
    assert hub.log.read(4, 100) == []
    hub.log.save_position("store", 3)
    hub.log.save_position("store", 4)
    hub.log.save_position("compliance", 1)
    assert [hub.log.position(name) for name in ("store", "compliance", "uplink")] == [4, 1, 0]


def test_no_more_is_read_at_once_than_so_many_bytes_and_one_message_at_least(hub):
    board = Speaker()
    hub.hear(*[board.batch(n, n) for n in range(1, 11)])
    size = len(hub.log.read(0, 1)[0].payload)
    assert [entry.offset for entry in hub.log.read(0, 100, 3 * size - 10)] == [1, 2, 3]
    assert [entry.offset for entry in hub.log.read(4, 100, 1)] == [5]
    hub.hear(board.telemetry(*[record(NOON - 60, 1, laeq=9e9)] * 100), board.batch(111, 111))
    assert len(hub.log.read(10, 100)[0].findings) == 100
    assert [entry.offset for entry in hub.log.read(9, 100, 80 * size)] == [10, 11], "findings need room, too"


def test_what_was_let_go_of_is_counted_by_board(hub):
    hub.log.count("flood", {"fence-1": 3, "": 2}, NOON)
    hub.log.count("flood", {"fence-1": 4}, NOON)
    assert hub.log.counts() == {("fence-1", "flood"): 7, ("", "flood"): 2}


def test_a_reader_sees_what_is_committed_while_another_writes(hub, board, tmp_path):
    with contextlib.closing(Log(tmp_path / "log.db")) as reader:
        assert reader.read(0, 10) == []
        hub.hear(board.batch(1, 3))
        assert reader.read(0, 10) == hub.entries()


def everything(path):
    tables = ("message", "stream", "gap", "quarantine", "position")
    return {table: query(path, f"SELECT * FROM {table}") for table in tables}


TROUBLES = [
    f"CREATE TRIGGER trouble BEFORE INSERT ON {table} BEGIN SELECT RAISE({how}, 'trouble'); END"
    for table in ("message", "quarantine", "gap", "stream")
    for how in ("ABORT", "ROLLBACK")
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_commit_that_fails_leaves_nothing_behind_and_can_be_made_again(hub, board, tmp_path, trouble):
    path = tmp_path / "log.db"
    hub.hear(board.batch(1, 3))
    before = everything(path)
    group = board.batch(1, 5), board.unusable(6, 7), board.dropped(8, 9), board.batch(10, 12)
    execute(path, trouble)
    with pytest.raises(sqlite3.Error, match="trouble"):
        hub.hear(*group)
    assert everything(path) == before
    assert hub.log.counts() == {("", "accepted"): 1}

    execute(path, "DROP TRIGGER trouble")
    assert hub.hear(*group) == {("fence-1", STREAM): 12}
    assert stored(hub) == [1, 2, 3, 4, 5, 10, 11, 12]
    assert hub.gaps() == [("fence-1", 8, 9, "full")]
    assert len(hub.quarantine()) == 1
    assert [entry.fresh for entry in hub.entries()] == [[(1, 4)], [(4, 6)], [], [(10, 13)]]


def test_a_full_disk_leaves_nothing_behind_and_the_log_goes_on_when_there_is_room(hub, board, tmp_path):
    path = tmp_path / "log.db"
    hub.hear(board.batch(1, 3))
    before = everything(path)
    pages = hub.log._db.execute("PRAGMA page_count").fetchone()[0]
    hub.log._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    group = board.batch(4, 400), board.batch(401, 800)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        hub.hear(*group)
    assert everything(path) == before

    hub.log._db.execute("PRAGMA max_page_count = 1000000")
    assert hub.hear(*group) == {("fence-1", STREAM): 800}
    assert stored(hub) == list(range(1, 801))


@pytest.mark.parametrize(
    "absurd",
    [
        lambda board: board.batch(1, 3, oldest=2**64),
        lambda board: board.batch(2**64, 2**64 + 1),
        lambda board: board.dropped(1, 2**64),
    ],
    ids=["oldest", "seq", "dropped"],
)
def test_a_board_with_absurd_numbers_does_not_keep_the_others_from_being_heard(hub, board, absurd):
    other = Speaker("fence-2")
    assert hub.hear(absurd(board), other.batch(1, 3))["fence-2", STREAM] == 3


def test_a_file_of_another_version_is_refused_and_not_touched(tmp_path):
    path = tmp_path / "log.db"
    Log(path).close()
    execute(path, "PRAGMA user_version = 99")
    with pytest.raises(DatabaseError, match=r"log\.db.*version 99.*works with 6"):
        Log(path)
    assert query(path, "PRAGMA user_version") == [{"user_version": 99}]


LAST = 40
"""Records that the board has made."""

SPANS = st.tuples(st.integers(1, LAST), st.integers(0, 9)).map(lambda span: (span[0], min(LAST, sum(span))))
BATCHES = st.tuples(st.sampled_from(["batch", "batch", "batch", "unusable", "forged"]), SPANS)
STEPS = st.lists(BATCHES, min_size=1, max_size=6) | st.sampled_from(
    ["go back", "again", "drop", "restart", "checkpoint", "trouble"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=25))
def test_whatever_happens_each_record_is_fresh_once_and_only_what_is_committed_is_acknowledged(steps):
    """Batches in any order and as often as you like, the board's sending all again, kills, commits that fail."""
    with tempfile.TemporaryDirectory() as folder, Hub(Path(folder)) as hub:
        board, stranger = Speaker("fence-1", STREAM), Speaker("fence-2", STREAM)
        say = {
            "batch": lambda first, last: board.batch(first, last, oldest=min(first, oldest)),
            "unusable": board.unusable,
            "forged": lambda first, last: (board.topic + "telemetry", stranger.batch(first, last)[1]),
            "drop": board.dropped,
        }
        oldest = 1  # record in the board's outbox; the last one is never acknowledged before the end
        heard, unusable, group = set(), set(), []
        for step in [*steps, "go back"]:
            everything_left = [("batch", (n, min(LAST, n + 6))) for n in range(oldest, LAST + 1, 7)]
            if step == "restart":
                hub.restart()
                continue
            if step == "checkpoint":
                hub.log.checkpoint()
                continue
            if step == "trouble":
                execute(hub.folder / "log.db", TROUBLES[1])
                with contextlib.suppress(sqlite3.Error):
                    hub.hear(*(say[kind](*span) for kind, span in everything_left))
                execute(hub.folder / "log.db", "DROP TRIGGER trouble")
                continue
            if step == "drop":
                oldest = min(LAST, oldest + 3)
                group = [("drop", (1, max(1, oldest - 1)))]
            elif step != "again":
                group = everything_left if step == "go back" else step

            acknowledged = hub.hear(*(say[kind](*span) for kind, span in group)).get(("fence-1", STREAM), 0)
            oldest = min(LAST, max(oldest, acknowledged + 1))

            heard |= {n for kind, (first, last) in group if kind == "batch" for n in range(first, last + 1)}
            unusable |= {n for kind, (first, last) in group if kind == "unusable" for n in range(first, last + 1)}
            lost = {n for _, first, last, _ in hub.gaps() for n in range(first, last + 1)}
            fresh = stored(hub)
            assert len(fresh) == len(set(fresh))
            assert set(fresh) <= heard
            assert not lost & set(fresh)
            assert set(range(1, acknowledged + 1)) <= set(fresh) | unusable | lost
        assert acknowledged == LAST
        assert set(fresh) | unusable | lost == set(range(1, LAST + 1))
