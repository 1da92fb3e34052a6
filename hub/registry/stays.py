"""Where something stood, and when: a record counts at the site where its board was when it was made."""

import math
from typing import NamedTuple

from hub.registry.entries import Sender


class Stay(NamedTuple):
    """A stay at a site, from `since` up to but not including `until`, Unix s."""

    site: str
    since: float
    until: float


def has_moved(sender: Sender) -> bool:
    """Tell whether it has not always stood where it stands."""
    return sender.since is not None or bool(sender.earlier)


def stays_of(sender: Sender) -> list[Stay]:
    """Return where a sender stood, the oldest stay first; between two there may be a time in which it stood nowhere."""
    found: list[Stay] = []
    before = -math.inf
    for one in sender.earlier:
        until = one.until.timestamp()
        found.append(Stay(one.site, before if one.from_ is None else one.from_.timestamp(), until))
        before = until
    return [*found, Stay(sender.site, before if sender.since is None else sender.since.timestamp(), math.inf)]


def site_at(sender: Sender, t: float) -> str | None:
    """Return the site where a sender stood at a moment, Unix s; None: at none."""
    if not has_moved(sender):
        return sender.site
    return next((stay.site for stay in stays_of(sender) if stay.since <= t < stay.until), None)


def sites_of(sender: Sender) -> list[str]:
    """Return the sites where a sender has stood, each once, the first one first."""
    return list(dict.fromkeys([*(one.site for one in sender.earlier), sender.site]))
