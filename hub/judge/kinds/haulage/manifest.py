"""Manifest: each trip has a document of its own that says what was done: from where, to where, when, what, signed.

    kind = "manifest"
    params = {trip = {from = {kinds = ["project"]}, to = {kinds = ["dump_site"]}}, origin = "project",
              target = "dump_site", by = {by = "manifest", of = "vehicle"}, signed = ["signed_builder"],
              material = "material", accepted = "accepts", loads = "loads", amount = "loaded_m3", unit = "m3"}

Of several documents that are open, that which fits the trip best is its own, and counts for no other trip. What comes
after the trip is taken as if it had been there: a document says itself from when it holds.
"""

import datetime as dt

import msgspec

from hub.judge.kinds.conditions import Permit, Seconds
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.haulage.trips import Cycle, EachTrip, End, Trip
from hub.judge.kinds.world import Term, World, names_in
from hub.judge.records import Finding
from hub.judge.verdicts import Outcome
from schemas.domains.entries import Id


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says. All names but those in `trip` are properties of the document."""

    trip: Cycle
    by: Permit
    """The kind of documents, and their property that names the vehicle."""
    origin: Id | None = None
    """Names the place where the load is taken."""
    target: Id | None = None
    """Names the place where it is left."""
    signed: tuple[Id, ...] = ()
    """Times at which somebody signed: each must be there, and not later than the trip's end."""
    material: Id | None = None
    accepted: Id | None = None
    """The property of places that lists which materials they take."""
    loads: Id | None = None
    """How many trips it is for; where it does not say, or nothing is named here, one."""
    amount: Id | None = None
    """How much is carried: a verdict's value."""
    unit: str = ""
    early: Seconds = 0.0
    """So long before it holds the load may be taken [s]."""
    late: Seconds = 0.0
    """So long after it holds the load may be left [s]."""

    def __post_init__(self) -> None:
        """Refuse half of a comparison."""
        if (self.material is None) != (self.accepted is None):
            raise ValueError("expected material and accepted together, or neither")


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    return Folded(Manifests(params, setting))


FAULTS = ("outside_window", "other_origin", "other_target", "other_material", "not_signed")
"""What may be wrong with a document, the gravest first; each is a reason of a verdict."""


class Manifests(EachTrip):
    """Looks for each trip's document; remembers those that were used."""

    def __init__(self, params: Params, setting: Setting) -> None:
        super().__init__(params.trip, setting)
        self._params = params
        self._used: dict[str, tuple[int, int]] = {}  # by document: trips, and the end of the last

    def judge(self, trip: Trip) -> Finding:
        """See `EachTrip`."""
        term, faults, doubts = self._best(trip)
        outcome: Outcome = "compliant"
        reason = ""
        if term is None:
            outcome, reason = "exceeded", "no_manifest"
        elif faults:
            outcome, reason = "exceeded", faults[0]
        elif doubts:
            outcome, reason = "invalid", doubts[0]
        cited = (*((term.cited,) if term else ()), *trip.origin.cited, *trip.target.cited)
        amount = term.edition.properties.get(self._params.amount or "") if term else None
        return Finding(
            start=trip.start,
            end=trip.end + 1,
            outcome=outcome,
            grade=self._setting.rule.grade,
            reason=reason,
            value=float(amount) if isinstance(amount, (int, float)) else None,
            unit=self._params.unit if isinstance(amount, (int, float)) else "",
            evidence=trip.evidence,
            samples=trip.samples,
            editions=tuple(dict.fromkeys(cited)),
        )

    def _best(self, trip: Trip) -> tuple[Term | None, list[str], list[str]]:
        """Return the trip's document, and what is wrong with it or not known; it counts as used from now on."""
        by, world = self._params.by, self._setting.world
        near = [
            term
            for term in world.held_by(by.by, by.of, self._setting.subject)
            # What begins when the trip is over is the next one's, whatever is allowed at either end.
            if term.since <= trip.left
            and term.until + self._params.late > trip.loaded
            and self._used.get(term.edition.id, (0, 0))[0] < self._loads(term)
        ]
        judged = [(term, *self._compare(term, trip)) for term in near]
        if not judged:
            return None, [], []
        term, faults, doubts = min(
            judged, key=lambda one: (len(one[1]), len(one[2]), abs(one[0].since - trip.loaded), one[0].edition.id)
        )
        kept = {id_: one for id_, one in self._used.items() if one[1] > trip.start - 32 * 86_400}
        self._used = kept | {term.edition.id: (kept.get(term.edition.id, (0, 0))[0] + 1, trip.end)}
        return term, faults, doubts

    def _loads(self, term: Term) -> int:
        said = term.edition.properties.get(self._params.loads or "")
        return int(said) if isinstance(said, (int, float)) else 1

    def _compare(self, term: Term, trip: Trip) -> tuple[list[str], list[str]]:
        params, said = self._params, term.edition.properties
        faults, doubts = set(), []
        if not (term.since - params.early <= trip.loaded and trip.left < term.until + params.late):
            faults.add("outside_window")
        ends = (("other_origin", params.origin, trip.origin), ("other_target", params.target, trip.target))
        for fault, name, end in ends:
            wrong, doubt = _elsewhere(names_in(said.get(name)) if name else (), end)
            if wrong:
                faults.add(fault)
            elif doubt:
                doubts.append(doubt)
        if params.material is not None and self._refused(said.get(params.material), trip):
            faults.add("other_material")
        if any(not _by(said.get(name), trip.end) for name in params.signed):
            faults.add("not_signed")
        return [one for one in FAULTS if one in faults], doubts

    def _refused(self, material: object, trip: Trip) -> bool:
        """Tell whether the place where it was left says what it takes, and that is something else."""
        world: World = self._setting.world
        for one in trip.target.cited if trip.target.inside else ():
            term = world.in_force(one.kind, one.id, trip.end)
            takes = names_in(term.edition.properties.get(self._params.accepted or "")) if term else ()
            if takes and material is not None and str(material) not in takes:
                return True
        return False


def _elsewhere(named: tuple[str, ...], end: End) -> tuple[bool, str]:
    """Tell whether a load was taken or left elsewhere than a document says; else why that is not known."""
    if not named:
        return False, ""
    if end.inside is None:
        return False, end.reason or "position_uncertain"
    return not {one.id for one in end.cited} & set(named), ""


def _by(said: object, t: int) -> bool:
    """Tell whether a property is a time not later than a moment."""
    try:
        return isinstance(said, str) and dt.datetime.fromisoformat(said).timestamp() <= t
    except ValueError:
        return False
