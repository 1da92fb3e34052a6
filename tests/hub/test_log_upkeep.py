"""The log over the years: an earlier version's file, pruning, and the quarantine's second chance."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.admission import Admission, Refused
from hub.database import open_database
from hub.log import STEPS
from hub.readings import readings
from hub.registry import Registry
from tests.hub.helpers import CITY, NOON, QUANTITIES, Hub, Speaker, query, record

DATA = Path(__file__).parent.parent / "data"
STREAM = "9f3a12c4"


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def board():
    return Speaker()


def stored(hub):
    return [reading.seq for entry in hub.entries() for reading in readings(entry)]


def judge_with(registry):
    return Admission(registry, QUANTITIES, lambda: NOON).judge


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_a_log_of_an_earlier_version_is_brought_forward_with_all_it_holds(tmp_path, board, version):
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        db.executescript((DATA / "log-v1.sql").read_text())
    open_database(tmp_path / "log.db", STEPS[:version]).close()
    with Hub(tmp_path) as hub:
        assert stored(hub) == [1, 2, 3, 9, 10, 11]
        assert hub.log.position("influxdb") == 2
        assert hub.log.counts() == {("", "accepted"): 4, ("", "unknown_board"): 1, ("fence-1", "unknown_quantity"): 1}
        assert hub.hear(board.batch(8, 12)) == {("fence-1", STREAM): 12}
        assert stored(hub)[6:] == [8, 12], "what was done stays done"
        assert hub.entries()[-1].offset == 5


def test_pruning_removes_what_is_old_and_done_and_never_the_newest(hub, board):
    for seq in range(1, 6):
        hub.now = NOON + seq
        hub.hear(board.batch(seq, seq))
    assert hub.log.prune(NOON + 4, done=2) == 2, "two are done, though three are old"
    assert [entry.offset for entry in hub.entries()] == [3, 4, 5]
    assert hub.log.prune(NOON + 3, done=5) == 0, "what is not old stays"
    assert hub.log.prune(NOON + 99, done=5) == 2
    assert [entry.offset for entry in hub.entries()] == [5], "the offsets count on from the newest"
    hub.hear(board.batch(6, 6))
    assert hub.entries()[-1].offset == 6
    assert hub.log.counts()["", "accepted"] == 6, "what was pruned stays counted"


def test_what_was_pruned_stays_done_with_after_a_kill(hub, board):
    for seq in range(1, 6):
        hub.hear(board.batch(seq, seq))
    assert hub.log.prune(NOON + 99, done=5) == 4
    hub.hear(board.batch(6, 6))
    hub.restart()
    assert hub.hear(board.batch(1, 7)) == {("fence-1", STREAM): 7}
    assert stored(hub) == [5, 6, 7]


def test_pruning_goes_in_steps(hub, board):
    for seq in range(1, 8):
        hub.hear(board.batch(seq, seq))
    assert hub.log.prune(NOON + 1, done=7, most=4) == 4
    assert hub.log.prune(NOON + 1, done=7, most=4) == 2


def test_the_quarantine_keeps_the_newest_and_the_count_of_all(hub, board):
    for seq in range(1, 8):
        hub.hear(board.unusable(seq, seq))
    hub.log.keep(3)
    assert [row["id"] for row in hub.quarantine()] == [5, 6, 7]
    assert hub.log.counts()["fence-1", "unknown_quantity"] == 7


def test_names_that_nobody_registered_are_counted_together(hub):
    hub.hear(*[(f"fenceline/1/north/tower/made-up-{i}/telemetry", b"{}") for i in range(5)])
    assert hub.log.counts() == {("", "unknown_board"): 5}


def test_what_a_board_sent_before_it_was_registered_is_admitted_afterwards(hub, board):
    unknown = Registry(sites=CITY.sites, boards={}, keys={}, zone=CITY.zone)
    hub.admission = Admission(unknown, QUANTITIES, lambda: NOON)
    hub.hear(board.batch(1, 3), board.batch(1, 3))
    assert hub.log.ask(reason="unknown_board") == 2
    hub.log.replay(judge_with(unknown), NOON)
    assert len(hub.quarantine()) == 2, "not yet"

    hub.log.ask(reason="unknown_board")
    done = hub.log.replay(judge_with(CITY), NOON)
    assert [(stream.device, stream.name, seq) for stream, seq in done.complete.items()] == [("fence-1", STREAM, 3)]
    assert hub.quarantine() == []
    assert stored(hub) == [1, 2, 3], "once, though it came twice"


def test_a_message_for_which_the_board_was_told_to_forget_comes_back_whole(hub, board):
    """Under the wrong site its records were done with; when the site is mended, they are still fresh."""
    topic, payload = board.batch(1, 3)
    hub.hear((topic.replace("tower", "other"), payload), board.batch(4, 4))
    assert stored(hub) == [4]
    moved = Registry(
        sites={**CITY.sites, "other": msgspec.structs.replace(CITY.sites["tower"], id="other")},
        boards={**CITY.boards, "fence-1": msgspec.structs.replace(CITY.boards["fence-1"], site="other")},
        keys=CITY.keys,
        zone=CITY.zone,
    )
    hub.log.ask(device="fence-1")
    assert hub.log.replay(judge_with(moved), NOON).records == 3
    assert stored(hub) == [4, 1, 2, 3]
    assert hub.hear(board.batch(1, 4)) == {("fence-1", STREAM): 4}
    assert stored(hub) == [4, 1, 2, 3], "nothing twice"


def test_what_is_refused_again_stays_with_its_new_reason(hub, board):
    hub.hear(board.telemetry(record(NOON + 7200, laeq=60)))
    hub.log.ask()
    nobody = Registry(sites=CITY.sites, boards={}, keys={}, zone=CITY.zone)
    hub.log.replay(judge_with(nobody), NOON)
    (row,) = hub.quarantine()
    assert (row["reason"], row["asked"]) == ("unknown_board", 0)
    assert hub.log.replay(judge_with(CITY), NOON).messages == {}, "only once for each asking"


def test_a_replay_that_fails_leaves_everything_as_it_was(hub, board, tmp_path):
    topic, payload = board.batch(1, 3)
    hub.hear((topic.replace("tower", "other"), payload))
    hub.log.ask()
    before = hub.quarantine()

    def fail(*_):
        raise sqlite3.OperationalError("disk full")

    with pytest.raises(sqlite3.Error, match="disk full"):
        hub.log.replay(fail, NOON)
    assert hub.quarantine() == before
    assert query(tmp_path / "log.db", "SELECT * FROM message") == []


def test_an_event_that_the_broker_hands_out_again_is_kept_once(hub, board):
    event = board.say("event", '{"t":1772424000,"event":"relay","detail":{"on":true,"by":"rule"}}')
    reply = board.say("reply", '{"id":"c-1","t":1772424000,"ok":true,"detail":"pong"}')
    hub.hear(event, event, reply)
    hub.restart()
    hub.hear(event, reply)
    assert [entry.topic.split("/")[-1] for entry in hub.entries()] == ["event", "reply"]
    assert hub.log.counts() == {("", "accepted"): 2, ("", "duplicate"): 3}


def test_a_point_that_the_store_refuses_is_in_quarantine(hub):
    refused = [Refused("store/influxdb", b"noise laeq=1 1", None, "store", "field type conflict")]
    hub.log.done("influxdb", 7, refused, NOON)
    assert hub.log.position("influxdb") == 7
    (row,) = hub.quarantine()
    assert (row["reason"], row["detail"], row["payload"]) == ("store", "field type conflict", b"noise laeq=1 1")
    assert hub.log.counts() == {("", "store"): 1}
