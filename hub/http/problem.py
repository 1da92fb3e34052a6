"""The body of an answer that refuses (RFC 9457), and how the OpenAPI document tells of it."""

from typing import Any

from pydantic import BaseModel

TOLD = {
    401: "No token, or one that nobody has",
    403: "The role does not allow it",
    404: "There is no such thing",
    408: "The body did not come in time",
    409: "The state of things does not allow it",
    413: "The body is too large, or has no Content-Length",
    422: "A field is wrong; `field` names it",
    429: "Too many requests; Retry-After says when to ask again, in s",
    503: "The hub is busy or its database does not answer; Retry-After says when to ask again, in s",
    507: "There is no room for it; nothing was kept",
}
EVERY = (401, 403, 408, 413, 422, 429, 503)
"""What every act of the API may answer."""
_SCHEMA = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


class Problem(BaseModel):
    """Why a request was refused (RFC 9457); `field` names what is wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = None


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return these refusals as FastAPI describes answers."""
    return {code: {"description": TOLD[code], "content": _SCHEMA} for code in codes}
