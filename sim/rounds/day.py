"""A day of bins, rounds and workers: what their devices send, what was planted in it, and what only looks like it.

Synthetic: no public record of such a day with all three was found. Sensors of bins send uplinks of LoRaWAN as
ChirpStack publishes them, trucks frames of JT/T 808, workers' badges frames of the watch protocol.
"""

import base64
import datetime as dt
import json
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hub.judge.kinds.world import metres_per_degree
from hub.judge.records import Edition
from hub.wire.jt808 import Header, Position, build
from hub.wire.jt808.position import digits_of
from schemas.errors import UserError
from sim.badges.badge import SOS, frame, position
from sim.trucks.city import edition
from sim.trucks.night import Planted

LAT, LON = 23.02, 113.12
"""Of the corner, degrees."""
EAST, NORTH = metres_per_degree(LAT + 0.02)
YEAR = 366 * 86_400
EMPTY_MM, FULL_MM = 1100, 100
"""What a sensor measures in an empty bin and in a full one: 10 mm are 1 %."""
EVERY = 600  # s between two uplinks of a bin
STOPS = 6
"""Bins of a round."""
PASSES = -1
"""In place of a stop's number: the truck does not stop there."""
AT_STOP, DRIVING, PARKED = 70, 10, 60  # s: how long a truck stands at a bin, between its fixes
SPEED = 7.0  # m/s between two bins
NOISE = 3.0  # m: standard deviation of a position
ROUND, OVER = 20 * 3600, 30 * 3600  # s after midnight: the night in which rounds are driven
SHIFT = 6 * 3600, 14 * 3600
BEAT = 200.0  # m from the middle of an area of work to its sides
STEP = 60  # s between two positions of a badge
WORN_OFF = 1 << 20
"""The watch is not worn."""

Spot = tuple[float, float]
"""m east and north of the corner."""


class Sent(NamedTuple):
    """What a device sends: when it comes, Unix s; `device`: its id; `way`: how (uplink, badge or truck)."""

    t: int
    device: str
    way: str
    raw: bytes


class Special(NamedTuple):
    """How a subject's day is other than usual. `rule`: what it breaks; "": nothing. `also`: what that brings about."""

    name: str
    rule: str
    kind: str
    also: tuple[str, ...] = ()


BREACHES = (
    Special("overflowing", "bin-full", "bin"),
    Special("absent", "shift-attended", "worker"),
    Special("skipped", "bin-round", "round"),
    Special("forgotten", "bin-emptied", "bin", ("bin-full",)),
    Special("left-early", "shift-attended", "worker"),
    Special("turned-back", "bin-round", "round"),
)
"""What can be planted."""
LOOK_ALIKES = tuple(
    Special(name, "", kind)
    for name, kind in (
        ("bag-on-the-rim", "bin"),
        ("taken-off-at-a-break", "worker"),
        ("stands-at-a-light", "round"),
        ("lid-open", "bin"),
        ("drift", "worker"),
        ("sensor-sleeps", "round"),
        ("frozen", "bin"),
        ("errand", "worker"),
        ("truck-drifts", "round"),
        ("emptied-in-time", "bin"),
        ("battery-empty", "worker"),
        ("no-echo", "bin"),
        ("calls-for-help", "worker"),
    )
)
"""What looks like a breach, and is none."""
RULES = frozenset(one.rule for one in BREACHES)


class Day(NamedTuple):
    """All that there is of a day."""

    midnight: int
    things: list[Edition]
    bins: dict[str, str]
    """Nodes of the registry, and their DevEUIs."""
    badges: dict[str, str]
    """Badges, and their numbers."""
    trucks: dict[str, str]
    """Terminals, and their phone numbers."""
    sent: list[Sent]
    """In the order in which it comes."""
    planted: list[Planted]
    innocent: list[Planted]


def make_day(seed: int, midnight: int, planted: int, innocent: int, usual: int = 6) -> Day:
    """Return the day that begins at the local midnight `midnight`, Unix s, and the night behind it.

    Args:
        seed: the same one makes the same day.
        midnight: see above.
        planted: how many breaches are planted, each with a subject of its own.
        innocent: how many look-alikes.
        usual: how many subjects have nothing special.
    """
    if planted + innocent + usual < 1:
        raise UserError("0 breaches, 0 look-alikes and nobody else: expected somebody; name more of them")
    dice = random.Random(f"day {seed}")  # noqa: S311 - a simulation
    specials = [BREACHES[(n + seed) % len(BREACHES)] for n in range(planted)]
    specials += [LOOK_ALIKES[(n + seed) % len(LOOK_ALIKES)] for n in range(innocent)]
    specials += [Special("", "", ("bin", "worker", "round")[n % 3]) for n in range(usual)]
    dice.shuffle(specials)
    maker = Maker(midnight)
    for number, special in enumerate(specials):
        make = {"bin": maker.bin, "worker": maker.worker, "round": maker.round}[special.kind]
        make(number, special, random.Random(f"{seed} {number}"))  # noqa: S311
    day = maker.day
    day.sent.sort(key=lambda one: one.t)
    return day


class Maker:
    """Makes the days of subjects, each at a place of its own, 3 km from the next."""

    def __init__(self, midnight: int) -> None:
        self.day = Day(midnight, [], {}, {}, {}, [], [], [])
        self._midnight = midnight
        self._counters: dict[str, int] = {}

    def bin(self, number: int, special: Special, dice: random.Random) -> None:
        """Add a bin that somebody empties when it is nearly full, or not."""
        id_, name = f"bin-{number:03}", special.name
        self._know_bin(id_, (number * 3000.0, 0.0))
        level, rate = dice.uniform(5, 30), dice.uniform(5, 9)
        full_at: int | None = None
        waits = {"overflowing": dice.randint(5000, 11_000), "forgotten": dice.randint(17_000, 25_000)}.get(name, 0)
        planted_at = dice.randint(8, 12) * 3600
        first = -4 * 86_400 if name == "frozen" else 0
        spans: list[tuple[int, int]] = []
        rim = {dice.randrange(20, 120) for _ in range(3)}
        strange = dice.randint(8, 11) * 3600
        for n, t in enumerate(range(first, 86_400, EVERY)):
            level = min(99.0, level + rate * EVERY / 3600)
            if name in {"overflowing", "forgotten", "emptied-in-time"} and full_at is None and t >= planted_at:
                full_at, level = t, 93.0
            if full_at is not None and t >= 0:
                hold = waits or EVERY
                if t - full_at >= hold:
                    spans.append((full_at, t))
                    level, full_at, planted_at = 4.0, None, 2 * 86_400
            elif level > 70:
                level = dice.uniform(2, 8)  # somebody comes in time
            said = min(100.0, max(0.0, level + dice.uniform(-1.5, 1.5)))
            tilted = False
            if name == "frozen":
                said = 91.0
            elif name == "bag-on-the-rim" and n in rim:
                said = 97.0
            elif name == "lid-open" and strange <= t < strange + 3 * 3600:
                said, tilted = 96.0, True
            millimetres = 0 if name == "no-echo" and strange <= t < strange + 5 * 3600 else _mm(said)
            self._uplink(id_, t + dice.randrange(60), millimetres, tilted=tilted)
        span = spans[0] if spans else (0, 86_400)
        self._note(special, id_, span[0] - EVERY, span[1] + EVERY)

    def round(self, number: int, special: Special, dice: random.Random) -> None:
        """Add a round of a truck along its bins."""
        id_, truck, name = f"round-{number:03}", f"truck-{number:03}", special.name
        self.day.trucks[truck] = f"0{13_700_000_000 + number}"
        base = number * 3000.0
        spots = [(base + 185.0 * (k + 1) + dice.uniform(-35, 35), dice.uniform(-60, 60)) for k in range(STOPS)]
        bins = [f"bin-{number:03}-{k}" for k in range(STOPS)]
        for one, spot in zip(bins, spots, strict=True):
            self._know_bin(one, spot)
        self._know("round", id_, {"source": truck, "stops": bins})
        missed = {"skipped": {dice.randrange(1, STOPS)}, "turned-back": {*range(STOPS // 2, STOPS)}}.get(name, set())
        stops = [(k, spot) for k, spot in enumerate(spots) if k not in missed]
        if name == "skipped":  # it goes by another street, so that nobody can think it was there
            stops = [
                (k, spot) if k not in missed else (PASSES, (spot[0], spot[1] + 160.0)) for k, spot in enumerate(spots)
            ]
        emptied = self._drive(truck, (base, -400.0), stops, name, dice)
        for k, one in enumerate(bins):
            level, rate = dice.uniform(35, 45), dice.uniform(0.3, 0.8)
            served = emptied.get(k)
            done = False
            for t in range(ROUND - 7200, OVER, EVERY):
                at = t + dice.randrange(60)
                level += rate * EVERY / 3600
                if served is not None and not done and at > served:
                    done, level = True, dice.uniform(2, 6)
                if name == "sensor-sleeps" and served is not None and served - 1200 < at < served + 3600:
                    continue  # it was asleep, or no gateway heard it
                self._uplink(one, at, _mm(level + dice.uniform(-1, 1)))
        self._note(special, id_, ROUND, OVER)

    def worker(self, number: int, special: Special, dice: random.Random) -> None:
        """Add a worker with a badge and a shift in an area."""
        id_, badge, name = f"worker-{number:03}", f"badge-{number:03}", special.name
        self.day.badges[badge] = f"88{number:08d}"
        middle = (number * 3000.0, 5000.0)
        x, y = middle
        corners = [(x - BEAT, y - BEAT), (x + BEAT, y - BEAT), (x + BEAT, y + BEAT), (x - BEAT, y + BEAT)]
        ring = [list(_degrees(spot)) for spot in [*corners, corners[0]]]
        self._know("beat", f"beat-{number:03}", {}, {"type": "Polygon", "coordinates": [ring]})
        self._know("worker", id_, {"source": [badge]})
        begin, end = (self._midnight + one for one in SHIFT)
        said = {"worker": id_, "beat": [f"beat-{number:03}"]}
        self.day.things.append(edition("shift", f"shift-{number:03}", begin, end, said))
        leaves = {"absent": 0.0, "left-early": dice.uniform(0.3, 0.55)}.get(name, 2.0)
        strange = dice.uniform(0.3, 0.5)
        here, steps = middle, 0
        for t in range(SHIFT[0] - 300, SHIFT[1] + 300, STEP):
            share = (t - SHIFT[0]) / (SHIFT[1] - SHIFT[0])
            here = tuple(  # type: ignore[assignment]
                min(at + 0.8 * BEAT, max(at - 0.8 * BEAT, one + dice.uniform(-40, 40)))
                for one, at in zip(here, middle, strict=True)
            )
            spot, status, fixed, steps = here, 0, dice.random() > 0.02, steps + dice.randrange(60)
            away = strange <= share < strange + (0.19 if name == "errand" else 0.125)
            if share >= leaves or (name in {"errand", "taken-off-at-a-break"} and away):
                spot = (here[0] + 900.0, here[1])
            if name == "taken-off-at-a-break" and away:
                status = WORN_OFF
            if name == "drift" and dice.random() < 0.08:
                spot = (here[0] + dice.choice((-1, 1)) * dice.uniform(300, 600), here[1])
            if name == "battery-empty" and share > 0.66:
                break
            noisy = tuple(one + dice.gauss(0, NOISE * 2) for one in spot)
            lon, lat = _degrees(noisy)  # type: ignore[arg-type]
            command = "UD"
            if name == "calls-for-help" and abs(share - strange) < 0.002:
                command, status, fixed = "AL", SOS, False
            moment = self._midnight + t
            content = position(command, moment, lat, lon, status, fixed=fixed, steps=steps)
            raw = frame(self.day.badges[badge], content)
            self.day.sent.append(Sent(moment + dice.randrange(5), badge, "badge", raw))
        self._note(special, id_, *SHIFT)

    def _drive(
        self, truck: str, depot: Spot, stops: list[tuple[int, Spot]], name: str, dice: random.Random
    ) -> dict[int, int]:
        """Let a truck stand at its depot, go round, and come back; return when it left each stop."""
        t, end = ROUND - 120, OVER
        left: dict[int, int] = {}
        out = ROUND + dice.randrange(1800, 5400)
        while t < out:
            self._fix(truck, t, depot, 0.0, dice)
            t += PARKED
        here = depot
        light = dice.choice(stops)[0] if name == "stands-at-a-light" else None
        for number, spot in [*stops, (PASSES, depot)]:
            for at in _between(here, spot):
                self._fix(truck, t, at, SPEED * 3.6, dice, drift=name == "truck-drifts" and dice.random() < 0.06)
                t += DRIVING
            here = spot
            if number == light:  # not far from the bin, before it is its turn
                for _ in range(2):
                    self._fix(truck, t, (spot[0] - 25.0, spot[1]), 0.0, dice)
                    t += DRIVING
            if number >= 0:
                for _ in range(AT_STOP // DRIVING + 1):
                    self._fix(truck, t, (spot[0], spot[1] - 4.0), 0.0, dice)
                    t += DRIVING
                left[number] = t
        while t < end + 120:
            self._fix(truck, t, depot, 0.0, dice)
            t += PARKED
        return left

    def _fix(self, truck: str, t: int, spot: Spot, kmh: float, dice: random.Random, *, drift: bool = False) -> None:
        noise = 150.0 if drift else 0.0
        x, y = (one + dice.gauss(0, NOISE) + noise * dice.choice((-1, 1)) for one in spot)
        lon, lat = _degrees((x, y))
        moment = self._midnight + t
        when = digits_of(dt.datetime.fromtimestamp(moment, dt.UTC))
        body = Position(0, 3, round(lat * 1e6), round(lon * 1e6), 10, round(kmh * 10), 0, when, ()).encode()
        raw = build(Header(0x0200, self.day.trucks[truck], self._count(truck) % 0x10000, None), body)
        self.day.sent.append(Sent(moment + 2, truck, "truck", raw))

    def _uplink(self, id_: str, t: int, millimetres: int, *, tilted: bool = False) -> None:
        data = bytes.fromhex("0175640482") + millimetres.to_bytes(2, "little") + bytes((5, 0, tilted))
        moment = self._midnight + t
        said = {
            "time": dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(),
            "deviceInfo": {"devEui": self.day.bins[id_]},
            "devAddr": "00189440",
            "fPort": 85,
            "fCnt": self._count(id_),
            "data": base64.b64encode(data).decode(),
        }
        self.day.sent.append(Sent(moment + 1, id_, "uplink", json.dumps(said).encode()))

    def _count(self, of: str) -> int:
        self._counters[of] = self._counters.get(of, 0) + 1
        return self._counters[of]

    def _know_bin(self, id_: str, spot: Spot) -> None:
        self.day.bins[id_] = f"24e124{len(self.day.bins):010x}"
        geometry: dict[str, object] = {"type": "Point", "coordinates": list(_degrees(spot))}
        self._know("bin", id_, {"source": [id_], "waste": "other"}, geometry)

    def _know(self, kind: str, id_: str, said: dict[str, object], geometry: dict[str, object] | None = None) -> None:
        since = self._midnight - 30 * 86_400
        self.day.things.append(edition(kind, id_, since, since + YEAR, said, geometry))

    def _note(self, special: Special, id_: str, start: int, end: int) -> None:
        if not special.name:
            return
        start, end = self._midnight + start, self._midnight + end
        where = self.day.planted if special.rule else self.day.innocent
        where.append(Planted(id_, special.rule, start, end, special.name))
        where += [Planted(id_, rule, start, end, special.name, brought=True) for rule in special.also]


def _mm(percent: float) -> int:
    return round(EMPTY_MM - (EMPTY_MM - FULL_MM) * min(100.0, max(0.0, percent)) / 100)


def _degrees(spot: Spot) -> tuple[float, float]:
    return round(LON + spot[0] / EAST, 7), round(LAT + spot[1] / NORTH, 7)


def _between(one: Spot, other: Spot) -> Iterator[Spot]:
    """Yield the spots at which a truck tells where it is, on its way from one to another."""
    length = max(abs(one[0] - other[0]), abs(one[1] - other[1]))
    pieces = max(1, int(length / (SPEED * DRIVING)))
    along: Callable[[int], float] = lambda n: n / pieces  # noqa: E731
    for n in range(pieces):
        yield one[0] + (other[0] - one[0]) * along(n), one[1] + (other[1] - one[1]) * along(n)
