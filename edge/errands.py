"""What is ordered once in a while: blink, take the time from the hub, say how the board is. Loaded for that alone."""

import gc
import json

from edge import VERSION
from edge.borrow import borrow

BLINK = 500  # ms on, and as long off
ANSWERED = 5000  # ms within which the hub has told the time
MOST = 1000  # characters of a reply, as `log` has them


async def run(what, minutes, board, recorder, status, folder):
    """Do an errand; return what the reply says about it. Raises ValueError with why it is refused."""
    if what == "identify":
        return await identify(board, minutes)
    return await take_time(board, status) if what == "time" else diagnosis(board, recorder, folder)


async def identify(board, minutes):
    """Blink, so that somebody at the fence sees which board it is."""
    try:
        for _ in range(minutes * 60000 // (2 * BLINK)):
            board.light(True)
            await board.sleep_ms(BLINK)
            board.light(False)
            await board.sleep_ms(BLINK)
    finally:
        board.light(False)
    return "blinked for %d minutes" % minutes


async def take_time(board, status):
    """Ask the hub for the time, as each status does, and say what came of it."""
    before = board.now_ms() - board.ticks_ms()
    await status()
    await board.sleep_ms(ANSWERED)
    return "clock %s, moved by %d ms" % (board.clock_quality, board.now_ms() - board.ticks_ms() - before)


def diagnosis(board, recorder, folder):
    """Return as JSON how the board is: what a technician would look at first."""
    selfcheck = borrow("selfcheck")
    told = {
        "agent": VERSION,
        "runtime": board.runtime(),
        "reset": board.reset_cause(),
        "clock": board.clock_quality,
        "up_s": board.ticks_ms() // 1000,
        "storage": selfcheck.storage(folder),
        "outbox": selfcheck.outbox(folder),
        "sensors": recorder.state,
        "rejected": {name: driver.rejected for name, driver in recorder.sensors.items()},
    }
    del selfcheck
    gc.collect()
    if hasattr(gc, "mem_free"):
        told["heap_free"], told["heap_used"] = gc.mem_free(), gc.mem_alloc()
    for key in ("rejected", "sensors"):  # many sensors, or long names: the reply stays JSON
        if len(json.dumps(told)) > MOST:
            del told[key]
    return json.dumps(told)
