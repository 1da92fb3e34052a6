"""What the HTTP API of orders, and of how boards are to work, has in common."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated, TypeVar

from fastapi import Depends, Path

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.config.files import Config
from hub.http.problems import ProblemRoute, RequestError
from hub.orders.kinds import OrderError
from hub.orders.tables import PART
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from schemas.language import Text

Id = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
T = TypeVar("T")


class Route(ProblemRoute):
    """Also tells which order cannot be given."""

    def refusal(self, error: Exception) -> RequestError | None:
        """See `ProblemRoute`."""
        if isinstance(error, OrderError):
            return RequestError(error.status, error.text, error.field)
        return super().refusal(error)


class Serving:
    """What all routes need."""

    def __init__(
        self, config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate
    ) -> None:
        self._compliance = config.data / COMPLIANCE
        self.registry, self.clock = registry, clock
        self.technician, self.viewer = Depends(gate.needs("technician")), Depends(gate.needs("viewer"))
        self.admin = Depends(gate.needs("admin"))

    def opened(self, book: Callable[[sqlite3.Connection], T]) -> Callable[[], Iterator[T]]:
        """Return what FastAPI is to ask for a book in the hub's database."""

        def open_() -> Iterator[T]:
            with closing(open_compliance(self._compliance, PART)) as db:
                yield book(db)

        return open_


def refuse_foreign(user: User, registry: Registry, place: str, name: str) -> None:
    """Refuse what belongs to a district that does not concern the user, as if it were not there."""
    board = registry.boards.get(name)
    site = registry.sites.get(name if place == "site" else board.site if board else "")
    if user.districts and (site is None or not user.sees(site.district)):
        raise OrderError(Text(f"{place} {name!r} is not in the registry", f"登记册中没有{name!r}"), place, 404)
