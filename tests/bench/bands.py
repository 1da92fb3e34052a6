"""What LCeq, LCpeak and octave bands would cost: `micropython -m tests.bench.bands` prints one line of JSON.

Nothing of this is on a board; the loops do the arithmetic that filters of the kind need, so that their price is known
before anybody writes them. Beside the meter (edge/acoustics.py), each in multiples of its time for a sample at 32 kHz:

- `c_ratio`: C-weighting and its peak. The meter has the two poles at 20.6 Hz already; left are the taps for those at
  12.2 kHz, a block's sum of squares and the highest sample.
- `octave_ratio`: nine octave bands from 31.5 Hz to 8 kHz, each of three second-order sections (six poles, as
  is usual for IEC 61260-1: U), 8 kHz at 32 kHz, each lower band at half the rate behind one more section that halves
  it: together 8 sections a sample.
- `meter_heap`, `c_heap`, `octave_heap`: bytes of heap of state and buffers; machine code lies outside on this port.
- `c_samples_heap_10`, `c_samples_heap_60`: bytes of heap of the samples of two more channels, LCeq and LCpeak, in
  records of 10 and of 60 s.
"""

import gc
import json
import time
from array import array

import micropython

gc.collect()
_EMPTY = gc.mem_alloc()

from edge.acoustics import Meter  # noqa: E402 - the heap without it is measured first
from edge.aggregate import Aggregator  # noqa: E402

METER = Meter()
gc.collect()
_WITH_METER = gc.mem_alloc()
CHUNK = 800  # samples
REPEAT = 25  # chunks in one measurement
ROUNDS = 200
BANDS = 9
SECTIONS = 3


@micropython.viper
def weigh_c(samples: ptr32, n: int, state: ptr32):  # noqa: F821
    """Weigh samples whose poles at 20.6 Hz are taken by C, sum their squares and keep the highest."""
    last = state[0]
    before = state[1]
    total = state[2]
    highest = state[3]
    i = 0
    while i < n:
        v = samples[i] >> 10
        y = before + (37 * last >> 3) + v
        before = last
        last = v
        if y < 0:
            y = 0 - y
        if y > highest:
            highest = y
        y >>= 9
        total += y * y >> 12
        i += 1
    state[0] = last
    state[1] = before
    state[2] = total
    state[3] = highest


STATE_C = array("i", [0] * 4)
gc.collect()
_WITH_C = gc.mem_alloc()


@micropython.viper
def section(samples: ptr32, n: int, state: ptr32):  # noqa: F821
    """Pass samples through one second-order section, in place; of 32 bits, 15 are left for the signal."""
    b0 = state[0]
    b1 = state[1]
    b2 = state[2]
    a1 = state[3]
    a2 = state[4]
    x1 = state[5]
    x2 = state[6]
    y1 = state[7]
    y2 = state[8]
    i = 0
    while i < n:
        x = samples[i]
        y = (b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2) >> 14
        x2 = x1
        x1 = x
        y2 = y1
        y1 = y
        samples[i] = y
        i += 1
    state[5] = x1
    state[6] = x2
    state[7] = y1
    state[8] = y2


@micropython.viper
def halve(samples: ptr32, n: int):  # noqa: F821
    """Keep every second sample."""
    i = 0
    j = 0
    while i < n:
        samples[j] = samples[i]
        i += 2
        j += 1


@micropython.viper
def energy(samples: ptr32, n: int) -> int:  # noqa: F821
    """Return the sum of squares, times 2^-12."""
    total = 0
    i = 0
    while i < n:
        x = samples[i]
        total += x * x >> 12
        i += 1
    return total


class Octaves:
    """Nine bands of three sections, and one section to halve the rate before each but the first."""

    def __init__(self):
        one = (3000, 0, -3000, -8000, 9000, 0, 0, 0, 0)
        self._sections = [array("i", one) for _ in range(BANDS * SECTIONS)]
        self._halving = [array("i", one) for _ in range(BANDS - 1)]
        self._signal = array("i", [0] * CHUNK)
        self._band = array("i", [0] * CHUNK)
        self.sums = array("i", [0] * BANDS)

    def feed(self, samples, n):
        """Take `n` samples."""
        signal, band = self._signal, self._band
        energy(samples, n)  # stands for the copy of the samples, shifted to 15 bits
        for number in range(BANDS):
            if number:
                section(signal, n, self._halving[number - 1])
                halve(signal, n)
                n //= 2
            energy(signal, n)  # stands for the copy into the band's buffer
            for i in range(SECTIONS):
                section(band, n, self._sections[number * SECTIONS + i])
            self.sums[number] += energy(band, n) >> 12


OCTAVES = Octaves()
gc.collect()
_WITH_OCTAVES = gc.mem_alloc()


MORE = ("laeq", "lafmax", "lafmin", "laf", "lceq", "lcpeak")
CHANNELS = MORE[:4]
A_SECOND = 8


def aggregated(channels, seconds):
    """Return the bytes of heap of a record's samples."""
    gc.collect()
    before = gc.mem_alloc()
    box = Aggregator(channels, True)
    for _ in range(A_SECOND * seconds):
        for channel in channels:
            box.add(channel, 60.0)
    gc.collect()
    return gc.mem_alloc() - before


def more_samples(seconds):
    """Return by how many bytes two more channels make a record's samples larger."""
    aggregated(CHANNELS, seconds)  # what is loaded once is loaded then
    return aggregated(MORE, seconds) - aggregated(CHANNELS, seconds)


def took(function, *args):
    """Return microseconds for each sample."""
    start = time.ticks_us()
    for _ in range(REPEAT):
        function(*args)
    return time.ticks_diff(time.ticks_us(), start) / (REPEAT * CHUNK)


def main():
    """Measure and print."""
    seed = 1
    samples = array("i", [0] * CHUNK)
    for i in range(CHUNK):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        samples[i] = (seed - 0x40000000) // 64 * 64
    best = [1e9, 1e9, 1e9]
    for _ in range(ROUNDS):
        best[0] = min(best[0], took(METER.feed, samples, CHUNK))
        best[1] = min(best[1], took(weigh_c, samples, CHUNK, STATE_C))
        best[2] = min(best[2], took(OCTAVES.feed, samples, CHUNK))
    print(
        json.dumps(
            {
                "c_ratio": best[1] / best[0],
                "octave_ratio": best[2] / best[0],
                "meter_heap": _WITH_METER - _EMPTY,
                "c_heap": _WITH_C - _WITH_METER,
                "octave_heap": _WITH_OCTAVES - _WITH_C,
                "c_samples_heap_10": more_samples(10),
                "c_samples_heap_60": more_samples(60),
            }
        )
    )


main()
