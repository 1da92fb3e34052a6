"""A working day at a site, made up: what is heard and blown over its fence, and what leaves its stack.

The scenarios of the domain packs are the day's programme; the code below only turns a line of them into a value. Every
value is a pure function of seed, channel and time: a run can be repeated, and its numbers be computed again.
"""

import datetime as dt
import math
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from itertools import pairwise
from statistics import NormalDist
from zoneinfo import ZoneInfo

from schemas.domains import packs
from schemas.domains.entries import Activity, Course, Profile
from schemas.domains.pack import together
from schemas.errors import UserError
from sim.city.source import Source

SHANGHAI = ZoneInfo("Asia/Shanghai")
STANDARD_NORMAL = NormalDist()


def profiles() -> dict[str, Profile]:
    """Return what goes on at simulated sites, by the name of the profile."""
    return together("the profile", packs(), lambda pack: pack.scenario.profile)


CITY_LAF = (
    ("00:00", 45.0),
    ("03:30", 43.0),
    ("05:30", 47.0),
    ("07:30", 56.0),
    ("13:00", 54.0),
    ("18:00", 56.5),
    ("20:30", 53.0),
    ("22:00", 47.5),
    ("24:00", 45.0),
)
"""What the city sounds like at the fence when the site is at rest: local time and dB(A)."""

CITY_PM10 = 60.0
"""µg/m3 that the wind brings from elsewhere, on the average."""

CITY_SHARE = {"pm1": 0.40, "pm25": 0.60, "pm10": 1.0, "tsp": 1.6}
SITE_SHARE = {"pm1": 0.04, "pm25": 0.15, "pm10": 1.0, "tsp": 2.1}
"""Beside PM10: city dust comes mostly from burning and is fine, site dust is ground and coarse.

TSP of a site by the size multipliers of US EPA's AP-42, section 13.2.4: 0.74 below 30 um, 0.35 below 10 um.
"""

STROKE_EVERY_S = 1.5
F_DECAY_DB_S = 34.7
"""How fast a level with time weighting F falls after the sound has stopped (IEC 61672-1)."""

PASSAGE_EVERY_S = 300
PASSAGE_NEAR_S = 4.0
"""Time in which a vehicle covers a stretch as long as its nearest distance to the microphone."""


class WorkingDay(Source):
    """The day of one profile, every day the same but for chance."""

    def __init__(self, profile: str, seed: int, zone: ZoneInfo = SHANGHAI) -> None:
        known = profiles()
        if profile not in known:
            raise UserError(f"there is no site profile '{profile}'; expected one of: {', '.join(known)}")
        self.profile = known[profile]
        self._channels = {channel for other in known.values() for channel in other.course}
        self._seed = seed
        self._zone = zone

    def value(self, channel: str, t: float) -> float | None:
        """Return the value at ``t`` (see `Source`); what the place has no sensor for is not answered."""
        local = dt.datetime.fromtimestamp(t, self._zone)
        second = local.hour * 3600 + local.minute * 60 + local.second
        if channel == "laf":
            return self._laf(t, second)
        if course := self.profile.course.get(channel):
            return self._course(channel, course, t, second)
        if channel in SITE_SHARE:
            return self._dust(channel, t, second)
        if channel in self._channels:
            return None
        raise ValueError(f"no channel {channel!r}")

    def _laf(self, t: float, second: int) -> float:
        city = _at(CITY_LAF, second) + self._wander("city", t, 600) + 0.8 * self._gauss("city", int(t))
        levels = [city, *(self._sound(activity, t) for activity in self._under_way(second))]
        return 10 * math.log10(sum(10 ** (level / 10) for level in levels))

    def _sound(self, activity: Activity, t: float) -> float:
        if activity.sound == "strokes":
            # Drawn, not counted from stroke to stroke: a sped-up clock would sample every stroke at the same moment.
            since = STROKE_EVERY_S * self._uniform(f"moment of {activity.what}", int(t))
            return activity.laf + 2 * self._gauss(activity.what, int(t)) - F_DECAY_DB_S * since
        if activity.sound == "passages":
            turn, into = divmod(t, PASSAGE_EVERY_S)
            nearest = PASSAGE_EVERY_S * (0.1 + 0.8 * self._uniform(f"moment of {activity.what}", int(turn)))
            spreading = 10 * math.log10(1 + ((into - nearest) / PASSAGE_NEAR_S) ** 2)
            return activity.laf + 1.5 * self._gauss(activity.what, int(turn)) - spreading
        return activity.laf + 1.5 * self._gauss(activity.what, int(t))

    def _dust(self, channel: str, t: float, second: int) -> float:
        # The wind and the sensor's own scatter move all sizes together, so PM1 <= PM2.5 <= PM10 <= TSP always.
        city = CITY_PM10 * math.exp(0.3 * self._wander("air mass", t, 6 * 3600))
        gust = math.exp(0.4 * self._wander("wind", t, 900))
        site = gust * sum(activity.pm10 for activity in self._under_way(second))
        scatter = math.exp(0.03 * self._gauss("dust", int(t)))
        return scatter * (CITY_SHARE[channel] * city + SITE_SHARE[channel] * site)

    def _course(self, channel: str, course: Course, t: float, second: int) -> float:
        usual = _at(course.points, second)
        swing = 0.02 * self._wander(channel, t, 120) + 0.005 * self._gauss(channel, int(t))
        return course.rest + (usual - course.rest) * (1 + swing)

    def _under_way(self, second: int) -> list[Activity]:
        return [activity for activity in self.profile.activity if _within(activity, second)]

    def _uniform(self, name: str, step: int) -> float:
        digest = blake2b(f"{self._seed}/{name}/{step}".encode(), digest_size=4).digest()
        return (int.from_bytes(digest, "big") + 0.5) / 2**32

    def _gauss(self, name: str, step: int) -> float:
        return STANDARD_NORMAL.inv_cdf(self._uniform(name, step))

    def _wander(self, name: str, t: float, period_s: float) -> float:
        """Return a smooth curve of about -2..2 that turns about once in ``period_s``, as wind does."""
        step, into = divmod(t, period_s)
        share = (1 - math.cos(math.pi * into / period_s)) / 2
        return self._gauss(name, int(step)) * (1 - share) + self._gauss(name, int(step) + 1) * share


@cache
def _second(time_of_day: str) -> int:
    hour, minute = time_of_day.split(":")
    return int(hour) * 3600 + int(minute) * 60


def _within(activity: Activity, second: int) -> bool:
    start, end = _second(activity.start), _second(activity.end)
    return start <= second < end if start < end else second >= start or second < end


def _at(points: Sequence[tuple[str, float]], second: int) -> float:
    for (start, a), (end, b) in pairwise(points):
        if second < _second(end):
            return a + (b - a) * (second - _second(start)) / (_second(end) - _second(start))
    raise ValueError(f"the table ends before second {second} of the day")
