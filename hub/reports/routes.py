"""The HTTP API of noise over any time: /api/v1/noise. Every request carries a user's token."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError
from hub.judge.windows import LocalTime
from hub.registry.live import Registry
from hub.series.levels import ERROR
from hub.series.noise import FILE, NoSuchTimeError, Statistics, Step, Weather, Window, noise
from schemas.language import Text

Id = Annotated[str, Query(pattern=r"^[a-z0-9-]{0,32}$")]
Level = Annotated[float | None, Field(description="dB; null: not available")]


class Noise(BaseModel):
    """Noise at a board, or at all of a site together, in one window."""

    site: str
    board: Annotated[str | None, Field(description="null: all of the site's boards together")]
    start: datetime
    end: datetime
    laeq: Level
    ld: Level
    ln: Level
    ldn: Level
    l5: Level = None
    l10: Level = None
    l50: Level = None
    l90: Level = None
    l95: Level = None
    lsd: Annotated[float | None, Field(description="standard deviation of the levels, dB; null: not available")] = None
    at_least: Annotated[list[str], Field(description="which of them are lower bounds, by sound beyond the instrument")]
    capture: Annotated[float, Field(description="share of the window with LAeq")]
    counted: Annotated[float, Field(description="share of the window with counts of levels")]
    left_out: Annotated[float, Field(description="share of the window left out for strong wind, rain or snow")] = 0.0


class Noises(BaseModel):
    """Noise, window by window."""

    noise: list[Noise]
    error_db: Annotated[float, Field(description="how wrong l5 to l95 and lsd may be by the rounding of levels, dB")]


def noise_router(config: Config, registry: Callable[[], Registry], gate: Gate) -> APIRouter:
    """Return the API as a part of the hub's HTTP server; `registry` gives the registry as it is now."""
    router = APIRouter(prefix="/api/v1", route_class=ProblemRoute, responses=answers(*EVERY, 404))

    @router.get("/noise", tags=["noise"], summary="Tell statistics of noise over any whole 10 minutes of the last days")
    def list_noise(
        response: Response,
        user: Annotated[User, Depends(gate.needs("viewer"))],
        since: Annotated[AwareDatetime, Query(description="a multiple of 10 minutes")],
        until: Annotated[AwareDatetime, Query(description="likewise")],
        site: Id = "",
        board: Id = "",
        by: Annotated[Step, Query(description="windows; a day begins at 06:00, part: day or night")] = Step.all,
        weather: Annotated[
            Weather, Query(description="what counts: without strong wind, rain and snow, or all")
        ] = Weather.valid,
    ) -> Noises:
        response.headers["Cache-Control"] = "no-store"
        if not site and not board:
            raise RequestError(422, Text("site or board: expected one of them", "应指定site或board"), "site")
        known = registry()
        if user.districts:
            own, sender = known.owned(user.districts), known.sender(board)
            if (site and site not in own.sites) or (board and (sender is None or sender.site not in own.sites)):
                raise RequestError(404, Text("there is no such site or board", "没有该站点或设备"), "site")
        local = LocalTime(known.zone)
        # Half a second more or less is no multiple of 10 minutes either.
        span = Window(
            *(int(t) if t == int(t) else int(t) // 60 * 60 + 1 for t in (since.timestamp(), until.timestamp()))
        )
        try:
            found = noise(config.data / FILE, local, (site, board), span, by, weather)
        except NoSuchTimeError as error:
            field = {"begin": "since", "end": "until"}.get(error.field, error.field)
            raise RequestError(422, error.text, field) from error
        return Noises(noise=[_present(one, local) for one in found], error_db=ERROR)

    return router


def _present(one: Statistics, local: LocalTime) -> Noise:
    start, end = (datetime.fromtimestamp(t, local.zone) for t in (one.start, one.end))
    return Noise(
        site=one.site,
        board=one.board or None,
        start=start,
        end=end,
        laeq=one.laeq,
        ld=one.ld,
        ln=one.ln,
        ldn=one.ldn,
        at_least=one.at_least,
        capture=one.capture,
        counted=one.counted,
        left_out=one.left_out,
        **one.levels,
    )
