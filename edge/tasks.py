"""Sees to it that no task of the board ends in silence: each end is logged, counted and followed by a new start.

`ends`: by task, how often it ended and what ended it last. The status tells it, so that whoever looks from the hub sees
what a board goes through.
"""

import asyncio

from edge.journal import log
from edge.monotonic import ticks_diff, ticks_ms

SOON = 60  # s: a task that ends sooner after its start has not got over what ended it
MOST_CAUSE = 80  # characters

ends = {}


def note(name, why):
    """Count the end of a task; `why`: an exception, or what else there is to say."""
    cause = why if isinstance(why, str) else ("%s %s" % (why.__class__.__name__, why))
    ends[name] = (ends.get(name, (0, ""))[0] + 1, cause[:MOST_CAUSE])
    log("task %s: %s" % (name, cause))


async def keep(name, work, most=0, give_up=None, pause=1):
    """Run `work()` for ever: begin again `pause` s after it has ended, whatever ended it.

    `most`: how often in a row it may end within SOON seconds of its start; then `give_up(error)` is called with what
    ended it, and this is over. 0: as often as it will.
    """
    quick = 0
    while True:
        began = ticks_ms()
        trouble = None
        try:
            await work()
            note(name, "ended")
        except Exception as error:
            trouble = error
            note(name, error)
        quick = quick + 1 if ticks_diff(ticks_ms(), began) < SOON * 1000 else 1
        if most and quick >= most:
            give_up(trouble or RuntimeError("task %s: ended %d times" % (name, quick)))
            return
        await asyncio.sleep(pause)


async def once(name, work):
    """Await `work` to its end; what it raises is noted and goes no further."""
    try:
        await work
    except Exception as error:
        note(name, error)
