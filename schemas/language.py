"""The two languages in which people read what a command says."""

import locale
import os
from enum import StrEnum
from typing import NamedTuple


class Lang(StrEnum):
    """Language of an output."""

    en = "en"
    zh = "zh"


class Text(NamedTuple):
    """A sentence in both languages."""

    en: str
    zh: str

    def __str__(self) -> str:
        """Return it in English, for logs and errors."""
        return self.en

    def into(self, lang: Lang) -> str:
        """Return it in a language."""
        return self.zh if lang is Lang.zh else self.en


def system_language() -> Lang:
    """Return the language of FENCELINE_LANG or of the environment."""
    wanted = os.environ.get("FENCELINE_LANG") or locale.getlocale()[0] or ""
    return Lang.zh if wanted.lower().startswith(("zh", "chinese")) else Lang.en
