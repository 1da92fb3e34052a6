"""What the HTTP API gives of verdicts, as types: the OpenAPI description is made of them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from hub.wire.proof import Proof


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
    marks: Annotated[list[int], Field(description="marks by the enterprise in its window; see /api/v1/marks")]
    editions: Annotated[list["Edition"], Field(description="of a permit that sets the limit, as it was then")]
    alert: Annotated[int | None, Field(description="the alert that rests on it; late data raise none")]


class Verdicts(BaseModel):
    """A page of verdicts, the newest first; `cursor` asks for the next one, null: there is none."""

    verdicts: list[Verdict]
    cursor: int | None


class Edition(BaseModel):
    """The edition of a thing by which something was judged."""

    kind: str
    id: str
    edition: int


class RuleVerdict(BaseModel):
    """A verdict of a pack's rule that is no limit on one stretch of time."""

    id: int
    district: str
    site: str
    subject_kind: Annotated[str, Field(description="site, or a kind of things that a domain pack declares")]
    subject: str
    rule: str
    rule_name: Annotated[str, Field(description="in the language asked for")]
    kind: Annotated[str, Field(description="a kind of hub/judge/kinds/README.md, such as area or state")]
    in_force: Annotated[str | None, Field(description="the edition of the rule: the day from which it holds")]
    citation: str
    verified: str
    start: datetime
    end: Annotated[datetime, Field(description="the first moment after it")]
    open: Annotated[bool, Field(description="it goes on: end will move")]
    outcome: str
    grade: str
    reason: Annotated[str, Field(description="in the language asked for")]
    value: float | None
    limit: float | None
    unit: str
    evidence: Annotated[list[str], Field(description="identities in the log of the first samples and the last")]
    samples: Annotated[int, Field(description="how many there are of these")]
    editions: list[Edition]
    lat: Annotated[float | None, Field(description="where the last of its evidence with a position lay, WGS-84")]
    lon: float | None
    revision: int
    amends: Annotated[datetime | None, Field(description="start of the verdict that it takes the place of")]
    judged: datetime
    proof: Annotated[Proof, Field(description="the weakest of its evidence")]
    alert: int | None


class NotJudged(BaseModel):
    """Somebody whom rules watch, or a rule, of which nothing can be said."""

    subject_kind: str
    subject: str
    rule: str
    why: Annotated[str, Field(description="in the language asked for")]


class RuleVerdicts(BaseModel):
    """A page of verdicts of rules, the newest first, and of whom nothing is known."""

    verdicts: list[RuleVerdict]
    not_judged: list[NotJudged]
    cursor: int | None
