"""The board, the hub and the JSON Schemas say the same of every message."""

import functools
import json
import operator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge import message
from edge.aggregate import Aggregator
from hub.wire.messages import DECODERS, KINDS, Flag
from hub.wire.seal import seal

MESSAGES = Path(__file__).parents[2] / "schemas" / "messages"
SCHEMAS = {path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8")) for path in MESSAGES.iterdir()}
VALIDATORS = {kind: Draft202012Validator(schema) for kind, schema in SCHEMAS.items()}

KEY = bytes(range(32))
SIGNER = message.Signer(KEY)


def measured():
    """Return two records as the agent makes them: an interval without trouble and one with."""
    aggregator = Aggregator(["laf", "pm10", "pm25"])
    texts = []
    for t, dust in ((1794999980, [80.4]), (1794999990, [])):
        for level in (64.1, 69.8):
            aggregator.add("laf", level)
        for value in dust:
            aggregator.add("pm10", value)
            aggregator.add("pm25", value)
        if not dust:
            aggregator.miss("pm10", "D")
        texts.append(message.record(t, 10, *aggregator.close()).encode())
    return texts


def telemetry(*records):
    return b"".join(message.telemetry("9f3a12c4", 10423, 10390, 3, "ntp", list(records))).decode()


def status(online):
    return message.status(
        online,
        1794999990,
        agent="0.1.0",
        runtime="MicroPython 1.25.0",
        reset="watchdog",
        stream="9f3a12c4",
        depth=33,
        dropped=0,
        rejected={"noise": 2},
        sensors={"noise": "N", "dust": "B"},
        cal=3,
        config=2,
        heap_free=61000,
        heap_used=50000,
        rssi=-67,
    )


SAID_BY_THE_AGENT = {
    "telemetry of a good interval": ("telemetry", telemetry(measured()[0])),
    "telemetry with flags": ("telemetry", telemetry(*measured())),
    "telemetry of an interval without any value": ("telemetry", telemetry(message.record(0, 60, {}, {}).encode())),
    "status online": ("status", status(True)),
    "status offline": ("status", status(False)),
    "dropped records": ("event", message.dropped(1794999990, "9f3a12c4", 1, 64, "full")),
    "reply": ("reply", message.reply("c-1", 1794999990, True, "pong")),
    "reply in Chinese": ("reply", message.reply("c-2", 1794999990, False, "不认识的命令")),
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_each_schema_is_valid_json_schema(kind):
    Draft202012Validator.check_schema(SCHEMAS[kind])
    assert SCHEMAS[kind]["$id"] == f"urn:fenceline:1:{kind}"


@pytest.mark.parametrize(("kind", "text"), SAID_BY_THE_AGENT.values(), ids=SAID_BY_THE_AGENT.keys())
def test_what_the_agent_says_is_valid_and_means_the_same_to_the_hub(kind, text):
    payload = SIGNER.seal(text)
    VALIDATORS[kind].validate(json.loads(payload))
    understood = msgspec.to_builtins(DECODERS[kind].decode(payload))
    said = json.loads(payload)
    for one in said.get("records", []):
        one.setdefault("f", {})
        one.setdefault("r", {})
    assert understood == said


def test_the_agent_takes_the_hubs_acknowledgement():
    payload = seal(b'{"stream":"9f3a12c4","seq":10452}', KEY)
    VALIDATORS["ack"].validate(json.loads(payload))
    assert message.acknowledged(SIGNER.unseal(payload)) == ("9f3a12c4", 10452)


def test_hub_and_agent_seal_alike():
    text = telemetry(*measured())
    assert seal(text.encode(), KEY) == SIGNER.seal(text)


def test_the_hub_reads_every_kind_that_boards_publish():
    published = {kind for kind, schema in SCHEMAS.items() if "board to hub" in schema["description"]}
    assert published == set(KINDS) == set(DECODERS)


def test_the_flags_are_those_of_hj_212_without_n():
    record = SCHEMAS["telemetry"]["$defs"]["record"]["properties"]
    assert set(record["f"]["additionalProperties"]["enum"]) == set(get_args(Flag)) == set("FMCDTSB")


def schema_takes(kind, value):
    return VALIDATORS[kind].is_valid(value)


def hub_takes(kind, value):
    try:
        DECODERS[kind].decode(json.dumps(value, ensure_ascii=False))
    except msgspec.ValidationError:
        return False
    return True


RECORD = {"t": 1794999990, "dt": 10, "v": {"laeq": 67.2, "pm10": 81}, "f": {"pm10": "D"}}

VALID = [
    (kind, json.loads(SIGNER.seal(SAID_BY_THE_AGENT[name][1])))
    for kind, name in (
        ("telemetry", "telemetry with flags"),
        ("status", "status online"),
        ("event", "dropped records"),
        ("reply", "reply"),
    )
]

# Each is right somewhere and wrong elsewhere. No 1.0 (see the test of whole numbers) and no line breaks (the schemas'
# `$` means the very end; Python's, by which jsonschema judges, lets one pass).
ODD = [
    *(None, True, False),
    *(-(10**30), -1, 0, 1, 2, 59, 60, 61, 2**31, 2**53, 2**63 - 1, 10**15),
    *(-0.5, 0.001, 9.5, 60.5),
    *("", " ", "1", "ntp", "rtc", "none", "NTP", "dropped", "lost", "N", "F", "M", "C", "D", "T", "S", "B", "d", "DD"),
    *("9f3a12c4", "9F3A12C4", "9f3a12c", "9f3a12c45", " 9f3a12c4", "９f3a12c4"),
    *("0" * 63, "0" * 64, "0" * 65, "A" * 64, "g" * 64),
    *("x" * 32, "x" * 33, "中" * 32, "中" * 33, "😀" * 32, "😀" * 33),
    *("中" * 64, "中" * 65, "x" * 1000, "x" * 1001, "中" * 1000, "中" * 1001),
    *([], {}, [1], [RECORD], [[RECORD]], [RECORD, {}], RECORD),
    *({"laeq": 1}, {"laeq": None}, {"laeq": "1"}, {"laeq": True}, {"laeq": "D"}, {"laeq": "N"}, {"": 1}),
]
NAMES = ["stream", "seq", "oldest", "t", "dt", "v", "f", "from", "from_", "to", "mac", "MAC", "clock", "extra", "laeq"]
NAMES += ["LAeq", "pm2.5", "pm25", "_x", "2x", "x" * 32, "x" * 33, "ü", "", "频率"]


def places(value, path=()):
    """Yield the path to every member and element of a JSON value, and to the value itself."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inner:
        yield from places(below, (*path, name))


def replaced(value, path, new):
    """Return a JSON value with what stands at `path` replaced; the value itself stays as it is."""
    if not path:
        return new
    name, *below = path
    copy = value.copy()
    copy[name] = replaced(value[name], below, new)
    return copy


def neighbours(value):
    """Yield every message that differs from a message in one place."""
    for path in places(value):
        here = functools.reduce(operator.getitem, path, value)
        for odd in ODD:
            yield replaced(value, path, odd)
        if isinstance(here, dict):
            for name in here:
                yield replaced(value, path, {other: below for other, below in here.items() if other != name})
                for new in NAMES:
                    yield replaced(value, path, {new if other == name else other: here[other] for other in here})
            for name in NAMES:
                yield replaced(value, path, {name: "D"} | here)
                yield replaced(value, path, {name: 1} | here)


@st.composite
def mutated(draw):
    kind, value = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(2, 4))):
        path = draw(st.sampled_from(list(places(value))))
        here = functools.reduce(operator.getitem, path, value)
        member = st.tuples(st.sampled_from(NAMES), st.sampled_from(ODD) | st.integers(-(10**6), 10**6))
        changes = [st.sampled_from(ODD), st.integers(), st.text(max_size=9).filter(lambda text: "\n" not in text)]
        if isinstance(here, dict):
            changes.append(member.map(lambda new, here=here: here | dict([new])))
        if isinstance(here, list):
            changes.append(st.just([*here, *here]))
        value = replaced(value, path, draw(st.one_of(changes)))
    return kind, value


@pytest.mark.parametrize(("kind", "value"), VALID)
def test_hub_and_schema_take_every_message_that_the_mutations_begin_with(kind, value):
    assert schema_takes(kind, value)
    assert hub_takes(kind, value)


@pytest.mark.parametrize(("kind", "value"), VALID)
def test_hub_and_schema_agree_on_every_message_that_differs_in_one_place(kind, value):
    for neighbour in neighbours(value):
        assert hub_takes(kind, neighbour) == schema_takes(kind, neighbour), neighbour


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_hub_and_schema_agree_on_messages_that_differ_in_several_places(case):
    kind, value = case
    assert hub_takes(kind, value) == schema_takes(kind, value)


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (500, True), (501, False)])
def test_a_message_has_1_to_500_records(count, taken):
    value = VALID[0][1] | {"records": [RECORD] * count}
    assert hub_takes("telemetry", value) is taken
    assert schema_takes("telemetry", value) is taken


@pytest.mark.parametrize("number", [0, 0.0, -3, 67, 67.2, 1e300, 10**30])
def test_a_value_may_be_written_with_or_without_decimals(number):
    value = json.loads(SIGNER.seal(telemetry(measured()[0])))
    value["records"][0]["v"]["laeq"] = number
    assert hub_takes("telemetry", value)
    assert schema_takes("telemetry", value)


@pytest.mark.parametrize("number", ["10423.0", "1e4", "1.0423e4"])
def test_a_whole_number_is_written_without_decimals_or_exponent(number):
    """JSON Schema counts 10423.0 as an integer and has no means to forbid it; the hub wants what boards write."""
    text = telemetry(measured()[0]).replace('"seq":10423', f'"seq":{number}')
    with pytest.raises(msgspec.ValidationError, match=r"Expected `int`, got `float`.*\$\.seq"):
        DECODERS["telemetry"].decode(SIGNER.seal(text))


@pytest.mark.parametrize(
    ("old", "new"), [("9f3a12c4", r"9f3a12c4\n"), ('"laeq"', r'"laeq\n"')], ids=["stream", "quantity"]
)
def test_a_line_break_is_no_part_of_an_identifier(old, new):
    text = telemetry(measured()[0]).replace(old, new)
    with pytest.raises(msgspec.ValidationError):
        DECODERS["telemetry"].decode(SIGNER.seal(text))
