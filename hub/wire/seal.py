"""The MAC of a message: HMAC-SHA256 under the board's own key, as its last member (RFC 2104)."""

import hmac

_SEAL = len(',"mac":"') + 64 + len('"}')


def seal(body: bytes, key: bytes) -> bytes:
    """Return a JSON object with its MAC added as the last member (RFC 2104, SHA-256)."""
    open_ = body[:-1]
    return open_ + b',"mac":"' + hmac.digest(key, open_, "sha256").hex().encode() + b'"}'


def authentic(payload: bytes, key: bytes) -> bool:
    """Tell whether the message ends with the MAC of every byte before it."""
    body, tail = payload[:-_SEAL], payload[-_SEAL:]
    right = b',"mac":"' + hmac.digest(key, body, "sha256").hex().encode() + b'"}'
    return hmac.compare_digest(tail, right)
