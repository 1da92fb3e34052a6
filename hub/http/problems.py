"""Refusals of the HTTP API as problem JSON (RFC 9457), in the caller's language."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from hub.http.problem import Problem
from hub.storage.database import DatabaseError
from schemas.language import Lang, Text

log = logging.getLogger("hub.http")

PER_SECOND, BURST = 20.0, 100.0
"""Requests of one user: on average, and at most at once."""

TITLES = {
    401: Text("Unauthorized", "未认证"),
    403: Text("Forbidden", "权限不足"),
    404: Text("Not Found", "未找到"),
    405: Text("Method Not Allowed", "不支持的方法"),
    408: Text("Request Timeout", "请求超时"),
    409: Text("Conflict", "状态冲突"),
    413: Text("Content Too Large", "请求过大"),
    422: Text("Unprocessable Content", "参数有误"),
    429: Text("Too Many Requests", "请求过于频繁"),
    503: Text("Service Unavailable", "暂不可用"),
    507: Text("Insufficient Storage", "存储空间不足"),
}
_CHINESE = {
    "missing": "缺少该字段",
    "extra_forbidden": "没有这个字段",
    "literal_error": "应为{expected}之一",
    "string_type": "应为文本",
    "string_unicode": "含有无效字符",
    "string_too_long": "不能超过{max_length}字",
    "string_too_short": "至少{min_length}字",
    "string_pattern_mismatch": "应符合{pattern}",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_parsing_size": "整数过大",
    "int_from_float": "应为整数",
    "greater_than_equal": "应不小于{ge}",
    "less_than_equal": "应不大于{le}",
    "timezone_aware": "时间须带时区，如2026-03-02T09:00:00+08:00",
    "datetime_parsing": "应为ISO 8601时间，如2026-03-02T09:00:00+08:00",
    "datetime_from_date_parsing": "应为ISO 8601时间，如2026-03-02T09:00:00+08:00",
    "datetime_type": "应为ISO 8601时间，如2026-03-02T09:00:00+08:00",
    "datetime_object_invalid": "应为ISO 8601时间，如2026-03-02T09:00:00+08:00",
    "json_invalid": "不是有效的JSON",
    "model_attributes_type": "应为JSON对象",
    "dict_type": "应为JSON对象",
}
"""What pydantic finds wrong, by its own names; others are told in English."""


class RequestError(Exception):
    """A request that is not answered. `field` names what is wrong with it."""

    def __init__(
        self, status: int, text: Text, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text.en)
        self.status, self.text, self.field, self.headers = status, text, field, dict(headers or {})


class ProblemRoute(APIRoute):
    """Answers what is refused as problem JSON that names the field, in the language of `Accept-Language`."""

    repeats: ClassVar[bool] = True
    """Whether the answer shows what was given in a field that is wrong."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                refused = self.refusal(error)
                if refused is None:
                    raise
                return problem(refused, language(request.headers.get("accept-language")))

        return handled

    def refusal(self, error: Exception) -> RequestError | None:
        """Return what an error means to the caller; None: it is the hub's own fault."""
        if isinstance(error, RequestError):
            return error
        if isinstance(error, RequestValidationError):
            first = error.errors()[0]
            return invalid(first if self.repeats else {name: one for name, one in first.items() if name != "input"})
        if isinstance(error, sqlite3.OperationalError | DatabaseError):
            log.error("http: %s", error)
            text = Text("the database does not answer; ask again", "数据库暂无响应，请重试")
            return RequestError(503, text, headers={"Retry-After": "5"})
        return None


def problem(refused: RequestError, lang: Lang) -> JSONResponse:
    """Return the answer to a refused request."""
    title = TITLES.get(refused.status, Text("Error", "错误")).into(lang)
    told = Problem(title=title, status=refused.status, detail=refused.text.into(lang), field=refused.field)
    headers = {"Content-Language": lang.value, "Cache-Control": "no-store", **refused.headers}
    content = told.model_dump(exclude_none=True)
    return JSONResponse(content, refused.status, headers, media_type="application/problem+json")


def invalid(error: Mapping[str, Any]) -> RequestError:
    """Return the refusal of a field that pydantic has found wrong."""
    place = [str(part) for part in error["loc"] if part not in {"query", "body", "path"}]
    wrong = "json_invalid" if error["type"].startswith("json") else error["type"]
    field = ".".join(place) if place and wrong != "json_invalid" else "body"
    given = error.get("input")
    en, zh = str(error["msg"]), _CHINESE.get(wrong, "{msg}").format(msg=error["msg"], **error.get("ctx", {}))
    if isinstance(given, str | int | float) and wrong != "json_invalid":
        shown = f"{given!s:.60}".encode(errors="replace").decode()
        en, zh = f"{en} (given: {shown})", f"{zh}（输入：{shown}）"
    return RequestError(422, Text(en, zh), field)


def language(accepted: str | None) -> Lang:
    """Return the language that a header Accept-Language prefers; English where it names neither."""
    best, most = Lang.en, 0.0
    for part in (accepted or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        name, _, quality = parameter.strip().partition("=")
        try:
            weight = float(quality) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        lang = next((one for one in Lang if tag.lower().split("-")[0] == one.value), None)
        if lang and weight > most:
            best, most = lang, weight
    return best


class Rate:
    """Keeps a user's program that runs wild from taking the hub's time: a bucket of requests for each user."""

    def __init__(self, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._per_second, self._burst = per_second, burst
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, user: str, now: float) -> float:
        """Return after how long the user may ask, s; 0: this request counts. `now` is monotonic time [s]."""
        with self._lock:
            left, then = self._buckets.get(user, (self._burst, now))
            left = min(self._burst, left + (now - then) * self._per_second)
            if left < 1:
                self._buckets[user] = left, now
                return (1 - left) / self._per_second
            self._buckets[user] = left - 1, now
            return 0.0
