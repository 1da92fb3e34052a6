"""What a permit allows at an outlet: it takes the place of the hourly limits of standards."""

from typing import NamedTuple


class PermittedLimit(NamedTuple):
    """A concentration that a permit allows at an outlet, and by what it holds."""

    id: str
    """Of its thing."""
    pollutant: str
    """Key of the quantity."""
    value: float
    """mg/m3, mean of an hour."""
    reference_o2: float | None
    """%; None: as measured."""
    void_o2: float
    """With so much oxygen or more the plant is started, stopped or at rest [%]."""
    number: str
    """Of the permit."""
    outlet: str
    """Id."""
    outlet_number: str
    cited: tuple[tuple[str, str, int], ...]
    """Editions of the permit, the limit and the outlet: kind, id, number."""
    since: int
    """From when on they hold together, Unix s."""
    stopped_below: float | None = None
    """With a flow below it the plant is at rest [m3/s]."""
