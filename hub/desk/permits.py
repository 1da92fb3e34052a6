"""What a permit says where a verdict or an alert cites it: no catalogue has it, things with editions do."""

import sqlite3
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from hub.judge.kinds.world import World
from hub.judge.rules import law_of_permit
from hub.judge.stacks.permits import LIMIT, OUTLET, PERMIT, Permits
from hub.judge.windows import LocalTime
from hub.things.store import ThingStore
from schemas import Limit, Quantity, Standard


def permit_cited(
    db: sqlite3.Connection, rule: str, t: int, quantities: Mapping[str, Quantity], zone: ZoneInfo
) -> tuple[Standard, Limit] | None:
    """Return the permit and its limit that a rule names (``NUMBER ID``), as they held at a moment, Unix s.

    None: the rule is of no permit, or it did not hold after all.
    """
    things = ThingStore(db)
    rows = things.rows(LIMIT, rule.rpartition(" ")[2])
    if not rows:
        return None
    named = [row.thing().properties for row in rows]
    for kind, property_ in ((PERMIT, "permit"), (OUTLET, "outlet")):
        for id_ in sorted({str(one[property_]) for one in named if property_ in one}):
            rows += things.rows(kind, id_)
    permits = Permits(World(things.as_judged(rows)))
    for one in named:
        held = permits.limit(str(one.get("outlet")), str(one.get("pollutant")), t)
        if held is not None and rule == f"{held.number} {held.id}":
            return law_of_permit(held, quantities[held.pollutant], LocalTime(zone).day(max(held.since, 0)).date)
    return None
