"""What a service itself answered: chat services and SMS gateways say no with HTTP 200, which apprise takes for a yes.

Every plugin of apprise that speaks HTTP does so through `requests`, and most look only at the HTTP status. So what
comes back to the thread that sends is heard here, below the plugins, and judged by what the service says in it.

Answers as the services give them, S (quoted in public issues of programs that send to them, 2018 to 2026, not read in
the services' own documents) unless marked U (from memory):

- DingTalk: ``{"errcode":0,"errmsg":"ok"}``; 310000 ("keywords not in content", signature, address not allowed), 300001
  and 300005 ("token is not exist"), 130101 ("send too fast"), 460101 ("message too long, exceed 20000 bytes"), 101002
  ("message is too long"), 400402 (parameter missing); 410100 too fast, 400101, 400102, 400106 robot gone (U).
- WeCom: ``{"errcode":0,"errmsg":"ok"}``; 40058 ("... exceed max length ..."), 45009 ("api freq out of limit"), 93000
  ("invalid webhook url") (U).
- Feishu and Lark: ``{"code":0,"msg":"success"}``, earlier ``{"StatusCode":0}``; 19021 ("sign match fail or timestamp
  is not within one hour from current time"), 9499 ("Bad Request"); 19001 token, 19022 address not allowed, 19024 ("Key
  Words Not Found"), 11232 frequency (U).
- Gateways behind a web hook: Aliyun ``{"Code":"OK"}`` and ``isv.BUSINESS_LIMIT_CONTROL``, Tencent
  ``{"Response":{"SendStatusSet":[{"Code":"Ok"}]}}`` and ``{"Response":{"Error":{"Code":..,"Message":..}}}`` (U).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

from requests.models import PreparedRequest, Response
from requests.sessions import Session

Why = Literal["again", "limited", "wrong"]
"""Why a service did not take a message. again: it may another time. limited: too many in too short a time. wrong: only
somebody who changes the address, the key or the robot's settings can mend it."""

MOST_READ = 65_536
"""Bytes of an answer that are looked at."""
MOST_SAID = 200
"""So much of an answer is told to people, characters."""
NESTED = ("Response", "response", "data", "result", "Error", "SendStatusSet", "messages", "BaseResp", "base_resp")
"""Members in which a gateway's answer about a message lies deeper."""
WORDS = ("errmsg", "msg", "Message", "message", "StatusMessage", "error_description", "detail", "description", "error")
FINE = {"", "ok", "success", "succeed", "succeeded", "successful", "delivered", "queued", "accepted", "true", "none"}
_BAD = {"error", "err", "fail", "failed", "failure", "rejected", "denied", "undelivered"}
_BAD_TEXT = re.compile(r"\s*[\"'{\[]*\s*(error|err|fail|failed|failure|失败|错误)\b", re.IGNORECASE)
_BAD_WORDS = re.compile(
    r"fail|error|invalid|denied|refuse|reject|illegal|unauthor|forbid|limit|insufficient|not exist|not found|"
    r"失败|错误|异常|无效|非法|超限|频|不足|未授权|不存在|拒绝|黑名单",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"too (fast|many|frequent)|freq|rate.?limit|limit.?control|throttl|flow.?control|频率|限流|频繁", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Service:
    """How a service says yes and no in an answer with HTTP 200."""

    code: tuple[str, ...]
    """The members one of which must be there and 0; what lacks them is no answer of this service."""
    wrong: frozenset[int]
    """Codes that only somebody's hand can mend."""
    limited: frozenset[int]
    """Codes for too many messages."""


_LARK = Service(("code", "StatusCode"), frozenset({19001, 19021, 19022, 19024}), frozenset({11232}))
SERVICES: Mapping[str, Service] = {
    "dingtalk": Service(
        ("errcode",),
        frozenset({310000, 300001, 300005, 400101, 400102, 400106}),
        frozenset({130101, 410100}),
    ),
    "wecombot": Service(("errcode",), frozenset({93000}), frozenset({45009})),
    "feishu": _LARK,
    "lark": _LARK,
}
"""By the scheme of an address."""
OWN_CODE = {"json", "jsons", "form", "forms", "xml", "xmls", "serverchan"}
"""Schemes of which apprise reads nothing in the answer, and whose member `code` speaks of the message."""
HINTS = {
    ("dingtalk", 310000): "the robot's keyword must be Fenceline, or its signature key stand in the address",
    ("feishu", 19024): "the robot's keyword must be Fenceline",
    ("lark", 19024): "the robot's keyword must be Fenceline",
    ("feishu", 19021): "switch the robot's signature off, this address has none, and use the keyword Fenceline",
    ("lark", 19021): "switch the robot's signature off, this address has none, and use the keyword Fenceline",
}
"""What mends what is often wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    text: str
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A service's no."""

    words: str
    """Its code and words."""
    why: Why
    wait: float = 0.0
    """It asked to be left alone for so long [s]."""


_heard: ContextVar[list[Answer] | None] = ContextVar("heard", default=None)
_send = Session.send


def _send_and_hear(self: Session, request: PreparedRequest, **settings: object) -> Response:
    response = _send(self, request, **settings)
    heard = _heard.get()
    if heard is not None and not response.is_redirect:
        text = response.content[:MOST_READ].decode("utf-8", "replace")
        heard.append(Answer(response.status_code, text, response.headers.get("Retry-After", "")))
    return response


# The plugins call requests.post(), which offers no other place to hear what comes back.
Session.send = _send_and_hear  # type: ignore[method-assign]


@contextmanager
def heard_answers() -> Iterator[list[Answer]]:
    """Collect the answers to what this thread sends meanwhile."""
    answers: list[Answer] = []
    token = _heard.set(answers)
    try:
        yield answers
    finally:
        _heard.reset(token)


def refusal(scheme: str, answers: list[Answer], *, taken: bool, now: datetime | None = None) -> Refusal | None:
    """Return the first no among the answers of one service; None: it refused nothing.

    `taken`: apprise holds the message for taken; then an HTTP status is one that its plugin has got over.
    """
    for answer in answers:
        if answer.status < 400:
            found = _by_text(scheme, answer)
        else:
            found = None if taken else _by_status(answer, now or datetime.now(UTC))
        if found:
            return found
    return None


def _by_status(answer: Answer, now: datetime) -> Refusal:
    said = _words(_parse(answer.text)) or _plain(answer.text)
    words = f"HTTP {answer.status}{f': {said}' if said else ''}"
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Refusal(words, "limited", _seconds(answer.retry_after, now))
    if answer.status in {401, 403, 404, 405, 410}:
        return Refusal(words, "wrong")
    return Refusal(words, "again", _seconds(answer.retry_after, now))


def _by_text(scheme: str, answer: Answer) -> Refusal | None:
    said = _parse(answer.text)
    service = SERVICES.get(scheme)
    if service is None:
        no = _no(said, own_code=scheme in OWN_CODE)
        if no is None and scheme in OWN_CODE and not isinstance(said, dict) and _BAD_TEXT.match(answer.text):
            no = _plain(answer.text)
        if no is None:
            return None
        return Refusal(no, "limited" if _LIMIT.search(no) else "again")
    code = next((said[name] for name in service.code if name in said), None) if isinstance(said, dict) else None
    if code is None:
        return Refusal(f"this is no answer of the service: {_plain(answer.text) or 'nothing'}", "again")
    number = _number(code)
    if number == 0:
        return None
    words = f"{code} {_words(said)}".strip()
    hint = HINTS.get((scheme, int(number or 0)))
    words += f" ({hint})" if hint else ""
    if number in service.limited or (number not in service.wrong and _LIMIT.search(words)):
        return Refusal(words, "limited")
    return Refusal(words, "wrong" if number in service.wrong else "again")


def _no(said: object, *, own_code: bool, depth: int = 3) -> str | None:
    """Return what an answer of no known form says if that is a no."""
    if isinstance(said, list):
        found = (_no(one, own_code=own_code, depth=depth - 1) for one in said[:100]) if depth else ()
        return next((no for no in found if no), None)
    if not isinstance(said, dict):
        return None
    for name in ("errcode", "errno", "err_code", "error_code", "errorCode", "ErrorCode"):
        if name in said and not _is_fine(said[name]):
            return f"{said[name]} {_words(said)}".strip()
    if any(said.get(name) is False for name in ("ok", "success", "Success")):
        return _words(said) or "it says that it failed"
    if str(said.get("status", "")).strip().lower() in _BAD:
        return f"{said['status']} {_words(said)}".strip()
    for name in ("code", "Code", "statusCode"):
        if own_code and name in said and _is_bad_code(said[name], _words(said)):
            return f"{said[name]} {_words(said)}".strip()
    if own_code and isinstance(said.get("error"), str) and said["error"].strip().lower() not in FINE:
        return _words(said) or "error"
    found = (_no(said[name], own_code=own_code, depth=depth - 1) for name in NESTED if name in said and depth)
    return next((no for no in found if no), None)


def _is_fine(value: object) -> bool:
    return value is None or value is False or _number(value) == 0 or str(value).strip().lower() in FINE


def _is_bad_code(code: object, words: str) -> bool:
    """Tell whether a code of some gateway is a no for certain: other numbers mean anything, so the words decide."""
    number = _number(code)
    if number is not None:
        return number < 0 or 400 <= number < 600 or (number != 0 and _BAD_WORDS.search(words) is not None)
    return isinstance(code, str) and code.strip().lower() not in FINE


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _parse(text: str) -> object:
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _words(said: object) -> str:
    if not isinstance(said, dict):
        return ""
    return next((_plain(said[name]) for name in WORDS if isinstance(said.get(name), str) and said[name].strip()), "")


def _plain(text: str) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in re.sub(r"<[^<>]{0,500}>", " ", text)).split())
    return flat if len(flat) <= MOST_SAID else f"{flat[:MOST_SAID]}..."


def _seconds(retry_after: str, now: datetime) -> float:
    """Return the seconds of a Retry-After (RFC 9110, 10.2.3): a number, or a date; at most a day."""
    try:
        number = float(retry_after)
    except ValueError:
        try:
            number = (parsedate_to_datetime(retry_after) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return 0.0 if math.isnan(number) else min(max(number, 0.0), 86_400.0)
