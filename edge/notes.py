"""Events wait in flash until the hub has them: a calibration changed without a network must not go untold.

The file holds a line for each event that waits. Each event has a number `n` that is never given twice: the next one
stands in the file `.next` beside it, `STREAM NEXT`, and is there before the event is. It rises by one with each, and
begins at a place drawn at random (2^32 places, 2^20 numbers apart) where there is no such file yet, or where the stream
of the board's records is a new one, since its files may be older than itself. The hub answers with the number when it
has the event for good, and takes each number once.
"""

import json
import os

from edge import files
from edge.journal import log
from edge.message import dropped, plain
from edge.monotonic import ticks_diff, ticks_ms

MOST = 50  # waiting; above, the oldest go, and the hub sees that their numbers are missing
MOST_BYTES = 8192  # of them
AGAIN = 60  # s without the hub's answer after which an event is sent again


def _number(text):
    return int(text[5 : text.index(b",")])


class Notes:
    """The file `path`; `now()` gives Unix time in s, 0 while the clock is not set. `stream`: of the board's records.

    Without `stream`, at the prompt, the numbers go on as they are.
    """

    def __init__(self, path, now, stream=""):
        self._path = path
        self._now = now
        self._stream = stream
        self._sending = False
        self._waiting = None  # how many events wait; None: not looked
        self._sent = {}  # ticks at which an event was sent by this connection, by number

    def add(self, event, detail):
        """Keep an event; where flash does not take it, it is in the log alone."""
        self._keep(json.dumps({"t": self._now(), "event": event, "detail": plain(detail)}))

    def lose(self, stream, first, last, reason):
        """Keep the event that the outbox gave up records; return whether flash took it."""
        return self._keep(dropped(self._now(), stream, first, last, reason))

    def begin(self):
        """Send all that waits: there is a new connection."""
        self._sent.clear()

    def acknowledged(self, number):
        """Forget an event: the hub has it for good."""
        waiting = self._read()
        left = [text for text in waiting if _number(text) != number]
        if len(left) < len(waiting):
            self._sent.pop(number, None)
            try:
                self._write(left)
            except OSError as error:
                log("event %d not forgotten: %s" % (number, error))  # it is sent again, and the hub answers again

    async def send(self, publish):
        """Publish, oldest first, what waits and was not sent lately; raises OSError when that fails."""
        if self._sending:
            return  # whoever is at it sends until nothing waits
        self._sending = True
        try:
            text = self._due()
            while text:
                await publish("event", [text])
                self._sent[_number(text)] = ticks_ms()
                text = self._due()
        finally:
            self._sending = False

    def _due(self):
        if self._waiting == 0:
            return None
        for text in self._read():
            sent = self._sent.get(_number(text))
            if sent is None or ticks_diff(ticks_ms(), sent) > AGAIN * 1000:
                return text
        return None

    def _keep(self, text):
        try:
            waiting = self._read()
            waiting.append(self._numbered(text.encode()))
            size = sum([len(each) for each in waiting])
            while len(waiting) > MOST or (size > MOST_BYTES and len(waiting) > 1):
                gone = waiting.pop(0)
                size -= len(gone)
                log("event given up: %s" % gone.decode()[:100])
            self._write(waiting)
        except OSError as error:
            log("event not kept (%s): %s" % (error, text))
            return False
        return True

    def _read(self):
        """Return the events; what stands behind the last newline is torn."""
        try:
            with open(self._path, "rb") as file:
                waiting = [text[:-1] for text in file if text[:1] == b"{" and text[-1:] == b"\n"]
        except OSError:
            waiting = []
        if [text for text in waiting if text[:5] != b'{"n":']:  # an earlier version kept it
            waiting = [text if text[:5] == b'{"n":' else self._numbered(text) for text in waiting]
            self._write(waiting)
        self._waiting = len(waiting)
        return waiting

    def _numbered(self, text):
        """Return an event with the next number, which is given from now on."""
        stream, number = "", 0
        try:
            with open(self._path + ".next", "rb") as file:
                words = file.read().split()
            stream, number = words[0].decode(), int(words[1])
        except (OSError, IndexError, ValueError):
            pass  # none yet, or damaged
        if not number or (self._stream and stream != self._stream):
            stream, number = self._stream or stream or "-", (int.from_bytes(os.urandom(4), "big") << 20) + 1
        files.replace(self._path + ".next", "%s %d" % (stream, number + 1))
        return b'{"n":%d,%s' % (number, text[1:])

    def _write(self, waiting):
        pieces = []
        for text in waiting:
            pieces.append(text)
            pieces.append(b"\n")
        self._waiting = None
        files.replace(self._path, pieces)
