"""What all pages of the console have in common: who visits, in which language, how they are written and refuse."""

import logging
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import jinja2
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from hub.access.caller import refuse_role
from hub.access.sessions import SEEN_EVERY, Session, Sessions
from hub.access.tables import PART as ACCESS
from hub.access.tokens import Needed, User, allows
from hub.alerts.tables import PART as ALERTS
from hub.cases.evaluating import Remembered
from hub.cases.opening import open_cases
from hub.cases.refusal import CaseError
from hub.cases.rules.rulebook import LiveRulebook
from hub.cases.tables import FILE as CASES
from hub.companies.shelf import Shelf
from hub.compliance.emissions.book import plans_of
from hub.compliance.standing import RECENT, Standing
from hub.compliance.tables import PART as VERDICTS
from hub.config.files import Config
from hub.console.formats import Formats
from hub.console.parts.catalogue import Catalogue
from hub.console.parts.picture import projection
from hub.console.statics import Statics
from hub.desk.desk import Desk, DeskError
from hub.desk.presenter import Limits, Presenter
from hub.http.problems import TITLES, Rate, RequestError, language
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import DatabaseError, transaction
from hub.storage.pool import Pool
from hub.things.marks.tables import PART as MARKS
from hub.things.tables import PART as THINGS
from schemas import Quantity
from schemas.language import Lang, Text

log = logging.getLogger("hub.http")

HOME = "/console/today"
SIGN_IN = "/console/sign-in"
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # same-origin and not no-referrer: with that, browsers send no origin with forms either, by which they are checked.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
LANG_COOKIE = "fenceline-lang"
FOLLOWS = "x-fenceline-follows"
"""The header of a request that a page sent by itself."""
MOST_FIELDS = 500
"""Fields of a form: a user's districts are one each."""
MOST_PART = 64 * 1024
"""Bytes of a field of a form that brings a file."""
MOST_SEEN = 2**63 - 1
NO_SESSION = Text("Please sign in again; nothing was changed.", "请重新登录；未做任何更改。")
FOREIGN = Text(
    "This form does not come from the page of yours that is open; nothing was changed. Open the page again.",
    "该表单不是来自您当前的页面，未做任何更改；请重新打开页面。",
)
UNREADABLE = Text("The form cannot be read.", "无法读取该表单。")
NOT_FOUND = Text("There is nothing here, or it does not concern you.", "没有此内容，或不在您的管辖范围。")


@dataclass(frozen=True)
class Shared:
    """What the pages of a hub are made from. `registry` gives it as it is now, `clock` the hub's time, Unix s."""

    config: Config
    registry: Callable[[], Registry]
    limits: Limits
    quantities: dict[str, Quantity]
    clock: Callable[[], float]
    statics: Statics
    rate: Rate
    doubt: Callable[[], Text | None] = lambda: None
    """Gives why the hub's time is in doubt; None: it is not."""

    @property
    def compliance(self) -> Path:
        """The file with users, alerts and verdicts."""
        return self.config.data / COMPLIANCE

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; browsers do not tell the ports of a machine apart, so its name does."""
        return f"{'__Host-' if self.secure else ''}fenceline-{self.config.http.port}"

    @property
    def secure(self) -> bool:
        """Tell whether people reach the console over TLS alone."""
        return self.config.console.address.startswith("https:")

    @cached_property
    def compliance_pool(self) -> Pool:
        """Connections to the file with users, alerts and verdicts."""
        parts = (ACCESS, ALERTS, THINGS, MARKS, VERDICTS)
        return Pool(self.compliance, lambda factory: open_compliance(self.compliance, *parts, factory=factory))

    @cached_property
    def cases_pool(self) -> Pool:
        """Connections to the cases."""
        data = self.config.data
        return Pool(data / CASES, lambda factory: open_cases(data, factory))

    @cached_property
    def rules(self) -> LiveRulebook:
        """What the city's cases go by."""
        return LiveRulebook(self.config.cases.folder, self.registry().zone)

    @cached_property
    def remembered(self) -> Remembered:
        """What was evaluated last."""
        return Remembered()

    @cached_property
    def standing(self) -> Standing:
        """How sites stand now."""
        return Standing(RECENT)

    @cached_property
    def shelf(self) -> Shelf:
        """What pages of enterprises are made from."""
        return Shelf(self.catalogue.known, plans_of(self.limits.values(), self.quantities))

    @cached_property
    def catalogue(self) -> Catalogue:
        """The things of packs, and where those are that rules watch."""
        return Catalogue(projection(self.config.console))

    @cached_property
    def templates(self) -> jinja2.Environment:
        """The templates; whatever is filled in is escaped."""
        made = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.globals["static"] = self.statics.address
        return made

    def language_of(self, request: Request) -> Lang:
        """Return the language that somebody has chosen, or that the browser asks for."""
        chosen = request.cookies.get(LANG_COOKIE)
        return Lang(chosen) if chosen in set(Lang) else language(request.headers.get("accept-language"))

    def render(self, template: str, request: Request, user: User | None = None, **values: Any) -> str:
        """Return a page, or a part of one."""
        lang = self.language_of(request)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        known = {
            "lang": lang.value,
            "t": lambda en, zh: Text(en, zh).into(lang),
            "user": user,
            "form_token": "",
            "here": here if request.method == "GET" else request.url.path,
            "path": request.url.path,
            "f": Formats(lang, self.registry().zone, self.clock()),
        }
        return self.templates.get_template(template).render(known | values)

    def page(self, template: str, request: Request, status: int = 200, **values: Any) -> Response:
        """Return a page as an answer."""
        headers = {"Content-Language": self.language_of(request).value}
        return HTMLResponse(self.render(template, request, **values), status, headers)

    def problem(self, request: Request, refused: RequestError, form: dict[str, str] | None = None) -> Response:
        """Return the page that says why a request was refused; what was written in a form stands in it."""
        lang = self.language_of(request)
        title = TITLES.get(refused.status, Text("Error", "错误")).into(lang)
        said = {"title": title, "status_code": refused.status, "said": refused.text.into(lang)}
        page = self.page("problem.html", request, refused.status, **said, written=(form or {}).get("text", ""))
        page.headers.update(refused.headers)
        return page


class Sent(NamedTuple):
    """A file that a form has brought."""

    name: str
    content: bytes


class Visit:
    """One request of somebody who is signed in. Its database is open as long as the request is in work."""

    def __init__(self, shared: Shared, request: Request, db: sqlite3.Connection, session: Session, secret: str) -> None:
        self.shared, self.request, self.db = shared, request, db
        self.session, self._secret = session, secret
        self.user = session.user
        self.lang = shared.language_of(request)
        self.registry = shared.registry().owned(self.user.districts)
        """Only what concerns the user."""
        self.desk = Desk(db, shared.clock, self.user.districts)
        self.present = Presenter(
            shared.config, shared.registry(), shared.limits, shared.quantities, self.lang, shared.clock
        )
        self.form: dict[str, str] = {}
        self.file: Sent | None = getattr(request.state, "file", None)

    @cached_property
    def page_formats(self) -> Formats:
        """How times are written."""
        return Formats(self.lang, self.shared.registry().zone, self.now)

    @property
    def now(self) -> float:
        """The hub's time, Unix s."""
        return self.shared.clock()

    def may(self, role: Needed) -> bool:
        """Tell whether the user's role allows what needs another one."""
        return allows(self.user.role, role)

    def say(self, text: Text) -> str:
        """Return a text in the visitor's language."""
        return text.into(self.lang)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page for this visitor."""
        token = self.session.form_token(self._secret)
        own = {"user": self.user, "form_token": token, "may": self.may, "registry": self.registry}
        return self.shared.page(template, self.request, status, **(own | values))

    def check_form(self) -> None:
        """Refuse a form that does not come from a page of this session.

        Raises:
            RequestError: it does not.
        """
        if not self.session.is_own_form(self._secret, self.form.get("form_token", "")):
            raise RequestError(403, FOREIGN)


class SignInError(Exception):
    """Nobody is signed in."""


class PageRoute(APIRoute):
    """Answers what is refused with a page, and whoever is not signed in with where to; adds what protects a page."""

    shared: ClassVar[Shared]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except SignInError:
                response = self.sign_in(request)
            except Exception as error:
                refused = refusal(error)
                if refused is None:
                    raise
                response = self.shared.problem(request, refused, getattr(request.state, "form", None))
            response.headers.setdefault("Cache-Control", "no-store")
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return handled

    def sign_in(self, request: Request) -> Response:
        """Return the way to signing in; of a form, what was written in it is shown, so that it is not lost."""
        if request.method != "GET":
            return self.shared.problem(request, RequestError(403, NO_SESSION), getattr(request.state, "form", None))
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': own_page(here)})}", 303)


def refusal(error: Exception) -> RequestError | None:
    """Return what an error means to a visitor; None: it is the hub's own fault."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, DeskError | CaseError):
        return RequestError(error.status, error.text)
    if isinstance(error, RequestValidationError):
        wrong_path = any(one["loc"][0] == "path" for one in error.errors())
        return RequestError(404, NOT_FOUND) if wrong_path else RequestError(422, UNREADABLE)
    if isinstance(error, sqlite3.OperationalError | DatabaseError):
        log.error("http: %s", error)
        busy = Text("The database does not answer; try again.", "数据库暂无响应，请重试。")
        return RequestError(503, busy, headers={"Retry-After": "5"})
    return None


def own_page(wanted: str) -> str:
    """Return a page of the console to go on with; whatever else is asked for, the first one."""
    parts = urlsplit(wanted)
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    if not plain or parts.scheme or parts.netloc or not parts.path.startswith("/console/") or "//" in parts.path:
        return HOME
    return quote(parts.path, safe="/%") + (f"?{parts.query}" if parts.query else "")


def is_same_origin(request: Request) -> bool:
    """Tell whether a form was sent from a page of this address, as far as the browser says from where."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        RequestError: it is none, or was sent from elsewhere.
    """
    if not is_same_origin(request):
        raise RequestError(403, FOREIGN)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise RequestError(422, UNREADABLE)
    try:
        text = (await request.body()).decode("ascii")
        fields = dict(
            parse_qsl(
                text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=MOST_FIELDS
            )
        )
    except ValueError:
        raise RequestError(422, UNREADABLE) from None
    if any("\0" in value for value in fields.values()):
        raise RequestError(422, UNREADABLE)
    request.state.form = fields
    return fields


async def read_upload(request: Request) -> dict[str, str]:
    """Return the fields of a form that brings a file; the file is the visit's (`Visit.file`).

    Raises:
        RequestError: it is none, or was sent from elsewhere.
    """
    if not is_same_origin(request):
        raise RequestError(403, FOREIGN)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "multipart/form-data":
        raise RequestError(422, UNREADABLE)
    try:
        async with request.form(max_files=1, max_fields=20, max_part_size=MOST_PART) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            for value in form.values():
                if not isinstance(value, str):
                    request.state.file = Sent(value.filename or "", await value.read())
    except (MultiPartException, HTTPException, UnicodeDecodeError):
        raise RequestError(422, UNREADABLE) from None
    if any("\0" in value for value in fields.values()):
        raise RequestError(422, UNREADABLE)
    request.state.form = fields
    return fields


def seen_in(form: dict[str, str]) -> int:
    """Return up to which event somebody had read what a form is about.

    Raises:
        RequestError: the form does not say.
    """
    text = form.get("seen", "")
    if not text.isascii() or not text.isdigit() or int(text) > MOST_SEEN:
        raise RequestError(422, Text("The form does not say what you had read of it.", "表单未注明您已读到何处。"))
    return int(text)


def visiting(shared: Shared, needed: Needed = "viewer") -> Callable[[Request], Iterator[Visit]]:
    """Return what FastAPI is to ask before a page is made: the visitor, or the way to signing in.

    `needed`: what the page asks of its visitor. People of enterprises are turned away unless it says that anybody may
    see it; such a page asks of each thing on it whose it is.
    """

    def visit(request: Request) -> Iterator[Visit]:
        secret = request.cookies.get(shared.cookie, "")
        with shared.compliance_pool.lend() as db:
            sessions, now = Sessions(db), time.time()
            session = sessions.find(secret, now) if secret else None
            if session is None:
                raise SignInError
            if pause := shared.rate.wait(session.user.name, time.monotonic()):
                text = Text("More requests than the hub answers to one user.", "请求过于频繁。")
                raise RequestError(429, text, headers={"Retry-After": f"{math.ceil(pause)}"})
            # A page that is left open and follows by itself is not used: it must not keep its session alive.
            # Who only reads must not wait for those who write.
            if FOLLOWS not in request.headers and now - session.seen >= SEEN_EVERY:
                with transaction(db):
                    sessions.touch(session, now)
            refuse_role(session.user, needed)
            yield Visit(shared, request, db, session, secret)

    return visit


def acting(
    shared: Shared, needed: Needed, read: Callable[[Request], Awaitable[dict[str, str]]] = read_form
) -> Callable[..., Visit]:
    """Return what FastAPI is to ask before something is done: a visitor whose own form it is, and who may do it."""

    def act(
        form: Annotated[dict[str, str], Depends(read)], visit: Annotated[Visit, Depends(visiting(shared, "anybody"))]
    ) -> Visit:
        visit.form = form
        visit.check_form()
        refuse_role(visit.user, needed)
        return visit

    return act
