"""The body of an answer that refuses (RFC 9457)."""

from pydantic import BaseModel


class Problem(BaseModel):
    """Why a request was refused (RFC 9457); `field` names what is wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = None
