"""What the board writes, byte for byte, and what it believes."""

import json
from binascii import unhexlify

from edge import message
from tests.edge.helpers import raises

KEY = bytes(range(32))


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
