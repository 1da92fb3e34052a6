"""`fenceline limits`: the catalogue of limits, and which of them bind a site."""

import datetime as dt
from typing import Annotated

import typer

from hub.config.files import ConfigError, load_config
from hub.judge import Place
from hub.limits.place_options import (
    JURISDICTION,
    Kind,
    PropertyOption,
    places_of,
    properties_of,
    standard_of,
    unknown_name,
)
from hub.limits.places import COUNTRY, place_of
from hub.limits.view import View, plain, plain_binding
from hub.registry.commands import FENCELINE, AsJson, Configuration, print_json, unknown
from hub.registry.live import load_entries
from schemas import (
    ZONE_CLASSES,
    CatalogueError,
    Limit,
    Standard,
    binding,
    load_limits,
    load_quantities,
)
from schemas.errors import UserError
from schemas.language import system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False, no_args_is_help=True)

DayOption = Annotated[str | None, typer.Option("--day", help="A local day, YYYY-MM-DD.", metavar="DAY")]
PlaceOption = Annotated[str | None, typer.Option(help=JURISDICTION, metavar="NAME")]


@app.callback()
def limits() -> None:
    """The limits of the law: list them, show a standard, explain which of them bind a site."""


@app.command(
    "list", epilog="Examples: fenceline limits list --quantity pm10 --day 2026-11-22 | fenceline limits list -h"
)
def list_(
    standard: Annotated[str | None, typer.Option(help="Only of this standard.", metavar="ID")] = None,
    quantity: Annotated[str | None, typer.Option(help="Only of this quantity.", metavar="KEY")] = None,
    jurisdiction: PlaceOption = None,
    day: DayOption = None,
    as_json: AsJson = False,
    lang: LangOption = None,
) -> None:
    """List limits: all of them, or those of a standard, of a quantity, in force at a place or on a day."""
    chosen = _load()
    if standard:
        wanted = standard_of(standard, chosen)
        chosen = [(s, n) for s, n in chosen if s.id == wanted.id]
    if quantity:
        if quantity not in load_quantities():
            raise unknown_name("--quantity", quantity, load_quantities())
        chosen = [(s, n) for s, n in chosen if n.quantity == quantity]
    if jurisdiction:
        places = places_of(jurisdiction)
        chosen = [(s, n) for s, n in chosen if s.jurisdiction in places]
    if day:
        on = _day(day)
        chosen = [(s, n) for s, n in chosen if n.in_force <= on and (n.ends is None or on < n.ends)]
    if as_json:
        print_json([plain(s, n) for s, n in chosen])
    else:
        View(lang or system_language()).catalogue(chosen)


@app.command(epilog='Examples: fenceline limits show "GB 12523-2025" | fenceline limits show gb3095-2026 --lang zh')
def show(
    standard: Annotated[str, typer.Argument(help="The standard; capitals and blanks do not matter.")],
    as_json: AsJson = False,
    lang: LangOption = None,
) -> None:
    """Show a standard whole: dates, source, every limit, and how well each is verified."""
    catalogue = _load()
    wanted = standard_of(standard, catalogue)
    own = [n for s, n in catalogue if s.id == wanted.id]
    if as_json:
        import msgspec

        print_json({"standard": msgspec.to_builtins(wanted), "limits": [msgspec.to_builtins(n) for n in own]})
    else:
        View(lang or system_language()).show(wanted, own)


@app.command(
    epilog="Examples: fenceline limits explain station-pit | "
    "fenceline limits explain --kind construction --zone 2 --jurisdiction CN-SH --day 2025-12-31"
)
def explain(
    site: Annotated[str | None, typer.Argument(help="A site of the registry.", show_default=False)] = None,
    kind: Annotated[Kind | None, typer.Option(help="Kind of a site that is in no registry.")] = None,
    zone: Annotated[str | None, typer.Option(help="Its class of acoustic environment (GB 3096).")] = None,
    jurisdiction: PlaceOption = None,
    property_: PropertyOption = None,
    day: DayOption = None,
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Explain which limits bind a site, which do not, and why.

    A site of the registry is known; --zone, --jurisdiction, --property and --day then say "what if".
    """
    if (site is None) == (kind is None):
        raise UserError("limits explain: expected either a SITE of the registry or --kind; name one of the two.")
    if zone is not None and zone not in ZONE_CLASSES:
        raise UserError(f"--zone {zone}: expected one of: {', '.join(ZONE_CLASSES)}.")
    today = dt.datetime.now().astimezone().date()
    place = Place(str(kind), None, places_of(COUNTRY))
    if site is not None:
        try:
            city = load_entries(load_config(config))
        except ConfigError as error:
            raise UserError(str(error)) from error
        if site not in city.sites:
            raise unknown("site", site, city.sites)
        place = place_of(city.sites[site], city.districts, city.cities)
        today = dt.datetime.now(city.zone).date()
    found = binding(
        _load(),
        kind=place.kind,
        zone=zone or place.zone_class,
        jurisdictions=places_of(jurisdiction) if jurisdiction else place.jurisdictions,
        day=_day(day) if day else today,
        properties=dict(place.properties) | properties_of(property_ or []),
    )
    lang = lang or system_language()
    if as_json:
        print_json([plain_binding(one, lang) for one in found])
    else:
        View(lang).explain(found)


def _load() -> list[tuple[Standard, Limit]]:
    try:
        return load_limits()
    except CatalogueError as error:
        raise UserError(str(error)) from error


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UserError(f"--day {text}: expected a day such as 2026-03-01.") from None
