"""Which record numbers of a stream the hub has: exactly-once rests on this arithmetic, so it stands alone."""

import bisect


class Numbers:
    """The set of numbers that are done with, of the numbers 1, 2, 3, ...

    Kept as sorted, disjoint, non-adjacent ranges `[first, after the last)`. Records arrive nearly in order, so there is
    seldom more than one.
    """

    def __init__(self, ranges: list[tuple[int, int]] | None = None) -> None:
        self._ranges = ranges or []

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges, to be kept and given to the constructor again."""
        return list(self._ranges)

    @property
    def complete(self) -> int:
        """The highest N such that every number from 1 to N is done with; 0 when 1 is not."""
        return self._ranges[0][1] - 1 if self._ranges and self._ranges[0][0] == 1 else 0

    def add(self, first: int, after: int) -> list[tuple[int, int]]:
        """Mark `first <= number < after` as done with; return the ranges of those that were not before."""
        if first >= after:
            return []
        # Ranges that touch or overlap [first, after)
        low = bisect.bisect_left(self._ranges, first, key=lambda r: r[1])
        high = bisect.bisect_right(self._ranges, after, key=lambda r: r[0])
        touched = self._ranges[low:high]
        fresh = []
        at = first
        for begin, end in touched:
            if at < begin:
                fresh.append((at, begin))
            at = max(at, end)
        if at < after:
            fresh.append((at, after))
        if touched:
            first, after = min(first, touched[0][0]), max(after, touched[-1][1])
        self._ranges[low:high] = [(first, after)]
        return fresh
