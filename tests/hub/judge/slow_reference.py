"""Judges minutes by the law in the plainest way: no windows in memory, no order, nothing of `hub.judge`.

The limits are typed here once more. ``python -m tests.hub.judge.slow_reference 10000`` compares so many windows with
the engine; the last line says how many there were and how many differ.
"""

import math
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import NamedTuple

MINUTE, HOUR, DAY = 60, 3600, 86_400
LOCAL = timezone(timedelta(hours=8))
MINUS = {3: 3, 4: 2, 5: 2, **dict.fromkeys(range(6, 11), 1)}
"""What is taken off a level in dB, by its whole difference to the background."""


def local_day(t):
    return datetime.fromtimestamp(t, UTC).astimezone(LOCAL).date()


def local_hour(t):
    return datetime.fromtimestamp(t, UTC).astimezone(LOCAL).hour


def even(value, decimals):
    """Round as GB/T 8170 has it; what differs from a tie in its tenth digit only is one."""
    exact = Decimal(repr(round(value, 9)))
    return float(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN))


def mean(values):
    return math.fsum(values) / len(values)


def energy(levels):
    return 10 * math.log10(mean([10 ** (level / 10) for level in levels]))


class Minutes:
    """What boards said: by quantity and minute a value, or None where it does not count."""

    def __init__(self):
        self.said = defaultdict(dict)

    def windows(self, key, length):
        """Yield (start, values that count) of each window in which anything was said."""
        found = defaultdict(list)
        for t, value in self.said[key].items():
            values = found[t - (t + 8 * HOUR) % length]
            if value is not None:
                values.append(value)
        return sorted(found.items())

    def hours(self, key):
        """Return the means of the valid hours by start."""
        return {start: mean(values) for start, values in self.windows(key, HOUR) if len(values) >= 45}


class Meter(NamedTuple):
    """What is stated of the instruments: class, uncertainty in dB and as a share of a limit, the city's rule."""

    kind: str = ""
    decibels: str = ""
    share: str = ""
    rule: str = "simple"

    def says(self, told, limit, share=True):
        """Return outcome and grade of a rounded value; without an uncertainty nothing is guarded."""
        width = Decimal(0)
        if share and self.share:
            width = Decimal(self.share) * Decimal(repr(limit))
        if not share and self.decibels:
            width = Decimal(self.decibels)
        over = Decimal(repr(told)) - Decimal(repr(limit))
        if self.rule == "guarded_acceptance" and width:
            above, sure = over > -width, over > 0
        elif self.rule == "guarded_rejection" and width:
            above, sure = over > 0, over > width
        else:
            above = sure = over > 0
        if not above:
            return "compliant", ""
        return "exceeded", "violation" if sure and self.kind != "indicative" else "suspicion"


STATED = (
    Meter(),
    Meter("class_1", "1.4", "0.05"),
    Meter("class_2", "2", "0.2", "guarded_rejection"),
    Meter("", "1.4", "0.1", "guarded_acceptance"),
    Meter("type_approved", "", "", "guarded_rejection"),
    Meter("indicative", "3", "0.4"),
    Meter("indicative", "1", "0.3", "guarded_acceptance"),
)


def judge(minutes, place, background, reference, meter=STATED[0]):
    """Return outcome, value and grade by (rule, start)."""
    found = {}
    found |= noise(minutes, background, meter)
    found |= air(minutes, meter)
    if place == "CN-SH":
        found |= shanghai(minutes, meter)
    if place == "CN-HE":
        found |= hebei(minutes, reference, meter)
    return found


INVALID = "invalid", ""


def tell(said, value):
    return said[0], value, said[1]


def noise(minutes, background, meter):
    found = {}
    wind = defaultdict(list)
    for key in ("wind a", "wind b"):
        for start, values in minutes.windows(key, 20 * MINUTE):
            if values:
                wind[start].append(mean(values))
    wet = {start for start, values in minutes.windows("rain b", 20 * MINUTE) if any(value > 0 for value in values)}
    elsewhere = minutes.windows("laeq area", 20 * MINUTE) if background == "r" else ()
    area = {start: energy(values) for start, values in elsewhere if len(values) >= 15}
    for key in ("laeq", "lafmax"):
        for start, values in minutes.windows(key, 20 * MINUTE):
            night = not 6 <= local_hour(start) < 22
            edition = "GB 12523-2025" if local_day(start) >= date(2026, 1, 1) else "GB 12523-2011"
            if key == "lafmax" and not night:
                continue
            rule = f"{edition} {key}-{'night' if night else 'day'}"
            value = (energy(values) if key == "laeq" else max(values)) if values else None
            if max(wind[start], default=0) >= 5 or start in wet:
                found[rule, start] = tell(INVALID, value)
                continue
            enough = len(values) >= 15
            if key == "lafmax":
                said = INVALID if value is None else meter.says(even(value, 1), 70, share=False)
                found[rule, start] = tell(said if said[0] == "exceeded" or enough else INVALID, value)
            else:
                at_rest = area.get(start) if background == "r" else background
                said = level(value, 55 if night else 70, at_rest, meter) if enough else INVALID
                found[rule, start] = tell(said, value)
    return found


def level(value, limit, background, meter):
    said = meter.says(even(value, 0), limit, share=False)
    if said[0] == "compliant":
        return said
    kept = even(value, 0) <= limit  # nearer than the uncertainty
    if background is None:
        return said if kept else ("above_uncorrected", "suspicion")
    difference = even(value - background, 0)
    if difference < 3:
        return said if kept else INVALID
    return meter.says(even(value - MINUS.get(difference, 0), 0), limit, share=False)


def air(minutes, meter):
    found = {}
    for key, places, limit in (("so2", 0, 500), ("no2", 0, 200), ("co", 1, 10), ("o3", 0, 200)):
        for start, values in minutes.windows(key, HOUR):
            new = local_day(start) >= date(2026, 3, 1)
            stage = "-transition" if new and key == "so2" else ""
            rule = f"GB 3095-{2026 if new else 2012} {key}-hour{stage}-2"
            value = mean(values) if values else None
            said = meter.says(even(value, places), limit) if len(values) >= 45 else INVALID
            found[rule, start] = tell(said, value)
    for key, old, newer in (("pm10", 150, 120), ("pm25", 75, 60)):
        hours = minutes.hours(key)
        for start, _ in minutes.windows(key, DAY):
            new = local_day(start) >= date(2026, 3, 1)
            valid = [hours[t] for t in range(start, start + DAY, HOUR) if t in hours]
            value = mean(valid) if valid else None
            rule = f"GB 3095-{2026 if new else 2012} {key}-day{'-transition' if new else ''}-2"
            said = INVALID if len(valid) < 20 else meter.says(even(value, 0), newer if new else old)
            found[rule, start] = tell(said, value)
    hours = minutes.hours("o3")
    for start, _ in minutes.windows("o3", DAY):
        running = []
        for begin in range(start, start + 17 * HOUR, HOUR):
            eight = [hours[t] for t in range(begin, begin + 8 * HOUR, HOUR) if t in hours]
            if len(eight) >= 6:
                running.append(mean(eight))
        value = max(running, default=None)
        said = INVALID if value is None else meter.says(even(value, 0), 160)
        rule = f"GB 3095-{2026 if local_day(start) >= date(2026, 3, 1) else 2012} o3-8h-2"
        found[rule, start] = tell(said if said[0] == "exceeded" or len(running) >= 14 else INVALID, value)
    return found


def beyond(said, free, used, day):
    """Return what the number of windows above makes of one: only so many are permitted a day, and must be sure."""
    if said[0] != "exceeded":
        return said
    used[day] += 1
    used[day, "sure"] += said[1] == "violation"
    if used[day] <= free:
        return "compliant", ""
    return "exceeded", said[1] if used[day, "sure"] > free else "suspicion"


def shanghai(minutes, meter):
    found = {}
    for name, limit, free in (("pm-high", 2000, 1), ("pm-low", 1000, 6)):
        used = defaultdict(int)
        for start, values in minutes.windows("tsp", 15 * MINUTE):
            value = mean(values) if values else None
            said = INVALID
            if len(values) / 15 >= 0.75:
                said = beyond(meter.says(even(value, 0), limit), free, used, local_day(start))
            found[f"DB31/964-2016 {name}", start] = tell(said, value)
    return found


def hebei(minutes, reference, meter):
    found = {}
    area = minutes.hours("pm10 area") if reference else {}
    used = defaultdict(int)
    for start, values in minutes.windows("pm10", HOUR):
        value = mean(values) if values else None
        said = INVALID
        if len(values) >= 45:
            if start in area:
                said = meter.says(even(value - min(area[start], 150), 0), 80)
            elif even(value, 0) <= 80:
                said = meter.says(even(value, 0), 80)
            elif meter.says(even(value - 150, 0), 80)[0] == "exceeded":
                said = meter.says(even(value - 150, 0), 80)
            said = beyond(said, 2, used, local_day(start))
        found["DB13/2934-2019 pm10", start] = tell(said, value)
    return found


RANGES = {
    "laeq": (48, 78),
    "lafmax": (58, 76),
    "wind a": (1, 7),
    "wind b": (1, 8),
    "rain b": (-3, 1),
    "so2": (380, 620),
    "no2": (150, 250),
    "co": (7, 13),
    "o3": (120, 230),
    "pm10": (60, 330),
    "pm25": (30, 110),
    "tsp": (600, 2600),
    "pm10 area": (20, 260),
    "laeq area": (40, 74),
}


def a_story(seed, days=3):
    """Return minutes, the pieces of half an hour in which boards say them, and the place, as a seed has them."""
    dice = Random(seed)
    place = dice.choice(("CN", "CN-SH", "CN-HE"))
    first = dice.choice(("2025-12-30", "2026-02-27", "2026-06-01"))
    midnight = int(datetime.fromisoformat(first).replace(tzinfo=LOCAL).timestamp())
    minutes, pieces = Minutes(), []
    for key, (low, high) in RANGES.items():
        gaps = dice.choice((0.0, 0.03, 0.2))
        for begin in range(midnight, midnight + days * DAY, 30 * MINUTE):
            center = dice.uniform(low, high)
            away = dice.random() < gaps
            flagged = dice.random() < 0.05
            values = []
            for t in range(begin, begin + 30 * MINUTE, MINUTE):
                if away or dice.random() < 0.01:
                    continue
                lost = flagged and dice.random() < 0.7
                places = 0 if key.startswith(("pm", "tsp")) else 1  # as boards tell them
                value = None if lost else round(center + dice.uniform(-2, 2) * (high - low) / 40, places)
                if key == "rain b" and value is not None:
                    value = max(0.0, value)
                minutes.said[key][t] = value
                values.append((t, value))
            if values:
                pieces.append((key, values))
    dice.shuffle(pieces)
    background = dice.choice((None, 30.0, 55.0, 66.5, "r", "r"))
    reference, meter = dice.random() < 0.7, STATED[seed % len(STATED)]
    return minutes, pieces, place, first, background, reference, meter, dice


def by_the_engine(pieces, place, first, background, reference, meter, dice):
    """Return what the engine says in the end: pieces come in any order, and it is judged in between."""
    from hub.judge import Instrument
    from tests.hub.judging import LIMITS, Bench

    standards = {s.id for s, _ in LIMITS} & {
        *("GB 12523-2011", "GB 12523-2025", "GB 3095-2012", "GB 3095-2026", "DB31/964-2016", "DB13/2934-2019")
    }
    noise = Instrument(meter.kind, float(meter.decibels) if meter.decibels else None, rule=meter.rule)
    rest = Instrument(meter.kind, float(meter.share) if meter.share else None, relative=True, rule=meter.rule)
    bench = Bench(
        *standards,
        where=place,
        day=first,
        background=background,
        reference="r" if reference else None,
        zone="2",
        instrument=lambda quantity: noise if quantity in ("laeq", "lafmax") else rest,
    )
    found = {}

    def take(judgements):
        for one in judgements:
            said = {"outcome": one.outcome, "grade": one.grade, "reason": one.reason}
            found[one.rule.id, one.start] = one.outcome, one.value, grade_of(said)
        bench.engine.refresh(bench.engine._sites)  # the hub lets go of closed windows after each turn

    for number, (key, values) in enumerate(pieces):
        device, quantity = {
            "wind a": ("a", "wind_speed"),
            "wind b": ("b", "wind_speed"),
            "rain b": ("b", "rain"),
            "pm10 area": ("r", "pm10"),
            "laeq area": ("r", "laeq"),
        }.get(key, ("a", key))
        for t, value in values:
            bench.engine.add(device, quantity, t, MINUTE, value)
        if dice.random() < 0.03:
            take(bench.judge(until=bench.midnight + dice.randrange(3 * DAY)))
        if number % 100 == 99:
            take(bench.judge(until=bench.midnight + number // 100 * HOUR))
    take(bench.judge(until=bench.midnight + 5 * DAY))
    return found


def grade_of(said):
    """Return the grade; of what only informs and violates nothing, the one that it would have if it bound."""
    return said["grade"] or {"exceeded": "suspicion" if said["reason"] else "violation"}.get(said["outcome"], "")


def differences(seed):
    """Return how many windows a story has, and those on which engine and reference differ."""
    minutes, pieces, place, first, background, reference, meter, dice = a_story(seed)
    expected = judge(minutes, place, background, reference, meter)
    given = by_the_engine(pieces, place, first, background, reference, meter, dice)
    judged = {key: one for key, one in given.items() if not elsewhere(key[0])}
    wrong = [
        (key, expected.get(key), judged.get(key))
        for key in expected.keys() | judged.keys()
        if not same(expected.get(key), judged.get(key))
    ]
    return len(expected), wrong


def elsewhere(rule):
    """Tell whether a limit is not among those of this reference: of other averagings of GB 3095."""
    parts = ("-year", "-p9", " so2-day", " no2-day", " co-day", " tsp-")
    return rule.startswith("GB 3095") and any(part in rule for part in parts)


def same(one, other):
    if one is None or other is None or (one[0], one[2]) != (other[0], other[2]):
        return False
    return one[1] is other[1] or (None not in (one[1], other[1]) and math.isclose(one[1], other[1], rel_tol=1e-9))


def main(windows):
    """Compare so many windows; return the exit code."""
    seen, wrong, seed = 0, [], 0
    while seen < windows:
        count, found = differences(seed)
        seen, wrong, seed = seen + count, wrong + found, seed + 1
        for one in found[:5]:
            print(f"seed {seed - 1}: {one}")
    print(f"{seen} windows, {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
