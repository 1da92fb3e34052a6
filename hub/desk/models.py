"""What the HTTP API takes and gives, as types: the OpenAPI description is made of them."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.alerts.states import Kind, State
from hub.config.alerts import Severity
from hub.wire.proof import Proof
from schemas.standards import Verified


class Remark(BaseModel):
    """What is said with an act; needed for a comment, and when an admin closes what is not resolved."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(max_length=2000)] = ""


class MaintenanceWanted(BaseModel):
    """A span of time in which alerts of a site, or of one board of it, are recorded and nobody is told."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    site: Annotated[str, Field(max_length=32)]
    board: Annotated[str, Field(max_length=32, description="empty: every board of the site")] = ""
    from_: Annotated[AwareDatetime, Field(alias="from", description="ISO 8601 with offset")]
    to: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class Maintenance(BaseModel):
    """A maintenance window; `board` is empty for the whole site."""

    model_config = ConfigDict(populate_by_name=True)
    id: int
    site: str
    board: str
    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    reason: str
    who: str


class LimitCited(BaseModel):
    """The limit on which an alert or verdict rests, and how well it is known (P, S or U)."""

    standard: str
    title: str
    clause: Annotated[str, Field(description="empty: it is not known")]
    name: str
    value: float | None
    unit: str
    stated: str
    quantity: str
    averaging: Annotated[str, Field(description="window, statistic and least data capture, in the caller's language")]
    verified: Verified
    averaging_verified: Verified
    rounding: Annotated[Verified, Field(description="how well it is known how a value is rounded; with U it is not")]
    source: str


class Alert(BaseModel):
    """An alert: one continuing cause. Times are ISO 8601 in the registry's time zone."""

    id: int
    kind: Annotated[Kind, Field(description="limit; the others are troubles of the network")]
    kind_name: str
    about: Annotated[str, Field(description="what was measured, or the rule that is broken; empty: neither")]
    state: State
    severity: Severity
    severity_name: str
    state_name: str
    district: str
    site: str
    site_name: str
    board: str
    rule: str
    standard: str | None
    clause: str | None
    quantity: str | None
    value: Annotated[float | None, Field(description="worst so far")]
    limit: float | None
    unit: str | None
    capture: Annotated[float | None, Field(description="share of the worst window with valid data, 0 to 1")]
    verified: Verified | None
    averaging_verified: Verified | None
    instrument: Annotated[
        str, Field(description="type_approved, class_1, class_2, indicative (never a violation), or empty: not stated")
    ]
    uncertainty: Annotated[float | None, Field(description="of it at the limit, expanded (k = 2); null: not stated")]
    decision: Annotated[str, Field(description="simple, guarded_acceptance or guarded_rejection (JCGM 106)")]
    window_start: Annotated[datetime, Field(description="start of the first window that broke the limit")]
    window_end: Annotated[datetime, Field(description="end of the last one")]
    opened: datetime
    fired: datetime | None
    acknowledged: datetime | None
    acknowledged_by: str | None
    resolved: datetime | None
    closed: datetime | None
    age: Annotated[int, Field(description="s from when it opened until it was resolved, or until now")]
    escalation: int
    maintenance: Annotated[int | None, Field(description="the maintenance window for which nobody was told")]
    permit: Annotated[str | None, Field(description="number of the permit for night work; the limit still binds")]
    text: str


class Alerts(BaseModel):
    """A page of alerts, the newest first; `cursor` asks for the next one, null: there is none."""

    alerts: list[Alert]
    cursor: int | None


class Step(BaseModel):
    """A step of an alert's audit trail; `told`: recipients are told of it."""

    id: int
    time: datetime
    who: str
    what: str
    what_name: str
    detail: str
    severity: Severity
    told: bool


class JudgedWindow(BaseModel):
    """A judged window on which an alert rests, as it was judged last."""

    start: datetime
    end: datetime
    outcome: str
    value: float | None
    capture: float | None
    revision: Annotated[int, Field(description="above 1: late data amended it")]


class EvidenceReading(BaseModel):
    """A reading as it is stored: start of its interval, length in s, HJ 212 flag."""

    t: datetime
    dt: int
    value: float | None
    flag: str


class Readings(BaseModel):
    """The readings on which an alert rests, in the order of their time."""

    device: str
    quantity: str
    start: datetime
    end: datetime
    readings: list[EvidenceReading]
    truncated: bool = False
    influxql: Annotated[str | None, Field(description="how to ask for them where InfluxDB keeps them")] = None


class EvidenceSample(BaseModel):
    """What a message says of one instant, as a rule has taken it."""

    id: Annotated[str, Field(description="its identity, which verdicts cite")]
    t: datetime
    lat: Annotated[float | None, Field(description="degrees, WGS-84; null: no position")]
    lon: float | None
    radius: Annotated[float, Field(description="error radius of the position [m]")]
    speed: Annotated[float | None, Field(description="km/h")]
    states: dict[str, str | float | bool | None]


class Message(BaseModel):
    """A message as it stands in the log. `payload` is verbatim: a board's MAC covers every byte before `,"mac"`."""

    offset: int
    received: datetime
    channel: Annotated[str, Field(description="how it came: board (MQTT), hj212, jt808, lorawan, badge")]
    source: Annotated[str, Field(description="id of the board, station or terminal")]
    proof: Annotated[Proof, Field(description="how well it was proven, when it came, that its source sent it")]
    topic: str
    payload: str
    mac: Annotated[str, Field(description="empty: its channel has none")]
    authentic: Annotated[
        bool | None,
        Field(description="the MAC is right; null: there is none, or the board's key is not known any more"),
    ]
    readings: Annotated[
        list[EvidenceReading], Field(description="the alert's quantity in its windows, as this message has it")
    ]
    samples: Annotated[list[EvidenceSample], Field(description="of an alert about a rule: what its verdicts cite")]


class Messages(BaseModel):
    """A page of the messages on which an alert rests, in the log's order; `cursor` asks for the next one."""

    messages: list[Message]
    kept_since: Annotated[datetime | None, Field(description="the log keeps nothing that was received before")]
    cursor: int | None


class Told(BaseModel):
    """Who was told of a step, and whether that arrived."""

    step: int
    recipient: str
    state: str
    attempts: int
    sent: datetime | None
    error: str | None


class AlertDetail(Alert):
    """An alert with everything that it rests on, and everything that was done."""

    cited: LimitCited | None
    measured_by: Annotated[str, Field(description="class, uncertainty, its source and the decision rule, in words")]
    steps: list[Step]
    windows: list[JudgedWindow]
    evidence: Readings | None
    notifications: list[Told]
    link: str
