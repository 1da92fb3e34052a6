"""The agent's log: printed for whoever has a cable, and its last lines kept for whoever asks over the network."""

MOST = 30  # lines

_lines = []


def log(text):
    """Print a line and keep it."""
    print(text)
    _lines.append(text)
    if len(_lines) > MOST:
        _lines.pop(0)


def tail(count):
    """Return the last `count` lines."""
    return _lines[-count:]
