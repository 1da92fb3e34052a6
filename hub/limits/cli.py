"""`fenceline limits`: the catalogue of limits, and which of them bind a site."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from hub.limits.place_options import (
    JURISDICTION,
    ZONE,
    PropertyOption,
    kind_of,
    places_of,
    properties_of,
    standard_of,
    unknown_name,
)
from hub.limits.view import LimitsView, plain, plain_binding, plain_covered, plain_unmeasured
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, AsJson, Config
from schemas import ZONE_CLASSES, CatalogueError, load_limits, load_quantities
from schemas.errors import UserError
from schemas.language import Text, spoken

if TYPE_CHECKING:
    from schemas import Limit, Standard

app = group(
    Text(
        "The limits of the law: list them, show a standard, explain which of them bind a site.",
        "法定限值：列出、查看标准、说明哪些限值约束某站点。",
    ),
    "fenceline limits list --quantity pm10",
    "fenceline limits explain station-pit",
)

DayOption = Annotated[
    str | None, option(Text("A local day, YYYY-MM-DD.", "当地日期，YYYY-MM-DD。"), "--day", metavar="DAY")
]
PlaceOption = Annotated[str | None, option(JURISDICTION, metavar="NAME")]


@command(
    app,
    "list",
    Text(
        "List limits: all of them, or those of a standard, of a quantity, in force at a place or on a day.",
        "列出限值：全部，或某标准、某监测项、某地、某日有效的限值。",
    ),
    "fenceline limits list",
    "fenceline limits list --quantity pm10 --day 2026-11-22",
    "fenceline limits list --standard 'GB 12523-2025' --json",
)
def list_(
    standard: Annotated[
        str | None, option(Text("Only of this standard.", "仅限该标准。"), show_default=ALL, metavar="ID")
    ] = None,
    quantity: Annotated[
        str | None, option(Text("Only of this quantity.", "仅限该监测项。"), show_default=ALL, metavar="KEY")
    ] = None,
    jurisdiction: PlaceOption = None,
    day: DayOption = None,
    as_json: AsJson = False,
) -> None:
    """List limits."""
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
        print_list((plain(s, n) for s, n in chosen), "limits")
    else:
        LimitsView().catalogue(chosen)


@command(
    app,
    "show",
    Text(
        "Show a standard whole: dates, source, every limit, and how well each is verified.",
        "查看一项标准的全部内容：日期、来源、各项限值及核实程度。",
    ),
    'fenceline limits show "GB 12523-2025"',
    "fenceline limits show gb3095-2026 --lang zh",
)
def show(
    standard: Annotated[
        str,
        argument(
            Text("The standard; capitals and blanks do not matter.", "标准编号，不区分大小写和空格。"), "STANDARD"
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show a standard whole."""
    catalogue = _load()
    wanted = standard_of(standard, catalogue)
    own = [n for s, n in catalogue if s.id == wanted.id]
    if as_json:
        import msgspec

        print_object({"standard": msgspec.to_builtins(wanted), "limits": [msgspec.to_builtins(n) for n in own]})
    else:
        LimitsView().show(wanted, own)


@command(
    app,
    "explain",
    Text(
        """Explain which limits bind a site, which do not, and why.

        A site of the registry is known; --zone, --jurisdiction, --property and --day then say "what if".""",
        """说明哪些限值约束某站点，哪些不约束，以及原因。

        登记册中的站点情况已知，此时 --zone、--jurisdiction、--property 和 --day 用于假设分析。""",
    ),
    "fenceline limits explain station-pit",
    "fenceline limits explain --kind construction --zone 2 --jurisdiction CN-SH --day 2025-12-31",
)
def explain(
    site: Annotated[str | None, argument(Text("A site of the registry.", "登记册中的站点。"), "SITE")] = None,
    kind: Annotated[
        str | None, option(Text("Kind of a site that is in no registry.", "未登记站点的类型。"), metavar="KIND")
    ] = None,
    zone: Annotated[str | None, option(ZONE)] = None,
    jurisdiction: PlaceOption = None,
    property_: PropertyOption = None,
    day: DayOption = None,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Explain which limits bind a site."""
    from hub.config.files import ConfigError, load_config
    from hub.judge import Place
    from hub.limits.places import COUNTRY, place_of
    from hub.registry.commands import unknown
    from hub.registry.live import load_entries
    from schemas import binding

    if (site is None) == (kind is None):
        raise UserError("limits explain: expected either a SITE of the registry or --kind; name one of the two.")
    if zone is not None and zone not in ZONE_CLASSES:
        raise UserError(f"--zone {zone}: expected one of: {', '.join(ZONE_CLASSES)}.")
    today = dt.datetime.now().astimezone().date()
    if site is None:
        place = Place(kind_of(kind), None, places_of(COUNTRY))
    else:
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
    if as_json:
        print_list((plain_binding(one, spoken()) for one in found), "limits")
    else:
        LimitsView().explain(found)


@command(
    app,
    "coverage",
    Text(
        """Tell for each kind of site and quantity what the law of a place says: a limit, one that is open, or none.

        Open: a local limit is known to hold and its value is not; the laxer national one is not taken for it.""",
        """逐一说明某地各类站点、各监测项的法定限值：有限值、待定或无限值。

        待定：已知当地有限值而数值尚未查明，不以较宽的国家限值代替。""",
    ),
    "fenceline limits coverage Foshan",
    "fenceline limits coverage 西安 --lang zh",
    "fenceline limits coverage Wuxi --json",
)
def coverage_command(
    city: Annotated[
        str,
        argument(Text("A city, province or country, by code or name.", "城市、省或国家的代码或名称。"), "CITY"),
    ],
    day: DayOption = None,
    as_json: AsJson = False,
) -> None:
    """Tell what the law of a place covers."""
    from hub.limits.coverage import coverage
    from schemas.no_limits import load_no_limits, load_unmeasured

    on = _day(day) if day else dt.datetime.now().astimezone().date()
    try:
        found = coverage(_load(), load_quantities(), load_no_limits(), places_of(city), on)
        unmeasured = load_unmeasured()
    except CatalogueError as error:
        raise UserError(str(error)) from error
    if as_json:
        rows = (plain_covered(one, spoken()) for one in found)
        print_list(rows, "rows", unmeasured=[plain_unmeasured(one, spoken()) for one in unmeasured])
    else:
        LimitsView().coverage(found, load_quantities(), unmeasured)


def _load() -> list[tuple["Standard", "Limit"]]:
    try:
        return load_limits()
    except CatalogueError as error:
        raise UserError(str(error)) from error


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UserError(f"--day {text}: expected a day such as 2026-03-01.") from None
