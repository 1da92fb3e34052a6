"""Whom the alerts of `dashboards.alerting` reach: a file of the operator's, since it may hold secrets."""

from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import UserError
from schemas.toml_text import TomlError, read_toml_file


class Contact(NamedTuple):
    """A contact point, in Grafana's terms: `kind` is email, dingding, wecom, webhook, ..."""

    kind: str
    settings: dict[str, Any]


def read_contact(path: Path) -> Contact:
    """Read whom alerts reach: `type` and `[settings]` as Grafana names them.

    Raises:
        UserError: the file is missing or says something else.
    """
    try:
        content: dict[str, Any] = read_toml_file(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); deploy/README.md shows what stands in it"
        ) from error
    except TomlError as error:
        raise UserError(f"{path}: {error}") from None
    kind, settings = content.get("type"), content.get("settings")
    if not isinstance(kind, str) or not kind or not isinstance(settings, dict) or not settings or len(content) != 2:
        raise UserError(
            f'{path}: expected type = "email" (or "dingding", "wecom", "webhook" ...) and a table [settings] with what '
            "that needs, nothing else; deploy/README.md shows examples"
        )
    return Contact(kind, settings)
