"""Milliseconds that no setting of the clock disturbs, for differences of up to 6 days (MicroPython's ticks wrap)."""

try:
    from time import ticks_diff, ticks_ms
except ImportError:
    from time import monotonic  # type: ignore[attr-defined] # CPython

    def ticks_ms():
        """Return milliseconds since some moment."""
        return int(monotonic() * 1000)

    def ticks_diff(later, earlier):  # type: ignore[no-redef]
        """Return the milliseconds between two of them."""
        return later - earlier


__all__ = ["ticks_diff", "ticks_ms"]
