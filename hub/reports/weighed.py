"""What was weighed, for dashboards: tonnes of a local day by district and kind of waste, whatever rules say of it.

A point stands at the day's beginning. A weighing that is corrected or withdrawn changes its day's points; a kind of
which nothing is left becomes 0. So the same points come of it whenever they are made.
"""

import sqlite3
from collections.abc import Iterator

from hub.judge.windows import LocalTime
from hub.registry.live import Registry
from hub.reports import points
from hub.things.store import ThingStore, standing
from hub.things.weighings.book import WEIGHING, group_of, weight_of

Group = tuple[str, str]
"""District and kind of waste."""
NOWHERE = "-"
"""The district's tag where a weighing belongs to none."""


class Weighed:
    """Reads the compliance database behind `db`; what is remembered grows with days, not with weighings."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._things = ThingStore(db)
        self._newest = 0
        self._totals: dict[int, dict[Group, tuple[int, float]]] = {}  # loads and kg, by the beginning of a local day

    def points(self, registry: Registry) -> Iterator[str]:
        """Yield the points of the days of which something has changed: at first, of all."""
        rows = self._things.rows(WEIGHING, after=self._newest)
        local = LocalTime(registry.zone)
        touched = set()
        for row in rows:
            self._newest = row.serial
            # Of a further edition what those before it came to is taken back first.
            known = [row] if row.number == 1 else self._things.rows(WEIGHING, row.id)
            before = [one for one in known if one.serial < row.serial]
            for sign, editions in ((-1, before), (1, [*before, row])):
                for one in standing(editions).values():
                    if one.valid_from is not None:
                        day, thing = local.day(one.valid_from).start, one.thing()
                        of_day = self._totals.setdefault(day, {})
                        loads, kg = of_day.get(group_of(thing), (0, 0.0))
                        of_day[group_of(thing)] = loads + sign, kg + sign * weight_of(thing)
                        touched.add(day)
        for day in sorted(touched):
            for group, (loads, kg) in sorted(self._totals[day].items()):
                yield _point(day, group, loads, kg, registry)


def _point(day: int, group: Group, loads: int, kg: float, registry: Registry) -> str:
    district, waste = group
    named = registry.district_called(district) if district else None
    fields: dict[str, points.Value] = {"tonnes": round(kg / 1000, 6), "loads": loads}
    fields |= {"district_en": named.en, "district_zh": named.zh} if named else {}
    return points.point("weighed", {"district": district or NOWHERE, "waste": waste}, fields, day)
