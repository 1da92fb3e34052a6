"""What the board writes, byte for byte, and what it believes."""

import asyncio
import json
from binascii import unhexlify

from edge import message
from edge.aggregate import Aggregator
from edge.drivers import NoSample, modbus
from edge.notes import Notes
from tests.edge.helpers import raises, tmp_dir

KEY = bytes(range(32))
INF, NAN = float("inf"), float("nan")


def test_hmac_of_rfc_4231():
    # RFC 4231 test cases 1, 2 and 6 (a key longer than a block)
    cases = (
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    )
    for key, data, mac in cases:
        assert message.Signer(key).mac(data) == mac


def test_a_record_has_the_decimals_of_the_catalogue():
    text = message.record(1794999990, 10, {"laeq": 67.2499, "pm10": 80.6}, {"pm10": "D"})
    assert text == '{"t":1794999990,"dt":10,"v":{"laeq":67.2,"pm10":81},"f":{"pm10":"D"}}'
    assert message.record(0, 10, {}, {}) == '{"t":0,"dt":10,"v":{}}'


def test_a_level_that_is_certain_stands_where_older_hubs_pass_it_over():
    flags = {"laeq": "T"}
    text = message.record(0, 10, {}, flags, {"laeq_least": 103.24})
    assert text == '{"t":0,"dt":10,"v":{},"r":{"laeq_least":103.2},"f":{"laeq":"T"}}'
    text = message.record(0, 10, {"pm10": 81}, flags, {"pm10": 83, "laeq_least": 103.24})
    assert json.loads(text)["r"] == {"pm10": 83, "laeq_least": 103.2}


def test_telemetry_is_json_with_the_mac_last():
    signer = message.Signer(KEY)
    records = [b'{"t":10,"dt":10,"v":{"laeq":67.2}}', b'{"t":20,"dt":10,"v":{}}']
    sealed = b"".join(signer.seal_parts(message.telemetry("9f3a12c4", 7, 5, 3, "ntp", records)))
    cut = sealed.rfind(b',"mac":"')
    assert json.loads(sealed)["records"][0]["v"] == {"laeq": 67.2}
    assert sealed[cut:] == b',"mac":"' + signer.mac(sealed[:cut]).encode() + b'"}'
    assert len(unhexlify(json.loads(sealed)["mac"])) == 32
    assert signer.unseal(sealed)["seq"] == 7


def test_every_changed_byte_is_noticed():
    signer = message.Signer(KEY)
    sealed = signer.seal('{"stream":"9f3a12c4","seq":7}')
    for i in range(len(sealed)):
        raises(ValueError, signer.unseal, sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :])
    raises(ValueError, signer.unseal, b"")
    raises(ValueError, message.Signer(b"another").unseal, sealed)


def test_only_an_acknowledgement_counts_as_one():
    signer = message.Signer(KEY)
    assert message.acknowledged(signer.unseal(signer.seal('{"stream":"9f3a12c4","seq":7}'))) == ("9f3a12c4", 7)
    own = b"".join(signer.seal_parts(message.telemetry("9f3a12c4", 7, 5, 3, "ntp", [b'{"t":20,"dt":10,"v":{}}'])))
    assert message.acknowledged(signer.unseal(own)) is None
    assert message.acknowledged({"stream": "9f3a12c4", "seq": "7"}) is None
    assert message.acknowledged({"events": 7}) is None  # what a hub says of events: earlier agents pass it over


def is_json(text):
    """Return what a JSON text says, by the rules of RFC 8259: CPython's own reader takes NaN and Infinity, too."""
    content = json.loads(text)
    for word in ("inf", "nan"):
        assert word not in text.lower(), text
    return content


def test_a_value_that_no_json_can_hold_is_left_out_and_flagged_d():
    for value in (INF, -INF, NAN, 1e300 * 1e300):
        values, flags = {"laeq": value, "pm10": 81.0}, {}
        text = message.record(1767225600, 10, values, flags, {"laeq": value, "pm10": 80.0})
        told = is_json(text)
        assert told["v"] == {"pm10": 81}
        assert told["f"] == {"laeq": "D"}
        assert told["r"] == {"pm10": 80}
        assert (values, flags) == ({"pm10": 81.0}, {"laeq": "D"})  # so that the relay sees it, too
    assert is_json(message.record(0, 10, {"laeq": INF}, {"laeq": "C"}))["f"] == {"laeq": "C"}


def test_neither_status_nor_event_holds_such_a_number():
    assert is_json(message.status(True, 5, depth=3, sensors={"dust": NAN})) == {
        "online": True,
        "t": 5,
        "depth": 3,
        "sensors": {},
    }
    said = []

    async def publish(_kind, parts):
        said.append(b"".join(parts).decode())

    notes = Notes(tmp_dir() + "/events", lambda: 5)
    notes.add(
        "calibration", {"after": {"channels": {"pm10": {"gain": INF, "points": [[1.5, NAN], [2, 3]]}}}, "who": "Li"}
    )
    asyncio.run(notes.send(publish))
    assert is_json(said[0])["detail"] == {
        "after": {"channels": {"pm10": {"points": [[1.5], [2, 3]]}}},
        "who": "Li",
    }


class NoiseLine:
    """The line of a noise transmitter whose register 0 holds one value after the other."""

    def __init__(self, raws):
        self.lock = asyncio.Lock()
        self._raws = list(raws)

    async def send(self, _data):
        pass

    async def receive(self, _most, _timeout):
        raw = self._raws.pop(0)
        return modbus.sealed(bytes((1, 3, 2, raw >> 8, raw & 255)))

    def distrust(self):
        pass


def interval(raws):
    """Return the record of an interval in which a transmitter's register held these, at 0.1 dB."""
    register = {"channel": "laf", "register": 0, "scale": 0.1}
    settings = {"name": "noise", "type": "modbus", "address": 1, "registers": [register]}

    async def run():
        driver, aggregator = modbus.Driver(NoiseLine(raws), settings), Aggregator(("laf",))
        for _ in raws:
            try:
                aggregator.add("laf", (await driver.sample())["laf"])
            except NoSample as reason:
                aggregator.miss("laf", reason.flag)
        return is_json(message.record(1767225600, 10, *aggregator.close()))

    return asyncio.run(run())


def test_a_sensor_head_that_has_gone_spoils_neither_the_record_nor_the_agent():
    # FFFF is 6553.5 dB, the energy of which no float holds: CPython raises OverflowError, MicroPython says inf.
    assert interval([652] * 10)["v"]["laeq"] == 65.2
    for raws in ([652] * 9 + [0xFFFF], [0xFFFF] * 10):
        told = interval(raws)
        level = told["v"].get("laeq")
        assert level == 65.2 or (level is None and told["f"]["laeq"] in ("D", "T")), told
