"""What the registry's commands share: their options, and how they reach the registry."""

import datetime as dt
import difflib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.config.files import ConfigError, load_config
from hub.registry.check import EntryError
from hub.registry.edit import Editor, editing
from hub.registry.exchange import parse_cell
from hub.registry.live import Registry, load_registry
from schemas.errors import UserError

Configuration = Annotated[
    Path, typer.Option("--config", help="The hub's configuration: it names the registry and the keys.")
]
FENCELINE = Path("fenceline.toml")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a mistake in the files into the user's one sentence."""
    try:
        yield
    except (ConfigError, EntryError) as error:
        raise UserError(str(error)) from error


@contextmanager
def open_editor(config: Path) -> Iterator[Editor]:
    """Open the registry to change it."""
    with refusing(), editing(load_config(config)) as editor:
        yield editor


def load(config: Path) -> Registry:
    """Return the registry with its keys."""
    with refusing():
        return load_registry(load_config(config))


def today(zone: ZoneInfo) -> dt.date:
    """Return the date it is in the registry's time zone."""
    return dt.datetime.now(zone).date()


def print_json(value: object) -> None:
    """Print one line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def unknown(what: str, id_: str, known: Iterable[str]) -> UserError:
    """Return what to tell who names something that is not there."""
    near = difflib.get_close_matches(id_, list(known), 1)
    hint = f"did you mean {near[0]!r}?" if near else "'fenceline registry list' shows what there is"
    return UserError(f"there is no {what} {id_!r}; {hint}")


def cell(option: str, column: str, text: str | None) -> Any:
    """Return the value of an option that is written like a cell of a CSV file."""
    try:
        return parse_cell(column, text or "")
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
