"""What the acoustics cost: `micropython -m tests.bench.acoustics` prints one line of JSON.

- `meter_us`, `bare_us`, `ratio`: microseconds for each sample of the meter, and of a viper loop that only sums squares,
  with the one shift that keeps a block's sum within 32 bits; both in turns, the best of many, so that other work on the
  machine hardly counts.
- `tight_us`, `tight_ratio`: the same against the shortest loop that can be written, whose sum overflows.
- `share_of_one_core`: of the time between two samples, on the machine it runs on.
- `meter_bytes`: heap that a Meter takes; `feed_bytes`: what is allocated by feeding 25 ms in which no block ends;
  `block_bytes`: by feeding 25 ms in which one does.
"""

import gc
import json
import time
from array import array

import micropython

from edge.acoustics import RATE, Meter

CHUNK = 800  # samples
REPEAT = 25  # chunks in one measurement
ROUNDS = 2000


@micropython.viper
def bare(samples: ptr32, n: int) -> int:  # noqa: F821
    """Return the sum of squares of `n` samples, times 2^-12."""
    total = 0
    for i in range(n):
        x = samples[i] >> 16
        total += x * x >> 12
    return total


@micropython.viper
def tight(samples: ptr32, n: int) -> int:  # noqa: F821
    """Return the lowest 32 bits of the sum of squares of `n` samples."""
    total = 0
    i = 0
    while i < n:
        x = samples[i] >> 16
        total += x * x
        i += 1
    return total


def took(function, *args):
    """Return microseconds for each sample."""
    start = time.ticks_us()
    for _ in range(REPEAT):
        function(*args)
    return time.ticks_diff(time.ticks_us(), start) / (REPEAT * CHUNK)


def allocated(function, *args):
    """Return the bytes of heap that a call takes, garbage included."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    function(*args)
    after = gc.mem_alloc()
    gc.enable()
    return after - before


def main():
    """Measure and print."""
    seed = 1
    samples = array("i", [0] * CHUNK)
    for i in range(CHUNK):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        samples[i] = (seed - 0x40000000) // 64 * 64
    meter = Meter()
    best = [1e9, 1e9, 1e9]
    for _ in range(ROUNDS):
        best[0] = min(best[0], took(meter.feed, samples, CHUNK))
        best[1] = min(best[1], took(bare, samples, CHUNK))
        best[2] = min(best[2], took(tight, samples, CHUNK))
    meter = Meter()
    feeds = [allocated(meter.feed, samples, CHUNK) for _ in range(5)]
    meter = None
    gc.collect()
    before = gc.mem_alloc()
    meter = Meter()
    gc.collect()
    print(
        json.dumps(
            {
                "meter_us": best[0],
                "bare_us": best[1],
                "ratio": best[0] / best[1],
                "tight_us": best[2],
                "tight_ratio": best[0] / best[2],
                "share_of_one_core": best[0] * RATE / 1e6,
                "meter_bytes": gc.mem_alloc() - before,
                "feed_bytes": max(feeds[:4]),
                "block_bytes": feeds[4],
            }
        )
    )


main()
