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
    outcome: Annotated[
        str, Field(description="compliant, exceeded, above_uncorrected (of noise: no background), open, or invalid")
    ]
    grade: Annotated[str, Field(description="violation, suspicion, or empty: neither")]
    reason: Annotated[str, Field(description="why it is invalid or open, in the language asked for")]
    missing: Annotated[str, Field(description="what of the site (a property, zone_class) or limit (value) is unknown")]
    assumed: Annotated[str, Field(description="what nobody has said of the site and is assumed")]
    value: Annotated[float | None, Field(description="as measured")]
    compared: Annotated[float | None, Field(description="as compared: rounded, the background taken off")]
    background: float | None
    rounding: Annotated[str, Field(description="P, S or U: how well the rounding is known; with U it is not applied")]
    limit: Annotated[float | None, Field(description="null: its value is not known")]
    unit: str
    verified: str
    capture: float
    revision: int
    judged: datetime
    proof: Annotated[Proof, Field(description="how well it is proven who measured, the weakest of the window's days")]
    instrument: Annotated[
        str, Field(description="type_approved, class_1, class_2, indicative (never a violation), or empty: not stated")
    ]
    uncertainty: Annotated[float | None, Field(description="of it at the limit, expanded (k = 2); null: not stated")]
    decision: Annotated[str, Field(description="simple, guarded_acceptance or guarded_rejection (JCGM 106)")]
    alert: Annotated[int | None, Field(description="the alert that rests on it; late data raise none")]


class Verdicts(BaseModel):
    """A page of verdicts, the newest first; `cursor` asks for the next one, null: there is none."""

    verdicts: list[Verdict]
    cursor: int | None
