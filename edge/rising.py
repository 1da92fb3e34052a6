"""Sees to it that an order is obeyed once, in time, and that what the hub numbers only rises, also across resets.

An order carries `t`, when it was given, and `n`, a number above that of every earlier one. The board refuses what is
older than FRESH by its own clock, and what is not above the highest number that it has begun; that number is in flash
before anything is done. So an order played back moves nothing, and a reset in the middle of one does not do it twice.
The very last order, given again because its reply was lost, gets its reply again: that is kept beside the number, and
outlives a reset, too. One that a reset cut short is answered with that.

A number too high by mistake must not lock the board: none may be above `limit`, so there is always room for the next.
A board whose clock was never set cannot tell what is old: it obeys ping, and refuses all else.

What it does not promise: with somebody who can both hold an order back and turn the board's clock, it may come late.
"""

import json
from binascii import crc32

from edge import files
from edge.journal import log

FRESH = 300  # s
STEP = 1000000  # by which a number may always rise
CENTURY = 4102444800000  # ms from 1970 to 2100: above any number made of the time


def limit(highest, usual=CENTURY):
    """Return the highest number that may follow `highest`; `usual` is allowed in any case."""
    return max(highest + STEP, usual)


def _whole(order, key, meaning):
    value = order.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("%s: %s; expected %s" % (key, "missing" if value is None else "not one", meaning))
    return value


class Rising:
    """What the file `path` keeps of the hub's numbers: one JSON object behind its CRC-32, replaced whole.

    `number`: the highest number of an order begun. `revision`: of the newest configuration applied.
    """

    def __init__(self, path):
        self._path = path
        self._kept = {}
        self._under_way = []  # (number, id)
        try:
            with open(path, "rb") as file:
                text = file.read()
            if text[:9] == b"%08x " % crc32(text[9:]):
                self._kept = json.loads(text[9:])
            else:
                log("%s: damaged; orders are judged by their time alone" % path)
        except OSError:
            pass  # none yet
        self.number = self._kept.get("n", 0)
        self.revision = self._kept.get("revision", 0)

    async def once(self, order, now, act):
        """Carry out an order by `await act(order)` unless it is old or was obeyed; return `(reply, done)`.

        `now`: Unix s, 0 while the clock is not set. The reply is `(ok, detail)`, None where it is still to come from
        the order's first delivery. `done`: it was carried out by this call.
        """
        n, id_ = order.get("n"), order["id"]
        if (n, id_) in self._under_way:
            return None, False
        if n == self.number and id_ == self._kept.get("id"):
            why = "the board started again while it was at it: what came of it is lost; give it under a new number"
            return (self._kept.get("ok", False), self._kept.get("detail", why)), False
        try:
            if now or order.get("do") != "ping":
                self._begin(order, now)
        except (ValueError, OSError) as error:
            return (False, str(error)), False
        self._under_way.append((n, id_))
        try:
            reply = True, await act(order)
        except Exception as error:
            reply = False, str(error)[:1000]
        self._under_way.remove((n, id_))
        if n == self.number and id_ == self._kept.get("id"):  # no later one was begun meanwhile
            try:
                self._keep({"ok": reply[0], "detail": reply[1]})
            except OSError as error:
                log("reply not kept: %s" % error)
        return reply, reply[0]

    def reached(self, revision):
        """Keep the number of a configuration that is in force."""
        self.revision = revision
        try:
            self._keep({"revision": revision})
        except OSError as error:
            log("revision not kept: %s" % error)  # it stands in the configuration's own file, too

    def _begin(self, order, now):
        """Keep the order's number; raise ValueError with why it is refused, OSError when flash does not take it."""
        if not now:
            raise ValueError("t: the board's clock is not set, so it cannot tell what is old; only ping is obeyed")
        t = _whole(order, "t", "when the order was given, Unix s")
        if abs(now - t) > FRESH:
            raise ValueError("t: %d is %d s from the board's time; expected at most %d s" % (t, abs(now - t), FRESH))
        n = _whole(order, "n", "a number above %d" % self.number)
        if n <= self.number:
            raise ValueError("n: %d is not above %d, the last one obeyed" % (n, self.number))
        most = limit(self.number, (t + FRESH) * 1000)
        if n > most:
            raise ValueError("n: %d; expected at most %d, by the last one obeyed and by t" % (n, most))
        before = self._kept
        self._kept = {"revision": self.revision}
        try:
            self._keep({"n": n, "id": order["id"]})
        except OSError as error:
            self._kept = before
            raise OSError("not kept, so not done: %s" % error) from None
        self.number = n

    def _keep(self, changes):
        kept = dict(self._kept)
        kept.update(changes)
        text = json.dumps(kept)
        files.replace(self._path, "%08x %s" % (crc32(text.encode()), text))
        self._kept = kept
