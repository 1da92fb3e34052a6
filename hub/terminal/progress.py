"""Shows on a terminal how far long work has come."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.sheets.text import Source
from schemas.language import Text, tell

LONG = 20_000_000
"""A file of so many bytes takes long enough to read for a bar."""


@contextmanager
def reading(lines: Source, name: str) -> Iterator[Callable[[], None]]:
    """Show how far a long file is read, or how much of it, where its size is not known. Call the step now and then."""
    if (lines.size is not None and lines.size < LONG) or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    known = (TaskProgressColumn(), TimeRemainingColumn()) if lines.size is not None else (DownloadColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *known)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=lines.size)
        yield lambda: bar.update(task, completed=lines.read)


@contextmanager
def busy(text: Text) -> Iterator[None]:
    """Show on a terminal that work of unknown length goes on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(tell(text)):
        yield
