"""Gives the hub's judge of uplinks random messages and accounts for every one: `make fuzz-lorawan`; JSON comes last.

    make fuzz-lorawan ARGS="--frames 1000000 --json"

Uplinks as ChirpStack and The Things Stack publish them, good ones again as another gateway hands them over, bytes
flipped, cut off and put in, members left out, doubled or of another type, payloads at random for every codec, times of
other years, nesting without end, strangers, JSON of other systems, and no JSON at all.

- `units` = `kept` + `repeated` + `quarantined` + `missing`, by what the log has counted; `missing` must be 0.
- `good_missing`: good uplinks that are not in the log word for word, once; must be 0.
- `tracebacks`: exceptions, in judging or in what consumers decode, and mistakes of the judge's own; must be 0.
"""

import base64
import datetime as dt
import json
import random
import traceback
from collections import Counter
from contextlib import closing

import msgspec

from hub.intake.admission import Admission
from hub.intake.lorawan.judging import Came, Judging
from hub.log.log import Log
from hub.log.outcomes import Refused
from hub.registry.live import Node
from hub.wire.lorawan.logged import unpack
from tests.fuzz.accounts import BATCH, command, settle
from tests.hub.helpers import CITY, NOON, QUANTITIES

NODES = 12
BAD = ("missing", "good_missing", "tracebacks")
VALUES = (
    None,
    True,
    -1,
    0,
    1e308,
    2**63,
    2**70,
    "",
    "x",
    "2026-13-45",
    [],
    {},
    [[]],
    {"devEui": 5},
    "9" * 400,
    "\ud83d",
)
PAYLOADS = ("0367f6000482{:04x}", "01756403670f010482{:04x}050000", "0304d088{:02x}0482{:02x}05")


def eui(n):
    return f"24e124136b5022{n:02x}"


class Uplinks:
    """Makes them."""

    def __init__(self, seed):
        self._dice = random.Random(seed)
        self._number = 0

    def good(self):
        """Return an uplink that nobody has made yet, and the same as another gateway hands it over."""
        self._number += 1
        n, counter = self._number % NODES, self._number // NODES
        distance = self._dice.randrange(300, 2500)
        if n % 3 == 2:
            data = bytes.fromhex("0212340003") + distance.to_bytes(2) + (10).to_bytes(2) + (3100).to_bytes(2)
        else:
            data = bytes.fromhex("0367f6000482") + distance.to_bytes(2, "little")
        t = NOON - 2_000_000 + self._number * 400 % 1_900_000
        said = self._chirpstack(n, counter, t, data) if n % 2 else self._things_stack(n, counter, t, data)
        again = said | {"rxInfo": [{"gatewayId": f"{self._dice.randrange(99)}"}]}
        return json.dumps(said).encode(), json.dumps(again).encode()

    def odd(self):
        """Return bytes of which nothing is known."""
        return self._dice.choice([self._mutated, self._changed, self._changed, self._filled, self._noise])()

    def _chirpstack(self, n, counter, t, data):
        when = dt.datetime.fromtimestamp(t, dt.UTC).isoformat()
        head = {"time": when, "deviceInfo": {"devEui": eui(n)}, "devAddr": "00189440", "fPort": 85, "fCnt": counter}
        return head | {"data": base64.b64encode(data).decode()}

    def _things_stack(self, n, counter, t, data):
        when = dt.datetime.fromtimestamp(t, dt.UTC).isoformat()
        message = {"session_key_id": "AXA5", "f_port": 85, "f_cnt": counter, "received_at": when}
        message |= {"frm_payload": base64.b64encode(data).decode()}
        return {"end_device_ids": {"dev_eui": eui(n).upper()}, "uplink_message": message, "received_at": when}

    def _one(self, data=None):
        """Return an uplink of some device, its counter far from those of good ones."""
        dice = self._dice
        make = dice.choice([self._chirpstack, self._things_stack])
        t = dice.choice([NOON - dice.randrange(86_400), 0, NOON + 10**6, 4e9])
        return make(dice.randrange(NODES + 3), 10**7 + dice.randrange(1000), t, data or bytes.fromhex("04821027"))

    def _mutated(self):
        dice, data = self._dice, bytearray(json.dumps(self._one()).encode())
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(data) or 1)
            if dice.random() < 0.5:
                data[place : place + 1] = dice.choice([b"", b"\xff", b'"', b"{", b"}", b"\\u", b"1e999", b"\0", b"-"])
            else:
                del data[place : place + dice.randint(1, 20)]
        return bytes(data)

    def _changed(self):
        """Return one in which a member is missing, or is something else."""
        dice, said = self._dice, self._one()
        at = dice.choice([said, *(one for one in said.values() if isinstance(one, dict))])
        name = dice.choice([*at])
        if dice.random() < 0.3:
            del at[name]
        else:
            at[name] = dice.choice(VALUES)
        return json.dumps(said).encode()

    def _filled(self):
        """Return one with a payload at random, or of values that devices do send."""
        dice = self._dice
        if dice.random() < 0.5:
            return json.dumps(self._one(dice.randbytes(dice.choice((0, 1, 5, 7, 11, 40, 250))))).encode()
        parts = [b"\x03\x88", b"\x20\xce", b"\xff\x2e", b"\x05\x00", b"\x04\x82", b"\x84\x82", b"\x01\x75", b"\xff\x16"]
        data = b"".join(dice.choice(parts) + dice.randbytes(dice.choice((1, 2, 9, 12))) for _ in range(3))
        return json.dumps(self._one(data)).encode()

    def _noise(self):
        dice = self._dice
        other = [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"deviceInfo":' + b"[" * 5000, b'{"uplink_message":1}']
        return dice.choice([dice.randbytes(dice.choice((1, 40, 2000))), dice.choice(other)])


def run(folder, count, seed):
    """Return the account of so many uplinks."""
    dice, uplinks = random.Random(f"{seed} order"), Uplinks(seed)
    site = next(iter(CITY.sites))
    nodes = {
        f"n{n}": Node(
            id=f"n{n}",
            site=site,
            eui=eui(n),
            codec="decentlab" if n % 3 == 2 else "milesight",
            empty_mm=2500,
            full_mm=300,
        )
        for n in range(NODES)
    }
    registry = msgspec.structs.replace(CITY, nodes=nodes)
    with closing(Log(folder / "log.db")) as log:
        admission = Admission(registry, QUANTITIES, lambda: NOON)
        judging = Judging(admission, registry, log.latest, lambda: NOON)
        found, good, made = Counter(), set(), 0
        while made < count:
            outcomes = []
            for _ in range(min(BATCH, count - made)):
                made += 1
                if dice.random() < 0.3:
                    payload, again = uplinks.good()
                    good.add(payload)
                    outcomes += judged(judging, payload, found)
                    if dice.random() < 0.3:
                        outcomes += judged(judging, again, found)
                else:
                    outcomes += judged(judging, uplinks.odd(), found)
            log.commit(outcomes, NOON)
            log.keep(5000)
        return dict(found) | settle(log, found, good, lambda entry: unpack(entry.payload)[1])


def judged(judging, payload, found):
    """Return the outcomes of a message; count them."""
    try:
        outcomes = judging.judge(Came(payload, "certificate")).outcomes
        for one in outcomes:
            if isinstance(one, Refused):
                judging.judge_again(one.topic, one.payload)
    except Exception:  # noqa: BLE001 - whatever it is, it is counted
        found["tracebacks"] += 1
        found["units"] += 1  # it is in no log
        traceback.print_exc()
        return []
    found["units"] += len(outcomes)
    found["tracebacks"] += sum(isinstance(one, Refused) and one.reason == "internal" for one in outcomes)
    return outcomes


if __name__ == "__main__":
    command(__doc__, run, BAD)
