"""Early warning: how much of an open window's budget is used up, and when the limit will be broken if it goes on so.

A limit on an LAeq of 20 min is a budget of sound energy, 20 min x 10^(limit/10): what a window has had of it already,
no silence takes back. For a limit on an arithmetic mean, the budget is the limit times the window's length.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from hub.judge import Cell, Rule
from hub.judge.verdicts import Warning as Early
from hub.registry.live import Site

LEAST_USED = 0.5
"""With less of the budget used, nobody is warned of what may come: a lorry at a window's beginning is no news."""

_EXPECTED, _CERTAIN = 1, 2


class Outlook(NamedTuple):
    """What is to be expected of an open window."""

    used: float
    """Share of the budget; of a maximum: how the highest value (of a level: its energy) relates to the limit."""
    certain: bool
    """The limit can no longer be kept, whatever follows."""
    reached_at: float | None
    """When the budget will be used up, Unix s; None: not in this window."""


def outlook(statistic: str, limit: float, decimals: int, cell: Cell) -> Outlook:
    """Return what is to be expected of a window.

    Args:
        statistic: ``energy_mean``, ``mean`` or ``max``.
        limit: which the value must not be above, in the quantity's unit.
        decimals: the value is rounded to so many before it is compared: by half of the last one it may be above.
        cell: what has been measured of the window up to `cell.seen`.
    """
    just_kept = limit + 0.5 * 10**-decimals
    if statistic == "max":
        certain = cell.highest > just_kept
        return Outlook(10 ** ((cell.highest - limit) / 10), certain, float(cell.seen) if certain else None)
    energy = statistic == "energy_mean"
    length = cell.end - cell.start
    budget, broken = (length * (10 ** (level / 10) if energy else level) for level in (limit, just_kept))
    certain = cell.total > broken
    if certain:
        return Outlook(cell.total / budget, certain=True, reached_at=float(cell.seen))
    rate = cell.recent
    reached = cell.seen + (broken - cell.total) / rate if rate > 0 else None
    return Outlook(
        cell.total / budget, certain=False, reached_at=reached if reached is not None and reached < cell.end else None
    )


def warnings_of(
    rules: Iterable[Rule], cell: Cell, site: Site, device: str, weather: Callable[[Rule], bool]
) -> Iterator[Early]:
    """Yield the warnings to be given of an open window now, each once as expected and once as certain.

    None is given of a window that the weather voids as it was up to now: `weather` tells whether it does.
    """
    given: dict[str, int] = msgspec.json.decode(cell.warned) if cell.warned else {}
    for rule in rules:
        before = given.get(rule.id, 0)
        if before == _CERTAIN:
            continue
        limit, decimals = rule.compared_with
        found = outlook(rule.limit.statistic, limit, decimals, cell)
        expected = found.reached_at is not None and found.used >= LEAST_USED
        level = _CERTAIN if found.certain else _EXPECTED if expected else 0
        if level > before and not weather(rule):
            given[rule.id] = level
            cell.warned = msgspec.json.encode(given).decode()
            yield Early(
                district=site.district,
                site=site.id,
                device=device,
                rule=rule.id,
                standard=rule.standard,
                limit=rule.limit,
                quantity=rule.limit.quantity,
                start=cell.start,
                end=cell.end,
                limit_value=limit,
                unit=rule.unit,
                used=found.used,
                certain=found.certain,
                reached_at=found.reached_at,
                seen=cell.seen,
            )
