"""What rules of packs take of a message: samples, each with its identity in the log."""

from collections.abc import Iterable, Iterator, Mapping

from hub.judge.kinds.world import SOURCE, STOPS, World, names_in
from hub.judge.lateness import WRONG
from hub.judge.records import Sample, Value
from hub.log.entry import Entry
from hub.wire.channels import TERMINAL, Observed
from hub.wire.messages import Event
from hub.wire.times import MOST_AHEAD
from hub.wire.topics import Topic

SITE = "site"
"""The kind of subjects that are sites of the registry; the others are kinds of things."""
MOST_SOURCES = 100_000
"""Sources of which is remembered for what they speak."""


def samples_of(entry: Entry) -> Iterator[tuple[Sample, Topic]]:
    """Yield what a message says of single instants, and where its source was then.

    Of a record the values with flag N are states, by quantity; what is flagged is not known. An event's detail is, too.
    What is far in the future is left out: a clock that once went wrong must not end episodes.
    """
    latest = entry.received + MOST_AHEAD
    for i in entry.intervals:
        if i.t <= latest:
            place = entry.place._replace(district=i.district, site=i.site)
            yield Sample(i.t, f"{i.device}/{i.stream}/{i.seq}", states=i.values), place
    if entry.place.kind == "telemetry":
        return
    said = entry.said
    if isinstance(said, Observed):
        last = len(said.moments) - 1
        for number, one in enumerate(said.moments):
            if one.t <= latest:
                id_ = f"{entry.place.device}/{entry.offset}/{number}"
                lag = int(entry.received - one.t) if entry.channel is TERMINAL else 0
                late = None if number < last else lag if abs(lag) >= WRONG else 0
                sample = Sample(one.t, id_, one.lat, one.lon, one.radius, one.speed, one.states, late)
                yield sample, entry.place_of(number)
    elif isinstance(said, Event) and isinstance(said.detail, dict) and said.t <= latest:
        states: Mapping[str, Value] = {
            name: value for name, value in said.detail.items() if isinstance(value, (str, float, int, bool))
        }
        yield Sample(said.t, f"{entry.place.device}/{entry.offset}", states=states), entry.place


class Speakers:
    """Which things a source speaks for.

    Those of its own id; those that name it in their property `source`; and those that name one of these in their
    property `stops`: a round hears of its bins from the bins themselves. `forget` is called when the world's things are
    others than before.
    """

    def __init__(self, world: World, kinds: Iterable[str]) -> None:
        self._world = world
        self._kinds = tuple(kinds)
        self._known: dict[str, list[tuple[str, str, int, int]]] = {}

    def forget(self) -> None:
        """Let go of what is remembered of the world."""
        self._known.clear()

    def things(self, source: str, t: int) -> Iterator[tuple[str, str]]:
        """Yield kind and id of the things that it spoke for at a moment, Unix s, each once."""
        known = self._known.get(source)
        if known is None:
            if len(self._known) >= MOST_SOURCES:
                self._known.clear()
            own = list(self._own(source))
            known = self._known[source] = [*own, *self._rounds(own)]
        return iter(dict.fromkeys((kind, id_) for kind, id_, since, until in known if since <= t < until))

    def _rounds(self, stops: Iterable[tuple[str, str, int, int]]) -> Iterator[tuple[str, str, int, int]]:
        """Yield what names these things as its stops, from when, and until when."""
        for kind in self._kinds:
            for _, id_, since, until in stops:
                for term in self._world.held_by(kind, STOPS, id_):
                    yield kind, term.edition.id, max(since, term.since), min(until, term.until)

    def _own(self, source: str) -> Iterator[tuple[str, str, int, int]]:
        """Yield kind and id of the things that it ever speaks for itself, from when, and until when."""
        for kind in self._kinds:
            for term in self._world.terms(kind, source):
                if not names_in(term.edition.properties.get(SOURCE)):
                    yield kind, source, term.since, term.until
            for term in self._world.held_by(kind, SOURCE, source):
                yield kind, term.edition.id, term.since, term.until
