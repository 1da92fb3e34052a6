"""Puts a backup back.

Everything is changed within the data folder, since that may be the mount point of a volume. Only when every file of the
archive lies there, checked, is the old data moved aside and the new put in its place; a kill in between is noticed at
the hub's next start (`refuse_half_restored`), and the old data is in its folder.

Nothing outside the data folder and the places that the configuration names is written. A configuration that comes out
of the archive itself may be a stranger's: it may name places only below its own folder.
"""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import hub.cases.attachments.tables
import hub.cases.tables
import hub.field.tables
import hub.log.tables
import hub.reports.sink
import hub.series.rollups
import hub.series.sqlite
import hub.uplink.tables
from hub.config.files import Config, ConfigError, load_config
from hub.registry.check import EntryError, check
from hub.registry.live import key_of
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.data_folder import (
    ASIDE,
    LOG,
    RESTORING,
    databases,
    make_below,
    refuse_detours,
    remove_working_folder,
    sync,
)
from hub.storage.database import DatabaseError, read_only
from hub.upkeep.archive import OTHER, Manifest, describe, read_archive
from hub.upkeep.salvage import Salvaged, salvage
from hub.upkeep.versions import KNOWN, PARTS, Versions, versions_of
from schemas.toml_text import parse_toml

PART = f"{RESTORING}.part"
ACTS = ("trigger", "view")
"""What in a database acts by itself."""

STEPS: dict[str, Sequence[str]] = {
    LOG: hub.log.tables.STEPS,
    hub.cases.attachments.tables.FILE: hub.cases.attachments.tables.STEPS,
    hub.cases.tables.FILE: hub.cases.tables.STEPS,
    hub.field.tables.FILE: hub.field.tables.STEPS,
    "reports.db": hub.reports.sink.STEPS,
    "rollups.db": hub.series.rollups.STEPS,
    "series.db": hub.series.sqlite.STEPS,
    hub.uplink.tables.FILE: hub.uplink.tables.STEPS,
}
"""What makes each database that has one owner; as many steps as its schema version says."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done."""

    manifest: Manifest
    data: Path
    aside: Path | None
    """Where the earlier data is now, if there was some."""
    files: list[Path]
    """The files of the configuration that were put back; an earlier one has the time behind its name."""
    salvaged: Salvaged | None = None
    """What was taken from the log that was there."""


def restore(
    archive: Path, config_file: Path, *, force: bool = False, data_only: bool = False, salvaging: bool = False
) -> Restored:
    """Put a backup back, where the configuration says, or, if there is none, where the backup's own says.

    `force`: what is there is moved aside. `data_only`: registry and keys stay as they are. An existing configuration
    always stays: its paths are those of this machine. `salvaging`: what can be read of the log that is moved aside, and
    is newer than the backup, is taken into the one that is put back.

    Raises:
        ConfigError: the archive is damaged, a hub works there, or something is there already.
    """
    manifest, texts = read_archive(archive)
    _refuse_later(archive, manifest)
    if not data_only:
        _refuse_nonsense(archive, texts)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        config, drafts = _drafts(config_file, texts, data_only=data_only)
        try:
            make_below(*_base_of(config.data))
            with _claim(config):
                _refuse_occupied(config, drafts, force=force)
                refuse_without_room(manifest, config.data)
                part = _extract(archive, config.data)
                aside = _switch(config.data, part, drafts, stamp)
                salvaged = _salvage(config, aside) if salvaging and aside else None
        except BaseException:
            for draft in drafts.values():
                draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{error.filename or archive}: {error.strerror}; mend that and restore again") from error
    return Restored(manifest, config.data, aside, sorted(drafts), salvaged)


def _salvage(config: Config, aside: Path) -> Salvaged:
    """Take from the log that was there what the backup does not have.

    Raises:
        ConfigError: that failed; the backup is back, and what was there is in `aside`.
    """
    try:
        return salvage(config, aside)
    except (ConfigError, DatabaseError, sqlite3.Error) as error:
        raise ConfigError(
            f"the backup is back, but not all was taken from {aside}: {error}; mend that, move the files of that "
            "folder back to where they were, and give the command again"
        ) from error


@contextmanager
def _claim(config: Config) -> Iterator[None]:
    """Keep every hub out of the data meanwhile, also those of single districts.

    Raises:
        ConfigError: one works there.
    """
    from hub.config.districts import of_districts
    from hub.storage.claims import claim, claim_consumers

    folders = {worker.data for worker in of_districts(config)} | {path.parent for path in databases(config.data)}
    with ExitStack() as claims:
        for folder in sorted(folders):
            make_below(config.data, folder)
            claims.enter_context(claim(folder))
            # A hub that was killed may leave its consumers at work for a moment.
            claims.enter_context(claim_consumers(folder))
        yield


def _refuse_later(archive: Path, manifest: Manifest) -> None:
    for name, saved in manifest.files.items():
        known = KNOWN.get(name.rpartition("/")[2])
        later = known and Versions(saved.schema or 0, saved.parts).later(known)
        if later:
            raise ConfigError(
                f"{archive}: {name} has {later.en}; install Fenceline {manifest.fenceline} or later first"
            )


def _refuse_nonsense(archive: Path, texts: dict[str, bytes]) -> None:
    """Refuse what is not a registry with its boards' keys.

    Raises:
        ConfigError: one of the two is not what its name says.
    """
    name = "registry.toml"
    try:
        boards = check(parse_toml(texts[name])).boards
        name = "keys.toml"
        keys = parse_toml(texts[name])
        keyless = [board for board in boards if key_of(str(keys.get(board))) is None]
        problem = f"board {keyless[0]!r}: expected a key of 64 hexadecimal digits" if keyless else ""
    except (ValueError, EntryError) as error:
        problem = str(error)
    if problem:
        raise ConfigError(
            f"{archive}: its {name} cannot be used ({problem}); {OTHER}, or put only the data back with --data-only"
        )


def _drafts(config_file: Path, texts: dict[str, bytes], *, data_only: bool) -> tuple[Config, dict[Path, Path]]:
    """Write the files of the configuration that differ from the present ones beside their places.

    Returns:
        The configuration, and the drafts by the places where they are to be.
    """
    drafts: dict[Path, Path] = {}
    try:
        if not os.path.lexists(config_file):
            drafts[config_file] = _draft(config_file, texts["fenceline.toml"])
        config = load_config(drafts.get(config_file, config_file))
        if drafts:
            _refuse_places_elsewhere(config_file, config)
        if not data_only:
            for name, place in (("registry.toml", config.registry), ("keys.toml", config.keys)):
                if not place.exists() or place.read_bytes() != texts[name]:
                    drafts[place] = _draft(place, texts[name], is_keys=name == "keys.toml")
    except BaseException:
        for draft in drafts.values():
            draft.unlink()
        raise
    return config, drafts


def _refuse_places_elsewhere(config_file: Path, config: Config) -> None:
    """Hold a configuration that comes out of an archive to its own folder.

    Raises:
        ConfigError: a place that would be written lies elsewhere, or the way there leads through a link.
    """
    here = config_file.resolve().parent
    taken = {config_file.resolve()}
    for name, place in (("registry", config.registry), ("keys", config.keys), ("data", config.data)):
        inside = Path(os.path.normpath(place))
        parts = inside.relative_to(here).parts if here in inside.parents else ()
        # A hidden file, or one of another kind, may be some program's own: what is put there would be obeyed.
        hidden = any(part.startswith(".") for part in parts)
        if not parts or hidden or inside in taken or (name != "data" and inside.suffix != ".toml"):
            raise ConfigError(
                f"the backup's own configuration says {name} = {str(place)!r}; without a configuration on this machine "
                f"only {'a folder' if name == 'data' else 'files .toml'} below {here} can be used; write {config_file} "
                "first, with the places of this machine, then restore again"
            )
        taken.add(inside)
        refuse_detours(here, inside)


def _base_of(data: Path) -> tuple[Path, Path]:
    """Return the lowest folder on the way to the data folder that is there, and the data folder."""
    data = data.resolve()
    return next(one for one in (data, *data.parents) if one.exists()), data


def refuse_without_room(manifest: Manifest, data: Path, free: int | None = None) -> None:
    """Refuse a backup that does not fit into the data folder; `free`: bytes there, if not as the disk says.

    Raises:
        ConfigError: that is so.
    """
    needed = sum(saved.size for saved in manifest.files.values())
    free = shutil.disk_usage(data).free if free is None else free
    if needed > free:
        raise ConfigError(
            f"data = {data}: the backup takes {needed >> 20} MiB there, {free >> 20} MiB are free; make room"
        )


def _draft(place: Path, text: bytes, *, is_keys: bool = False) -> Path:
    draft = place.with_name(f".{place.name}{RESTORING}")
    try:
        draft.unlink(missing_ok=True)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never through a link, nor into a file that is there. Nobody else may read the keys; who may read the others,
        # the file that was there says.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            if place.exists() and not is_keys:
                os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode) & 0o755)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(
            f"{place}: cannot be replaced ({error.strerror}); mend that, or leave registry and keys with --data-only"
        ) from error
    return draft


def _refuse_occupied(config: Config, drafts: dict[Path, Path], *, force: bool) -> None:
    if force:
        return
    if (config.data / RESTORING).exists() or databases(config.data):
        raise ConfigError(f"data = {config.data}: there is data already; with --force it is moved aside and kept")
    for place in drafts:
        if place.exists():
            raise ConfigError(
                f"{place}: differs from the backup's; with --force it is moved aside, with --data-only it stays"
            )


def _extract(archive: Path, data: Path) -> Path:
    part = data / PART
    remove_working_folder(part)
    part.mkdir(mode=0o700)
    try:
        manifest, _ = read_archive(archive, part)
        for name in manifest.files:
            if name.startswith("data/"):
                describe(part / name)  # looks it through for damage
                _refuse_foreign(archive, name, part / name)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return part


def _switch(data: Path, part: Path, drafts: dict[Path, Path], stamp: str) -> Path | None:
    """Move what is there aside and the new to its place; return the folder of the databases that were there."""
    present = databases(data)
    marker = data / RESTORING
    remove_working_folder(marker)
    part.rename(marker)
    sync(data)
    aside = data / f"{ASIDE}{stamp}" if present else None
    if aside:
        aside.mkdir(mode=0o700)  # refused if there is anything of that name
    for path in present:
        # What SQLite keeps beside a database belongs to it: left behind, it would be applied to the new one.
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            if aside and file.exists():
                _move(data, file, aside / file.relative_to(data))
    new = marker / "data"
    for path in databases(new):
        _move(data, path, data / path.relative_to(new))
    for place, draft in drafts.items():
        if place.exists():
            place.rename(place.with_name(f"{place.name}.{ASIDE}{stamp}"))
        draft.rename(place)
        sync(place.parent)
    remove_working_folder(marker)
    sync(data)
    return aside


def _refuse_foreign(archive: Path, name: str, file: Path) -> None:
    """Refuse a database that holds other things than a hub's of its version: a trigger would act in the hub's name."""
    with closing(read_only(file)) as db:
        versions, found = versions_of(db), _schema(db)
    if file.name == COMPLIANCE:
        known = _fresh_compliance()
        # Earlier ones had other tables; what acts by itself they had, too.
        odd = found ^ known if versions == KNOWN[COMPLIANCE] else {one for one in found - known if one[0] in ACTS}
        right = 1 <= versions.schema <= KNOWN[COMPLIANCE].schema
    else:
        steps = STEPS[file.name]
        with closing(sqlite3.connect(":memory:")) as db:
            for step in steps[: versions.schema]:
                db.executescript(step)
            odd = found ^ _schema(db)
        right = 1 <= versions.schema <= len(steps)
    if odd or not right:
        which = ", ".join(sorted(f"{kind} {one}" for kind, one, _ in odd)) or f"schema version {versions.schema}"
        raise ConfigError(f"{archive}: {name} is no database of a hub ({which}); {OTHER}")


def _schema(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Return what a database holds: kind, name and, of what acts by itself, the SQL."""
    rows = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    return {(kind, name, sql if kind in ACTS else "") for kind, name, sql in rows}


def _fresh_compliance() -> set[tuple[str, str, str]]:
    with TemporaryDirectory() as folder, closing(open_compliance(Path(folder) / COMPLIANCE, *PARTS)) as db:
        return _schema(db)


def _move(data: Path, file: Path, place: Path) -> None:
    make_below(data, place.parent)
    file.rename(place)
    sync(place.parent)
