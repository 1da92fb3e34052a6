"""Profiles of stations: how the frames of one kind of station are understood, read whole or refused with the remedy."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from hub.config.files import ConfigError, read_toml
from hub.wire.hj212 import FAULTS
from hub.wire.hj212.codes import FACTORS, SUCCESSORS
from hub.wire.hj212.described import quantity_of
from hub.wire.hj212.readings import MOST_FORM, form_of
from hub.wire.station import Counts, Head, line_of
from schemas import Quantity

HERE = Path(__file__).resolve().parents[3] / "schemas" / "stations"
MOST_KNOWN = 4096
"""Forms of data areas that are remembered."""
_CODE = re.compile(r"[A-Za-z0-9]{1,12}\Z")
History = Literal["minute", "hour", "day"]
UNITS: Mapping[str, tuple[str, float]] = {
    "ng/m3": ("ug/m3", 1e-3),
    "ug/m3": ("ug/m3", 1.0),
    "mg/m3": ("ug/m3", 1e3),
    "Pa": ("Pa", 1.0),
    "hPa": ("Pa", 100.0),
    "kPa": ("Pa", 1e3),
    "m/s": ("m/s", 1.0),
    "km/h": ("m/s", 1 / 3.6),
    "m3/s": ("m3/s", 1.0),
    "m3/h": ("m3/s", 1 / 3600),
    "mm/h": ("mm/h", 1.0),
    "%": ("%", 1.0),
    "℃": ("Cel", 1.0),
    "Cel": ("Cel", 1.0),
    "°": ("deg", 1.0),
    "deg": ("deg", 1.0),
    "dB": ("dB", 1.0),
    "dB[SPL]": ("dB", 1.0),
}
"""Units of frames and of the catalogue: what is the same in them, and how many of that one is."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of station. Fields as explained in ``schemas/stations/README.md``."""

    en: str = "by HJ 212-2017"
    zh: str = "按 HJ 212-2017"
    counts: Counts = "minute"
    length: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
    utc: Annotated[int, msgspec.Meta(ge=-720, le=840)] = 480
    ends: bool = False
    codes: dict[str, str] = {}
    units: dict[str, str] = {}
    faults: tuple[str, ...] = ()
    history: tuple[History, ...] = ()
    clock: Literal["set", "leave"] = "leave"
    instruments: tuple[str, ...] = ()
    info: dict[str, tuple[str, ...]] = {}

    @property
    def questions(self) -> list[tuple[str, str]]:
        """What it is asked about itself: command and data area (2017, 6.6.4: 3019 and 3020)."""
        serials = [("3019", f"PolId={code}") for code in self.instruments]
        return serials + [("3020", f"PolId={code},InfoId={one}") for code, ids in self.info.items() for one in ids]

    @property
    def seconds(self) -> int:
        """How long an interval of the data lasts that is judged [s]."""
        return self.length or (3600 if self.counts == "hour" else 60)


class Understood(NamedTuple):
    """How a packet is understood, also as the line before its frame; `unknown`: by code why values are not."""

    head: Head
    line: bytes
    unknown: Mapping[str, str]


class Profiles:
    """All profiles by name, against a catalogue of quantities.

    Raises:
        ConfigError: a file of the folder cannot be used.
    """

    def __init__(self, quantities: Mapping[str, Quantity], folder: Path | None = None) -> None:
        self._quantities = quantities
        self._standard = quantity_of({key: (one.hj212, one.family) for key, one in quantities.items()})
        self._profiles: dict[str, Profile] = {"": Profile()}
        for path in (*_files(HERE), *_files(folder)):
            profile = read_toml(path, Profile)
            _check(path, profile, quantities)
            self._profiles[path.stem] = profile
        self._understood: dict[tuple[str, ...], Understood] = {}

    def __iter__(self) -> Iterator[tuple[str, Profile]]:
        """Go through the profiles that have a name."""
        return ((name, profile) for name, profile in self._profiles.items() if name)

    def of(self, name: str | None) -> Profile | None:
        """Return the profile of a name; "" or None: that of the standard. None: there is none."""
        return self._profiles.get(name or "")

    def faults_of(self, name: str) -> frozenset[str] | None:
        """Return the faults that frames of a profile always have; None: there is no such profile."""
        profile = self._profiles.get(name)
        return frozenset(profile.faults) if profile else None

    def head(self, name: str | None, system: str, form: str) -> "Understood":
        """Return how data areas of a form are understood by a profile that there is, from stations of a system (ST).

        A station always sends the same forms.
        """
        key = name or "", system, form
        found = self._understood.get(key)
        if found is None:
            found = self._understand(name or "", system, form)
            if len(form) <= MOST_FORM:
                if len(self._understood) >= MOST_KNOWN:  # one may make up names
                    self._understood.clear()
                self._understood[key] = found
        return found

    def _understand(self, name: str, system: str, form: str) -> "Understood":
        profile = self._profiles[name]
        known: dict[str, tuple[str, float]] = {}
        unknown: dict[str, str] = {}
        for one in form_of(form).places:
            if one.code in known or one.code in unknown:
                continue
            meaning = self._meaning(profile, system, one.code, one.unit)
            if isinstance(meaning, str):
                unknown[one.code] = meaning
            else:
                known[one.code] = meaning
        head = Head(known, profile.counts, profile.seconds, profile.utc, profile.ends, name)
        return Understood(head, line_of(head), unknown)

    def _meaning(self, profile: Profile, system: str, code: str, unit: str | None) -> tuple[str, float] | str:
        """Return the quantity of a code and the factor of its values, or why it is none."""
        modern = SUCCESSORS.get(code, code)
        key = profile.codes.get(code, self._standard(system, modern))
        if not key:
            return "no quantity of the catalogue"
        said = profile.units.get(code) or unit
        if code not in profile.units and modern in FACTORS:
            said = FACTORS[modern].unit
        if said is None:
            return f"its unit is not known: name it in units of the station's profile ({key})"
        factor = factor_of(said, self._quantities[key].unit)
        return f"{said} is no unit of {key}" if factor is None else (key, factor)


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; make it, or take [hj212] profiles out of the configuration")
    return sorted(folder.glob("*.toml"))


def _check(path: Path, profile: Profile, quantities: Collection[str]) -> None:
    for code, key in profile.codes.items():
        if key and key not in quantities:
            raise ConfigError(f"{path}: codes: {code} = {key!r}: expected a key of schemas/quantities.toml, or ''")
    for code, unit in profile.units.items():
        if unit not in UNITS:
            raise ConfigError(f"{path}: units: {code} = {unit!r}: expected one of: {', '.join(UNITS)}")
    for name in (*profile.instruments, *profile.info, *(one for ids in profile.info.values() for one in ids)):
        if not _CODE.match(name):
            raise ConfigError(
                f"{path}: instruments, info: {name!r}: expected codes of letters and digits, such as a34004"
            )
    for fault in profile.faults:
        if fault not in FAULTS:
            raise ConfigError(f"{path}: faults: {fault!r}: expected codes of docs/reference/hj212.md")


def factor_of(said: str, wanted: str) -> float | None:
    """Return how many of the unit `wanted` one of `said` is; None: they measure different things."""
    one, other = UNITS.get(said), UNITS.get(wanted)
    return one[1] / other[1] if one and other and one[0] == other[0] else None
