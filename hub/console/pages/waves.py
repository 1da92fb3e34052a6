"""A new version on its way to the boards: how far it is, and why it halted; it is begun at the hub's machine."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hub.console.pages.boards import opened
from hub.console.web import NOT_FOUND, Shared, Visit, visiting
from hub.http.problems import RequestError
from hub.orders.waves import view
from hub.orders.waves.book import RolloutBook
from schemas.language import Text

MOST = 500
"""Boards on the page: those that failed first; `fenceline fleet status` has all."""
TROUBLES = ("failed", "stuck", "leaving", "returning", "returned")


def add_waves(router: APIRouter, shared: Shared) -> None:
    """Add the page."""
    visitor = Depends(visiting(shared))

    @router.get("/waves")
    def show_waves(visit: Annotated[Visit, visitor]) -> Response:
        if visit.user.districts:  # it is all boards' business
            raise RequestError(404, NOT_FOUND)
        zone = visit.registry.zone
        with opened(visit) as db:
            book = RolloutBook(db)
            rollout = book.newest()
            if rollout is None:
                return visit.page("waves.html", rollout=None)
            shown = view.shown(book, rollout, zone, visit.lang)
            boards = view.shown_boards(book, rollout, zone, visit.lang)
            steps = view.shown_steps(book, rollout, zone, visit.lang)
        state = visit.say(view.STATES[rollout.state]).format(
            why=shown["why"], wave=shown["wave"], last=len(shown["waves"])
        )
        boards.sort(
            key=lambda one: (one["state"] not in TROUBLES, one["wave"] is None, one["wave"] or 0, one["device"])
        )
        return visit.page(
            "waves.html",
            rollout=shown,
            state=state,
            counts=[(visit.say(view.BOARD_STATES[name]), n) for name, n in shown["boards"].items() if n],
            boards=[one | {"said": visit.say(view.BOARD_STATES[one["state"]])} for one in boards[:MOST]],
            more=max(0, len(boards) - MOST),
            steps=[
                step | {"said": visit.say(view.STEPS.get(step["what"], Text(step["what"], step["what"])))}
                for step in steps
            ],
            known=visit.registry.boards,
        )
