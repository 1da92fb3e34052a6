"""Counts an interval's levels by half decibels, so that the hub can tell what was exceeded 10 % of an hour or a night.

The levels exceeded in a long time cannot be made of those exceeded in short ones, but counts can be added up.
"""

STEP = 2  # bins a decibel: each bin is a level rounded to 0.5 dB, so no level is told wrong by more than 0.25 dB
DIGITS = 15  # every reader of JSON holds whole numbers of so many digits exactly


def members(levels, clipped=()):
    """Return the counts of `levels`, dB, as members of a record's `r`: `"h1_134":120731,"h2_160":12`.

    `clipped`: what is certain of levels that were higher, the sound being beyond the instrument: their members begin
    with c. The key tells how many digits a count has, and the level of the last one: 134 is 67 dB. Each count before it
    is 0.5 dB higher.
    """
    return ",".join(_runs("h", levels) + _runs("c", clipped))


def _runs(letter, levels):
    counts = {}
    for level in levels:
        place = int(STEP * level + 0.5)
        counts[place] = counts.get(place, 0) + 1
    texts = []
    while counts:
        first = min(counts)
        width = len(str(counts[first]))
        # As few digits as the lowest level needs; a count with more begins a number of its own.
        size = DIGITS // width
        run = [counts.get(first + place, 0) for place in range(size)]
        for place in range(size):
            if run[place] >= 10**width:
                run = run[:place]
                break
        for place in range(len(run)):
            counts.pop(first + place, None)
        digits = "".join(["%0*d" % (width, count) for count in reversed(run)]).lstrip("0")
        texts.append('"%s%d_%d":%s' % (letter, width, first, digits))
    return texts
