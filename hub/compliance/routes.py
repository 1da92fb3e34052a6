"""The HTTP API of verdicts: /api/v1/verdicts. Every request carries a user's token."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import AwareDatetime

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.alerts.book import Book
from hub.alerts.tables import PART as ALERTS
from hub.compliance import models
from hub.compliance.present import not_judged, present_ruling
from hub.compliance.rule_table import RuleTable
from hub.compliance.tables import PART
from hub.compliance.verdicts import IN_DISTRICTS, KeptVerdict, VerdictTable
from hub.config.files import Config
from hub.desk.listing import neat
from hub.desk.routes import MOST, Cursor, Short
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, language
from hub.judge.verdicts import REASONS, Outcome
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from schemas.language import Lang


def verdict_router(
    config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate
) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s. `gate` lets users in.
    """
    router = APIRouter(prefix="/api/v1", route_class=ProblemRoute, responses=answers(*EVERY))

    @router.get("/verdicts", tags=["verdicts"], summary="List verdicts, the newest first")
    def list_verdicts(
        response: Response,
        user: Annotated[User, Depends(gate.needs("viewer"))],
        accept_language: Annotated[str | None, Header()] = None,
        district: Short = "",
        site: Short = "",
        board: Short = "",
        rule: Annotated[str, Query(max_length=200, description='such as "GB 12523-2025 laeq-day"')] = "",
        outcome: Annotated[str, Query(pattern=f"^({'|'.join(get_args(Outcome))})?$")] = "",
        since: Annotated[AwareDatetime | None, Query(description="windows that start then or later")] = None,
        until: Annotated[AwareDatetime | None, Query(description="windows that start before")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> models.Verdicts:
        response.headers["Content-Language"] = language(accept_language).value
        response.headers["Cache-Control"] = "no-store"
        with closing(open_compliance(config.data / COMPLIANCE, ALERTS, PART)) as db:
            found = VerdictTable(db).search(
                district=district,
                districts=user.districts,
                site=site,
                device=board,
                rule=rule,
                outcome=outcome,
                since=since.timestamp() if since else None,
                until=until.timestamp() if until else None,
                before=cursor,
                limit=limit + 1,
            )
            book = Book(db, clock)
            chinese = language(accept_language) is Lang.zh
            shown = [_present(v, book, registry(), chinese=chinese) for v in found[:limit]]
        return models.Verdicts(verdicts=shown, cursor=shown[-1].id if len(found) > limit else None)

    @router.get("/rule-verdicts", tags=["verdicts"], summary="List verdicts of packs' rules, the newest first")
    def list_rule_verdicts(
        response: Response,
        user: Annotated[User, Depends(gate.needs("viewer"))],
        accept_language: Annotated[str | None, Header()] = None,
        district: Short = "",
        site: Short = "",
        subject: Annotated[str, Query(max_length=200, description="id of a thing or site")] = "",
        rule: Annotated[str, Query(max_length=200)] = "",
        outcome: Annotated[str, Query(pattern=f"^({'|'.join(get_args(Outcome))})?$")] = "",
        since: Annotated[AwareDatetime | None, Query(description="what begins then or later")] = None,
        until: Annotated[AwareDatetime | None, Query(description="what begins before")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> models.RuleVerdicts:
        lang = language(accept_language)
        response.headers["Content-Language"] = lang.value
        response.headers["Cache-Control"] = "no-store"
        asked = {"district": district, "site": site, "subject": subject, "rule": rule, "outcome": outcome}
        tests: list[tuple[str, object]] = [(f"{name} = ?", value) for name, value in asked.items() if value]
        tests += [(f"start {sign} ?", t.timestamp()) for sign, t in ((">=", since), ("<", until)) if t is not None]
        tests += [(IN_DISTRICTS, json.dumps(user.districts))] if user.districts else []
        with closing(open_compliance(config.data / COMPLIANCE, ALERTS, PART)) as db:
            found = RuleTable(db).search(tests=tests, before=cursor, limit=limit + 1)
            book = Book(db, clock)
            shown = [present_ruling(one, book, registry(), lang) for one in found[:limit]]
            silent = not_judged(db, lang, user.sees)
        return models.RuleVerdicts(
            verdicts=shown, not_judged=silent, cursor=shown[-1].id if len(found) > limit else None
        )

    return router


def _present(v: KeptVerdict, book: Book, registry: Registry, *, chinese: bool) -> models.Verdict:
    alert = book.find_window(v.device, v.rule, v.start, v.site)
    start, end, judged = (datetime.fromtimestamp(t, registry.zone) for t in (v.start, v.end, v.judged))
    return models.Verdict(
        id=v.id,
        district=v.district,
        site=v.site,
        board=v.device,
        rule=v.rule,
        start=start,
        end=end,
        outcome=v.outcome,
        grade=v.grade,
        reason=REASONS.get(v.reason, (v.reason, v.reason))[chinese],
        missing=v.missing,
        assumed=v.assumed,
        value=neat(v.value),
        compared=neat(v.compared),
        background=neat(v.background),
        rounding=v.rounding,
        unit=v.unit,
        verified=v.verified,
        limit=v.limit_value,
        capture=v.valid_share,
        revision=v.revision,
        judged=judged,
        proof=v.proof,
        instrument=v.instrument,
        uncertainty=neat(v.uncertainty),
        decision=v.decision,
        marks=[int(one) for one in v.marks.split(",") if one],
        editions=[models.Edition(kind=kind, id=id_, edition=edition) for kind, id_, edition in json.loads(v.editions)],
        alert=alert.alert if alert else None,
    )
