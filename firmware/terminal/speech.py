"""What a technician is told, in English or Chinese, and how a command is left when something goes wrong."""

import contextlib
import sys
from collections.abc import Iterator

from schemas.errors import UserError
from schemas.language import Text, tell


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
