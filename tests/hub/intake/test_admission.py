"""What the hub takes from a board, and the reason it gives for what it does not take."""

import json

import pytest

from edge import message
from hub.intake.admission import Admission
from hub.log.outcomes import Admitted, Refused
from hub.wire.seal import seal
from hub.wire.times import MOST_AHEAD
from tests.hub.helpers import CITY, NOON, QUANTITIES, Speaker, record

ADMISSION = Admission(CITY, QUANTITIES, lambda: NOON)
BEFORE_NOON = NOON - 60


def judge(said):
    return ADMISSION.judge(*said)


def refusal(said):
    refused = judge(said)
    assert isinstance(refused, Refused)
    assert (refused.topic, refused.payload) == said
    return refused


def test_what_the_agent_says_is_admitted():
    board = Speaker("fence-1")
    said = board.telemetry(
        record(BEFORE_NOON, laeq=67.2, pm10=81), record(BEFORE_NOON + 10, flags={"pm10": "D"}, laeq=66.0)
    )
    admitted = judge(said)
    assert isinstance(admitted, Admitted)
    assert (admitted.district, admitted.site, admitted.device, admitted.kind) == (
        "north",
        "tower",
        "fence-1",
        "telemetry",
    )
    assert admitted.payload == said[1]
    assert admitted.findings == []
    assert [one.v for one in admitted.message.records] == [{"laeq": 67.2, "pm10": 81}, {"laeq": 66.0}]
    assert admitted.message.records[1].f == {"pm10": "D"}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("status", message.status(True, NOON, agent="0.1.0", stream="9f3a12c4", depth=0, dropped=0)),
        ("status", '{"online":false,"t":0}'),
        ("event", message.dropped(NOON, "9f3a12c4", 1, 64, "full")),
        ("reply", message.reply("c-1", NOON, True, "pong")),
    ],
)
def test_every_other_kind_is_admitted_too(kind, text):
    admitted = judge(Speaker().say(kind, text))
    assert isinstance(admitted, Admitted)
    assert admitted.kind == kind


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "telemetry",
        "fenceline/1/north/tower/fence-1",
        "fenceline/1/north/tower/fence-1/telemetry/more",
        "fenceline/1/north/tower/fence-1/ack",
        "fenceline/1/north/tower/fence-1/command",
        "fenceline/1/north/tower/fence-1/Telemetry",
        "fenceline/2/north/tower/fence-1/telemetry",
        "/fenceline/1/north/tower/fence-1/telemetry",
    ],
)
def test_a_topic_that_no_board_has(topic):
    _, payload = Speaker().batch(1, 1)
    refused = refusal((topic, payload))
    assert refused.reason == "topic"
    assert "fenceline/1/DISTRICT/SITE/DEVICE" in refused.detail
    assert "telemetry" in refused.detail
    assert refused.span is None


def test_a_board_that_is_not_registered():
    _, payload = Speaker("fence-1").batch(1, 1)
    refused = refusal(("fenceline/1/north/tower/fence-9/telemetry", payload))
    assert (refused.reason, refused.device, refused.span) == ("unknown_board", "fence-9", None)
    assert "'fence-9'" in refused.detail


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"67.2",
        b'{"stream":',
        b"online",
        b"\x00\x01\x02",
        b'"\xff"',
        b'{"reason":"\xc3\x28"}',
        b"[" * 100_000,
        b'{"v":' * 100_000,
    ],
    ids=[
        "nothing",
        "number",
        "cut off",
        "word",
        "binary",
        "not UTF-8",
        "not UTF-8 in a member",
        "deep list",
        "deep object",
    ],
)
def test_rubbish_is_quarantined_whatever_it_is(payload):
    refused = refusal((Speaker().topic + "telemetry", payload))
    assert refused.reason in ("not_json", "bad_mac")
    assert refused.detail
    assert refused.span is None


def test_what_is_not_json_says_where():
    refused = refusal((Speaker().topic + "telemetry", b'{"stream":"9f3a12c4",seq'))
    assert refused.reason == "not_json"
    assert "21" in refused.detail


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_a_message_with_any_byte_flipped_is_not_authentic(bit):
    topic, payload = Speaker().telemetry(record(BEFORE_NOON, flags={"pm10": "D"}, laeq=67.2))
    for place in range(len(payload)):
        flipped = payload[:place] + bytes([payload[place] ^ bit]) + payload[place + 1 :]
        refused = refusal((topic, flipped))
        assert refused.reason in ("bad_mac", "not_json")
        assert refused.span is None


def test_the_mac_must_be_made_with_the_boards_own_key():
    topic, _ = Speaker("fence-1").batch(1, 1)
    _, of_another = Speaker("fence-2").batch(1, 1)
    refused = refusal((topic, of_another))
    assert (refused.reason, refused.span) == ("bad_mac", None)
    assert "key" in refused.detail


@pytest.mark.parametrize("cut", [1, 66, 74, 75])
def test_a_message_cut_short_or_drawn_out_is_not_authentic(cut):
    topic, payload = Speaker().batch(1, 1)
    assert refusal((topic, payload[:-cut])).reason in ("bad_mac", "not_json")
    assert refusal((topic, payload + b" " * cut)).reason == "bad_mac"


def test_the_mac_must_be_the_last_member():
    topic, payload = Speaker().batch(1, 1)
    said = json.loads(payload)
    first = json.dumps({"mac": said.pop("mac")} | said, separators=(",", ":")).encode()
    assert refusal((topic, first)).reason == "bad_mac"


@pytest.mark.parametrize("home", ["south/tower", "north/mill", "south/mill"])
def test_an_authentic_message_under_another_site(home):
    _, payload = Speaker("fence-1").batch(5, 7)
    refused = refusal((f"fenceline/1/{home}/fence-1/telemetry", payload))
    assert refused.reason == "wrong_topic"
    assert "north/tower" in refused.detail
    assert refused.span == ("9f3a12c4", 5, 3)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"cal":3', '"cal":"3"', "$.cal"),
        ('"cal":3', '"cal":3,"firmware":"0.1"', "firmware"),
        ('"cal":3,', "", "cal"),
        ('"dt":10', '"dt":0', "$.records[0].dt"),
        ('"clock":"ntp"', '"clock":"gps"', "gps"),
        ('"laeq":60.0', '"laeq":"60"', "$.records[0].v"),
        ('"laeq":60.0', '"LAeq":60.0', "$.records[0].v"),
    ],
)
def test_a_message_against_the_schema_stands_for_its_records(old, new, told):
    board = Speaker()
    _, payload = board.batch(5, 7)
    text = payload.decode().split(',"mac"')[0] + "}"
    assert old in text
    refused = refusal(board.say("telemetry", text.replace(old, new, 1)))
    assert refused.reason == "schema"
    assert told in refused.detail
    assert refused.span == ("9f3a12c4", 5, 3)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"stream":"9f3a12c4"}',
        '{"stream":"9f3a12c4","seq":"5","records":[{}]}',
        '{"stream":"9f3a12c4","seq":0,"records":[{}]}',
        '{"stream":"9f3a12c4","seq":5,"records":[]}',
        '{"stream":9,"seq":5,"records":[{}]}',
        "not JSON}",
    ],
)
def test_an_authentic_message_that_does_not_tell_its_records_stands_for_none(text):
    refused = refusal(Speaker().say("telemetry", text))
    assert (refused.reason, refused.span) == ("schema", None)


@pytest.mark.parametrize(
    "body",
    [b'{"stream":"\xff\xfe"}', b'{"stream":"9f3a12c4","seq":1,"records":[' + b"[" * 100_000 + b"}"],
    ids=["not UTF-8", "deep"],
)
def test_authentic_rubbish_is_quarantined_too(body):
    """A board with a torn flash signs whatever it reads there."""
    refused = refusal((Speaker().topic + "telemetry", seal(body, CITY.keys["fence-1"])))
    assert refused.reason == "schema"


@pytest.mark.parametrize(
    "text",
    [
        record(BEFORE_NOON, laeq=60.0).replace("laeq", "phlogiston"),
        record(BEFORE_NOON, flags={"phlogiston": "D"}),
    ],
)
def test_a_quantity_that_is_not_in_the_catalogue(text):
    refused = refusal(Speaker().telemetry(record(BEFORE_NOON, laeq=60.0), text, seq=7))
    assert refused.reason == "unknown_quantity"
    assert "record 8" in refused.detail
    assert "'phlogiston'" in refused.detail
    assert refused.span == ("9f3a12c4", 7, 2)


@pytest.mark.parametrize(("into", "length", "taken"), [(0, 60, True), (50, 10, True), (55, 10, False), (1, 60, False)])
def test_an_interval_lies_within_a_minute(into, length, taken):
    judged = judge(Speaker().telemetry(record(BEFORE_NOON + into, length, laeq=60.0), seq=7))
    assert isinstance(judged, Admitted) is taken
    if not taken:
        assert judged.reason == "interval"
        for words in ("record 7", f"t = {BEFORE_NOON + into}", f"dt = {length}"):
            assert words in judged.detail
        assert judged.span == ("9f3a12c4", 7, 1)


def test_a_record_from_the_future():
    latest = NOON + MOST_AHEAD - 10
    assert isinstance(judge(Speaker().telemetry(record(latest, laeq=60.0))), Admitted)
    refused = refusal(Speaker().telemetry(record(NOON, laeq=60.0), record(latest + 10, laeq=60.0), seq=7))
    assert refused.reason == "future"
    for words in ("record 8", f"t = {latest + 10}", f"{MOST_AHEAD} s"):
        assert words in refused.detail
    assert refused.span == ("9f3a12c4", 7, 2)


def test_a_record_from_long_ago_is_admitted():
    """A board that had no connection for months sends what it has."""
    assert isinstance(judge(Speaker().telemetry(record(NOON - 200 * 86_400, laeq=60.0))), Admitted)


def test_an_implausible_value_is_found_and_kept():
    said = Speaker().telemetry(
        record(BEFORE_NOON, laeq=140.1, lafmax=140.0, pm10=-1),
        record(BEFORE_NOON + 10, laeq=20.0, lafmax=80.0),
        record(BEFORE_NOON + 20, laeq=19.9, temperature=-50.1),
    )
    admitted = judge(said)
    assert isinstance(admitted, Admitted)
    assert sorted(admitted.findings) == [
        (0, "laeq", "T"),
        (0, "pm10", "D"),
        (2, "laeq", "D"),
        (2, "temperature", "D"),
    ]
    assert admitted.payload == said[1]


def test_a_number_that_no_record_can_have_is_against_the_schema():
    """The hub's databases hold 64 bits, and no board counts as far as that."""
    board = Speaker()
    absurd = 2**64
    for said in (board.batch(1, 3, oldest=absurd), board.batch(absurd, absurd + 2), board.dropped(1, absurd)):
        assert refusal(said).reason == "schema"


def test_telemetry_played_back_under_another_kind_makes_no_board_forget():
    topic, payload = Speaker().batch(1, 3)
    for kind in ("status", "event", "reply"):
        refused = refusal((topic.replace("telemetry", kind), payload))
        assert (refused.reason, refused.span) == ("schema", None)


DAY = 86_400


@pytest.mark.parametrize(("t", "reason"), [(NOON - 500 * DAY, "past"), (NOON + 301, "future"), (1, "past")])
def test_an_event_out_of_time_is_refused_as_a_record_would_be_and_its_number_answered(t, reason):
    refused = refusal(Speaker().event(3 << 20 | 7, t, on=True))
    assert (refused.reason, refused.authentic, refused.event) == (reason, True, 3 << 20 | 7)
    assert str(t) in refused.detail


@pytest.mark.parametrize("t", [0, NOON - 399 * DAY, NOON + 299, NOON])
def test_an_event_of_this_time_or_of_a_clock_never_set_is_admitted(t):
    assert judge(Speaker().event(7, t, on=True)).message.number == 7
    assert judge(Speaker().event(0, t, on=True)).message.number == 0


def test_a_status_of_long_ago_says_nothing():
    assert refusal(Speaker().say("status", message.status(True, NOON - 500 * DAY))).reason == "old_status"
    for said in (message.status(True, 0), message.status(True, NOON - 399 * DAY), message.status(False, 1)):
        assert isinstance(judge(Speaker().say("status", said)), Admitted)


def test_an_event_that_cannot_be_used_is_answered_by_its_number_where_it_can_be_read():
    for text, number in (
        ('{"n":9,"t":1,"event":"party","detail":{}}', 9),
        ('{"n":0,"t":1,"event":"party","detail":{}}', 0),
        ('{"n":"9","t":1,"event":"party","detail":{}}', 0),
        ('{"n":9007199254740992,"t":1,"event":"party","detail":{}}', 0),
        ('{"t":1,"event":"party","detail":{}}', 0),
    ):
        assert refusal(Speaker().say("event", text)).event == number
    assert refusal(Speaker().say("status", '{"n":9,"online":1}')).event == 0


def test_a_board_whose_clock_the_hub_set_is_no_witness_of_the_hub_s_time():
    admission = Admission(CITY, QUANTITIES, lambda: NOON)
    for clock, ends in (("hub", {}), ("none", {}), ("ntp", {"fence-1": BEFORE_NOON + 10})):
        board = Speaker("fence-1")
        text = b"".join(
            message.telemetry("9f3a12c4", 1, 1, 0, clock, [record(BEFORE_NOON, laeq=60.0).encode()])
        ).decode()
        assert isinstance(admission.judge(*board.say("telemetry", text)), Admitted)
        assert admission.ends() == ends
