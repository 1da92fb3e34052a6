"""What the registry's commands share: how they reach the registry, and how they refuse."""

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub.config.files import ConfigError, load_config
from hub.registry.check import EntryError
from hub.registry.live import Registry, load_registry
from schemas.errors import UserError

if TYPE_CHECKING:
    from hub.registry.edit import Editor


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a mistake in the files into the user's one sentence."""
    try:
        yield
    except (ConfigError, EntryError) as error:
        raise UserError(str(error)) from error


@contextmanager
def open_editor(config: Path) -> Iterator["Editor"]:
    """Open the registry to change it."""
    from hub.registry.edit import editing

    with refusing(), editing(load_config(config)) as editor:
        yield editor


def load(config: Path) -> Registry:
    """Return the registry with its keys."""
    with refusing():
        return load_registry(load_config(config))


def today(zone: ZoneInfo) -> dt.date:
    """Return the date it is in the registry's time zone."""
    return dt.datetime.now(zone).date()


def unknown(what: str, id_: str, known: Iterable[str]) -> UserError:
    """Return what to tell who names something that is not there."""
    near = difflib.get_close_matches(id_, list(known), 1)
    hint = f"did you mean {near[0]!r}?" if near else "'fenceline registry list' shows what there is"
    return UserError(f"there is no {what} {id_!r}; {hint}")


def cell(option: str, column: str, text: str | None) -> Any:
    """Return the value of an option that is written like a cell of a CSV file."""
    from hub.registry.exchange import parse_cell

    try:
        return parse_cell(column, text or "")
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
