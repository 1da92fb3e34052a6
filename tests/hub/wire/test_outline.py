"""Which records an authentic message stands for, whatever it holds: a board sends until they are done with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import message
from hub.log.outcomes import Refused
from hub.wire.messages import MOST
from hub.wire.outline import outline
from hub.wire.seal import seal
from tests.hub.helpers import CITY, NOON, Hub, Speaker, record

STREAM = "9f3a12c4"
HEAD = b'{"stream":"9f3a12c4","seq":5,"oldest":4,"cal":3,"records":['
TAIL = b'],"clock":"ntp"}'
ONE = b'{"t":1772424000,"dt":10,"v":{"laeq":60.0}}'


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path) as hub:
        yield hub


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (HEAD + ONE.replace(b"60.0", b"inf") + TAIL, 1),
        (HEAD + b",".join([ONE, ONE.replace(b"60.0", b"nan"), ONE]) + TAIL, 3),
        (HEAD + b",".join([ONE, ONE.replace(b"60.0", b"-inf")]) + b',{"t":1772424000,"dt":10,"v":{"la', 3),
        (HEAD + ONE.replace(b"laeq", b"la\xff\xfe") + TAIL, 1),
        (HEAD + ONE + b"," + ONE.replace(b"60.0", b"[" * 100_000), 2),
        (HEAD + b"[" * 100_000, 1),
        (HEAD + b'{"v":' * 100_000, 1),
        (HEAD + b'{"t":1,"s":"a } ] { \\" [ b","v":inf},' + ONE + TAIL, 2),
        (HEAD[:-11] + b'"records":inf}', 1),
        (HEAD, 1),
        (HEAD + ONE.replace(b"60.0", b"1e400") + b"," + ONE.replace(b"60.0", b"9" * 400) + TAIL, 2),
        (HEAD.replace(b'"oldest":4', b'"oldest":1e400') + ONE + TAIL, 1),
        (HEAD + ONE + b"," + ONE + b']inf,"records":[{},{},{}]}', 2),
        (b'{"stream":"9f3a12c4","seq":5}', 1),
        (b'{"stream":"9f3a12c4","seq":5,"records":{}}', 1),
        (b'{"stream":"9f3a12c4","seq":5,"records":[1,2,"x"]}', 3),
        (b'\xff\x00garbage "stream" : "9f3a12c4" ; "seq" : 5 , \x80', 1),
    ],
)
def test_the_records_are_found(body, count):
    assert outline(body).span == (STREAM, 5, count)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"inf",
        b"\xff" * 1000,
        b'{"stream":"9f3a12c4","records":[inf]}',
        b'{"seq":5,"records":[inf]}',
        b'{"stream":"9f3a12c4","seq":inf}',
        b'{"stream":"9f3a12c4","seq":5.0,"records":[inf]}',
        b'{"stream":"9f3a~1","seq":5,"records":[inf]}',
        b'{"stream":"9f3a~1","seq":5,"records":[{}]}',
        b'{"stream":"' + b"a" * 33 + b'","seq":5,"records":[{}]}',
        b'{"stream":"9f3a12c4","seq":5,"records":[]}',
    ],
)
def test_what_names_no_stream_or_number_stands_for_none(body):
    assert (outline(body).span, outline(body).answer) == (None, None)


@pytest.mark.parametrize(
    ("seq", "oldest", "count", "span", "answer"),
    [
        (0, 0, 20, (1, 19), None),
        (0, 0, 1, None, 0),
        (-5, -5, 3, None, -3),
        (MOST, MOST, 1, None, MOST),
        (MOST - 1, 1, 1, (MOST - 1, 1), None),
        (2**60, 2**60, 2, None, 2**60 + 1),
        (2**60, 7, 2, None, None),
        (2**63, 2**63, 1, None, None),
    ],
)
def test_numbers_that_no_stream_has_are_answered_where_no_other_record_is_forgotten(seq, oldest, count, span, answer):
    records = b",".join([ONE] * count)
    found = outline(b'{"stream":"9f3a12c4","seq":%d,"oldest":%d,"records":[%s]}' % (seq, oldest, records))
    assert found.span == (span and (STREAM, *span))
    assert found.answer == (None if answer is None else (STREAM, answer))


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_have_an_outline(noise, at):
    body = HEAD + ONE + TAIL
    found = outline(body[:at] + noise + body[at:])
    assert found.span is None or found.span[2] >= 1


def test_a_board_whose_sensor_head_is_gone_gets_on(hub):
    """MicroPython writes `inf`, which is no JSON; the records behind it must not wait for ever."""
    board = Speaker()
    texts = record(NOON - 60, laeq=61.5).replace("61.5", "inf"), record(NOON - 50, laeq=60.0)  # as agents of 0.1 did
    bad = board.telemetry(*texts)
    assert b'"laeq":inf' in bad[1]
    assert hub.hear(bad) == {("fence-1", STREAM): 2}
    assert hub.hear(board.telemetry(record(NOON - 40, laeq=60.0))) == {("fence-1", STREAM): 3}
    (row,) = hub.quarantine()
    assert (row["reason"], row["authentic"], row["payload"]) == ("schema", 1, bad[1])


def test_numbers_below_the_first_are_answered_too(hub):
    board = Speaker()
    text = b"".join(message.telemetry(STREAM, 0, 0, 3, "ntp", [ONE])).decode()
    assert hub.hear(board.say("telemetry", text)) == {("fence-1", STREAM): 0}
    assert hub.hear(board.batch(1, 3)) == {("fence-1", STREAM): 3}


def test_a_message_that_shows_a_mistake_of_the_hubs_own_is_authentic_and_done_with(tmp_path):
    with Hub(tmp_path) as hub:
        board = Speaker()
        hub.admission = type(hub.admission)(CITY, {"laeq": "not a quantity"}, lambda: hub.now)
        assert hub.hear(board.batch(1, 3)) == {("fence-1", STREAM): 3}
        (row,) = hub.quarantine()
        assert (row["reason"], row["device"], row["authentic"]) == ("internal", "fence-1", 1)


def test_the_same_bytes_without_the_key_are_foreign_and_never_acknowledged(hub):
    board = Speaker()
    body = HEAD + ONE.replace(b"60.0", b"inf") + TAIL
    assert hub.hear((board.topic + "telemetry", body), (board.topic + "telemetry", seal(body, b"x" * 32))) == {}
    assert [(row["reason"], row["authentic"]) for row in hub.quarantine()] == [("not_json", 0), ("not_json", 0)]


def test_under_another_kind_it_stands_for_none(hub):
    board = Speaker()
    refused = hub.admission.judge(board.topic + "event", seal(HEAD + TAIL, CITY.keys["fence-1"]))
    assert isinstance(refused, Refused)
    assert (refused.authentic, refused.span, refused.outline.answer) == (True, None, None)
