"""What the agent needs of a board's heap: one line of JSON.

    micropython -X heapsize=112k -m tests.bench.agent_heap FOLDER

FOLDER takes the outbox; the compiled `edge` stands before the source on MICROPYPATH.

Bytes in use after a collection, this script's own with them (`heap_empty`: before the agent is imported):

- `heap_agent`: the agent is imported from a compiled bundle, and made for four sensors on three lines.
- `heap_peak`: it has 40 records in its outbox and holds one full telemetry message, read, placed in time and sealed.
- `heap_left`: what is free of the heap then; `heap_largest`: the largest piece of it.

Not in it: what its tasks and the sockets of a connection take while it runs, TLS above all.
"""

import gc
import json
import sys

gc.collect()
EMPTY = gc.mem_alloc()

from edge import message  # noqa: E402 - the heap without it is measured first
from edge.agent import Agent  # noqa: E402
from edge.board import Board  # noqa: E402
from edge.courier import MOST_BYTES, MOST_RECORDS  # noqa: E402

VALUES = {"laeq": 67.2, "lafmax": 74.1, "lafmin": 61.3, "pm25": 35, "pm10": 68, "temperature": 24.3, "humidity": 61.5}


def config(folder):
    """Return the configuration of a board with four sensors."""
    return {
        "folder": folder,
        "district": "nanhai",
        "site": "pit",
        "device": "pit-1",
        "broker": {"host": "127.0.0.1", "port": 1883, "user": "pit-1", "password": "x" * 32},
        "relay": {"quantity": "pm10", "on": 150, "off": 120},
        "sensors": [
            {"name": "dust", "type": "plantower", "port": "tcp:127.0.0.1:4001", "warmup": 30},
            {"name": "tsp", "type": "sds011", "model": "SDS198", "port": "tcp:127.0.0.1:4002"},
            {
                "name": "noise",
                "type": "modbus",
                "port": "tcp:127.0.0.1:4003",
                "address": 1,
                "registers": [{"channel": "laf", "register": 0, "scale": 0.1}],
            },
            {
                "name": "weather",
                "type": "modbus",
                "port": "tcp:127.0.0.1:4003",
                "address": 2,
                "registers": [
                    {"channel": "temperature", "register": 0, "kind": "s16", "scale": 0.1},
                    {"channel": "humidity", "register": 1, "scale": 0.1},
                ],
            },
        ],
    }


def used():
    """Return the bytes of heap in use after a collection."""
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def largest():
    """Return the largest piece that can be had now, to 64 bytes."""
    low, high = 0, gc.mem_free()
    while high - low > 64:
        middle = (low + high) // 2
        try:
            bytearray(middle)
            low = middle
        except MemoryError:
            high = middle
        gc.collect()
    return low


def main(folder):
    """Measure and print."""
    settings = config(folder)
    agent = Agent(settings, bytes(range(32)), Board(settings))
    made = used()
    for i in range(2 * MOST_RECORDS):
        text = message.record(1795276800 + 10 * i, 10, VALUES, {})
        agent.outbox.append(message.keep(0, "ntp", text))
    seq, kept = agent.outbox.read(MOST_RECORDS, MOST_BYTES)
    placed = [message.placed(record, agent._timeline) for record in kept]
    texts = [text for _, _, text in placed]
    cal, clock, _ = placed[0]
    parts = message.telemetry(agent.outbox.stream, seq, agent.outbox.oldest, cal, clock, texts)
    sealed = agent._signer.seal_parts(parts)
    peak = used()
    left = gc.mem_free()
    print(
        json.dumps(
            {
                "heap_empty": EMPTY,
                "heap_agent": made,
                "heap_peak": peak,
                "heap_left": left,
                "heap_largest": largest(),
                "batch_records": len(kept),
                "batch_bytes": sum([len(part) for part in sealed]),
            }
        )
    )


main(sys.argv[1])
