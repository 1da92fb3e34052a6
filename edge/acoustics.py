"""Sound levels of a digital microphone: A-weighting and time weighting F (IEC 61672-1) in integers of 32 bits.

The samples come at 32 kHz. At 16 kHz class 1 could not be kept up to 8 kHz, and an ICS-43434 needs 23 kHz for its full
performance (U); 48 kHz would cost half as much again. And at 32 kHz the poles at 20.6 Hz lie next to 1/256, which takes
no multiplication.

A-weighting is four first-order high-pass sections and three taps. A section takes its low-pass part from the signal,
`v -= low >> n; low += k * v`, so `low` carries n bits that the signal has not, what is rounded off returns with the
next sample, and no error grows at low frequencies. The taps stand for the two poles at 12.2 kHz. Against the standard's
formula that gives +-0.07 dB from 31.5 Hz to 8 kHz, -0.3 dB at 10 kHz and -0.5 dB at 12.5 kHz.

A slice is 1 ms. Its weighted samples are scaled by their own peak to 13 bits at most before they are squared, so that a
whisper and a hammer are squared with the same precision; time weighting and sums then go on once a slice.

On MicroPython the loops are machine code and need a chip of 32 bits. CPython runs the same lines with the same results,
because no sum ever leaves 32 bits, whatever the samples are.
"""

import sys
from array import array
from math import log10

try:
    import micropython
    from micropython import const
except ImportError:  # CPython
    MYPY = False  # the type checker takes it for true: it knows the real ones

    def uint(value):
        """Return the 32 bits of `value` as a number without sign."""
        return value & 0xFFFFFFFF

    if not MYPY:

        def const(value):
            """Return `value`; MicroPython writes it into the code."""
            return value

        def ptr16(buffer):
            """Return a buffer's memory as words of 16 bits, without sign as in viper."""
            return memoryview(buffer).cast("B").cast("H")

        def ptr32(buffer):
            """Return a buffer's memory as words of 32 bits."""
            return memoryview(buffer).cast("B").cast("i")

        class micropython:  # noqa: N801
            """Stands in for the module of that name."""

            @staticmethod
            def viper(function):
                """Return `function` with its arguments made what its annotations say."""
                kinds = function.__annotations__.values()
                return lambda *values: function(*[kind(value) for kind, value in zip(kinds, values, strict=False)])


RATE = 32000  # samples/s
SLICE = 32  # samples: 1 ms
BLOCK = 125  # slices: 125 ms
FULL_SCALE_SINE = 120  # dB SPL: -26 dBFS at 94 dB, as the data sheets of ICS-43434 and INMP441 say

_BLOCK = const(125)
# Words of a Meter's state: low-pass parts of the sections, the two latest samples before the taps,
_LOW1 = const(0)
_LOW2 = const(1)
_LOW3 = const(2)
_LOW4 = const(3)
_LAST = const(4)
_BEFORE = const(5)
# energy with time weighting F, times 1/_FORGET, and its highest and lowest of the block, in units of 2^_SCALE,
_SCALE = const(6)
_FAST = const(7)
_HIGH = const(8)
_FLOOR = const(9)
# the lowest once more, in units of 2^_LOW_SCALE,
_LOW = const(10)
_LOW_SCALE = const(11)
# energy of the block so far, in units of 2^_SUM_SCALE, its slices and its overloaded samples,
_TOTAL = const(12)
_SUM_SCALE = const(13)
_SLICES = const(14)
_OVERLOAD = const(15)
# and the slice's weighted samples.
_WORK = const(16)
_WORK_END = const(48)

_MOST = const(0x7FFFFF)  # energy of a slice, in its scale's unit
_LOUD = const(2055000)  # of 2^21: 0.18 dB below full scale
# What F forgets in a slice: 1 - exp(-1 ms / 125 ms) = 2089 / 2^18.
_FORGET = 2089 / 262144
# Mean square of a weighted full-scale sine of 1 kHz: 2^21 for 24 bits, and 5.767 is the weighting's gain there.
_REFERENCE_DB = 20 * log10(5.7670045) + 10 * (2 * 21 - 1) * log10(2)


# MicroPython keeps the first three variables of a function, its arguments first, in registers. So the two that the
# loops use most enter as the range of samples. Nothing here may exceed 31 bits and a sign; the largest possible values
# (from the sums of the sections' impulse responses) are 2^30.5 in low3 and 2^24.7 in a weighted sample.
@micropython.viper
def _advance(v: int, y: int, state: ptr32, samples: ptr32) -> int:  # noqa: C901, PLR0915 (calls cost as much as a slice)
    """Take whole slices of samples `v` to `y` until they or the block end; return the first sample not taken."""
    i = v
    end = y
    low1 = state[_LOW1]
    low2 = state[_LOW2]
    low3 = state[_LOW3]
    low4 = state[_LOW4]
    last = state[_LAST]
    before = state[_BEFORE]
    scale = state[_SCALE]
    fast = state[_FAST]
    sum_scale = state[_SUM_SCALE]
    total = state[_TOTAL]
    slices = state[_SLICES]
    overload = 0
    while i < end and slices < _BLOCK:
        bits = 0
        j = _WORK
        while j < _WORK_END:
            # Two samples a turn: the taps' memory changes roles instead of moving.
            v = samples[i] >> 10
            if uint(v + _LOUD) > uint(2 * _LOUD):
                overload += 1
            v -= low1 >> 8
            low1 += v
            v -= low2 >> 8
            low2 += v
            v -= low3 >> 9
            low3 += 11 * v
            v -= low4 >> 7
            low4 += 17 * v
            y = before + (37 * last >> 3) + v
            before = v
            bits |= y ^ (y >> 31)
            state[j] = y
            v = samples[i + 1] >> 10
            if uint(v + _LOUD) > uint(2 * _LOUD):
                overload += 1
            v -= low1 >> 8
            low1 += v
            v -= low2 >> 8
            low2 += v
            v -= low3 >> 9
            low3 += 11 * v
            v -= low4 >> 7
            low4 += 17 * v
            y = last + (37 * before >> 3) + v
            last = v
            bits |= y ^ (y >> 31)
            state[j + 1] = y
            i += 2
            j += 2
        shift = 0
        while bits > 8191:
            bits >>= 2
            shift += 2
        v = 0
        j = _WORK
        while j < _WORK_END:
            y = state[j] >> shift
            v += y * y
            y = state[j + 1] >> shift
            v += y * y
            y = state[j + 2] >> shift
            v += y * y
            y = state[j + 3] >> shift
            v += y * y
            j += 4
        # Scales follow the loudest slice: 125 slices, and F in its steady state, stay below 2^30. They need not pass
        # 30, even for a full-scale square wave, and must not pass 31: no word can be shifted further.
        shift += shift
        while scale < shift or (scale < 30 and v >> (scale - shift) > _MOST):
            scale += 2
            fast >>= 2
            state[_HIGH] >>= 2
            state[_FLOOR] >>= 2
        fast += (v >> (scale - shift)) - ((fast >> 12) * 2089 >> 6)
        while sum_scale < shift or (sum_scale < 30 and v >> (sum_scale - shift) > _MOST):
            sum_scale += 2
            total >>= 2
        total += v >> (sum_scale - shift)
        if fast > state[_HIGH]:  # noqa: PLR1730 (viper has no max)
            state[_HIGH] = fast
        if slices == 0 or fast < state[_FLOOR]:
            # Kept with its scale: a bang later in the block would leave nothing of it.
            state[_FLOOR] = fast
            state[_LOW] = fast
            state[_LOW_SCALE] = scale
        slices += 1
    state[_LOW1] = low1
    state[_LOW2] = low2
    state[_LOW3] = low3
    state[_LOW4] = low4
    state[_LAST] = last
    state[_BEFORE] = before
    state[_SCALE] = scale
    state[_FAST] = fast
    state[_SUM_SCALE] = sum_scale
    state[_TOTAL] = total
    state[_SLICES] = slices
    state[_OVERLOAD] += overload
    return i


@micropython.viper
def _next_block(state: ptr32):
    """Begin a block at the scale that F has now."""
    fast = state[_FAST]
    scale = state[_SCALE]
    while scale > 0 and fast < 0x4000000:
        scale -= 2
        fast <<= 2
    state[_FAST] = fast
    state[_SCALE] = scale
    state[_HIGH] = 0
    state[_TOTAL] = 0
    state[_SUM_SCALE] = 0
    state[_SLICES] = 0
    state[_OVERLOAD] = 0


@micropython.viper
def _widen(words: ptr32, halves: ptr16, n: int):
    while n > 0:
        n -= 1
        words[n] = ((halves[n] ^ 0x8000) - 0x8000) << 16


def widen(buffer, n):
    """Make the first `n` samples of 16 bits in `buffer` into as many of 32 bits, in place: it holds 4 * n bytes."""
    _widen(buffer, buffer, n)


class Meter:
    """Levels of one microphone, block by block of 125 ms.

    `full_scale_sine`: level in dB SPL of a sine of 1 kHz that just reaches full scale, where a calibration belongs too.

        meter = Meter()
        for block in meter.feed(samples, len(samples) // 4):
            print(block["laeq"])

    Nothing is allocated but what a finished block returns.
    """

    def __init__(self, full_scale_sine=FULL_SCALE_SINE):
        if sys.implementation.name == "micropython" and sys.maxsize > 0x7FFFFFFF:
            raise NotImplementedError("sound levels need a MicroPython of 32 bits, as boards have")
        self._offset = full_scale_sine - _REFERENCE_DB
        self._state = array("i", [0] * _WORK_END)  # type: ptr32 # type: ignore[assignment]
        _next_block(self._state)

    def feed(self, buffer, n):
        """Take the first `n` samples of `buffer`, words of 32 bits with the sample in the upper 24.

        `n` is a multiple of SLICE. Returns the blocks that ended, oldest first, each with `laeq`, the highest, lowest
        and last level with time weighting F `lafmax`, `lafmin` and `laf`, all in dB, and `overload`, the number of
        samples at full scale. The buffer stays as it is.
        """
        if n % SLICE:
            raise ValueError("%d samples: expected a multiple of %d" % (n, SLICE))
        blocks = ()  # type: tuple
        i = 0
        while i < n:
            i = _advance(i, n, self._state, buffer)
            if self._state[_SLICES] == BLOCK:
                blocks += (self._block(),)
                _next_block(self._state)
        return blocks

    def _block(self):
        state = self._state
        scale = state[_SCALE]
        return {
            "laeq": self._level(state[_TOTAL] / BLOCK, state[_SUM_SCALE]),
            "lafmax": self._level(state[_HIGH] * _FORGET, scale),
            "lafmin": self._level(state[_LOW] * _FORGET, state[_LOW_SCALE]),
            "laf": self._level(state[_FAST] * _FORGET, scale),
            "overload": state[_OVERLOAD],
        }

    def _level(self, energy, scale):
        # Digital silence has no level; a thousandth of the smallest energy stands for it, far below any microphone.
        return self._offset + 10 * log10(max(energy, 0.001) / SLICE) + 10 * log10(2) * scale
