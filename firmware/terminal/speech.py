"""What a technician is told, in English or Chinese, and how a command is left when something goes wrong."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from schemas.errors import UserError
from schemas.language import Lang, Text, system_language

_chosen: Lang | None = None


def _choose(lang: Lang | None) -> Lang | None:
    global _chosen  # noqa: PLW0603 - one command line, one language; errors need it wherever they are raised
    _chosen = lang
    return lang


LangOption = Annotated[
    Lang | None,
    typer.Option("--lang", callback=_choose, help="Language of what is printed.", show_default="as the system's"),
]
"""The option --lang of a command of `fenceline board`; from then on `tell` and every `FieldError` speak it."""


def spoken() -> Lang:
    """Return the language of this command line."""
    return _chosen or system_language()


def tell(text: Text) -> str:
    """Return a text in the language of this command line."""
    return text.into(spoken())


class FieldError(UserError):
    """Something that a technician can mend; the text names the cause and the remedy in both languages."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text

    def __str__(self) -> str:
        """Return it in the language of this command line."""
        return tell(self.text)


@contextlib.contextmanager
def if_stopped(state: Text) -> Iterator[None]:
    """Say on standard error in what state the board is when Ctrl-C ends the block; the innermost block's counts."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not getattr(interrupt, "told", False):
            print(f"\n{tell(Text('Stopped.', '已停止。'))} {tell(state)}", file=sys.stderr)
            interrupt.told = True  # type: ignore[attr-defined]
        raise
