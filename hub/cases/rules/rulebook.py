"""What a city's cases go by, as data: event codes, case standards, who is responsible, the calendar.

Files of one form, `*.toml`: those of `schemas/cases/` come with Fenceline, those of the folder that `[cases] folder`
names are the city's and come after them. An entry takes the place of an earlier one with the same id and district; a
table [calendar] or [similar] takes the place of the earlier one whole. Every fact has its source and its letter.
"""

import datetime as dt
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from hub.cases.rules.calendar import Calendar, CalendarEntry, CalendarError, Letter, Unit
from hub.config.files import ConfigError, Id, read_toml
from schemas.language import Text

SHIPPED = Path(__file__).parents[3] / "schemas" / "cases"
CodeKind = Literal["event", "component"]
Code = Annotated[str, msgspec.Meta(pattern=r"^\d{4}\Z")]
Written = Annotated[str, msgspec.Meta(min_length=1)]
Area = Annotated[str, msgspec.Meta(pattern=r"^\d{6}\Z")]

log = logging.getLogger("hub.cases")


class MainClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A main class of codes."""

    code: Annotated[str, msgspec.Meta(pattern=r"^\d{2}\Z")]
    zh: Written
    en: Written


class CodeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of events, or of components of the city (部件): main class and minor class, two digits each."""

    code: Code
    zh: Written
    en: Written
    verified: Letter | None = None
    """If other than the file's."""
    kind: CodeKind = "event"
    edition: str = ""
    """Where it has none of its own, of the file it stands in; filled in when that is read, as what follows."""
    source: str = ""
    source_zh: str = ""
    """The source in Chinese, where it is told in two languages."""
    districts: tuple[str, ...] = ()


def origin_of(said: Mapping[str, Any]) -> Text:
    """Return source and edition of a case standard, as people read them; `said`: its fields, as a case keeps them."""
    source, edition = said["source"], said["edition"]
    en = ", ".join(filter(None, (source, edition)))
    zh = "，".join(filter(None, (said.get("source_zh") or source, said.get("edition_zh") or edition)))
    return Text(en, zh)


class Standard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case standard: under which condition a case is filed, how long it may take, when it is closed."""

    id: Id
    code: Code
    condition_zh: Written
    condition_en: Written
    amount: Annotated[float, msgspec.Meta(gt=0, le=10_000)]
    unit: Unit
    close_zh: str = ""
    close_en: str = ""
    source: str = ""
    source_zh: str = ""
    """The source in Chinese, where it is told in two languages."""
    verified: Letter | None = None
    since: dt.date | None = None
    """In force from this local day on."""
    until: dt.date | None = None
    """In force before this local day."""
    edition: str = ""
    edition_zh: str = ""
    districts: tuple[str, ...] = ()

    @property
    def origin(self) -> Text:
        """Its source and edition, as people read them."""
        return origin_of(msgspec.structs.asdict(self))

    def __post_init__(self) -> None:
        """Refuse a part of a day."""
        if self.unit.endswith("_day") and self.amount != int(self.amount):
            raise ValueError(f"standard {self.id!r}: amount = {self.amount:g} {self.unit}: expected whole days")


class Department(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A department that handles cases, and its people: users with the role handler."""

    id: Id
    zh: Written
    en: Written
    people: tuple[str, ...] = ()
    """None named: any handler may act for it."""


class Responsible(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the responsibility table: what is left empty holds for all. The highest priority decides."""

    department: Id
    code: Annotated[str, msgspec.Meta(pattern=r"^\d{0,4}\Z")] = ""
    """A code, or how codes begin."""
    district: str = ""
    site: str = ""
    priority: int = 0


class FromAlert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which code a case is that an alert gives rise to; what is left empty holds for all."""

    code: Code
    family: str = ""
    """Of the alert's quantity."""
    rule: str = ""
    """How the alert's rule begins."""
    site_kind: str = ""


class Similar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When two cases of one class may be the same."""

    metres: Annotated[float, msgspec.Meta(gt=0)] = 100.0
    days: Annotated[float, msgspec.Meta(gt=0)] = 30.0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Written
    edition: Written
    source: Written
    verified: Letter
    source_zh: str = ""
    """The source in Chinese; left out: `source` is read by all."""
    edition_zh: str = ""
    districts: tuple[str, ...] = ()
    """Ids of districts, or their codes of GB/T 2260, for which this file's codes and standards hold; none: for all."""
    main: tuple[MainClass, ...] = ()
    code: tuple[CodeEntry, ...] = ()
    standard: tuple[Standard, ...] = ()
    department: tuple[Department, ...] = ()
    responsible: tuple[Responsible, ...] = ()
    from_alert: tuple[FromAlert, ...] = ()
    areas: dict[Id, Area] = {}
    """The GB/T 2260 code of each district."""
    calendar: CalendarEntry | None = None
    similar: Similar | None = None


class Rulebook:
    """All of it, as the files say it now.

    Raises:
        ConfigError: a file cannot be used.
    """

    def __init__(self, folder: Path | None, zone: ZoneInfo) -> None:
        self.main: dict[str, MainClass] = {}
        self.codes: dict[tuple[str, str], CodeEntry] = {}
        self.standards: dict[tuple[str, str], Standard] = {}
        self.departments: dict[str, Department] = {}
        self.responsible: list[Responsible] = []
        self.areas: dict[str, str] = {}
        self.similar = Similar()
        self._from_alert: list[FromAlert] = []
        calendar: tuple[Path, CalendarEntry] | None = None
        for path in files(folder):
            file = read_toml_dated(path)
            self._take(file)
            if file.calendar:
                calendar = path, file.calendar
        assert calendar, "schemas/cases/calendar.toml comes with Fenceline"
        try:
            self.calendar = Calendar(calendar[1], zone)
        except CalendarError as error:
            raise ConfigError(f"{calendar[0]}: calendar: {error}") from error
        self._refuse_loose_ends(folder or SHIPPED)

    def code(self, code: str, district: str) -> CodeEntry | None:
        """Return a code as it holds in a district; None: it is in no table there."""
        return next((self.codes[one, code] for one in self._tables(district) if (one, code) in self.codes), None)

    def codes_in(self, district: str) -> list[CodeEntry]:
        """Return the codes that hold in a district, in their order."""
        found: dict[str, CodeEntry] = {}
        for table in reversed(self._tables(district)):
            found |= {code: entry for (one, code), entry in self.codes.items() if one == table}
        return [found[code] for code in sorted(found)]

    def standards_for(self, code: str, district: str, day: dt.date) -> list[Standard]:
        """Return the case standards for a code that are in force in a district on a day: a district's own, or all's."""
        for table in self._tables(district):
            found = [
                one
                for (where, _), one in self.standards.items()
                if where == table
                and one.code == code
                and (one.since is None or one.since <= day)
                and (one.until is None or day < one.until)
            ]
            if found:
                return found
        return []

    def responsible_for(self, code: str, district: str, site: str) -> str | None:
        """Return the department that the table names first for a case; None: it names none."""
        fits = [
            one
            for one in self.responsible
            if code.startswith(one.code) and one.district in ("", district) and one.site in ("", site)
        ]
        # Of equal priority, what is told more narrowly; then what stands first.
        best = max(
            fits, key=lambda one: (one.priority, bool(one.site), bool(one.district), len(one.code)), default=None
        )
        return best.department if best else None

    def code_of_alert(self, family: str, rule: str, site_kind: str) -> str | None:
        """Return the code of what an alert is about; the city's own lines first."""
        for one in reversed(self._from_alert):
            if one.family in ("", family) and rule.startswith(one.rule) and one.site_kind in ("", site_kind):
                return one.code
        return None

    def full_code(self, code: str, district: str) -> str | None:
        """Return a code with its ten digits, of which the first six are the district's; None: that has none."""
        area = self.areas.get(district)
        return area and area + code

    def _tables(self, district: str) -> list[str]:
        """Return the names under which tables are for a district, the narrowest first."""
        return [one for one in (district, self.areas.get(district, "")) if one] + [""]

    def _take(self, file: _File) -> None:
        told = {"districts": file.districts}
        for where in file.districts or ("",):
            for code in file.code:
                kept = msgspec.structs.replace(code, **told, **_sourced(code, file))
                self.codes[where, code.code] = kept
            for one in file.standard:
                edition_zh = one.edition_zh if one.edition else file.edition_zh
                standard = msgspec.structs.replace(one, **told, edition_zh=edition_zh, **_sourced(one, file))
                self.standards[where, one.id] = standard
        self.main |= {one.code: one for one in file.main}
        self.departments |= {one.id: one for one in file.department}
        self.responsible += file.responsible
        self._from_alert += reversed(file.from_alert)
        self.areas |= file.areas
        self.similar = file.similar or self.similar

    def _refuse_loose_ends(self, where: Path) -> None:
        known = {code for _, code in self.codes}
        for standard in self.standards.values():
            if standard.code not in known:
                raise ConfigError(f"{where}: standard {standard.id!r}: code {standard.code!r} is in no table of codes")
        for one in self.responsible:
            if one.department not in self.departments:
                expected = ", ".join(self.departments) or "none is there"
                raise ConfigError(f"{where}: responsible: department {one.department!r}: expected one of: {expected}")
        for alert in self._from_alert:
            if alert.code not in known:
                raise ConfigError(f"{where}: from_alert: code {alert.code!r} is in no table of codes")


def _sourced(one: CodeEntry | Standard, file: _File) -> dict[str, str]:
    """Return source, edition and letter of an entry: its own, or its file's."""
    own = {"source": one.source, "source_zh": one.source_zh} if one.source else {}
    told = {"source": file.source, "source_zh": file.source_zh, "edition": one.edition or file.edition}
    return told | {"verified": one.verified or file.verified} | own


def files(folder: Path | None) -> list[Path]:
    """Return the files of the rulebook: those that come with Fenceline, then the city's.

    Raises:
        ConfigError: the city's folder is not there.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"[cases] folder = {folder}: is no folder; make it, or take the line out")
    return [*sorted(SHIPPED.glob("*.toml")), *(sorted(folder.glob("*.toml")) if folder else ())]


def read_toml_dated(path: Path) -> _File:
    """Read one file.

    Raises:
        ConfigError: it cannot be used.
    """
    return read_toml(path, _File)


class LiveRulebook:
    """The rulebook as its files say it now; one that cannot be used is told once, and the last good one stays.

    Raises:
        ConfigError: at the start, it cannot be used.
    """

    def __init__(self, folder: Path | None, zone: ZoneInfo) -> None:
        self._folder, self._zone = folder, zone
        self._seen = self._signature()
        self._current = Rulebook(folder, zone)
        self.problem: str | None = None

    def current(self) -> Rulebook:
        """Return the last good one."""
        try:
            signature = self._signature()
            if signature != self._seen:
                self._current = Rulebook(self._folder, self._zone)
                self._seen, self.problem = signature, None
        except ConfigError as error:
            if str(error) != self.problem:
                self.problem = str(error)
                log.error("%s; cases go on by the rules before", error)  # noqa: TRY400
        return self._current

    def _signature(self) -> list[tuple[object, ...]]:
        signature: list[tuple[object, ...]] = []
        for path in files(self._folder):
            try:
                found = path.stat()
            except OSError:
                continue
            signature.append((path, found.st_ino, found.st_size, found.st_mtime_ns))
        return signature
