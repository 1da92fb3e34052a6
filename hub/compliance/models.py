"""What the HTTP API gives of verdicts, as types: the OpenAPI description is made of them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from hub.wire.channels import Proof


class Verdict(BaseModel):
    """A verdict on one window of one limit at one board."""

    id: int
    district: str
    site: str
    board: str
    rule: str
    start: datetime
    end: datetime
    outcome: str
    value: float | None
    limit: float
    capture: float
    revision: int
    judged: datetime
    proof: Annotated[Proof, Field(description="how well it is proven who measured, the weakest of the window's days")]
    alert: Annotated[int | None, Field(description="the alert that rests on it; late data raise none")]


class Verdicts(BaseModel):
    """A page of verdicts, the newest first; `cursor` asks for the next one, null: there is none."""

    verdicts: list[Verdict]
    cursor: int | None
