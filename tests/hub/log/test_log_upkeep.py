"""The log over the years: an earlier version's file, pruning, and the quarantine's second chance."""

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.intake.admission import Admission
from hub.log.log import Log
from hub.log.outcomes import Refused
from hub.log.tables import STEPS
from hub.registry.live import Registry
from hub.storage.database import open_database
from tests.hub.helpers import CITY, NOON, QUANTITIES, Hub, Speaker, query, readings, record

DATA = Path(__file__).parent.parent.parent / "data"
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


def forged(board, seq, size=0):
    """Return a message that anybody may have sent under a board's name."""
    return board.topic + "telemetry", b'{"seq":%d,"filler":"%s"}' % (seq, b"x" * size)


def test_of_foreign_messages_the_quarantine_keeps_the_newest_and_the_count_of_all(hub, board):
    for seq in range(1, 8):
        hub.hear(forged(board, seq))
    hub.log.keep(3)
    assert [row["id"] for row in hub.quarantine()] == [5, 6, 7]
    hub.hear(*(forged(board, seq) for seq in range(8, 10)))
    hub.log.keep(3)
    assert [row["id"] for row in hub.quarantine()] == [7, 8, 9]
    assert hub.log.counts()["fence-1", "bad_mac"] == 9


def test_foreign_messages_take_so_much_room_at_most(hub, board):
    for seq in range(1, 8):
        hub.hear(forged(board, seq, 1000))
    hub.log.keep(1000, 4000)
    assert [row["id"] for row in hub.quarantine()] == [5, 6, 7]
    hub.restart()
    hub.hear(forged(board, 8, 1000), forged(board, 9, 10))
    hub.log.keep(1000, 4000)
    assert [row["id"] for row in hub.quarantine()] == [6, 7, 8, 9]


def test_a_flood_of_foreign_messages_pushes_no_authentic_one_out(hub, board):
    """A board was told to forget what is authentic; what anybody may send must not cost it."""
    own = [board.unusable(seq, seq) for seq in range(1, 6)]
    hub.hear(*own)
    for first in range(0, 5000, 500):
        hub.hear(*(forged(Speaker("fence-2"), seq) for seq in range(first, first + 500)))
        hub.log.keep(1000, 10**6)
    kept = hub.quarantine()
    assert [(row["topic"], row["payload"]) for row in kept if row["authentic"]] == own
    assert len(kept) <= 1000 + 5
    assert hub.log.counts()["fence-2", "bad_mac"] == 5000


def test_room_is_counted_anew_when_somebody_else_has_changed_the_quarantine(hub, board, tmp_path):
    hub.hear(*(forged(board, seq) for seq in range(10)))
    hub.log.keep(9)
    with closing(Log(tmp_path / "log.db")) as other:
        assert other.release(row["id"] for row in hub.quarantine()[:5]) == 5
    hub.hear(forged(board, 11), forged(board, 12))
    hub.log.keep(9)
    assert len(hub.quarantine()) == 6, "nothing had to go"


def test_the_same_authentic_message_is_kept_once_and_counted_each_time(hub, board):
    """A board repeats it every 15 s while the acknowledgement is lost."""
    message = board.unusable(1, 3)
    for _ in range(4):
        hub.now += 15
        assert hub.hear(message, message) == {("fence-1", STREAM): 3}
    (row,) = hub.quarantine()
    assert (row["times"], row["received"], row["last"], row["fresh"]) == (8, NOON + 15, NOON + 60, "[[1,4]]")
    assert hub.log.counts()["fence-1", "unknown_quantity"] == 8


def test_an_older_log_tells_authentic_messages_by_their_reason(tmp_path):
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        db.executescript((DATA / "log-v1.sql").read_text())
    open_database(tmp_path / "log.db", STEPS[:3]).close()
    with Hub(tmp_path) as hub:
        assert [(row["reason"], row["authentic"]) for row in hub.quarantine()] == [
            ("unknown_quantity", 1),
            ("unknown_board", 0),
        ]


def test_repeats_of_what_an_older_log_holds_are_known(tmp_path, board):
    """When the hub is brought forward, boards send again what it had not acknowledged yet."""
    with Hub(tmp_path) as hub:
        hub.hear(board.batch(1, 20), board.batch(21, 40))
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        db.executescript(
            "UPDATE message SET before = NULL; UPDATE stream SET tail = NULL; UPDATE position SET offset = 0"
        )
    with Hub(tmp_path) as hub:
        assert hub.hear(board.batch(15, 45)) == {("fence-1", STREAM): 45}
        assert sorted(stored(hub)) == list(range(1, 46))
        assert hub.quarantine() == []


def test_what_a_retired_board_says_is_done_with_and_comes_back_with_it(hub, board):
    retired = msgspec.structs.replace(CITY.boards["fence-1"], retired=dt.date(2026, 3, 1))
    hub.admission.use(msgspec.structs.replace(CITY, boards=CITY.boards | {"fence-1": retired}))
    assert hub.hear(board.batch(1, 3), board.batch(4, 6)) == {("fence-1", STREAM): 6}
    assert stored(hub) == []
    hub.admission.use(CITY)
    hub.log.ask_for("retired_board", lambda device: device == "fence-2")
    assert hub.log.asked() == 0
    hub.log.ask_for("retired_board", lambda device: device == "fence-1")
    hub.log.replay(hub.admission.judge, NOON)
    assert (stored(hub), hub.quarantine()) == ([1, 2, 3, 4, 5, 6], [])
    assert hub.hear(board.batch(1, 7)) == {("fence-1", STREAM): 7}
    assert stored(hub) == [1, 2, 3, 4, 5, 6, 7]


def test_what_an_unregistered_board_said_is_done_with_afterwards_though_it_is_unusable(hub, board):
    hub.admission.use(Registry(sites=CITY.sites, boards={}, keys={}, zone=CITY.zone))
    hub.hear(board.unusable(1, 3))
    hub.log.ask(reason="unknown_board")
    done = hub.log.replay(judge_with(CITY), NOON)
    assert [(stream.name, seq) for stream, seq in done.complete.items()] == [(STREAM, 3)]
    assert [(row["reason"], row["authentic"]) for row in hub.quarantine()] == [("unknown_quantity", 1)]


def test_what_is_released_is_gone_and_stays_counted(hub, board):
    hub.hear(board.unusable(1, 1), board.unusable(2, 2), forged(board, 1))
    assert hub.log.release([1, 3, 99]) == 2
    assert [row["id"] for row in hub.quarantine()] == [2]
    assert hub.log.counts()["fence-1", "released"] == 2
    assert hub.hear(board.unusable(1, 1)) == {("fence-1", STREAM): 2}, "its numbers stay done with"


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
