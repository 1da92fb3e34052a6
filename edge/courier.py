"""Brings the outbox's records to the hub: the newest at once, what piled up oldest first, all until acknowledged.

Each record is sent as soon as it is made, even while older ones still wait: an inspector sees the present during a
catch-up of days. What was sent that way is sent once more when its turn comes, and the hub drops what it has.
"""

import asyncio

from edge import message
from edge.journal import log
from edge.monotonic import ticks_diff, ticks_ms

MOST_RECORDS = 20  # in one message
MOST_BYTES = 1200  # of records in one message: while it is on its way, they stand in the heap
WINDOW = 120  # records that may be on their way without the hub's acknowledgement
ACK_TIMEOUT = 15  # s without progress before all that is unacknowledged is sent again


class Courier:
    """Sends for one board; `publish(kind, parts)` is the agent's, and raises OSError when it cannot.

    `lost(stream, first, last, reason)` keeps the event that records were given up, and returns whether it could.
    """

    def __init__(self, outbox, timeline, publish, lost):
        self._outbox = outbox
        self._timeline = timeline
        self._publish = publish
        self._lost = lost
        self._wake = asyncio.Event()
        self._progress = ticks_ms()
        self._newest = None
        self._losses = []
        self.ready = False  # connected, and listening for acknowledgements

    def made(self, seq, kept):
        """Take notice of a record that is now in the outbox."""
        self._newest = (seq, kept)
        self._wake.set()

    def begin(self):
        """Begin again with the oldest record: there is a new connection."""
        self._outbox.rewind()
        self.ready = True
        self._wake.set()

    def acknowledged(self, stream, seq):
        """Take the hub's acknowledgement."""
        before = self._outbox.oldest
        self._outbox.acknowledge(stream, seq)
        if self._outbox.oldest != before:  # the hub repeats itself while a record is missing
            self._progress = ticks_ms()
        self._wake.set()

    async def run(self):
        """Send for ever."""
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), 1)
            except asyncio.TimeoutError:
                pass
            self._wake.clear()
            try:
                while self.ready and await self._send_something():
                    pass
            except OSError as error:
                self.ready = False
                log("send: %s" % error)  # the next connection begins again with the oldest

    async def _send_something(self):
        """Send one message; return whether there may be more to send."""
        outbox = self._outbox
        newest, self._newest = self._newest, None
        if newest and newest[0] > outbox.cursor:
            await self._send(newest[0], [newest[1]])
        if outbox.cursor > outbox.oldest and ticks_diff(ticks_ms(), self._progress) > ACK_TIMEOUT * 1000:
            self._progress = ticks_ms()
            outbox.rewind()
        if outbox.cursor - outbox.oldest >= WINDOW:
            return False
        if outbox.cursor == outbox.oldest:
            self._progress = ticks_ms()
        seq, records = outbox.read(MOST_RECORDS, MOST_BYTES)
        self._tell_losses()
        return bool(records) and await self._send(seq, records)

    async def _send(self, seq, records):
        """Send the first of these consecutive records that can share a message; the others are read again."""
        head = None
        texts = []
        for kept in records:
            placed = message.placed(kept, self._timeline)
            if placed is None or (head and placed[:2] != head):
                break
            head = placed[:2]
            texts.append(placed[2])
        if seq + len(records) == self._outbox.cursor:
            self._outbox.unread(len(records) - len(texts))
        records.clear()  # while the message is on its way, its texts are enough
        if not texts:
            return False
        outbox = self._outbox
        await self._publish("telemetry", message.telemetry(outbox.stream, seq, outbox.oldest, head[0], head[1], texts))
        return True

    def _tell_losses(self):
        self._losses += self._outbox.losses()
        while self._losses and self._lost(self._outbox.stream, *self._losses[0]):
            self._losses.pop(0)
