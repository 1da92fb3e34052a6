"""Draws what a channel measured during the check as a small curve, within the page and in black on white."""

from collections.abc import Sequence
from html import escape

from firmware.channels import quantity, symbol, unit
from schemas.language import Lang, Text

FIRST = ("laf", "la", "laeq", "pm10", "tsp", "pm25")
"""What is drawn of a sensor that gives several; of others the first channel."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 340, 92, 40, 16, 6
"""Units of the drawing; letters have 9."""
Course = Sequence[tuple[float, float]]
"""Seconds since the check began, and values."""


def drawn(given: Sequence[str], courses: dict[str, Course]) -> str | None:
    """Return which channel of a sensor is drawn; None: it gave too little for a curve."""
    there = [one for one in given if len(courses.get(one, ())) >= 2]
    return next((one for one in FIRST if one in there), there[0] if there else None)


def curve(sensor: str, channel: str, course: Course, lang: Lang) -> str:
    """Return a figure with its caption."""
    entry = quantity(channel)
    digits = entry.resolution if entry else 1
    values = [value for _, value in course]
    low, high = min(values), max(values)
    least = 2 * 10.0**-digits  # a sensor that does not move is drawn as a line, not as noise
    bottom, top = (low, high) if high - low >= least else ((low + high - least) / 2, (low + high + least) / 2)
    begin, end = course[0][0], course[-1][0]
    span = end - begin or 1.0

    def x(t: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 4) * (t - begin) / span

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (value - bottom) / (top - bottom)

    points = " ".join(f"{x(t):.1f},{y(value):.1f}" for t, value in course)
    said = f"{escape(sensor)} {escape(symbol(channel))}"
    of = escape(unit(channel))
    range_ = f"{low:.{digits}f} – {high:.{digits}f} {of}".rstrip()
    seconds = escape(Text(f"{span:.0f} s", f"{span:.0f} 秒").into(lang))
    floor, ceiling = _HEIGHT - _BOTTOM, _TOP
    return f"""<figure class="curve"><figcaption>{said}: {range_}</figcaption>
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}: {range_}, {seconds}">
<path class="axis" d="M{_LEFT} {ceiling}V{floor}H{_WIDTH - 4}"/>
<text x="{_LEFT - 3}" y="{ceiling + 7}" text-anchor="end">{top:.{digits}f}</text>
<text x="{_LEFT - 3}" y="{floor}" text-anchor="end">{bottom:.{digits}f}</text>
<text x="{_LEFT}" y="{_HEIGHT - 4}">0</text>
<text x="{_WIDTH - 4}" y="{_HEIGHT - 4}" text-anchor="end">{seconds}</text>
<polyline points="{points}"/></svg></figure>"""
