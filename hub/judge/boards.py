"""What is remembered of a board: its quantities, the windows that their readings fall in, how far it is judged."""

from typing import NamedTuple, Protocol

from hub.judge.cells import Cell
from hub.judge.permitted import PermittedLimit
from hub.judge.rules import Node, Place
from hub.judge.verdicts import Decision, InstrumentClass
from hub.judge.windows import DAY

KEEP = 8 * DAY
"""How long after its end a window is judged again when data come late [s]."""
NEVER = 1 << 62


class Background(NamedTuple):
    """The background of a site's noise: measured there while it was at rest, or by a board that does not hear it."""

    quantity: str
    level: float | None
    """In the quantity's unit; None: what `board` measures in the same window."""
    measured: int
    """When, Unix s: it holds for the same part of the day only. What a board measures has its own time."""
    since: int
    """It holds for windows that begin then or later, Unix s..."""
    until: int
    """...and before this."""
    board: str = ""
    """That measures it all the time."""


class Instrument(NamedTuple):
    """How good the instrument is that measures a quantity at a board, and how its uncertainty is taken into account."""

    kind: InstrumentClass = ""
    uncertainty: float | None = None
    """Expanded (k = 2): in the quantity's unit, or, with `relative`, as a share of the limit. None: not stated."""
    relative: bool = False
    rule: Decision = "simple"
    """The city's."""

    def at(self, limit: float | None) -> float | None:
        """Return the expanded uncertainty at a limit, in the quantity's unit; None: it is not stated."""
        if self.uncertainty is None or not self.relative:
            return self.uncertainty
        return None if limit is None else self.uncertainty * abs(limit)

    @property
    def decision(self) -> Decision:
        """The rule by which is decided: without an uncertainty there is no guard band."""
        return "simple" if self.uncertainty is None else self.rule


UNSTATED = Instrument()


class Marked(NamedTuple):
    """A span that a mark takes out, Unix s; `end` is the first moment after it."""

    begin: int
    end: int
    mark: int
    """Its number."""


class Sites(Protocol):
    """What the engine must know of the city."""

    def place(self, device: str) -> Place | None:
        """Return what limits ask of a board's site; None: the board is not known."""

    def neighbours(self, device: str) -> tuple[str, ...]:
        """Return the boards of a board's site, itself among them."""

    def backgrounds(self, device: str) -> tuple[Background, ...]:
        """Return the backgrounds of a board's site: those measured there, and the boards that measure it elsewhere."""

    def starting(self, device: str) -> tuple[tuple[int, int], ...]:
        """Return when the plant of a board's site is declared to be started or stopped: spans of Unix s."""

    def marked(self, device: str, quantity: str, start: int, end: int) -> tuple[Marked, ...]:
        """Return what those who are watched have marked as invalid in `start` <= t < `end`, the earliest first."""

    def instrument(self, device: str, quantity: str) -> Instrument:
        """Return what is stated of the instrument that measures a quantity at a board."""

    def permit(self, device: str, quantity: str, t: int) -> PermittedLimit | None:
        """Return what a permit allows where a board measures, at a moment; asked only of `Place.permitted`."""

    def reference(self, device: str) -> str | None:
        """Return the board that measures the background of the area for a board; None: there is none."""

    def referring(self, device: str) -> tuple[str, ...]:
        """Return the boards for which a board measures the background, of the area or of noise."""


class Slot(NamedTuple):
    """One kind of window that a series' readings fall in."""

    span: str
    length: int | None
    part: tuple[int, int] | None
    nodes: tuple[Node, ...]
    companions: tuple[Node, ...]
    """Nodes of other quantities, which this one voids or converts."""


class Series:
    """One quantity of one board."""

    __slots__ = ("begin", "board", "current", "device", "end", "energy", "quantity", "slots")

    def __init__(self, board: "JudgedBoard", quantity: str, energy: bool) -> None:
        self.board = board
        self.device = board.device
        self.quantity = quantity
        self.energy = energy
        self.begin = self.end = 0  # the local day for which the slots hold
        self.slots: tuple[Slot, ...] = ()
        self.current: list[Cell | None] = []


class JudgedBoard:
    """A board: its quantities, how far it is judged, and what is to be judged."""

    __slots__ = ("before", "closed", "device", "due", "ends", "pending", "series")

    def __init__(self, device: str) -> None:
        self.device = device
        self.series: dict[str, Series] = {}
        self.closed = 0  # windows that end up to here are over
        self.before = 0  # `closed` as it was before the last judging
        self.due = NEVER  # the earliest end of a pending window
        self.ends = NEVER  # the earliest end of a cell in memory
        self.pending: dict[tuple[Node, int], int] = {}  # windows to be judged, with their end
