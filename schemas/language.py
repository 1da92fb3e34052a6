"""The two languages in which people read what a command says."""

import os
from enum import StrEnum
from typing import NamedTuple

VARIABLES = ("FENCELINE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""Variables of the environment that name a language; the first that is set counts."""


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


_PARTS = {"appendix ": "附录", "annex ": "附件", "table ": "表", "note ": "注", ", ": "，"}


def clause_text(clause: str) -> Text:
    """Return where in a standard something stands, such as "table 1, note 1", in both languages."""
    zh = clause
    for en, word in _PARTS.items():
        zh = zh.replace(en, word)
    return Text(clause, zh)


_chosen: Lang | None = None


def speak(lang: Lang | None) -> None:
    """Choose the language of this command line; None leaves it to the environment."""
    global _chosen  # noqa: PLW0603 - one command line, one language; errors need it wherever they are raised
    _chosen = lang


def spoken() -> Lang:
    """Return the language of this command line: the one of --lang, else the environment's."""
    return _chosen or system_language()


def tell(text: Text) -> str:
    """Return a text in the language of this command line."""
    return text.into(spoken())


def system_language() -> Lang:
    """Return the language of FENCELINE_LANG, else of the system."""
    wanted = next((value for name in VARIABLES if (value := os.environ.get(name))), "")
    return Lang.zh if wanted.lower().startswith(("zh", "chinese")) else Lang.en
