"""Events that wait in flash until the broker has them: a calibration changed without a network must not go untold."""

import json
import os

MOST = 50  # waiting; above, the oldest go


class Notes:
    """The file `path`, a line for each event; `now()` gives Unix time in s, 0 while the clock is not set."""

    def __init__(self, path, now):
        self._path = path
        self._now = now

    def add(self, event, detail):
        """Keep an event."""
        text = json.dumps({"t": self._now(), "event": event, "detail": detail})
        waiting = self._read()
        if len(waiting) < MOST:
            with open(self._path, "a") as file:
                file.write(text + "\n")
        else:
            with open(self._path, "w") as file:
                file.write("\n".join(waiting[1 - MOST :] + [text]) + "\n")

    async def send(self, publish):
        """Publish what waits, oldest first, and forget it; raises OSError and keeps what is left when that fails."""
        waiting = self._read()
        if not waiting:
            return
        for text in waiting:
            await publish("event", [text.encode()])
        if self._read() == waiting:
            os.remove(self._path)

    def _read(self):
        try:
            with open(self._path) as file:
                return [text.rstrip("\n") for text in file if text.endswith("}\n")]
        except OSError:
            return []
