"""A night of work: every truck's fixes as bodies of 0200, what was planted in it, and what only looks like it."""

import datetime as dt
import math
import random
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from hub.judge.records import Edition
from hub.wire.jt808 import Item, Position
from hub.wire.jt808.position import digits_of
from schemas.errors import UserError
from sim.trucks.city import YEAR, City, Place, degrees, edition, route
from sim.trucks.streets import Spot, along, edges_of, length_of

PROFILE = "trwy"
"""Of their terminals: it says where load, cover and lift stand."""
ACC, FIXED, LOADED, OPEN, LIFTED, MAINTENANCE = 1 << 0, 1 << 1, 1 << 28, 1 << 29, 1 << 30, 1 << 31
OVERSPEED, ANTENNA, POWER = 1 << 1, 1 << 5, 1 << 8
DRIVING, STANDING = 10, 30  # s between two fixes
NOISE = 4.0  # m: standard deviation of a position
AT_NIGHT, UNTIL = dt.timedelta(hours=20, minutes=10), dt.timedelta(hours=28, minutes=30)
BEFORE = dt.timedelta(hours=18, minutes=30)
"""Local time: they begin, begin no more trips, and begin when it is not allowed yet."""
LEAST, MOST = 3500.0, 11_000.0  # m of an approved route that is driven


class Planted(NamedTuple):
    """A breach that was planted: whose, of which rule, from when to when (Unix s), and what else it brings about."""

    truck: str
    rule: str
    start: int
    end: int
    what: str
    brought: bool = False
    """It was brought about by another breach, and counts for nothing but that it is no false find."""


class Fix(NamedTuple):
    """What a terminal has to say of a moment; `late`: it comes when all others have come."""

    t: int
    body: bytes
    late: bool = False


class Doing(msgspec.Struct, frozen=True):
    """What is other than usual at some moment."""

    status: int = 0
    """Bits that are set beside those that should be."""
    without: int = 0
    """Bits that are not set, though they should be."""
    alarm: int = 0
    kmh: float | None = None
    away: float = 0.0
    """How far the position is off [m]."""
    silent: bool = False
    late: bool = False


USUAL = Doing()
Alter = Callable[[float], Doing]
"""What is other than usual by the share of the way that was driven."""
Halt = tuple[float, int, Doing]
"""At which share of the way somebody stands, for how long [s], and how."""


class Special(NamedTuple):
    """How a trip, or a night, is other than usual. `rule`: what it breaks; "": nothing."""

    name: str
    rule: str
    also: tuple[str, ...] = ()
    nightly: bool = False
    """It is the whole night's."""


BREACHES = (
    Special("open", "muck-sealed"),
    Special("fast", "muck-speed"),
    Special("detour", "muck-route"),
    Special("early", "muck-hours"),
    Special("dumped", "muck-dumped", ("muck-manifest", "muck-route")),
    Special("dug", "muck-dug", ("muck-manifest", "muck-route")),
    Special("no-manifest", "muck-manifest"),
    Special("other-target", "muck-manifest"),
    Special("unsigned", "muck-manifest"),
    Special("no-permit", "muck-permit", nightly=True),
    Special("unbalanced", "muck-balance"),
    Special("silent", "muck-heard"),
    Special("blind", "muck-located"),
    Special("power", "muck-powered"),
    Special("antenna", "muck-antenna"),
    Special("cover-bridged", "muck-cover-sensor", nightly=True),
    Special("load-stuck", "muck-load-sensor", nightly=True),
    Special("lift-stuck", "muck-lift-sensor", nightly=True),
)
"""What can be planted."""
LOOK_ALIKES = tuple(
    Special(name, "")
    for name in (
        "tunnel-jam",
        "drift",
        "maintenance",
        "cleaning",
        "late-manifest",
        "blind-area",
        "alarm-stays",
        "trembling-load",
        "parked-loaded",
        "one-fast-fix",
    )
)
"""What looks like a breach, and is none."""


class Night(NamedTuple):
    """All that there is of a night."""

    things: list[Edition]
    late: list[Edition]
    """Those that become known when the night is over."""
    fixes: Mapping[str, list[Fix]]
    """By truck."""
    planted: list[Planted]
    innocent: list[Planted]


def make_night(seed: int, midnight: int, trucks: int, planted: int, innocent: int, hours: float = 8.3) -> Night:
    """Return a night that begins on the evening of the local day that begins at `midnight`, Unix s.

    Args:
        seed: the same one makes the same night.
        midnight: see above.
        trucks: how many.
        planted: how many breaches are planted.
        innocent: how many look-alikes.
        hours: how long trips are begun.
    """
    if planted + innocent > trucks:
        raise UserError(
            f"{planted} breaches and {innocent} look-alikes: each needs a truck of its own, and there are {trucks}; "
            "name more trucks, or fewer of them"
        )
    dice = random.Random(f"night {seed}")  # noqa: S311 - a simulation
    city = City(dice, midnight - 30 * 86_400)
    specials: list[Special | None] = [BREACHES[(n + seed) % len(BREACHES)] for n in range(planted)]
    specials += [LOOK_ALIKES[(n + seed) % len(LOOK_ALIKES)] for n in range(innocent)]
    specials += [None] * (trucks - len(specials))
    dice.shuffle(specials)
    night = Night(city.things(), [], {}, [], [])
    fixes: dict[str, list[Fix]] = {}
    for number, special in enumerate(specials):
        truck = Truck(f"truck-{number:04}", city, random.Random(f"{seed} {number}"), midnight)  # noqa: S311
        truck.work(special, hours)
        fixes[truck.id] = truck.fixes
        night.things.extend(truck.things)
        night.late.extend(truck.late)
        night.planted.extend(truck.planted)
        night.innocent.extend(truck.innocent)
    return night._replace(fixes=fixes)


class Truck:
    """One truck and its night."""

    def __init__(self, id_: str, city: City, dice: random.Random, midnight: int) -> None:
        self.id = id_
        self.things: list[Edition] = []
        self.late: list[Edition] = []
        self.fixes: list[Fix] = []
        self.planted: list[Planted] = []
        self.innocent: list[Planted] = []
        self._city = city
        self._dice = dice
        self._midnight = midnight
        self._t = 0
        self._nightly = USUAL
        self._drift = False
        self._wander = 0.0, 0.0

    def work(self, special: Special | None, hours: float) -> None:
        """Work for a night."""
        dice, name = self._dice, special.name if special else ""
        company = f"hauler-{dice.randrange(3)}"
        self._know("vehicle", self.id, plate=f"粤A{self.id[-4:]}0", company=company, capacity_m3=18.0)
        if name != "no-permit":
            self._know("haul_permit", f"hp-{self.id}", number=self.id, vehicle=[self.id], company=company)
        self._nightly = {
            "cover-bridged": Doing(without=OPEN),
            "load-stuck": Doing(without=LOADED),
            "lift-stuck": Doing(without=LIFTED),
        }.get(name, USUAL)
        begin = BEFORE if name == "early" else AT_NIGHT
        first = self._t = self._midnight + int(begin.total_seconds()) + dice.randrange(0, 600, 10)
        last = self._midnight + int((AT_NIGHT + dt.timedelta(hours=hours)).total_seconds())
        depot = dice.choice(self._city.depots)
        project, dump = self._choose(tunnel=name == "tunnel-jam")
        here = depot
        number, chosen = 0, 0 if name == "early" else 1
        least = 3 if special and special.nightly else chosen + 1
        while self._t < last or number < least:
            only = special if special and not special.nightly and number == chosen else None
            here = self._trip(number, here, project, dump, only)
            number += 1
            if name == "early" and number == 1:
                self._t = max(self._t, self._midnight + int(AT_NIGHT.total_seconds()))
        self._drive(self._way(here, depot), ())
        if name in ("cleaning", "maintenance"):
            self._at_the_depot(depot, name)
        if special and special.nightly:
            self.planted.append(Planted(self.id, special.rule, first, self._t, name))

    def _choose(self, *, tunnel: bool) -> tuple[Place, Place]:
        """Return a site and a dump site whose route is neither short nor long."""
        pairs = [(project, dump) for project in self._city.projects for dump in self._city.dumps]
        fit = [pair for pair in pairs if LEAST < length_of(self._city.line(*pair)) < MOST] or pairs
        if tunnel:
            fit = [pair for pair in pairs if self._in_tunnel(self._city.line(*pair)) is not None] or fit
        return self._dice.choice(fit)

    def _in_tunnel(self, line: list[Spot]) -> float | None:
        """Return at which share of a way the middle of its first tunnel is."""
        length = length_of(line)
        inside = [n / 200 for n in range(201) if self._city.in_tunnel(along(line, length * n / 200))]
        if not inside:
            return None
        first = [one for one in inside if one - inside[0] < 500 / length]
        return first[len(first) // 2]

    def _trip(self, number: int, here: Place, project: Place, dump: Place, special: Special | None) -> Place:
        """Drive to a site, load, carry, dump; return where the truck is then."""
        name = special.name if special else ""
        taken = self._dice.choice(self._city.lots) if name == "dug" else project
        brought = self._dice.choice(self._city.lots) if name == "dumped" else dump
        self._drive(self._way(here, taken), ())
        began = self._t
        self._stand(taken.spot, 240 + 30 * self._dice.randrange(4), OPEN)
        loaded = self._t
        self._stand(taken.spot, 90, OPEN | LOADED)
        self._stand(taken.spot, 60, LOADED)
        line = self._city.line(taken, brought) if taken is project and brought is dump else self._way(taken, brought)
        if name == "detour":
            line = self._detour(project, dump)
        alter, halts = self._special(name, line)
        start = self._t
        self._drive(line, halts, LOADED, alter)
        end = self._t
        leaving = self._t
        self._stand(brought.spot, 60, LOADED)
        self._stand(brought.spot, 60, LOADED | OPEN)
        self._stand(brought.spot, 60, LOADED | OPEN | LIFTED)
        dumped = self._t
        self._stand(brought.spot, 60, OPEN | LIFTED)
        self._stand(brought.spot, 120, OPEN)
        self._manifest(number, name, project, dump, loaded, dumped)
        if special is not None:
            spans = {
                "muck-dumped": (leaving, self._t),
                "muck-dug": (began, start),
                "muck-manifest": (loaded, dumped),
                "muck-balance": (loaded, dumped),
            }
            first, last = spans.get(special.rule, (start, end))
            found = self.planted if special.rule else self.innocent
            # What a breach brings about holds of the whole trip.
            found.append(Planted(self.id, special.rule, first, last, name))
            found += [Planted(self.id, rule, began, self._t, name, brought=True) for rule in special.also]
        return brought

    def _manifest(self, number: int, name: str, project: Place, dump: Place, loaded: int, dumped: int) -> None:
        if name == "no-manifest":
            return
        other = next(one for one in self._city.dumps if one is not dump)
        said: dict[str, object] = {
            "vehicle": self.id,
            "project": project.id,
            "dump_site": (other if name == "other-target" else dump).id,
            "corridor": [route(project, dump)],
            "material": "soil",
            "loaded_m3": float(self._dice.randint(14, 18)),
            "loaded_t": 25.0,
            "unloaded_t": 15.0 if name == "unbalanced" else 25.0 - self._dice.random(),
            "signed_haulier": _time(loaded - 60),
        }
        if name != "unsigned":
            said["signed_builder"] = _time(loaded)
        found = edition("manifest", f"m-{self.id[-4:]}-{number}", loaded - 240, dumped + 900, said)
        (self.late if name == "late-manifest" else self.things).append(found)

    def _special(self, name: str, line: list[Spot]) -> tuple[Alter, tuple[Halt, ...]]:
        """Return what is other than usual on a loaded drive."""
        length = length_of(line)
        doings = {
            "open": Doing(status=OPEN),
            "power": Doing(alarm=POWER),
            "antenna": Doing(alarm=ANTENNA),
            "alarm-stays": Doing(alarm=OVERSPEED),
            "blind-area": Doing(late=True),
        }
        halting = {
            "silent": Doing(silent=True),
            "blind": Doing(without=FIXED),
        }
        if name in doings:
            return lambda share: doings[name] if 0.2 < share < 0.8 else USUAL, ()
        if name == "fast":
            wide = max(0.15, 900 / length)
            return lambda share: Doing(kmh=84.0) if 0.5 - wide < share < 0.5 + wide else USUAL, ()
        if name in halting:
            return _as_usual, ((self._open_road(line), 900, halting[name]),)
        if name == "parked-loaded":  # that the engine stops is said, and then nothing more
            share = self._open_road(line)
            return _as_usual, ((share, 30, Doing(without=ACC)), (share, 900, Doing(silent=True)))
        if name == "tunnel-jam":
            jam = self._in_tunnel(line)
            return _as_usual, () if jam is None else ((jam, 840, Doing(without=FIXED)),)
        if name == "drift":
            return lambda _: Doing(away=180.0) if self._dice.random() < 0.12 else USUAL, ()
        if name == "trembling-load":
            return lambda _: Doing(without=LOADED) if self._dice.random() < 0.06 else USUAL, ()
        if name == "one-fast-fix":
            told = iter((Doing(kmh=110.0),))
            return lambda share: next(told, USUAL) if share > 0.5 else USUAL, ()
        return _as_usual, ()

    def _open_road(self, line: list[Spot]) -> float:
        """Return a share of a way at which there is neither a tunnel nor a site near."""
        length = length_of(line)
        places = [one.spot for one in (*self._city.projects, *self._city.dumps)]
        for share in (0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65, 0.3, 0.7):
            spot = along(line, length * share)
            # Within 200 m of a tunnel silence is excused.
            if self._city.to_tunnel(spot) > 300 and all(math.dist(spot, one) > 400 for one in places):
                return share
        return 0.5

    def _detour(self, project: Place, dump: Place) -> list[Spot]:
        way = self._city.ways[project.id, dump.id]
        other = self._city.streets.way(project.gate, dump.gate, edges_of(way)[1:-1])
        return [project.spot, *self._city.streets.line(other), dump.spot]

    def _way(self, here: Place, there: Place) -> list[Spot]:
        return [here.spot, *self._city.streets.line(self._city.streets.way(here.gate, there.gate)), there.spot]

    def _at_the_depot(self, depot: Place, name: str) -> None:
        """Clean the body, or try the sensors: it is lifted, and says that it is loaded, and that it is not."""
        x, y = depot.spot
        spot = (x + 600.0, y)
        self._stand(spot, 300, 0)
        self._stand(spot, 180, LIFTED | OPEN)
        if name == "maintenance":
            for states in (LOADED, LOADED | LIFTED, LIFTED, LOADED, 0):
                self._stand(spot, 180, states | MAINTENANCE)
        self._stand(spot, 120, 0)
        self.innocent.append(Planted(self.id, "", self._t - 1500, self._t, name))

    def _know(self, kind: str, id_: str, **said: object) -> None:
        since = self._city.since
        self.things.append(edition(kind, id_, since, since + YEAR, said))

    def _stand(self, spot: Spot, seconds: int, states: int, doing: Doing = USUAL) -> None:
        for _ in range(max(1, seconds // STANDING)):
            self._fix(spot, 0.0, states, doing)
            self._t += STANDING

    def _drive(self, line: list[Spot], halts: Iterable[Halt], states: int = 0, alter: Alter | None = None) -> None:
        """Drive along a line. Drivers slow down where they must, and none drives evenly."""
        length, metres, kmh = length_of(line), 0.0, 30.0
        waiting = sorted(halts, key=lambda one: one[0])
        while metres < length:
            share = metres / length
            spot = along(line, metres)
            doing = alter(share) if alter else USUAL
            kmh += (self._dice.uniform(34, 52) - kmh) * 0.4
            if self._city.is_slow(spot, 150.0) or min(metres, length - metres) < 250:
                kmh = self._dice.uniform(20, 26)
            if doing.kmh is not None:
                kmh = doing.kmh
            self._fix(spot, kmh, states, doing)
            self._t += DRIVING
            while waiting and share >= waiting[0][0]:
                _, seconds, how = waiting.pop(0)
                self._stand(spot, seconds, states, how)
            metres += kmh / 3.6 * DRIVING
            if doing.kmh is not None:
                kmh = min(kmh, 50.0)

    def _fix(self, spot: Spot, kmh: float, states: int, doing: Doing) -> None:
        if doing.silent:
            return
        dice = self._dice
        # Errors of a receiver are alike from one fix to the next.
        self._wander = tuple(0.8 * one + dice.gauss(0, NOISE * 0.6) for one in self._wander)  # type: ignore[assignment]
        x, y = (at + off + doing.away * dice.choice((-1, 1)) for at, off in zip(spot, self._wander, strict=True))
        status = (ACC | FIXED | states | doing.status) & ~(doing.without | self._nightly.without)
        if self._city.in_tunnel(spot):
            status &= ~FIXED
        lon, lat = degrees((x, y))
        when = digits_of(dt.datetime.fromtimestamp(self._t, dt.UTC))
        tenths = round(kmh * 10)
        items = (Item(0x03, tenths.to_bytes(2)), Item(0x31, bytes((dice.randint(7, 14),))))
        place = (round(lat * 1e6), round(lon * 1e6)) if status & FIXED else (0, 0)
        body = Position(doing.alarm, status, *place, 20, tenths, 0, when, items).encode()
        self.fixes.append(Fix(self._t, body, doing.late))


def _as_usual(_: float) -> Doing:
    return USUAL


def _time(t: int) -> str:
    return dt.datetime.fromtimestamp(t, dt.UTC).isoformat()
