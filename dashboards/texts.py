"""Gives the dashboards their texts in one language, so that no panel mixes two."""

import tomllib
from enum import StrEnum
from pathlib import Path

from schemas.domains import packs

FILE = Path(__file__).parent / "texts.toml"


class Lang(StrEnum):
    """A language that people read dashboards in."""

    EN = "en"
    ZH = "zh"


class Texts:
    """The texts of one language: ``Texts(Lang.EN)("noise", "title")``."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang
        own = ((place, names) for pack in packs() for place, names in pack.texts.items())
        self._tables: dict[str, dict[str, dict[str, str]]] = tomllib.loads(FILE.read_text("utf-8"))
        self._tables |= {
            place: {name: {Lang.EN: said.en, Lang.ZH: said.zh} for name, said in names.items()} for place, names in own
        }

    def __call__(self, place: str, name: str, **values: str) -> str:
        """Return a text by the names of its table, with ``{...}`` in it filled in."""
        return self._tables[place][name][self.lang].strip().format(**values)

    def names(self, place: str) -> list[str]:
        """Return the names of all texts of one place."""
        return list(self._tables[place])
