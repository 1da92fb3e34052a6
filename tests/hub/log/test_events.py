"""An event of a board counts once, however often it comes, and its board is told that it may forget it."""

import msgspec
import pytest

from edge import message
from hub.log.outcomes import Refused
from hub.log.streams import place_of_event
from tests.hub.helpers import NOON, Hub, Speaker

FIRST = (0x9F3A12C4 << 20) + 1
DAY = 86_400


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path) as made:
        yield made


def tell(hub, *messages):
    """Judge and commit; return the numbers of the events that boards may forget."""
    committed = hub.log.commit([hub.admission.judge(*message) for message in messages], hub.now)
    return [number for _, number, _ in committed.events]


def numbers(hub):
    return [entry.said.number for entry in hub.entries()]


def test_each_event_is_answered_and_kept_once_also_after_a_restart(hub):
    board = Speaker()
    said = [board.event(FIRST + n, n=n) for n in range(3)]
    assert tell(hub, *said) == [FIRST, FIRST + 1, FIRST + 2]
    assert tell(hub, *said) == [FIRST, FIRST + 1, FIRST + 2]
    hub.restart()
    assert tell(hub, said[1], said[1]) == [FIRST + 1, FIRST + 1]
    assert numbers(hub) == [FIRST, FIRST + 1, FIRST + 2]
    assert hub.quarantine() == []


def test_an_event_said_again_under_the_boards_next_key_is_the_same(hub):
    board = Speaker()
    before = hub.admission.judge(*board.event(FIRST, on=True))
    board.signer = message.Signer(b"\1" * 32)
    _, payload = board.event(FIRST, on=True)
    again = msgspec.structs.replace(before, payload=payload)
    assert payload != before.payload
    assert len(hub.log.commit([before, again], hub.now).events) == 2, "its board may forget it"
    hub.restart()
    hub.log.commit([again], hub.now)
    assert numbers(hub) == [FIRST]
    assert hub.quarantine() == []


def test_two_events_alike_but_for_their_numbers_are_two(hub):
    board = Speaker()
    tell(hub, board.event(FIRST, on=True), board.event(FIRST + 1, on=True))
    assert numbers(hub) == [FIRST, FIRST + 1]


def test_numbers_may_be_missing_and_come_in_any_order(hub):
    board = Speaker()
    order = [FIRST + 7, FIRST + 2, FIRST + 900, FIRST + 3]
    assert tell(hub, *[board.event(number) for number in order]) == order
    assert numbers(hub) == order


def test_an_event_that_comes_after_it_was_pruned_does_not_count_again(hub):
    board = Speaker()
    old = board.event(FIRST, on=True)
    tell(hub, old)
    hub.now += 100 * DAY
    tell(hub, board.event(FIRST + 1, hub.now))
    assert hub.log.prune(hub.now - DAY, hub.log.end()) == 1
    assert tell(hub, old) == [FIRST]  # the board may forget it
    assert numbers(hub) == [FIRST + 1]
    assert [row["reason"] for row in hub.quarantine()] == ["not_compared"]
    hub.restart()
    assert tell(hub, old) == [FIRST]
    assert [row["times"] for row in hub.quarantine()] == [2]


def test_another_event_under_a_known_number_is_kept_aside_not_dropped(hub):
    board = Speaker()
    tell(hub, board.event(FIRST, on=True))
    assert tell(hub, board.event(FIRST, on=False)) == [FIRST]
    (row,) = hub.quarantine()
    assert (row["reason"], row["authentic"]) == ("not_compared", 1)


def test_events_of_earlier_agents_have_no_number_and_are_taken_as_before(hub):
    board = Speaker()
    assert tell(hub, board.event(0, on=True), board.event(0, on=True), board.event(0, on=False)) == []
    assert numbers(hub) == [0, 0]


def test_an_event_that_an_earlier_hub_did_not_understand_counts_once_when_the_hub_is_a_new_one(hub):
    """One of before the numbers refused `n` and answered no event: it has it in quarantine, the board in flash."""
    board = Speaker()
    topic, payload = board.event(FIRST, on=True)
    refused = Refused(topic, payload, board.device, "schema", "Object contains unknown field `n`", authentic=True)
    for _ in range(3):  # the board sends it again and again
        assert hub.log.commit([refused], hub.now).events == []
    hub.restart()
    assert tell(hub, (topic, payload)) == [FIRST]
    hub.log.ask()
    hub.log.replay(hub.admission.judge, hub.now)
    assert numbers(hub) == [FIRST]
    assert tell(hub, (topic, payload)) == [FIRST]
    assert (numbers(hub), hub.quarantine()) == ([FIRST], [])


def test_boards_count_each_for_themselves(hub):
    first, second = Speaker("fence-1"), Speaker("fence-2")
    tell(hub, first.event(FIRST, on=True), second.event(FIRST, on=True))
    assert numbers(hub) == [FIRST, FIRST]


def test_an_event_refused_for_its_time_is_answered_and_counts_when_it_is_judged_again(hub):
    board = Speaker()
    ahead = board.event(FIRST, NOON + 7200)
    assert tell(hub, ahead) == [FIRST]
    assert [row["reason"] for row in hub.quarantine()] == ["future"]
    hub.now += 7200
    hub.log.ask()
    hub.log.replay(hub.admission.judge, hub.now)
    assert (numbers(hub), hub.quarantine()) == ([FIRST], [])
    assert tell(hub, ahead) == [FIRST]
    assert numbers(hub) == [FIRST]


def test_a_number_tells_where_its_count_began():
    assert place_of_event(FIRST) == ("9f3a12c4!", 1)
    assert place_of_event(FIRST + 5) == ("9f3a12c4!", 6)
    assert place_of_event(1) == ("00000000!", 1)
    assert place_of_event(0x9F3A12C5 << 20) == ("9f3a12c4!", 1 << 20)


def test_events_and_records_of_one_stream_do_not_meet(hub):
    board = Speaker()
    hub.hear(board.batch(1, 5))
    tell(hub, board.event(FIRST + 3))
    assert hub.hear(board.batch(6, 6))[board.device, board.stream] == 6


def test_a_status_that_comes_again_is_not_counted_again(hub):
    board = Speaker()
    said = [board.say("status", f'{{"online":true,"t":{NOON + n}}}') for n in range(3)]
    tell(hub, *said)
    hub.restart()
    tell(hub, *said)
    assert len(hub.entries()) == 3
    assert hub.log.counts()["", "duplicate"] == 3


def status(board, t, online="true"):
    return board.say("status", f'{{"online":{online},"t":{t}}}')


def test_a_status_is_known_however_many_have_come_since(hub):
    board = Speaker()
    said = [status(board, NOON - 86_400 + 60 * n) for n in range(60)]
    tell(hub, *said)
    tell(hub, *said)
    hub.restart()
    tell(hub, *said)
    assert len(hub.entries()) == 60
    assert hub.log.counts()["", "duplicate"] == 120


def test_statuses_that_are_played_back_after_they_were_pruned_are_not_new(hub):
    board = Speaker()
    said = [status(board, NOON), status(board, NOON, "false"), status(board, NOON + 60)]
    tell(hub, *said)
    hub.now += 100 * DAY
    latest = status(board, int(hub.now))
    tell(hub, latest)
    assert hub.log.prune(hub.now - DAY, hub.log.end()) == 3
    for _ in range(2):
        tell(hub, *said)
        assert [entry.payload for entry in hub.entries()] == [latest[1]]
        hub.restart()
    assert [(row["reason"], row["authentic"], row["times"]) for row in hub.quarantine()] == [("not_compared", 1, 2)] * 3
    hub.log.ask()
    hub.log.replay(hub.admission.judge, hub.now)
    assert len(hub.quarantine()) == 3


def test_a_will_is_news_at_the_end_of_a_connection_that_outlasts_the_log(hub):
    """It has the time at which the board connected; the statuses of the hours since have been pruned."""
    board = Speaker()
    tell(hub, status(board, NOON), status(board, NOON + 3600))
    hub.now += 100 * DAY
    tell(hub, status(board, int(hub.now)))
    assert hub.log.prune(hub.now - DAY, hub.log.end()) == 2
    will = status(board, NOON, "false")
    tell(hub, will)
    assert hub.entries()[-1].payload == will[1]
    assert hub.quarantine() == []


def test_a_status_of_the_future_silences_no_later_one_when_it_is_pruned(hub):
    board = Speaker()
    tell(hub, status(board, NOON + 900 * DAY))
    hub.now += 100 * DAY
    tell(hub, status(board, int(hub.now)))
    hub.log.prune(hub.now - DAY, hub.log.end())
    tell(hub, status(board, int(hub.now) + 60))
    assert len(hub.entries()) == 2
    assert hub.quarantine() == []
