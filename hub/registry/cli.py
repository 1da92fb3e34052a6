"""`fenceline registry`: the city's sites and boards, looked at and changed from the command line."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hub.config.files import Config, load_config
from hub.registry.check import EntryError
from hub.registry.cli_add import add
from hub.registry.commands import (
    FENCELINE,
    AsJson,
    Configuration,
    cell,
    load,
    open_editor,
    print_json,
    refusing,
    today,
    unknown,
)
from hub.registry.edit import render, replace_file
from hub.registry.exchange import read_import, to_csv
from hub.registry.live import load_entries
from hub.registry.view import View, board_row, district_row, plain, site_row
from schemas.errors import UserError
from schemas.language import system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False, no_args_is_help=True)
app.add_typer(add, name="add")


class What(StrEnum):
    """What is listed."""

    sites = "sites"
    boards = "boards"
    districts = "districts"


class CsvKind(StrEnum):
    """What a CSV file holds."""

    sites = "sites"
    boards = "boards"


class Format(StrEnum):
    """How the registry is written out."""

    toml = "toml"
    csv = "csv"


@app.callback()
def registry() -> None:
    """The city's registry: districts, sites and boards."""


@app.command(
    "list", epilog="Examples: fenceline registry list | fenceline registry list sites --district nanhai --json"
)
def list_(
    what: Annotated[What, typer.Argument(help="What to list.")] = What.boards,
    district: Annotated[str | None, typer.Option(help="Only those of this district.", show_default="all")] = None,
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """List the boards, sites or districts. Retired boards and overdue calibrations are marked."""
    city = load(config)
    if district and district not in city.districts:
        raise unknown("district", district, city.districts)
    day = today(city.zone)
    view = View(lang or system_language())
    sites = list(city.sites_in(district) if district else city.sites.values())
    boards = list(city.boards_in(district) if district else city.boards.values())
    if what is What.districts:
        rows = [district_row(id_, city, day) for id_ in ([district] if district else city.districts)]
        print_json(rows) if as_json else view.districts(rows)
    elif what is What.sites:
        print_json([plain(site) for site in sites]) if as_json else view.sites(sites, city, day)
    else:
        print_json([board_row(board, city, day) for board in boards]) if as_json else view.boards(boards, city, day)


@app.command(epilog="Examples: fenceline registry show station-pit-1 | fenceline registry show station-pit --json")
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A site or a board.", show_default=False)],
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Show everything of a site or a board; of its key only a fingerprint."""
    city = load(config)
    site, board = city.sites.get(id_), city.boards.get(id_)
    if not site and not board:
        raise unknown("site or board", id_, [*city.sites, *city.boards])
    day = today(city.zone)
    if as_json:
        told = {"site": site_row(site, city)} if site else {}
        print_json(told | ({"board": board_row(board, city, day)} if board else {}))
        return
    view = View(lang or system_language())
    if site:
        view.site(site, city)
    if board:
        view.board(board, city, day)


@app.command(epilog="Example: fenceline registry key station-pit-1 --out station-pit-1.key")
def key(
    board: Annotated[str, typer.Argument(help="The board.", show_default=False)],
    out: Annotated[Path, typer.Option(help="New file, which only you can read.")],
    config: Configuration = FENCELINE,
) -> None:
    """Write a board's key into a file of its own, to be put on the board. It is never printed."""
    keys = load(config).keys
    if board not in keys:
        raise unknown("board", board, keys)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{keys[board].hex()}\n")
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made ({error.strerror}); name a new file") from error
    typer.echo(f"{out}")


@app.command(epilog="Examples: fenceline registry retire station-pit-1 | "
             "fenceline registry retire station-pit-1 --date 2026-12-31 --json")  # fmt: skip
def retire(
    board: Annotated[str, typer.Argument(help="The board.", show_default=False)],
    date: Annotated[
        str | None, typer.Option(help="Local day from which the hub refuses it.", show_default="today")
    ] = None,
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Retire a board. Its key stays, so that what it has said can still be verified."""
    wanted = cell("--date", "retired", date)
    with open_editor(config) as editor:
        boards = editor.entries["board"]
        if board not in boards:
            raise unknown("board", board, boards)
        boards[board] = boards[board] | {"retired": wanted or today(editor.zone)}
        told = {"board": board, "retired": str(boards[board]["retired"])}
        changes = editor.commit()
    if as_json:
        print_json(told | {"changed": bool(changes)})
    else:
        View(lang or system_language()).changes(changes)


@app.command(
    "import",
    help="""Add the entries of a TOML or CSV file and update those there; nothing is deleted without --replace.

The registry that would result is checked whole first: if anything is wrong, nothing changes. Boards that are new get
a key; `fenceline registry key` hands it out.

CSV: the first line names the columns, in any order, all but id may be left out. Sites: id, district, kind, en, zh,
zone_class, latitude, longitude, contacts (role|name|phone|email), night_work (from|to|permit|note). Boards: id, site,
sensors (separated by blanks), installed, calibration_due, retired, note. Several contacts or permits are separated by
semicolons. An empty cell takes the field away. UTF-8 and GB18030, as spreadsheets save them.

Examples: fenceline registry import boards.csv --dry-run | fenceline registry import city.toml --replace
""",
)
def import_(
    file: Annotated[Path, typer.Argument(help="FILE.toml or FILE.csv.", show_default=False)],
    kind: Annotated[
        CsvKind | None, typer.Option(help="What the CSV file holds.", show_default="as its columns tell")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the changes; write nothing.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what the file leaves out; keys are never removed.")
    ] = False,
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Import entries."""
    with refusing():
        imported = read_import(file, kind.removesuffix("s") if kind else None)
    with open_editor(config) as editor:
        if imported.timezone and imported.timezone != editor.zone.key:
            raise UserError(
                f"{file}: timezone = {imported.timezone!r}, but the registry's is {editor.zone.key!r}; make them equal"
            )
        imported.merge(editor.entries, editor.zone, replace=replace)
        try:
            changes = editor.commit(dry_run=dry_run)
        except EntryError as error:
            raise imported.located(error) from error
    if as_json:
        print_json({"dry_run": dry_run, "changes": plain(changes)})
    else:
        View(lang or system_language()).changes(changes, dry_run=dry_run)


@app.command(
    epilog="Examples: fenceline registry export | fenceline registry export boards.csv | "
    "fenceline registry export - --format csv --kind sites",
)
def export(
    file: Annotated[str, typer.Argument(help="FILE, or - for standard output.")] = "-",
    format_: Annotated[
        Format | None, typer.Option("--format", help="How.", show_default="as FILE ends, else toml")
    ] = None,
    kind: Annotated[CsvKind, typer.Option(help="What a CSV file is to hold.")] = CsvKind.boards,
    config: Configuration = FENCELINE,
) -> None:
    """Write the registry, without keys, for other offices and spreadsheets."""
    with refusing():
        settings = load_config(config)
        found = load_entries(settings)
        entries = found.plain()
        as_csv = format_ is Format.csv or (format_ is None and file.lower().endswith(".csv"))
        text = to_csv(entries, kind.removesuffix("s")) if as_csv else render(entries, found.zone.key)
        if file == "-":
            typer.echo(text, nl=False)
            return
        _refuse_own(Path(file), settings)
        # With the mark a spreadsheet knows that it is UTF-8.
        replace_file(Path(file), f"\ufeff{text}" if as_csv else text, 0o644)
        typer.echo(file)


def _refuse_own(file: Path, config: Config) -> None:
    for own in (config.registry, config.keys):
        if file.resolve() == own.resolve():
            raise UserError(f"{file} is the hub's own file; name another")
