"""Puts a backup back.

Everything is changed within the data folder, since that may be the mount point of a volume. Only when every file of the
archive lies there, checked, is the old data moved aside and the new put in its place; a kill in between is noticed at
the hub's next start (`refuse_half_restored`), and the old data is in its folder.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hub.archive import Manifest, describe, read_archive
from hub.checks.data import VERSIONS
from hub.config import Config, ConfigError, load_config
from hub.data_folder import ASIDE, RESTORING, databases, sync

PART = f"{RESTORING}.part"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done."""

    manifest: Manifest
    data: Path
    aside: Path | None
    """Where the earlier data is now, if there was some."""
    files: list[Path]
    """The files of the configuration that were put back; an earlier one has the time behind its name."""


def restore(archive: Path, config_file: Path, *, force: bool = False, data_only: bool = False) -> Restored:
    """Put a backup back, where the configuration says, or, if there is none, where the backup's own says.

    `force`: what is there is moved aside. `data_only`: registry and keys stay as they are. An existing configuration
    always stays: its paths are those of this machine.

    Raises:
        ConfigError: the archive is damaged, a hub works there, or something is there already.
    """
    manifest, texts = read_archive(archive)
    _refuse_later(archive, manifest)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        config, drafts = _drafts(config_file, texts, data_only=data_only)
        try:
            with _claim(config):
                _refuse_occupied(config, drafts, force=force)
                part = _extract(archive, config.data)
                aside = _switch(config.data, part, drafts, stamp)
        except BaseException:
            for draft in drafts.values():
                draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{error.filename or archive}: {error.strerror}; mend that and restore again") from error
    return Restored(manifest, config.data, aside, sorted(drafts))


@contextmanager
def _claim(config: Config) -> Iterator[None]:
    """Keep every hub out of the data meanwhile, also those of single districts.

    Raises:
        ConfigError: one works there.
    """
    from hub.downstream import claim_consumers
    from hub.service import claim, of_districts

    folders = {worker.data for worker in of_districts(config)} | {path.parent for path in databases(config.data)}
    with ExitStack() as claims:
        for folder in sorted(folders):
            claims.enter_context(claim(folder))
            # A hub that was killed may leave its consumers at work for a moment.
            claims.enter_context(claim_consumers(folder))
        yield


def _refuse_later(archive: Path, manifest: Manifest) -> None:
    for name, saved in manifest.files.items():
        known = VERSIONS.get(name.rpartition("/")[2])
        if saved.schema and known and saved.schema > known:
            raise ConfigError(
                f"{archive}: {name} has schema version {saved.schema}, this hub works with {known}; "
                f"install Fenceline {manifest.fenceline} or later first"
            )


def _drafts(config_file: Path, texts: dict[str, bytes], *, data_only: bool) -> tuple[Config, dict[Path, Path]]:
    """Write the files of the configuration that differ from the present ones beside their places.

    Returns:
        The configuration, and the drafts by the places where they are to be.
    """
    drafts: dict[Path, Path] = {}
    try:
        if not config_file.exists():
            drafts[config_file] = _draft(config_file, texts["fenceline.toml"])
        config = load_config(drafts.get(config_file, config_file))
        if not data_only:
            for name, place in (("registry.toml", config.registry), ("keys.toml", config.keys)):
                if not place.exists() or place.read_bytes() != texts[name]:
                    drafts[place] = _draft(place, texts[name])
    except BaseException:
        for draft in drafts.values():
            draft.unlink()
        raise
    return config, drafts


def _draft(place: Path, text: bytes) -> Path:
    draft = place.with_name(f".{place.name}{RESTORING}")
    try:
        draft.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        # Nobody else may read the keys; who may read the others, the file that was there says.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            if place.exists():
                shutil.copymode(place, draft)
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
    shutil.rmtree(part, ignore_errors=True)
    try:
        manifest, _ = read_archive(archive, part)
        for name in manifest.files:
            if name.startswith("data/"):
                describe(part / name)  # looks it through for damage
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return part


def _switch(data: Path, part: Path, drafts: dict[Path, Path], stamp: str) -> Path | None:
    """Move what is there aside and the new to its place; return the folder of the databases that were there."""
    present = databases(data)
    marker = data / RESTORING
    shutil.rmtree(marker, ignore_errors=True)
    part.rename(marker)
    sync(data)
    aside = data / f"{ASIDE}{stamp}" if present else None
    for path in present:
        # What SQLite keeps beside a database belongs to it: left behind, it would be applied to the new one.
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            if aside and file.exists():
                _move(file, aside / file.relative_to(data))
    new = marker / "data"
    for path in databases(new):
        _move(path, data / path.relative_to(new))
    for place, draft in drafts.items():
        if place.exists():
            place.rename(place.with_name(f"{place.name}.{ASIDE}{stamp}"))
        _move(draft, place)
    shutil.rmtree(marker)
    sync(data)
    return aside


def _move(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    file.rename(place)
    sync(place.parent)
