"""What is enclosed for a board: only it opens it, and the hub and the board agree how."""

from base64 import b64decode, b64encode

import pytest

from edge import rekey
from edge.message import Signer
from hub.wire.sealing import disclose, enclose

KEY, OTHER = bytes(range(32)), bytes(32)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 64, 2500])
def test_the_board_opens_what_the_hub_has_enclosed(size):
    content = bytes(at % 251 for at in range(size))
    text = enclose(content, KEY)
    assert b"".join(rekey.disclose(text, Signer(KEY))) == content == disclose(text, KEY)
    assert enclose(content, KEY) != text  # nobody sees that it is the same
    assert content not in text.encode()


@pytest.mark.parametrize("wrong", ["", "?", "AAAA", "A" * 60])
def test_nonsense_opens_nothing(wrong):
    assert disclose(wrong, KEY) is None


def test_another_key_or_another_byte_opens_nothing():
    text = enclose(b"secret", KEY)
    assert disclose(text, OTHER) is None
    raw = b64decode(text)
    for at in range(len(raw)):
        altered = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert disclose(b64encode(altered).decode(), KEY) is None
