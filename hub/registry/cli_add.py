"""`fenceline registry add`: one city, district, site or board more."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hub.config.files import load_config
from hub.registry.commands import FENCELINE, Configuration, cell, load, open_editor
from hub.registry.edit import Change
from hub.registry.live import key_of
from hub.registry.view import View, fingerprint
from schemas.errors import UserError
from schemas.language import system_language
from schemas.language_option import LangOption

add = typer.Typer(no_args_is_help=True, help="Add one city, district, site or board.")

Id = Annotated[str, typer.Argument(help="1 to 32 of a-z, 0-9 and -.", show_default=False)]
English = Annotated[str, typer.Option("--en", help="Name in English.")]
Chinese = Annotated[str, typer.Option("--zh", help="Name in Chinese.")]


def _add(config: Path, kind: str, entry: dict[str, Any], key: str | None = None) -> list[Change]:
    with open_editor(config) as editor:
        if entry["id"] in editor.entries[kind]:
            raise UserError(f"there is a {kind} {entry['id']!r} already; to change it, edit the registry or import it")
        editor.entries[kind][entry["id"]] = {name: value for name, value in entry.items() if value is not None}
        return editor.commit({entry["id"]: key} if key else None)


@add.command("city", epilog="Example: fenceline registry add city foshan --en Foshan --zh 佛山")
def add_city(id_: Id, en: English, zh: Chinese, config: Configuration = FENCELINE, lang: LangOption = None) -> None:
    """Add a city, by which districts can be grouped."""
    View(lang or system_language()).changes(_add(config, "city", {"id": id_, "en": en, "zh": zh}))


@add.command("district", epilog="Example: fenceline registry add district nanhai --city foshan --en Nanhai --zh 南海")
def add_district(
    id_: Id,
    city: Annotated[str, typer.Option(help="Id of its city.")],
    en: English,
    zh: Chinese,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Add a district. As soon as there is one, every site's district must be one of them."""
    changes = _add(config, "district", {"id": id_, "city": city, "en": en, "zh": zh})
    View(lang or system_language()).changes(changes)


@add.command(
    "site",
    epilog="Example: fenceline registry add site station-pit --district nanhai --kind construction --en 'Station pit' "
    "--zh 车站基坑 --zone-class 2 --position 23.0288,113.1427 --contact 'site manager|Li|+86 757 0000 0000' "
    "--night-work '2026-12-01T22:00|2026-12-02T06:00|2026-118'",
)
def add_site(
    id_: Id,
    district: Annotated[str, typer.Option(help="Id of its district; stands in topics.")],
    kind: Annotated[str, typer.Option(help="construction or factory: decides which limits bind it.")],
    en: English,
    zh: Chinese,
    zone_class: Annotated[str | None, typer.Option(help="0, 1, 2, 3, 4, 4a or 4b (GB 3096-2008).")] = None,
    position: Annotated[
        str | None,
        typer.Option(help="LATITUDE,LONGITUDE in degrees, WGS-84. Chinese maps show GCJ-02, hundreds of metres off."),
    ] = None,
    contact: Annotated[list[str] | None, typer.Option(help="ROLE|NAME|PHONE|EMAIL; may be repeated.")] = None,
    night_work: Annotated[list[str] | None, typer.Option(help="FROM|TO|PERMIT|NOTE; may be repeated.")] = None,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Add a construction site or factory."""
    entry: dict[str, Any] = {
        "id": id_,
        "district": district,
        "kind": kind,
        "en": en,
        "zh": zh,
        "zone_class": zone_class,
    }
    if position is not None:
        try:
            entry["position"] = [float(part) for part in position.split(",")]
        except ValueError:
            raise UserError(f"--position {position!r}: expected LATITUDE,LONGITUDE such as 22.5431,114.0579") from None
    entry["contacts"] = cell("--contact", "contacts", ";".join(contact or ()))
    entry["night_work"] = cell("--night-work", "night_work", ";".join(night_work or ()))
    View(lang or system_language()).changes(_add(config, "site", entry))


@add.command(
    "board",
    epilog="Examples: fenceline registry add board station-pit-1 --site station-pit --sensors plantower,modbus | "
    "fenceline registry add board station-pit-2 --site station-pit --key-file station-pit-2.key",
)
def add_board(
    id_: Id,
    site: Annotated[str, typer.Option(help="Id of the site at whose fence it stands.")],
    sensors: Annotated[str | None, typer.Option(help="Driver names, separated by commas.")] = None,
    installed: Annotated[str | None, typer.Option(help="Date, such as 2026-12-01.")] = None,
    calibration_due: Annotated[str | None, typer.Option(help="Date from which its calibration is overdue.")] = None,
    note: Annotated[str | None, typer.Option(help="Anything worth knowing.")] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the key that the board has already (64 hexadecimal digits).", show_default="drawn"
        ),
    ] = None,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Add a board. Its key is drawn at random into the file of keys, unless the board has one already."""
    entry = {"id": id_, "site": site, "sensors": cell("--sensors", "sensors", sensors), "note": note}
    entry["installed"] = cell("--installed", "installed", installed)
    entry["calibration_due"] = cell("--calibration-due", "calibration_due", calibration_due)
    changes = _add(config, "board", entry, _given_key(key_file) if key_file else None)
    view = View(lang or system_language())
    view.changes(changes)
    view.say(view.text("its key", load_config(config).keys, fingerprint(load(config).keys[id_])))
    if key_file is None:
        view.say(view.text("hand out", f"fenceline registry key {id_} --out {id_}.key --config {config}"))


def _given_key(path: Path) -> str:
    try:
        key = key_of(path.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"--key-file {path}: cannot be read ({told}); name the file with the board's key") from None
    if key is None:
        raise UserError(f"--key-file {path}: does not hold 64 hexadecimal digits; make one: openssl rand -hex 32")
    return key.hex()
