"""Secrets that travel to a board, or lie in a database, enclosed under its key: what a broker or a copy does not show.

Text: base64 of nonce (16 bytes), tag (16) and the content, XORed with HMAC-SHA256(key, "stream" nonce counter), block
by block (a key stream by a pseudorandom function in counter mode, NIST SP 800-108). The tag is the begin of
HMAC-SHA256(key, "tag" nonce ciphertext). HMAC, since every build of MicroPython can do it; edge/rekey.py opens it.
"""

import hmac
import secrets
from base64 import b64decode, b64encode

NONCE = TAG = 16
_BLOCK = 32


def enclose(content: bytes, key: bytes) -> str:
    """Return a content as only who has the key can read it."""
    nonce = secrets.token_bytes(NONCE)
    hidden = _stream(content, key, nonce)
    return b64encode(nonce + _tag(hidden, key, nonce) + hidden).decode()


def disclose(text: str, key: bytes) -> bytes | None:
    """Return what was enclosed; None: under another key, or it was altered."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return None
    nonce, tag, hidden = raw[:NONCE], raw[NONCE : NONCE + TAG], raw[NONCE + TAG :]
    if not hmac.compare_digest(tag, _tag(hidden, key, nonce)):
        return None
    return _stream(hidden, key, nonce)


def _tag(hidden: bytes, key: bytes, nonce: bytes) -> bytes:
    return hmac.digest(key, b"tag" + nonce + hidden, "sha256")[:TAG]


def _stream(content: bytes, key: bytes, nonce: bytes) -> bytes:
    out = bytearray()
    for start in range(0, len(content), _BLOCK):
        block = hmac.digest(key, b"stream" + nonce + (start // _BLOCK).to_bytes(4, "big"), "sha256")
        out += bytes(a ^ b for a, b in zip(content[start : start + _BLOCK], block, strict=False))
    return bytes(out)
