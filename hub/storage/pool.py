"""Connections to a database that are kept open between uses: to open one takes longer than most questions to it."""

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple


class Kept(sqlite3.Connection):
    """A connection that knows its cursors: one that is not read to its end would hold back the write-ahead log."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()

    def execute(self, *given: Any) -> sqlite3.Cursor:
        """Execute a statement with a cursor of its own."""
        made = super().execute(*given)
        self._cursors.add(made)
        return made

    def cursor(self, *given: Any) -> Any:
        """Make a cursor."""
        made = super().cursor(*given)
        self._cursors.add(made)
        return made

    def rest(self) -> None:
        """End what is still being read."""
        for cursor in list(self._cursors):
            cursor.close()


class _Idle(NamedTuple):
    db: Kept
    file: tuple[int, int]
    """Device and inode of the file that it has open."""


class Pool:
    """Lends connections to one database; at most `most` wait open for the next use.

    `open_` opens one of the class that it is given.
    """

    def __init__(self, path: Path, open_: Callable[[type[Kept]], sqlite3.Connection], most: int = 4) -> None:
        self._path, self._open, self._most = path, open_, most
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection until the block is left. What is not committed then is undone.

        Raises:
            DatabaseError: the database cannot be opened.
        """
        one = self._take()
        try:
            yield one.db
        except BaseException:
            one.db.close()
            raise
        one.db.rest()
        with self._lock:
            if not (self._closed or one.db.in_transaction or len(self._idle) >= self._most):
                self._idle.append(one)
                return
        one.db.close()

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for one in idle:
            one.db.close()

    def _take(self) -> _Idle:
        while True:
            with self._lock:
                found = self._idle.pop() if self._idle else None
            if found is None:
                db = self._open(Kept)
                assert isinstance(db, Kept)
                return _Idle(db, self._file())
            if found.file == self._file():
                return found
            found.db.close()  # another file is there now: a backup was put back

    def _file(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_dev, found.st_ino
