"""What the HTTP API gives of enterprises and marks, as types: the OpenAPI description is made of them."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Short = Annotated[str, Field(max_length=100)]


class Enterprise(BaseModel):
    """An enterprise as it holds now."""

    id: str
    en: str
    zh: str
    outlets: list[str]


class Enterprises(BaseModel):
    """The enterprises that the caller sees."""

    enterprises: list[Enterprise]


class ProofShown(BaseModel):
    """A document that proves a mark."""

    name: str
    sha256: str
    size: int
    logged: datetime


class DecisionShown(BaseModel):
    """What an officer thought of it last."""

    what: str
    who: str
    time: datetime
    text: str


class MarkShown(BaseModel):
    """A period that an enterprise has marked as invalid."""

    id: int
    outlet: str
    kind: str
    kind_name: Annotated[str, Field(description="in the language asked for, as standing_name")]
    begin: datetime
    end: datetime
    quantities: list[str]
    reason: str
    who: str
    logged: Annotated[datetime, Field(description="by the hub's clock: this time counts")]
    earliest: Annotated[datetime, Field(description="what begins before changes nothing")]
    deadline: Annotated[datetime, Field(description="what is not logged and proven by then changes nothing")]
    decide_by: datetime
    standing: Annotated[
        str, Field(description="counts, accepted, awaits_proof, rejected, late, back_dated or withdrawn")
    ]
    standing_name: str
    effective: Annotated[bool, Field(description="it changes how its hours are judged")]
    proofs: list[ProofShown]
    decision: DecisionShown | None
    last: Annotated[int, Field(description="number of its newest event: give it as seen when deciding")]


class EventShown(BaseModel):
    """Something that was logged of a mark."""

    id: int
    logged: datetime
    who: str
    what: str
    what_name: str
    text: str


class MarkDetail(MarkShown):
    """A mark with all that was logged of it."""

    events: list[EventShown]


class MarksShown(BaseModel):
    """Marks, the newest first."""

    marks: list[MarkShown]
    cursor: int | None


class MarkAsked(BaseModel):
    """A mark to log."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    outlet: Short
    kind: Short
    begin: AwareDatetime
    end: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    quantities: Annotated[list[Short], Field(max_length=50)] = []
    seen: Annotated[
        int | None, Field(ge=0, description="the newest number known: the same mark again since then is logged once")
    ] = None


class Change(BaseModel):
    """An act on a mark."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=2000)] = ""
    end: AwareDatetime | None = None
    seen: Annotated[int | None, Field(ge=0)] = None
