"""Random and mutated messages, made so that what has to become of the good ones among them is known."""

import hashlib
import json
import random
import time
from collections import Counter

from edge import message
from hub.wire.seal import seal
from tests.bench.load import INTERVAL_S, VALUES

KINDS = ("telemetry", "status", "event", "reply")
LARGE_ONE_IN = 2500
LARGE = 1_000_000
SPAN_S = 3600  # what the good records are about, again and again: so what the hub may rightly remember is bounded

PRISTINE, MUTATED, OWN = "00", "ff", "aa"  # the beginnings of streams

NUMBERS = (-1, 0, 1, 2**31, 2**53 - 1, 2**53, 2**63, 2**64, 10**30, 1e308, -1e308, 5e-324, 0.5, -0.0)
TEXTS = ("", "\u0000", "地铁", "\ud800", "a" * 300, "__class__", "'; DROP TABLE message; --", "\u202e", "😀")
NAMES = ("", " ", "地铁", "b999999", "hub", "b0 ", "B0", "%s", "..", "b0" * 200, "'; --", "😀", "-", "constructor")


class Fuzzer:
    """Makes messages; the same `seed` makes the same ones, except for their times and keys."""

    def __init__(self, fleet, seed):
        self.fleet = fleet
        self._dice = random.Random(seed)
        self._devices = list(fleet.keys)
        self._next = Counter()
        self._begin = int(time.time()) // INTERVAL_S * INTERVAL_S - SPAN_S
        self._heard = []  # some of the good messages, to be sent again
        self.good = Counter()  # SHA-256 of topic and payload: good messages that must stand in the log
        self.own = set()  # the same of a board's own messages with any content: in the log, or kept as authentic
        self.named = {}  # by (device, stream): the last record that those stand for, which is acknowledged in the end
        self._changes = (
            *[self._pristine] * 8,
            *[self._again] * 2,
            *[self._restructured] * 5,
            *[self._own] * 4,
            self._bits_flipped,
            self._cut,
            self._grown,
            self._text_changed,
            self._random_bytes,
            self._nested,
            self._elsewhere,
            self._strange_name,
            self._foreign_key,
            self._event_or_reply,
        )

    def message(self, number):
        """Return (topic, payload) of one message."""
        if number % LARGE_ONE_IN == LARGE_ONE_IN // 2:
            return self._large()
        return self._dice.choice(self._changes)()

    def _telemetry(self, stream=MUTATED):
        """Return device and unsealed good telemetry, a record or a few.

        What is to be mutated is of another stream: the records of an authentic but unusable message are done with, and
        good ones with the same numbers would be duplicates.
        """
        device = self._dice.choice(self._devices)
        stream += device[1:].zfill(6)
        count = self._dice.choice((1, 1, 1, 2, 5))
        seq = self._next[device, stream] + 1
        self._next[device, stream] += count
        records = [
            message.record(
                self._begin + (seq + n) * INTERVAL_S % SPAN_S,
                INTERVAL_S,
                {key: value + self._dice.uniform(-2, 2) for key, value in VALUES.items()},
                self._dice.choice(({}, {}, {"pm10": "C"}, {"laeq": "D"})),
            ).encode()
            for n in range(count)
        ]
        # As from a board whose outbox gives up what is not taken: else the holes would add up to what no board makes.
        oldest = 1 if stream.startswith(PRISTINE) else max(1, seq - 100)
        body = b"".join(message.telemetry(stream, seq, oldest, 0, "ntp", records))
        return device, body

    def _pristine(self):
        device, body = self._telemetry(PRISTINE)
        made = self.fleet.topic(device), seal(body, self.fleet.keys[device])
        self.good[digest(*made)] += 1
        self._heard = [*self._heard[-99:], made]
        return made

    def _again(self):
        return self._dice.choice(self._heard) if self._heard else self._pristine()

    def _sealed(self):
        device, body = self._telemetry()
        return device, seal(body, self.fleet.keys[device])

    def _bits_flipped(self):
        device, payload = self._sealed()
        changed = bytearray(payload)
        for _ in range(self._dice.choice((1, 1, 2, 20))):
            changed[self._dice.randrange(len(changed))] ^= 1 << self._dice.randrange(8)
        return self.fleet.topic(device), bytes(changed)

    def _cut(self):
        device, payload = self._sealed()
        return self.fleet.topic(device), payload[: self._dice.randrange(len(payload))]

    def _grown(self):
        device, payload = self._sealed()
        more = self._dice.choice((b" ", b"\n", b"}", payload, b"\x00", b"\xff"))
        return self.fleet.topic(device), payload + more

    def _text_changed(self):
        """Change bytes before the MAC is made: not JSON or not UTF-8, but authentic."""
        device, body = self._telemetry()
        changed = bytearray(body)
        for _ in range(self._dice.choice((1, 3))):
            at = self._dice.randrange(len(changed) - 1)
            changed[at : at + self._dice.randrange(3)] = self._dice.randbytes(self._dice.randrange(4))
        return self.fleet.topic(device), seal(bytes(changed), self.fleet.keys[device])

    def _restructured(self):
        """Change members of the JSON, with a good MAC."""
        device, body = self._telemetry()
        tree = json.loads(body)
        for _ in range(self._dice.choice((1, 1, 2))):
            self._change_inside(tree)
        kind = "telemetry" if self._dice.random() < 0.9 else self._dice.choice(KINDS)
        return self.fleet.topic(device, kind), seal(json.dumps(tree).encode(), self.fleet.keys[device])

    def _change_inside(self, tree):
        while True:
            if not tree:
                return
            key = self._dice.choice(sorted(tree)) if isinstance(tree, dict) else self._dice.randrange(len(tree))
            inner = tree[key]
            if not isinstance(inner, dict | list) or self._dice.random() < 0.3:
                break
            tree = inner
        change = self._dice.randrange(4)
        if change == 0:
            del tree[key]
        elif change == 1 and isinstance(tree, dict):
            tree[self._dice.choice((*TEXTS, "laeq", "t", "mac"))] = inner
        elif change == 2 and isinstance(tree, list):
            tree.extend([inner] * self._dice.choice((1, 600)))
        else:
            tree[key] = self._value()

    def _value(self):
        return self._dice.choice(
            (None, True, [], {}, [[]], *NUMBERS, *TEXTS, self._dice.randrange(10**12), self._dice.uniform(-1e4, 1e4))
        )

    def _own(self):
        """Return what a board signs whatever it has become, a record or a few: it names stream and number, no more.

        The records of a stream come one behind the other, so one that is not done with would hold up all that follow.
        """
        device = self._dice.choice(self._devices)
        stream = OWN + device[1:].zfill(6)
        seq = self.named.get((device, stream), 0) + 1
        if self._dice.random() < 0.05:
            said = (
                self.fleet.topic(device),
                seal(self._dice.randbytes(self._dice.randrange(300)) + b"}", self._key(device)),
            )
            self.own.add(digest(*said))
            return said
        rest, count = self._dice.choice(
            (self._not_a_number, self._torn, self._noise, self._endless, self._huge, self._of_wrong_type, self._flipped)
        )()
        head = f'{{"stream":"{stream}","seq":{seq},"oldest":{seq},"cal":0,'.encode()
        said = self.fleet.topic(device), seal(head + rest + b"}", self._key(device))
        self.own.add(digest(*said))
        self.named[device, stream] = seq + count - 1
        return said

    def _key(self, device):
        return self.fleet.keys[device]

    def _record(self, value="60.0"):
        t = self._begin + self._dice.randrange(SPAN_S // INTERVAL_S) * INTERVAL_S
        return b'{"t":%d,"dt":10,"v":{"laeq":%s,"pm10":20}}' % (t, value.encode())

    def _not_a_number(self):
        count = self._dice.randrange(1, 6)
        values = [self._dice.choice(("inf", "-inf", "nan", "60.0")) for _ in range(count)]
        records = b",".join(self._record(value) for value in values)
        return b'"records":[' + records + b'],"clock":"ntp"', count

    def _torn(self):
        record = self._record()
        return b'"records":[' + record[: self._dice.randrange(1, len(record))], 1

    def _noise(self):
        noise = self._dice.randbytes(self._dice.choice((1, 30, 3000))).translate(None, b"{}")
        return b'"records":[{"t":' + noise, 1

    def _endless(self):
        depth = self._dice.choice((100, 1000, 3000))
        return b'"records":[' + self._dice.choice((b"[" * depth, b'{"v":' * depth, b'{"a":[' * depth)), 1

    def _huge(self):
        value = self._dice.choice(("1e400", "-1e999", "9" * 400, "0." + "0" * 400 + "1", "1e-400", "1e400000000"))
        return b'"records":[' + self._record(value) + b'],"clock":"ntp"', 1

    def _of_wrong_type(self):
        value = self._dice.choice(("null", "true", '"x"', "5", "{}", "[null]", '["x"]', "[[]]", "[0.5]"))
        return b'"records":' + value.encode() + b',"clock":' + self._dice.choice((b"5", b"null", b'"ntp"')), 1

    def _flipped(self):
        changed = bytearray(b'"records":[' + self._record() + b'],"clock":"ntp"')
        for _ in range(self._dice.choice((1, 1, 3))):
            at = self._dice.randrange(len(changed))
            flipped = changed[at] ^ 1 << self._dice.randrange(8)
            changed[at] = 0x20 if flipped in b"{}[]" else flipped
        return bytes(changed), 1

    def _random_bytes(self):
        device = self._dice.choice(self._devices)
        payload = self._dice.randbytes(self._dice.choice((0, 0, 1, 50, 5000)))
        if self._dice.random() < 0.5:
            payload = seal(b"{" + payload, self.fleet.keys[device])
        return self.fleet.topic(device, self._dice.choice(KINDS)), payload

    def _nested(self):
        device = self._dice.choice(self._devices)
        depth = self._dice.choice((10, 1000, 50_000))
        body = self._dice.choice((b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth))
        body = b'{"detail":' + body + b"}"
        return self.fleet.topic(device, self._dice.choice(KINDS)), seal(body, self.fleet.keys[device])

    def _elsewhere(self):
        """Good telemetry under a topic that is not its board's."""
        device, payload = self._sealed()
        other = self._dice.choice(self._devices)
        topic = self._dice.choice(
            (
                self.fleet.topic(other),
                self.fleet.topic(device, self._dice.choice(KINDS[1:])),
                f"fenceline/1/{self._dice.choice(NAMES)}/s0/{device}/telemetry",
                f"fenceline/1/city/{self._dice.choice(NAMES)}/{device}/telemetry",
            )
        )
        return topic, payload

    def _strange_name(self):
        _, payload = self._sealed()
        name = self._dice.choice((self._dice.choice(NAMES), f"b{self._dice.randrange(10**9)}"))
        return f"fenceline/1/city/s0/{name}/{self._dice.choice(KINDS)}", payload

    def _foreign_key(self):
        device, body = self._telemetry()
        return self.fleet.topic(device), seal(body, self._dice.choice((bytes(32), b"", self._dice.randbytes(32))))

    def _event_or_reply(self):
        device = self._dice.choice(self._devices)
        now, detail = int(time.time()), self._dice.choice(TEXTS)
        kind, text = self._dice.choice(
            (
                ("event", message.dropped(now, "ffffffff", 1, self._dice.randrange(1, 100), "full")),
                ("event", json.dumps({"t": now, "event": "relay", "detail": {"why": detail}})),
                ("reply", message.reply(f"{self._dice.randrange(1000)}", now, True, detail)),
                ("status", message.status(True, now, depth=self._dice.randrange(100), agent=detail)),
            )
        )
        return self.fleet.topic(device, kind), seal(text.encode(), self.fleet.keys[device])

    def _large(self):
        device = self._dice.choice(self._devices)
        filler = self._dice.choice((b"[1," * (LARGE // 3), b'{"a":"' + b"x" * LARGE, b"\xff" * LARGE))
        payload = filler if self._dice.random() < 0.5 else seal(b'{"stream":' + filler, self.fleet.keys[device])
        return self.fleet.topic(device, self._dice.choice(KINDS)), payload


def digest(topic, payload):
    """Return what a message is known by."""
    return hashlib.sha256(topic.encode() + b"\0" + payload).digest()
