"""Finds who calls for help, and where they were last."""

from pathlib import Path

from hub.log.entry import Entry
from hub.log.reader import reading_log
from hub.wire.badge.kinds import FIX
from hub.wire.said import Moment, Observed

LOOKED_AT = 50
"""Positions of a badge that are looked at for one with a fix, the newest first."""


def is_call(entry: Entry) -> bool:
    """Tell whether an entry is an SOS."""
    if entry.place.kind != FIX or not isinstance(entry.said, Observed):
        return False
    return any(moment.states.get("sos") is True for moment in entry.said.moments)


def last_fix(log: Path, entry: Entry) -> Moment | None:
    """Return where the badge of an entry was last, by all that was kept of it; None: nobody knows."""
    own = [one for one in entry.said.moments if one.lat is not None] if isinstance(entry.said, Observed) else []
    if own:
        return own[-1]
    with reading_log(log) as reader:
        for payload in reader.latest(entry.topic, LOOKED_AT):
            said = entry.channel.decoders[entry.place.kind](payload)
            found = [one for one in said.moments if one.lat is not None] if isinstance(said, Observed) else []
            if found:
                return found[-1]
    return None
