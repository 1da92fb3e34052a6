"""A city on a plane: places and samples in metres east and north of a corner, rules and verdicts in a line each."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec

from hub.judge.kinds import course_of
from hub.judge.kinds.docket import Docket
from hub.judge.kinds.world import World, metres_per_degree
from hub.judge.records import Edition, Sample
from hub.judge.windows import LocalTime
from schemas.domains.entries import Rule

LAT, LON = 23.0, 113.1
EAST, NORTH = metres_per_degree(LAT)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def degrees(x, y):
    """Return longitude and latitude of a spot, m east and north of the corner."""
    return LON + x / EAST, LAT + y / NORTH


def box(west, south, east, north):
    """Return a rectangle as GeoJSON."""
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return {"type": "Polygon", "coordinates": [[degrees(*spot) for spot in ring]]}


def line(*spots):
    """Return a line as GeoJSON."""
    return {"type": "LineString", "coordinates": [degrees(*spot) for spot in spots]}


def point(x, y):
    """Return a point as GeoJSON."""
    return {"type": "Point", "coordinates": degrees(x, y)}


def thing(kind, id_, geometry=None, number=1, since=None, until=None, *, withdrawn=False, **properties):
    """Return an edition of a thing."""
    return Edition(
        kind=kind,
        id=id_,
        number=number,
        valid_from=since,
        valid_until=until,
        withdrawn=withdrawn,
        properties=properties,
        geometry=geometry,
    )


def sample(t, x=None, y=None, radius=0.0, speed=None, id_=None, **states):
    """Return a sample; its identity is its time unless it is named."""
    lon, lat = (None, None) if x is None else degrees(x, y)
    return Sample(t, str(t) if id_ is None else id_, lat, lon, radius, speed, states)


def rule(kind, grade="violation", of="vehicle", in_force=dt.date(2026, 1, 1), ends=None, **params):
    """Return a rule with these params."""
    return Rule(
        en="a rule",
        zh="一条规则",
        id=f"{kind}-rule",
        kind=kind,
        citation="a city's rule",
        verified="U",
        in_force=in_force,
        ends=ends,
        grade=grade,
        of=of,
        params={name.rstrip("_"): value for name, value in params.items()},
    )


class Bench:
    """One subject, `truck`, under one rule, whose verdicts are taken as whoever keeps them takes them."""

    def __init__(self, rule, *editions, zone=SHANGHAI, since=0):
        self.local = LocalTime(zone)
        self.world = World(editions)
        self.docket = Docket(rule, "truck", course_of(rule, self.world, self.local, "truck", since), self.local)
        self.said = []  # everything, in the order in which it was said
        self.held = {}

    def add(self, *samples):
        """Take samples."""
        self.docket.add(samples)
        return self

    def judge(self, until):
        """Judge, and keep what holds: a batch's verdicts take effect together."""
        news = self.docket.judge(until, now=float(until))
        for one in news:
            if one.amends is not None:
                assert one.amends in {earlier.start for earlier in self.said}, "it amends what was never said"
                self.held.pop(one.amends, None)  # what was withdrawn is held no more
        self.said += news
        self.held |= {one.start: one for one in news if one.reason != "withdrawn"}
        return news

    def end(self, until):
        """Return what holds in the end as (start, end, outcome, grade, reason), by start; no end: it goes on."""
        self.judge(until)
        held = sorted(self.held.items())
        return [(start, None if v.open else v.end, v.outcome, v.grade, v.reason) for start, v in held]


def local(text, day="2026-03-02", zone=SHANGHAI):
    """Return the Unix time of a local time of day, or of a date and a time."""
    whole = text if "T" in text else f"{day}T{text}"
    return int(dt.datetime.fromisoformat(whole).replace(tzinfo=zone).timestamp())


def plain(verdict):
    """Return a verdict as builtins."""
    return msgspec.to_builtins(verdict)
