"""The files of a domain pack as TOML holds them; ``schemas/domains/README.md`` tells how each is written.

A pack is a folder whose name is its id. Only ``pack.toml`` must be there::

    pack.toml        `Manifest`: names, kinds of sites, families of quantities, what a limit may ask of a site
    quantities.toml  quantities of its own, as in ``schemas/quantities.toml``
    limits/*.toml    standards of its own, as in ``schemas/limits/``
    things.toml      `Things`: what it watches beside sites, such as vehicles, bins and permits
    marks.toml       `Marks`: for what reasons those who are watched may mark their own data as invalid
    rules/*.toml     `Rules`: what is asked beside limits
    sensors.toml     `Sensors`: a technician's templates
    boards.toml      `Boards`: how boards at its sites are to work
    panels.toml      `Dashboard`: what a site of it shows
    texts.toml       titles and descriptions of its panels, as in ``dashboards/texts.toml``
    scenario.toml    `Scenario`: sites that are simulated, and their day
"""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec

from schemas.faults import takes
from schemas.language import Text, clause_text
from schemas.standards import TimeOfDay, Verified

Id = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,31}\Z", extra=takes("1 to 32 of a-z, 0-9, - and _ in quotes, a letter first")
    ),
]
"""Of a pack, and of whatever it declares; unique over all packs, each kind of declaration by itself."""
PlaceId = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z", extra=takes("1 to 32 of a-z, 0-9 and -, in quotes"))
]
"""Of a district or site, as it stands in topics."""
Said = Annotated[str, msgspec.Meta(min_length=1, extra=takes("a text, in quotes"))]
"""What people read: never empty."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What something is called."""

    en: Said
    zh: Said


class SiteKind(Names, frozen=True, forbid_unknown_fields=True):
    """A kind of sites."""

    one: Said
    """One of them in an English sentence: "a construction site"."""
    assumed: bool = False
    """Commands that judge recorded data assume this kind where nobody names one."""


class Family(Names, frozen=True, forbid_unknown_fields=True):
    """A family of quantities."""

    by: Id | None = None
    """The property whose values tell at what it is measured, such as a stack's plant; None: at the site itself."""


class PropertyEntry(Names, frozen=True, forbid_unknown_fields=True):
    """What a limit may ask of a site, and which values it can have."""

    values: Annotated[dict[str, Names], msgspec.Meta(min_length=1)]
    default: str | None = None
    """Assumed where nobody says otherwise; None: it must be said."""


class Manifest(Names, frozen=True, forbid_unknown_fields=True):
    """``pack.toml``."""

    id: Id
    """The name of its folder."""
    kind: dict[Id, SiteKind] = {}
    """Kinds of sites, as a registry names them."""
    family: dict[Id, Family] = {}
    """Families of quantities beside those that all share: each is a measurement in InfluxDB."""
    property: dict[Id, PropertyEntry] = {}


Geometry = Literal["point", "line", "area"]


class ThingProperty(Names, frozen=True, forbid_unknown_fields=True):
    """What is known of a thing beside its name, place and dates."""

    type: Literal["text", "number", "integer", "boolean", "date", "time", "choice", "thing"]
    """choice: one of `values`. thing: the id of another thing, of kind `of`. time: with an offset."""
    unit: str | None = None
    """UCUM code of a number's unit."""
    required: bool = False
    values: dict[str, Names] = {}
    of: Id | None = None
    several: bool = False
    """It is a list."""
    least: float | None = None
    most: float | None = None
    """Bounds of a number, inclusive."""


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Things of kind `by` that name another one in their property `of`, such as the permits of a rule's subject."""

    by: Id
    of: Id


EventCode = Annotated[
    str, msgspec.Meta(pattern=r"^\d{4}\Z", extra=takes("four digits, main and minor class, in quotes"))
]
"""A class of events, as ``schemas/cases/codes.toml`` has them."""


class Duty(Names, frozen=True, forbid_unknown_fields=True):
    """What a patrol looks at."""

    codes: Annotated[tuple[EventCode, ...], msgspec.Meta(min_length=1)]
    """The classes of events that break it; the likeliest first."""


Points = Annotated[float, msgspec.Meta(ge=0, le=100)]


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well something keeps its duties, as points of 100: each term gives its points, or fewer.

    A term that cannot be known is left out, and the others count for 100.
    """

    days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    """So many days back visits and breaches count."""
    document: Points
    """While its document is in force, else 0."""
    kept: Points
    """By the share of answers at visits that were "kept", of those that apply; without a visit there is no score."""
    cases: Points
    """Less `each_case` for each case of a patrol that is not over."""
    rules: Points
    """Less `each_breach` for each verdict of a rule that it broke; left out where no sensor speaks for it."""
    each_case: Points
    each_breach: Points
    bands: Annotated[dict[Id, Points], msgspec.Meta(min_length=1)]
    """What is told of it in public: the first band whose points it has, the highest first."""

    def __post_init__(self) -> None:
        """Refuse terms that do not add up, and a score that is in no band."""
        total = self.document + self.kept + self.cases + self.rules
        if total != 100:
            raise ValueError(f"document, kept, cases and rules add up to {total:g}; expected 100")
        if min(self.bands.values()) != 0:
            raise ValueError("expected a band that begins at 0, so that every score is in one")


class Patrol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How things of a kind are visited by collectors; each then has a plate with a code, and a page for everybody."""

    duty: Annotated[dict[Id, Duty], msgspec.Meta(min_length=1, max_length=6)]
    along: Id
    """The property that names what they are visited along, such as a street."""
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 7
    """So many days after a visit the next one is due."""
    number: Id | None = None
    """The property that is the number on the plate."""
    where: Id | None = None
    """The property that says in words where it is."""
    shown: tuple[Id, ...] = ()
    """The properties that everybody may read who has its plate's address."""
    score: Score | None = None
    document: Holding | None = None
    """What must be in force for it, such as an agreement; whether it is, everybody may read."""


class ThingKind(Names, frozen=True, forbid_unknown_fields=True):
    """A kind of things."""

    geometry: tuple[Geometry, ...] = ()
    """The shapes it may have; none: it has no place of its own."""
    placed: bool = False
    """Each must have a geometry."""
    validity: bool = False
    """Each edition must say from when to when it holds, as permits do."""
    personal: bool = False
    """Each is a person: rules may watch it, and nobody is shown where it is or was."""
    people_private: bool = False
    """Who answers for one is told to those alone who work with them: names and telephone numbers of persons."""
    patrol: Patrol | None = None
    property: dict[Id, ThingProperty] = {}


class Things(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``things.toml``."""

    thing: dict[Id, ThingKind]


Hours = Annotated[float, msgspec.Meta(ge=0, le=120, extra=takes("hours from 0 to 120"))]
"""At most 5 days: hours are judged again up to 8 days later, and an officer has the rest to look at a mark."""


class MarkKind(Names, frozen=True, forbid_unknown_fields=True):
    """A reason for which a period of measuring does not count, as those who are watched mark it themselves."""

    of: Literal["instrument", "plant"]
    """Whether what measures or what is measured was out of its ordinary state."""
    back_h: Hours
    """So long before it was logged a mark may begin [h]; what begins earlier changes nothing."""
    deadline_h: Hours
    """So long after its end it must be logged, its proof included [h]; what comes later changes nothing."""
    longest_h: Annotated[float, msgspec.Meta(gt=0, le=8784)]
    """The longest period [h]."""
    verified: Verified
    """How well the deadline is known."""
    state: Literal["", "starting", "stopping", "stopped"] = ""
    """What the plant was doing where it was not in ordinary operation."""
    proof: bool = True
    """It counts once a document proves it."""
    source: str = ""


class Marks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``marks.toml``."""

    families: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1)]
    """The families of quantities that can be marked."""
    mark: Annotated[dict[Id, MarkKind], msgspec.Meta(min_length=1)]


class Responsible(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for a breach: whom the subject, its permits and the places that decided name."""

    kind: Id
    """Of things, such as companies."""
    named: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1)]
    """Properties, of whatever the verdict cites, that name one."""
    permits: tuple[Holding, ...] = ()
    """What is cited, too, beside the subject itself."""


class Rule(Names, frozen=True, forbid_unknown_fields=True):
    """One rule that is no limit."""

    id: Id
    kind: Id
    """Which code of ``hub/judge/`` judges it, such as area, route, hours, state, level, coverage, presence or gap."""
    citation: Said
    """The law, standard or contract that asks for it."""
    verified: Verified
    """How well what it says is known."""
    in_force: dt.date
    ends: dt.date | None = None
    """First local day on which it is no longer in force."""
    jurisdiction: str = "CN"
    """A code of ``schemas.jurisdictions``."""
    grade: Literal["violation", "suspicion"] = "violation"
    of: Id | None = None
    """The kind of things it watches; None: sites."""
    site_kinds: tuple[Id, ...] = ()
    """The kinds of sites at which it holds; none named: all."""
    citation_zh: str = ""
    """What it is called in Chinese; empty: as in `citation`."""
    clause: str | None = None
    source: str = ""
    note: str = ""
    responsible: Responsible | None = None
    """Its verdicts on breaches cite those who answer for them, as they were then."""
    params: dict[str, Any] = {}
    """What its kind asks for, and checks."""

    @property
    def cited(self) -> Text:
        """Citation and clause, as people are told them."""
        return cited(Text(self.citation, self.citation_zh or self.citation), self.clause)


def cited(citation: Text, clause: str | None) -> Text:
    """Return a citation with where in it something stands: a bare number is that of an article."""
    if not clause:
        return citation
    said = Text(f"article {clause}", f"第{clause}条") if clause.isdecimal() else clause_text(clause)
    return Text(f"{citation.en}, {said.en}", f"{citation.zh}，{said.zh}")


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of ``rules/``."""

    rule: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1)]


class Sensors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sensors.toml``: settings of drivers as ``edge/drivers/README.md`` tells them, by the template's name."""

    sensor: dict[Id, dict[str, Any]]


class Boards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``boards.toml``: how boards at sites of the pack's kinds are to work, once a city has taken it over."""

    board: dict[Id, Any]
    """As ``schemas/messages/config.schema.json`` tells each; boards' own rules check them."""


Height = Annotated[int, msgspec.Meta(ge=2, le=30)]
Width = Annotated[int, msgspec.Meta(ge=3, le=24)]


class Panel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One panel: what it draws, out of the palette of ``dashboards/domain.py``, and its size in Grafana's grid."""

    draw: Id
    height: Height
    width: Width
    text: Id | None = None
    """Its table in ``texts.toml``; None: the one that is called as what it draws."""
    quantities: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    """Quantities whose limits are drawn, too."""
    without: tuple[str, ...] = ()
    """Quantities that it leaves out."""
    rules: tuple[Id, ...] = ()
    """Rules that are no limits."""
    things: tuple[Id, ...] = ()
    """Kinds of things."""


class Dashboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``panels.toml``: the dashboard of one site of the pack's kinds; of a pack without any, of districts."""

    name: Id
    """Of its file and in its address; its title and description stand under it in the texts."""
    panel: Annotated[tuple[Panel, ...], msgspec.Meta(min_length=1)]
    since: str = "now-24h"
    """What is seen first, as Grafana writes it."""


class Activity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something done at a site every day, as it arrives at the fence."""

    start: TimeOfDay
    """Local time."""
    end: TimeOfDay
    """Local time; earlier than `start` when it runs over midnight."""
    what: Said
    laf: float
    """dB(A): the usual level of a steady sound, the usual peak of a stroke or a passage."""
    pm10: float
    """µg/m3 that it adds to the PM10 at the fence."""
    sound: Literal["steady", "strokes", "passages"] = "steady"


class Course(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value over the day: straight lines run between the points."""

    points: Annotated[tuple[tuple[str, float], ...], msgspec.Meta(min_length=2)]
    """Local time from 00:00 to 24:00, and the usual value in the catalogue's unit."""
    rest: float = 0.0
    """What is there without the site; chance moves the distance from it."""


MADE = ("laf", "pm1", "pm25", "pm10", "tsp")
"""Sample channels that the city and the activities of a profile give: noise, and dust of every size."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes on at a simulated site, every day."""

    kind: Id
    what: Said
    activity: tuple[Activity, ...] = ()
    sensors: tuple[Id, ...] = ()
    """Templates of Modbus sensors that its boards have beside a noise meter and a dust sensor."""
    course: dict[str, Course] = {}
    """What those sensors measure, by sample channel; of what activities make (`MADE`) only where it is another one."""


class SimulatedSite(Names, frozen=True, forbid_unknown_fields=True):
    """A site of the simulated city."""

    id: PlaceId
    district: PlaceId
    profile: Id
    boards: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    zone_class: Literal["0", "1", "2", "3", "4", "4a", "4b"] | None = None
    """As in a registry, as the properties are."""
    properties: dict[Id, Id] = {}
    """What else limits ask of it, such as fuel = "gas"."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``scenario.toml``."""

    profile: dict[Id, Profile]
    site: tuple[SimulatedSite, ...] = ()
