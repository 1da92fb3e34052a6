"""What the registry is made of: cities, districts, sites and what sends from them, as ``registry.toml`` names them."""

import datetime as dt
from typing import Annotated, ClassVar, Literal

import msgspec

from hub.config.files import Id

KINDS = ("city", "district", "site", "board", "station", "terminal", "node", "badge")
"""The tables of ``registry.toml``, from the widest to the narrowest."""

SENDERS = ("board", "station", "terminal", "node", "badge")
"""Those of what sends."""

Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,32}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1)]


# gc=False: the garbage collector need not know of what can hold no cycle, which saves 16 bytes a board and its time.
class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    pass


class City(_Entry, frozen=True):
    """A city, by which districts may be grouped."""

    id: Id
    en: Text
    zh: Text
    jurisdiction: str = "CN"
    """Where it lies, which decides whose standards bind its sites: a code such as CN-GD, or a name."""
    decision: Literal["simple", "guarded_acceptance", "guarded_rejection"] = "simple"
    """How the uncertainty of instruments is taken into account when a value is compared with a limit (JCGM 106)."""


class District(_Entry, frozen=True):
    """A district and the city it lies in."""

    id: Id
    city: Id
    en: Text
    zh: Text
    reference: Id | None = None
    """The board or station that measures the background of the area, which some limits on dust take off."""
    outline: Text | None = None
    """File with its outline for maps, GeoJSON, named from the registry's folder."""


class Contact(_Entry, frozen=True):
    """Whom to call about a site: a role, and a phone number or an address for e-mail."""

    role: Text
    name: Text | None = None
    phone: Text | None = None
    email: Text | None = None


class NightWork(_Entry, frozen=True, rename={"from_": "from"}):
    """A permit for work at night: it holds from `from_` up to but not including `to` (local time of the registry)."""

    from_: dt.datetime
    to: dt.datetime
    permit: Text
    """The permit's number."""
    note: Text | None = None


class Background(_Entry, frozen=True, rename={"from_": "from"}):
    """The background of a site's noise, by which levels above a limit are corrected.

    It was measured there at rest (`level`, `from_`, `to`) and holds for the part of the day in which it was measured,
    or a `board` elsewhere measures it all the time. Times without offset are local times of the registry.
    """

    confirmed: Text
    """The officer who confirms that the site was at rest then, or that the board hears all but it."""
    level: float | None = None
    """LAeq of the measurement, dB(A)."""
    from_: dt.datetime | None = None
    """When it was measured, up to `to`."""
    to: dt.datetime | None = None
    board: Id | None = None
    """A board or station of another site: what it measures in the same window is the background."""
    since: dt.datetime | None = None
    """It holds for windows that begin then or later; left out: since it was measured, up to `until`, if any."""
    until: dt.datetime | None = None
    note: Text | None = None


class Operation(_Entry, frozen=True, rename={"from_": "from"}):
    """When a plant was started, stopped or at rest, as its operator has declared: from `from_` up to `to`."""

    state: Literal["starting", "stopping", "stopped"]
    from_: dt.datetime
    """Without offset it is local time of the registry, like `to`."""
    to: dt.datetime
    confirmed: Text
    """The officer who has confirmed the declaration."""
    note: Text | None = None


class Site(_Entry, frozen=True):
    """A site: its kind, which a domain pack declares, decides which limits bind it."""

    id: Id
    district: Id
    kind: str
    en: Text
    zh: Text
    zone_class: Literal["0", "1", "2", "3", "4", "4a", "4b"] | None = None
    """Class of the acoustic environment zone (GB 3096-2008)."""
    position: tuple[float, float] | None = None
    """Latitude and longitude in degrees, WGS-84."""
    contacts: tuple[Contact, ...] = ()
    night_work: tuple[NightWork, ...] = ()
    background: tuple[Background, ...] = ()
    """The newest that holds, and of which the level is known, is taken for correcting."""
    reference: Id | None = None
    """The board or station that measures the background of the area for it; left out: the one of its district."""
    operation: tuple[Operation, ...] = ()
    """When its plant did not run as usual: of what is not declared nothing is known, and running is assumed."""
    properties: dict[str, str] = {}
    """What else limits ask of it (`schemas.site_properties`), such as fuel or phase."""

    def permit_at(self, when: dt.datetime) -> NightWork | None:
        """Return the permit for night work that holds at an aware time."""
        return next((permit for permit in self.night_work if permit.from_ <= when < permit.to), None)


class Instrument(_Entry, frozen=True, rename={"class_": "class"}):
    """How good the instrument is that measures a quantity, or all quantities of a family that are not named."""

    of: Text
    """A quantity, such as pm10, or a family, such as noise."""
    class_: Literal["type_approved", "class_1", "class_2", "indicative"]
    """type_approved: by the state, for legal measurements. class_1, class_2: of its product standard, such as IEC
    61672-1. indicative: it makes no violation, only a suspicion that calls for a measurement."""
    uncertainty: Text | None = None
    """Expanded (k = 2), of a mean as limits are about: "1.4" in the quantity's unit, or "25 %" of the limit."""
    source: Text | None = None
    """Where class and uncertainty are from: a certificate, a data sheet, a collocation with its date."""


class Earlier(_Entry, frozen=True, rename={"from_": "from"}):
    """A site where something stood before: from `from_` up to but not including `until`."""

    site: Id
    until: dt.datetime
    """Without offset it is local time of the registry, like `from_`."""
    from_: dt.datetime | None = None
    """Left out: since the place before it in the list, or, of the first one, always."""


class Board(_Entry, frozen=True):
    """A board and the site at whose fence it stands."""

    channel: ClassVar[str] = "board"
    id: Id
    site: Id
    sensors: tuple[Word, ...] = ()
    """The types of its sensors: names of drivers in `edge/drivers/`."""
    installed: dt.date | None = None
    calibration_due: dt.date | None = None
    """The day from which its calibration is overdue."""
    retired: dt.date | None = None
    """The local day from which the hub refuses what it says."""
    note: Text | None = None
    instruments: tuple[Instrument, ...] = ()
    """How good its instruments are; what is not named is not stated."""
    since: dt.datetime | None = None
    """From when on it stands at `site`; left out: since its last earlier place, or always."""
    earlier: tuple[Earlier, ...] = ()
    """Where it stood before, the oldest first. What it measured there counts there, however late it comes; what it
    measured between two places counts nowhere."""


class Station(_Entry, frozen=True):
    """An online monitoring station that speaks HJ 212, and the site that it measures."""

    channel: ClassVar[str] = "hj212"
    id: Id
    site: Id
    mn: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,32}\Z")]
    """The number of its equipment as it sends it (MN): 24 letters and digits by HJ 212-2017, many send fewer."""
    profile: Word | None = None
    """How its frames are understood: a file of `schemas/stations/` or of the city's own; left out: by the standard."""
    addresses: tuple[Text, ...] = ()
    """Addresses or networks from which alone it is taken, such as 10.8.0.0/16; none: from everywhere."""
    installed: dt.date | None = None
    calibration_due: dt.date | None = None
    retired: dt.date | None = None
    note: Text | None = None
    instruments: tuple[Instrument, ...] = ()
    since: dt.datetime | None = None
    """As of boards, like `earlier`."""
    earlier: tuple[Earlier, ...] = ()


class Terminal(_Entry, frozen=True):
    """A vehicle's terminal that speaks JT/T 808, and the site that it belongs to, such as its depot."""

    channel: ClassVar[str] = "jt808"
    id: Id
    site: Id
    phone: Annotated[str, msgspec.Meta(pattern=r"^\d{6,20}\Z")]
    """The number of its SIM card as it sends it; zeros in front do not count (BCD of 12 digits, from 2019 of 20)."""
    plate: Text | None = None
    """Of its vehicle."""
    profile: Word | None = None
    """How its frames are understood: a file of `schemas/terminals/` or of the city's own; left out: by the standard."""
    installed: dt.date | None = None
    retired: dt.date | None = None
    note: Text | None = None
    since: dt.datetime | None = None
    """As of boards, like `earlier`."""
    earlier: tuple[Earlier, ...] = ()


class Node(_Entry, frozen=True):
    """A device of LoRaWAN, such as the level sensor in a bin's lid, and the site that it belongs to."""

    channel: ClassVar[str] = "lorawan"
    id: Id
    site: Id
    eui: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{16}\Z")]
    """Its DevEUI: 16 hexadecimal digits, as on its label."""
    codec: Literal["decentlab", "milesight"]
    """Whose payloads it sends (`hub.wire.lorawan.payloads`)."""
    empty_mm: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """What its sensor measures when the bin is empty, mm; without it and `full_mm` nothing is known of its fill."""
    full_mm: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """And when it is full, mm: no less than the sensor's blind zone."""
    installed: dt.date | None = None
    retired: dt.date | None = None
    note: Text | None = None
    since: dt.datetime | None = None
    """As of boards, like `earlier`."""
    earlier: tuple[Earlier, ...] = ()


class Badge(_Entry, frozen=True):
    """A worker's badge or watch that speaks the watch protocol (`[3G*...]`), and the site that it belongs to.

    Who wears it, and when he works, are things: a badge speaks for the worker that names it in `source`.
    """

    channel: ClassVar[str] = "badge"
    id: Id
    site: Id
    number: Annotated[str, msgspec.Meta(pattern=r"^\d{6,20}\Z")]
    """The number that it sends; zeros in front do not count."""
    installed: dt.date | None = None
    retired: dt.date | None = None
    note: Text | None = None
    since: dt.datetime | None = None
    """As of boards, like `earlier`."""
    earlier: tuple[Earlier, ...] = ()


Sender = Board | Station | Terminal | Node | Badge
"""Whoever says something: each by an id of its own, which is the tag `device` of what it measures."""
