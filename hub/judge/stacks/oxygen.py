"""Conversion to the reference oxygen, and the comparison with what a station has converted by itself."""

AIR = 21.0
"""Oxygen of air as the standards for stacks have it, %."""
DILUTED = 20.0
"""From here on the conversion multiplies so much that what a station converted by itself is not compared, %."""


def converted(value: float, oxygen: float, reference: float) -> float | None:
    """Return a concentration at the reference oxygen (%): rho x (21 - reference) / (21 - oxygen).

    HJ 212-2017, appendix D (P). None: there is as much oxygen as in air, or more, and nothing that could be converted.
    """
    return None if oxygen >= AIR else value * (AIR - reference) / (AIR - oxygen)


def rounding_of(value: float, factor: float, oxygen: float, decimals: int, decimals_o2: int) -> float:
    """Return by how much two conversions of one measurement may differ by rounding alone.

    Both values and the oxygen are rounded to half a unit of their last decimal; the measured value's error is
    multiplied by `factor`, the oxygen's (%) turns the converted `value` by its share of what is missing to air.
    """
    half = 0.5 * 10.0**-decimals
    return half * (1 + factor) + abs(value) * 0.5 * 10.0**-decimals_o2 / (AIR - oxygen)
