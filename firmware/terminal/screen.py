"""What a technician sees: progress bars, questions, tables. Only results go to standard output."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from firmware.terminal.speech import FieldError
from hub.terminal import tables
from schemas.language import Text, tell

ANSWERS = Text("y/n", "y/n，是/否")
NO_ANSWER = Text(
    "there is nobody to answer: give --yes, or run the command in a terminal",
    "没有终端可供应答：请使用 --yes，或在终端中执行该命令",
)


def say(text: Text) -> None:
    """Tell a person something on the way."""
    print(tell(text), file=sys.stderr, flush=True)


def table(columns: Sequence[Text], rows: Sequence[Sequence[str]], styles: Sequence[str | None] = ()) -> None:
    """Print a table on standard output; `styles` colours its rows, and says nothing that the text does not say."""
    tables.table([tell(column) for column in columns], rows, styles=styles)


@contextmanager
def progress(title: Text, total: float) -> Iterator[Callable[[float, str], None]]:
    """Show a bar while something takes long; call what is given with how much more is done, and with what is next."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(tell(title)), total=total, now="")

        def more(amount: float, now: str = "") -> None:
            bar.update(task, advance=amount, now=escape(now))

        yield more


def ask(question: Text) -> str:
    """Ask for a line; "" when Enter is all that comes.

    Raises:
        FieldError: there is nobody to answer.
    """
    print(f"{tell(question)} ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise FieldError(NO_ANSWER)
    return line.strip()


def confirm(question: Text, *, yes: bool) -> bool:
    """Ask yes or no; `yes` answers it beforehand."""
    if yes:
        return True
    answer = ask(Text(f"{question.en} [{ANSWERS.en}]", f"{question.zh} [{ANSWERS.zh}]")).lower()
    return answer in ("y", "yes", "是")
