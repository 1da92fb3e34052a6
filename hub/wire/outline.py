"""Finds out which records an authentic but unusable message stands for, however broken it is.

A board sends a record until it is done with. So what it signs is taken at its word as far as it can be read: the
agent's own head, `{"stream":"9f3a12c4","seq":10423,"oldest":10390,...`, is found in bytes that are no JSON, no UTF-8,
nested without end or cut off. Where the records cannot be counted it is one: certain, and progress.
"""

import re
from contextlib import suppress

import msgspec

from hub.wire.messages import MOST

MOST_TOKENS = 200_000
"""So far a broken message is read: 500 records of 30 quantities have a fifth of it."""
_NUMBERS_OF_64_BITS = range(-(2**63), 2**63)

_STREAM = re.compile(rb'"stream"\s*:\s*"([0-9A-Za-z_.-]{1,32})"')
_SEQ = re.compile(rb'"seq"\s*:\s*(-?\d{1,18})\s*[,}]')
_OLDEST = re.compile(rb'"oldest"\s*:\s*(-?\d{1,18})\s*[,}]')
_RECORDS = re.compile(rb'"records"\s*:\s*\[')
_TIME = re.compile(rb'"t"\s*:\s*(\d{1,15})\b')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_NAME = re.compile(r"[0-9A-Za-z_.-]{1,32}\Z")


class Outline(msgspec.Struct, frozen=True, gc=False):
    """What a message says of its records.

    `span`: (stream, first, count) of their numbers, as far as they are numbers that a stream can have. `answer`:
    (stream, last) where they are not, and the board can be told that it is rid of them without forgetting others.
    `latest`: the highest time in it, Unix s. `oldest`: the lowest number that the board still holds; 0: not known.
    """

    span: tuple[str, int, int] | None = None
    answer: tuple[str, int] | None = None
    latest: int = 0
    oldest: int = 0


NOTHING = Outline()


class _Head(msgspec.Struct):
    stream: str
    seq: int
    # As they are: a number in them may be one that no float holds.
    oldest: msgspec.Raw = msgspec.Raw(b"0")
    records: msgspec.Raw = msgspec.Raw(b"0")


class _Numbered(msgspec.Struct):
    n: int


_decode_numbered = msgspec.json.Decoder(_Numbered).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_number = msgspec.json.Decoder(int).decode


def outline(payload: bytes) -> Outline:
    """Return what an authentic message of telemetry says of its records."""
    latest = max((int(found) for found in _TIME.findall(payload)), default=0)
    try:
        head = _decode_head(payload)
    except msgspec.ValidationError:
        return Outline(latest=latest)  # it can be read, and names none
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _scan(payload)
        return Outline(latest=latest) if found is None else _outline(*found, latest)
    if not _NAME.match(head.stream):
        return Outline(latest=latest)
    count, oldest = 1, None
    with suppress(msgspec.DecodeError):
        count = len(_decode_list(head.records))
    with suppress(msgspec.DecodeError):
        oldest = _decode_number(head.oldest)
    return _outline(head.stream, head.seq, count, oldest, latest)


def event_number(payload: bytes) -> int:
    """Return the number that an authentic event has in its board's outbox; 0 where it has none that can be read."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        number = _decode_numbered(payload).n
        return number if 0 < number <= MOST else 0
    return 0


def _outline(stream: str, seq: int, count: int, oldest: int | None, latest: int) -> Outline:
    if not count:
        return Outline(latest=latest)
    after = seq + count
    first, last = max(seq, 1), after - 1
    if 1 < after <= MOST:
        held = oldest if oldest and 0 < oldest <= MOST else 0
        return Outline((stream, first, after - first), None, latest, held)
    # No stream counts there, so it is not remembered. A number below 1 is below all others; above, the board must say
    # that it holds nothing less.
    alone = last < 1 or (oldest is not None and oldest >= seq)
    return Outline(None, (stream, last) if alone and last in _NUMBERS_OF_64_BITS else None, latest)


def _scan(payload: bytes) -> tuple[str, int, int, int | None] | None:
    """Return stream, first number, count and `oldest` from bytes that are no JSON."""
    stream, seq, oldest = _STREAM.search(payload), _SEQ.search(payload), _OLDEST.search(payload)
    if not stream or not seq:
        return None
    return stream[1].decode(), int(seq[1]), max(1, _count(payload)), int(oldest[1]) if oldest else None


def _count(payload: bytes) -> int:
    """Count the objects that begin directly in the list of records, up to its end or the first that is not closed."""
    begin = _RECORDS.search(payload)
    if not begin:
        return 0
    depth = count = 0
    for number, found in enumerate(_TOKEN.finditer(payload, begin.end())):
        token = found[0]
        if token == b"{":
            count += depth == 0
            depth += 1
        elif token == b"[":
            depth += 1
        elif token in b"]}":
            depth -= 1
        if depth < 0 or number > MOST_TOKENS:
            break
    return count
