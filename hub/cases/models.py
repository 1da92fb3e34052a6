"""What the HTTP API of cases takes and gives."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hub.cases.refusal import MOST_TEXT
from hub.cases.rules.calendar import Letter, Unit
from hub.cases.rules.rates import Measure, Rate
from hub.cases.rules.records import Checked, Found, Source, State, What

Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
Written = Annotated[str, Field(max_length=MOST_TEXT)]
Word = Annotated[str, Field(max_length=100)]


class CaseAsked(BaseModel):
    """A report that becomes a case; of an alert, `alert` alone is enough."""

    model_config = ConfigDict(extra="forbid")
    source: Source
    alert: Annotated[Number | None, Field(description="of the source `alert`: which")] = None
    district: Annotated[Word, Field(description="left out of the source `alert`")] = ""
    code: Annotated[
        Word,
        Field(description="main and minor class, four digits; of an alert left out: as the rulebook says"),
    ] = ""
    text: Written = ""
    site: Word = ""
    lat: Annotated[float | None, Field(description="WGS-84, degrees")] = None
    lon: float | None = None
    place: Annotated[Word, Field(max_length=200, description="in words")] = ""


class ActAsked(BaseModel):
    """Something that is done with a case. Which parts belong to an act is told at each part."""

    model_config = ConfigDict(extra="forbid")
    what: What
    seen: Annotated[
        Number,
        Field(description="`seq` of the case as it was read: what somebody else has done since is told (409)"),
    ]
    text: Annotated[Written, Field(description="why, or what was done; it stands in the history")] = ""
    found: Annotated[Found | None, Field(description="of `verify`")] = None
    standard: Annotated[Word | None, Field(description="of `file`; left out: the only one of the code")] = None
    amount: Annotated[
        float | None, Field(gt=0, le=10_000, allow_inf_nan=False, description="of `file` and `ask_extension`")
    ] = None
    unit: Annotated[Unit | None, Field(description="of `file`, with `amount`")] = None
    department: Annotated[
        Word | None,
        Field(description="of `dispatch` (left out: as the responsibility table says) and of co-handlers"),
    ] = None
    result: Annotated[Checked | None, Field(description="of `inspect`")] = None
    same_as: Annotated[Number | None, Field(description="of `refuse`: the case that is the same")] = None
    stage: Annotated[Word | None, Field(description="of `review`: pre_check, department, leader")] = None
    alert: Annotated[Number | None, Field(description="of `join_alert`")] = None


class CaseShown(BaseModel):
    """A case. Times are ISO 8601 in the city's time zone."""

    id: int
    number: str
    seq: Annotated[int, Field(description="of the newest event of the history; `seen` of an act")]
    state: State
    state_name: str
    source: Source
    source_name: str
    district: str
    site: str
    site_name: str
    lat: float | None
    lon: float | None
    place: str
    about: Annotated[str, Field(description="the thing that it is about, kind and id, such as shop/s-1")]
    code: str
    full_code: Annotated[str | None, Field(description="ten digits, where the district's code of GB/T 2260 is known")]
    code_name: str
    code_edition: str
    code_verified: Letter | None
    kind: str
    text: str
    alerts: list[int]
    reported: str
    reported_by: str
    verified: Found | None
    verified_by: str
    filed: str | None
    filed_by: str
    refused: str | None
    standard: str
    amount: float
    unit: Unit
    unit_name: str
    extra: Annotated[float, Field(description="extensions granted, in `unit`")]
    asked_extra: Annotated[float, Field(description="an extension that waits for a decision, in `unit`")]
    deadline: str | None
    deadline_certain: Annotated[
        bool | None, Field(description="false: days off up to then are not published yet, so it may move")
    ]
    left: Annotated[float | None, Field(description="in `unit`; below 0: overdue")]
    stopped: Annotated[str | None, Field(description="since when the limit stands still")]
    department: str
    department_name: str
    co_handlers: list[str]
    dispatched: str | None
    dispatched_by: str
    dispatches: int
    returned: int
    handled_by: str
    fed_back: str | None
    finished: str | None
    checked: Checked | None
    rework: int
    closed: str | None
    forced: bool
    on_time: bool | None
    supervised: str | None
    appeals: int


class CaseEvent(BaseModel):
    """An event of a history."""

    seq: int
    time: str
    who: str
    position: str
    position_name: str
    what: What
    what_name: str
    before: State | None
    after: State
    text: str
    data: dict[str, Any]
    joined: Annotated[bool, Field(description="supervision and command were one centre")]


class Alike(BaseModel):
    """A case that may be the same."""

    id: int
    number: str
    state: State
    metres: float | None


class CaseDetail(CaseShown):
    """A case with its history."""

    events: list[CaseEvent]
    history_sha256: Annotated[str, Field(description="of all events; it stands in the printed case file")]
    similar: list[Alike]
    may: Annotated[list[What], Field(description="what the caller may do with it now")]
    joined: Annotated[bool, Field(description="supervision and command are one centre")]


class Cases(BaseModel):
    """Cases, the newest first; `cursor` asks for the next page, null on the last."""

    cases: list[CaseShown]
    cursor: int | None
    joined: bool


class GroupShown(BaseModel):
    """The numbers and rates of a group."""

    group: str
    accepted: int
    filed: int
    refused: int
    closed_of_filed: int
    due: int
    closed: int
    on_time: int
    fed_back: int
    rework: int
    dispatched: int
    accurate: int
    rates: Annotated[dict[Rate, float | None], Field(description="0 to 1; null: nothing to divide by")]
    cases: Annotated[dict[Measure, list[int]] | None, Field(description="the cases behind each number")] = None


class RatesShown(BaseModel):
    """The rates of a period."""

    groups: list[GroupShown]
    joined: bool
