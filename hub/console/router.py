"""Puts the console together: its pages, files and events as a part of the hub's HTTP server."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from hub.config.files import Config
from hub.console.alert import add_alert
from hub.console.badges import OUTCOME, TONES
from hub.console.cases.evaluation import add_evaluation
from hub.console.cases.lists import add_case_list
from hub.console.cases.opening import add_case_opening
from hub.console.cases.page import add_case
from hub.console.city import add_city
from hub.console.companies.company import add_company
from hub.console.companies.lists import add_company_lists
from hub.console.companies.marks import add_marks
from hub.console.companies.outlet import add_outlet
from hub.console.lists import add_lists
from hub.console.live import Live
from hub.console.pages.audit import add_audit
from hub.console.pages.boards import add_boards
from hub.console.pages.maintenance import add_maintenance
from hub.console.pages.templates import add_templates
from hub.console.pages.told import add_told
from hub.console.pages.users import add_users
from hub.console.pages.waves import add_waves
from hub.console.patrol.plates import add_plates
from hub.console.patrol.public import add_public_plate
from hub.console.patrol.round import add_beside_patrol, add_patrol
from hub.console.patrol.scores import add_scores
from hub.console.signin.entering import add_signing_in
from hub.console.signin.own import add_own_access
from hub.console.signin.sign_on import add_sign_on
from hub.console.statics import Statics
from hub.console.things.forms import add_forms
from hub.console.things.lists import add_lists_of_things
from hub.console.things.live import add_live
from hub.console.things.page import add_thing
from hub.console.things.track import add_track
from hub.console.things.upload import add_upload
from hub.console.things.work import add_work
from hub.console.today import add_today
from hub.console.web import HOME, NOT_FOUND, PageRoute, Shared, Visit, visiting
from hub.desk.presenter import by_rule
from hub.http.problems import Rate, RequestError
from hub.registry.live import Registry
from schemas import Limit, Quantity, Standard
from schemas.language import Text

FOR_EVER = "public, max-age=31536000, immutable"


class Console:
    """The pages of a hub; `router` is to be mounted, `close` to be called before the server stops."""

    def __init__(
        self,
        config: Config,
        registry: Callable[[], Registry],
        limits: list[tuple[Standard, Limit]],
        quantities: dict[str, Quantity],
        clock: Callable[[], float],
        rate: Rate | None = None,
        doubt: Callable[[], Text | None] = lambda: None,
    ) -> None:
        shared = Shared(config, registry, by_rule(limits), quantities, clock, Statics(), rate or Rate(), doubt)

        class Route(PageRoute):
            """A page of this hub."""

        Route.shared = shared
        self._shared, self._live = shared, Live(shared.compliance)
        self.router = APIRouter(prefix="/console", route_class=Route, include_in_schema=False)
        self._add_files(shared)
        add_signing_in(self.router, shared)
        add_sign_on(self.router, shared)
        add_own_access(self.router, shared)
        add_today(self.router, shared)
        add_alert(self.router, shared)
        add_case_list(self.router, shared)
        add_case_opening(self.router, shared)
        add_case(self.router, shared)
        add_evaluation(self.router, shared)
        add_company_lists(self.router, shared)
        add_company(self.router, shared)
        add_outlet(self.router, shared)
        add_marks(self.router, shared)
        add_city(self.router, shared)
        add_lists(self.router, shared)
        add_live(self.router, shared)
        add_work(self.router, shared)
        add_lists_of_things(self.router, shared)
        add_upload(self.router, shared)
        add_forms(self.router, shared)
        add_thing(self.router, shared)
        add_track(self.router, shared)
        add_patrol(self.router, shared)
        add_beside_patrol(self.router, shared)
        add_plates(self.router, shared)
        add_scores(self.router, shared)
        add_boards(self.router, shared)
        add_templates(self.router, shared)
        add_waves(self.router, shared)
        add_maintenance(self.router, shared)
        add_told(self.router, shared)
        add_audit(self.router, shared)
        add_users(self.router, shared)
        plates = APIRouter(route_class=Route, include_in_schema=False)
        add_public_plate(plates, self.router, shared)
        self._add_rest(shared)
        self.router.routes.extend(plates.routes)

    def close(self) -> None:
        """Let go of the pages that follow by themselves, and of the databases."""
        self._live.close()
        self._shared.compliance_pool.close()
        self._shared.cases_pool.close()

    def _add_files(self, shared: Shared) -> None:
        @self.router.get("/static/{name}")
        def send(name: str) -> Response:
            found = shared.statics.find(name)
            if found is None:
                raise RequestError(404, NOT_FOUND)
            return Response(found.content, media_type=found.media_type, headers={"Cache-Control": FOR_EVER})

    def _add_rest(self, shared: Shared) -> None:
        visitor, live = Depends(visiting(shared)), self._live

        @self.router.get("")
        @self.router.get("/")
        def begin() -> Response:
            return RedirectResponse(HOME, 303)

        @self.router.get("/more")
        def show_more(visit: Annotated[Visit, visitor]) -> Response:
            return visit.page("more.html")

        @self.router.get("/design")
        def show_design(visit: Annotated[Visit, visitor]) -> Response:
            outcomes = [(name, tone, shape, visit.say(text)) for name, (tone, shape, text) in OUTCOME.items()]
            return visit.page("design.html", outcomes=outcomes, tones=TONES)

        # Without what other pages depend on: that keeps a database open until the answer has ended.
        @self.router.get("/events")
        async def follow(request: Request) -> Response:
            secret = request.cookies.get(shared.cookie, "")
            if not await asyncio.to_thread(live.is_signed_in, secret):
                return Response(status_code=204)  # a browser does not ask again
            headers = {"X-Accel-Buffering": "no"}
            return StreamingResponse(live.stream(secret), media_type="text/event-stream", headers=headers)

        @self.router.api_route("/{rest:path}", methods=["GET", "POST"])
        def nothing() -> Response:
            raise RequestError(404, NOT_FOUND)
