"""Writes what the board says and reads what the hub says: the contract of schemas/messages/.

JSON is written by hand where its bytes must be the same on every interpreter: numbers have the catalogue's decimals
whatever the width of the board's floats, and `mac` is the last member and covers every byte before it.
"""

import hashlib
import json

from edge.borrow import borrow

_BLOCK = 64  # bytes, of SHA-256
_decimals = {}  # type: dict


class Signer:
    """HMAC-SHA256 (RFC 2104) under the board's own key; MicroPython has no hmac module."""

    def __init__(self, key):
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        key = key + bytes(_BLOCK - len(key))
        self._inner = bytes([byte ^ 0x36 for byte in key])
        self._outer = bytes([byte ^ 0x5C for byte in key])

    def mac(self, *parts):
        """Return the MAC of the joined `parts` as 64 hexadecimal digits."""
        inner = hashlib.sha256(self._inner)
        for part in parts:
            inner.update(part)
        outer = hashlib.sha256(self._outer)
        outer.update(inner.digest())
        return "".join(["%02x" % byte for byte in outer.digest()])

    def seal(self, text):
        """Return the JSON object `text` as bytes, with its `mac` added as the last member."""
        return b"".join(self.seal_parts([text.encode()]))

    def seal_parts(self, parts):
        """Return the JSON object that the bytes in `parts` are together, as parts, with its `mac` added.

        In parts, since a heap of 100 KB soon has no room for the whole in one piece.
        """
        parts[-1] = parts[-1][:-1]
        parts.append(b',"mac":"' + self.mac(*parts).encode() + b'"}')
        return parts

    def unseal(self, payload):
        """Return the sealed object as a dict, without its `mac`.

        Raises ValueError when it is not a JSON object or its MAC is not right.
        """
        cut = payload.rfind(b',"mac":"')
        if cut < 0 or payload[cut:] != b',"mac":"' + self.mac(payload[:cut]).encode() + b'"}':
            raise ValueError("bad MAC")
        message = json.loads(payload)
        if not isinstance(message, dict):
            raise ValueError("not an object")
        del message["mac"]
        return message


def is_finite(value):
    """Tell whether a number can stand in JSON, which knows neither infinity nor NaN."""
    return value - value == 0


def plain(content):
    """Return a copy of what is to become JSON without the floats, in it at any depth, that are not finite."""
    if isinstance(content, dict):
        return {key: plain(value) for key, value in content.items() if _can_stand(value)}
    if isinstance(content, list):
        return [plain(value) for value in content if _can_stand(value)]
    return content


def _can_stand(value):
    return not isinstance(value, float) or is_finite(value)


def decimals(key):
    """Return with how many decimals a quantity is sent; the catalogue is large, and a board needs a few rows of it."""
    if key not in _decimals:
        _decimals[key] = borrow("quantities").QUANTITIES[key][2]
    return _decimals[key]


def numbers(values):
    """Return values by quantity key as JSON text, with the catalogue's decimals."""
    return "{%s}" % ",".join(['"%s":%.*f' % (key, decimals(key.replace("_least", "")), values[key]) for key in values])


def record(t, dt, values, flags, raw=None, levels=""):
    """Return one record as JSON text: interval start (Unix s), length (s), values and flags by quantity key.

    `raw`: what the values were before the calibration, where that is to be reported, and under KEY_least the levels
    that are certain where the sound was clipped; `levels`: members beside them, as levels.py counts: here a hub that
    does not know them passes them over. A value that is
    not finite is taken out of `values` and flagged D in `flags`: whoever looks at them next sees what the record says.
    """
    for key in [key for key in values if not is_finite(values[key])]:
        del values[key]
        flags[key] = flags.get(key, "D")
    text = '{"t":%d,"dt":%d,"v":%s' % (t, dt, numbers(values))
    reported = numbers(plain(raw or {}))[1:-1]
    if reported or levels:
        text += ',"r":{%s}' % ",".join([part for part in (reported, levels) if part])
    if flags:
        text += ',"f":{%s}' % ",".join(['"%s":"%s"' % (key, flags[key]) for key in flags])
    return text + "}"


def keep(calibration, clock, text):
    """Return a record as the outbox keeps it: id of its calibration, clock it was made by (see timeline.py), text."""
    return b"%d %s %s" % (calibration, clock.encode(), text.encode())


def placed(kept, timeline):
    """Return `(calibration, clock, text)` of a kept record as it is sent, or None while its time is not known."""
    calibration, clock, text = kept.split(b" ", 2)
    clock = clock.decode()
    if clock[0] == "-":
        t, _, rest = text[5:].partition(b',"dt":')  # it begins with {"t":
        there = timeline.place(clock, int(t), int(rest[: rest.index(b",")]))
        if there is None:
            return None
        t, clock = there
        text = b'{"t":%d,"dt":%s' % (t, rest)
    return int(calibration), clock, text


def made(kept):
    """Return `(clock, t, dt)` of a kept record, as it was made."""
    _, clock, text = kept.split(b" ", 2)
    record_ = json.loads(text)
    return clock.decode(), record_["t"], record_["dt"]


def telemetry(stream, seq, oldest, cal, clock, records):
    """Return an unsealed telemetry message as parts; `records` are the texts of consecutive records as bytes."""
    head = '{"stream":"%s","seq":%d,"oldest":%d,"cal":%d,"records":[' % (stream, seq, oldest, cal)
    parts = [head.encode()]
    for record_ in records:
        parts.append(record_)
        parts.append(b",")
    parts[-1] = b'],"clock":"%s"}' % clock.encode()
    return parts


def status(online, t, **more):
    """Return the unsealed text of a status message; `more` are its other members, as the schema names them."""
    more.update({"online": online, "t": t})
    return json.dumps(plain(more))


def dropped(t, stream, first, last, reason):
    """Return the unsealed text of the event that the outbox gave up the records `first` to `last`."""
    return '{"t":%d,"event":"dropped","stream":"%s","from":%d,"to":%d,"reason":"%s"}' % (t, stream, first, last, reason)


def reply(command, t, ok, detail):
    """Return the unsealed text of the reply to the command with id `command`."""
    return json.dumps({"id": command, "t": t, "ok": ok, "detail": detail})


def acknowledged(message):
    """Return `(stream, seq)` if the unsealed message is an acknowledgement and nothing else, or None.

    Nothing else: a board's own telemetry has a good MAC too, and played back to it must not make it forget.
    """
    if len(message) == 2 and isinstance(message.get("stream"), str) and isinstance(message.get("seq"), int):
        return message["stream"], message["seq"]
    return None
