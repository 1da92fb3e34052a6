"""Slow and plain: the same rules over whole lists of samples, in pure Python, with no index and nothing remembered."""

import itertools
import math


def inside_polygon(x, y, corners):
    """Return whether a spot lies in a polygon, by the crossings of a ray."""
    inside = False
    for (x1, y1), (x2, y2) in itertools.pairwise([*corners, corners[0]]):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def to_line(x, y, spots):
    """Return the distance of a spot from a line, m."""
    best = math.inf
    for (x1, y1), (x2, y2) in itertools.pairwise(spots):
        dx, dy = x2 - x1, y2 - y1
        along = ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy) if dx or dy else 0
        along = min(1, max(0, along))
        best = min(best, math.hypot(x - x1 - along * dx, y - y1 - along * dy))
    return best


def in_polygons(x, y, radius, polygons):
    """Return whether a spot with an error radius lies in one of some polygons; None: it cannot be told."""
    doubt = False
    for corners in polygons:
        edge = to_line(x, y, [*corners, corners[0]])
        margin = edge if inside_polygon(x, y, corners) else -edge
        if margin >= radius:
            return True
        doubt = doubt or margin >= -radius
    return None if doubt else False


def and_(one, other):
    """Return Kleene's and."""
    if one is False or other is False:
        return False
    return None if None in (one, other) else True


def runs(items, joined):
    """Cut a list between neighbours that do not belong together."""
    found = []
    for item in items:
        if found and joined(found[-1][-1], item):
            found[-1].append(item)
        else:
            found.append([item])
    return found


def episodes(asked, least, gap, grade="violation"):
    """Return the findings of sorted (t, applies, broken, reason) as (start, end, outcome, grade, reason)."""
    stretches, current = [], []
    for t, applies, broken, reason in asked:
        if applies is False or (current and t - current[-1][0] > gap):
            stretches.append(current)
            current = []
        if applies is not False:
            value = False if broken is False else (True if broken and applies else None)
            current.append((t, value, reason or "state_unknown"))
    stretches.append(current)
    found = []
    for stretch in filter(None, stretches):
        before = len(found)
        for clean, samples in itertools.groupby(stretch, key=lambda one: one[1] is False):
            if clean:
                continue
            group = list(samples)
            certain = runs([one for one in group if one[1]], lambda one, later: later[0] - one[0] <= gap)
            certain = [run for run in certain if run[-1][0] - run[0][0] >= least]
            found += [(run[0][0], run[-1][0] + 1, "exceeded", grade, "") for run in certain]
            if not certain and group[-1][0] - group[0][0] >= least:
                some = any(one[1] for one in group)
                why = next((one[2] for one in group if one[1] is None), "gap")
                found.append(
                    (
                        group[0][0],
                        group[-1][0] + 1,
                        "exceeded" if some else "invalid",
                        "suspicion" if some else grade,
                        why,
                    )
                )
        if len(found) == before:
            found.append((stretch[0][0], stretch[-1][0] + 1, "compliant", grade, ""))
    return sorted(found)
