"""The topics of the contract: fenceline/1/{district}/{site}/{device}/{kind}."""

from typing import NamedTuple

PREFIX = "fenceline/1/"


class Topic(NamedTuple):
    """Where a message belongs, and what kind of message it is."""

    district: str
    site: str
    device: str
    kind: str

    def __str__(self) -> str:
        """Return it as the broker knows it."""
        return f"{PREFIX}{self.district}/{self.site}/{self.device}/{self.kind}"


def split(topic: str, prefix: str = PREFIX) -> list[str]:
    """Return what stands between the slashes behind a channel's prefix: four parts, or it is no topic of that channel.

    The hot path's: to make a `Topic` takes as long again.
    """
    return topic[len(prefix) :].split("/") if topic.startswith(prefix) else []


def parse(topic: str, prefix: str = PREFIX) -> Topic | None:
    """Return a topic's parts behind a channel's prefix; None when it is no topic of that channel."""
    parts = split(topic, prefix)
    return Topic(*parts) if len(parts) == 4 else None


def of_all(kind: str, district: str = "+") -> str:
    """Return the filter for a kind of message of every board, or of every board of a district."""
    return f"{PREFIX}{district}/+/+/{kind}"
