"""What people are told of beside alerts. Whoever has such news (cases) is above this package, and gives them to it."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from hub.config.alerts import Recipient
from hub.registry.live import Registry
from schemas.language import Text


class News(NamedTuple):
    """Something that happened: a step of a case."""

    subject: int
    """The case's number."""
    step: int
    """The number of the step, which rises over all cases."""
    time: float
    """Unix s."""
    district: str
    site: str
    positions: tuple[str, ...]
    """Whom it concerns: the people in these positions; nobody: nobody is told."""
    departments: tuple[str, ...]
    """Of handlers only those of these departments."""
    title: Text
    body: Text


class NewsSource(Protocol):
    """Where the news come from. Its history is kept for ever, so a message is written when it is sent."""

    def begin(self, now: float) -> int:
        """Return the step from which on people are told at all, where nobody has ever been told; `now`: Unix s."""

    def after(self, step: int, most: int) -> list[News]:
        """Return the steps behind a number, at most so many, in their order; also those of which nobody is told."""

    def find(self, steps: Iterable[int]) -> dict[int, News]:
        """Return steps by their number."""


def wants_news(recipient: Recipient, news: News, registry: Registry) -> bool:
    """Tell whether a recipient asks for news, whatever the hour."""
    asked = set(recipient.cases) & set(news.positions)
    if asked == {"handler"} and recipient.departments and not set(recipient.departments) & set(news.departments):
        asked = set()
    site = registry.sites.get(news.site)
    in_district = not recipient.districts or news.district in recipient.districts
    return bool(asked) and in_district and (not recipient.kinds or (site is not None and site.kind in recipient.kinds))
