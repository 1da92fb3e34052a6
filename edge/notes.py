"""Events that wait in flash until the broker has them: a calibration changed without a network must not go untold."""

import json

from edge import files
from edge.journal import log
from edge.message import plain

MOST = 50  # waiting; above, the oldest go


class Notes:
    """The file `path`, a line for each event; `now()` gives Unix time in s, 0 while the clock is not set."""

    def __init__(self, path, now):
        self._path = path
        self._now = now
        self._sending = False

    def add(self, event, detail):
        """Keep an event; where flash does not take it, it is in the log alone."""
        text = json.dumps({"t": self._now(), "event": event, "detail": plain(detail)})
        try:
            self._write(self._read()[1 - MOST :] + [text])
        except OSError as error:
            log("event not kept (%s): %s" % (error, text))

    async def send(self, publish):
        """Publish what waits, oldest first, and forget it; raises OSError and keeps what is left when that fails."""
        if self._sending:
            return  # whoever is at it sends until nothing waits
        self._sending = True
        try:
            waiting = self._read()
            while waiting:
                text = waiting[0]
                await publish("event", [text.encode()])
                waiting = self._read()
                if waiting and waiting[0] == text:  # else it was pushed out meanwhile
                    waiting.pop(0)
                    self._write(waiting)
        finally:
            self._sending = False

    def _read(self):
        try:
            with open(self._path, "rb") as file:
                lines = file.read().split(b"\n")
        except OSError:
            return []
        return [text.decode() for text in lines[:-1] if text]  # what stands behind the last newline is torn

    def _write(self, waiting):
        files.replace(self._path, "".join([text + "\n" for text in waiting]))
