"""A network of streets made at random: crossings on a plane in m, and the shortest ways between them."""

import heapq
import itertools
import math
import random
from collections.abc import Collection, Iterable

Spot = tuple[float, float]
"""m east and north of the city's corner."""
Edge = frozenset[int]

EVERY = 600.0  # m between two crossings
SHIFT = 70.0  # m by which chance moves each
MISSING = 0.06
"""Share of the streets that are not there."""
DEAR = 40.0
"""What is to be avoided counts so many times as long."""


class Streets:
    """A grid that is none: crossings are moved, streets are missing, and all crossings can be reached."""

    def __init__(self, columns: int, rows: int, dice: random.Random) -> None:
        self.spots: list[Spot] = [
            (
                (column + 1) * EVERY + dice.uniform(-SHIFT, SHIFT),
                (row + 1) * EVERY + dice.uniform(-SHIFT, SHIFT),
            )
            for row in range(rows)
            for column in range(columns)
        ]
        self._near: dict[int, set[int]] = {n: set() for n in range(len(self.spots))}
        for n in range(len(self.spots)):
            row, column = divmod(n, columns)
            if column + 1 < columns:
                self._join(n, n + 1)
            if row + 1 < rows:
                self._join(n, n + columns)
        for edge in dice.sample(sorted(map(sorted, self.edges())), round(MISSING * len(self.edges()))):
            one, other = edge
            # Nobody lives in a street without two ends.
            if len(self._near[one]) > 3 and len(self._near[other]) > 3:
                self._near[one].discard(other)
                self._near[other].discard(one)

    def _join(self, one: int, other: int) -> None:
        self._near[one].add(other)
        self._near[other].add(one)

    def edges(self) -> set[Edge]:
        """Return all streets, each by its two crossings."""
        return {frozenset((one, other)) for one, near in self._near.items() for other in near}

    def way(self, start: int, end: int, avoid: Collection[Edge] = ()) -> list[int]:
        """Return the crossings of the shortest way; streets to be avoided are used where there is no other."""
        best = {start: 0.0}
        before: dict[int, int] = {}
        heap = [(0.0, start)]
        while heap:
            so_far, here = heapq.heappop(heap)
            if here == end:
                break
            if so_far > best[here]:
                continue
            for there in sorted(self._near[here]):
                length = math.dist(self.spots[here], self.spots[there])
                dear = DEAR if frozenset((here, there)) in avoid else 1.0
                if so_far + dear * length < best.get(there, math.inf):
                    best[there] = so_far + dear * length
                    before[there] = here
                    heapq.heappush(heap, (best[there], there))
        found = [end]
        while found[-1] != start:
            found.append(before[found[-1]])
        return found[::-1]

    def line(self, crossings: Iterable[int]) -> list[Spot]:
        """Return the spots of crossings."""
        return [self.spots[one] for one in crossings]


def edges_of(crossings: Iterable[int]) -> list[Edge]:
    """Return the streets of a way."""
    return [frozenset(pair) for pair in itertools.pairwise(crossings)]


def length_of(line: Iterable[Spot]) -> float:
    """Return how long a line is [m]."""
    return sum(math.dist(one, other) for one, other in itertools.pairwise(line))


def along(line: list[Spot], metres: float) -> Spot:
    """Return the spot so many m along a line."""
    for one, other in itertools.pairwise(line):
        length = math.dist(one, other)
        if metres <= length:
            share = metres / length if length else 0.0
            return one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share
        metres -= length
    return line[-1]
