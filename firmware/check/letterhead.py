"""Whose report it is: `report.toml` in the technician's folder names the city, its logo and its console."""

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from firmware.check.pictures import picture
from hub.config.files import ConfigError, read_toml
from schemas.errors import UserError
from schemas.faults import takes
from schemas.language import Text

FILE = "report.toml"
Address = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(https?://[^\s/?#]+)?\Z",
        extra=takes("an address such as https://fenceline.example.gov.cn, in quotes, nothing behind it"),
    ),
]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `report.toml` says."""

    en: str = ""
    """Who the report is from, such as the city's bureau."""
    zh: str = ""
    """The same in Chinese; one of the two stands for both if the other is empty."""
    logo: Path | None = None
    """A picture beside the name: JPEG, PNG or SVG; its path counts from the folder of `report.toml`."""
    console: Address = ""
    """Where the city's console is reached: the report's QR code leads to the site's page there."""


class Letterhead(NamedTuple):
    """The head of a report; without `report.toml` there is none."""

    name: Text = Text("", "")
    logo: str = ""
    """The picture, as a page holds it within itself."""
    console: str = ""


def read_letterhead(folder: Path) -> Letterhead:
    """Return the head of reports that the file in a folder describes.

    Raises:
        UserError: the file or the logo cannot be used.
    """
    path = folder / FILE
    if not path.exists():
        return Letterhead()
    try:
        said = read_toml(path, Settings)
    except ConfigError as error:
        raise UserError(str(error)) from error
    logo = picture(f"{path}: logo", folder / said.logo, drawn=True) if said.logo else ""
    return Letterhead(Text(said.en or said.zh, said.zh or said.en), logo, said.console)
