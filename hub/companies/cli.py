"""`fenceline marks`: what enterprises mark as invalid, looked at, logged and decided on at the hub's machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, Actor, AsJson, Config, HubOf
from hub.terminal.tables import say, table
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hub.companies.desk import CompanyDesk
    from hub.things.marks.records import Mark

app = group(
    Text(
        """Periods that enterprises mark as invalid at their outlets: calibration, maintenance, faults, start-up.

        The time of logging counts. A mark that comes after its deadline, or begins longer before it was logged than its
        kind allows, or has no proof in time, changes nothing and stays on record as such.""",
        """排污单位对排放口数据的无效标记：校准、维护、故障、启停等。

        以登记时间为准。超过时限、所标时段早于登记时间过多或未按时提供证明的标记不起作用，但保留记录。""",
    ),
    "fenceline marks list",
    "fenceline marks add da-1 --kind calibration --from 2026-12-01T09:00 --to 2026-12-01T10:00 --reason 'Span gas'",
    "fenceline marks prove 3 protocol.pdf",
    "fenceline marks reject 3 --text 'The protocol is of another day'",
)
MOST = 2**63 - 1
LOG = "log.db"
Number = Annotated[int, argument(Text("The mark's number.", "标记编号。"), "MARK", min=1, max=MOST)]
Why = Annotated[str, option(Text("Why; it stays on record.", "原因，记入记录。"), "--text")]
HEADS = (
    Text("No.", "编号"),
    Text("Outlet", "排放口"),
    Text("Kind", "类别"),
    Text("From", "起"),
    Text("To", "止"),
    Text("Logged", "登记时间"),
    Text("By", "登记人"),
    Text("Standing", "状态"),
)
NONE = Text("there are no marks", "没有标记")
FIELDS = {
    "kind_name": Text("Kind", "类别"),
    "outlet": Text("Outlet", "排放口"),
    "begin": Text("From", "起"),
    "end": Text("To", "止"),
    "quantities": Text("Quantities", "监测项"),
    "reason": Text("Reason", "原因"),
    "who": Text("By", "登记人"),
    "logged": Text("Logged", "登记时间"),
    "deadline": Text("To be proven until", "证明时限"),
    "standing_name": Text("Standing", "状态"),
}


@command(
    app,
    "list",
    Text("List the marks, the newest first.", "列出标记，最新在前。"),
    "fenceline marks list",
    "fenceline marks list --outlet da-1 --json",
)
def list_(
    outlet: Annotated[
        str, option(Text("Only of this outlet.", "仅限该排放口。"), show_default=Text("all", "全部"))
    ] = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """List the marks."""
    with opened(config, district, "") as (desk, zone):
        rows = [_told(one, zone) for one in desk.marks([desk.outlet(outlet)] if outlet else desk.outlets())]
    if as_json:
        print_list(rows, "marks", effective=sum(row["effective"] for row in rows))
        return
    if not rows:
        say(tell(NONE))
        return
    names = ("id", "outlet", "kind_name", "begin", "end", "logged", "who", "standing_name")
    table([tell(head) for head in HEADS], [[_cell(row[name]) for name in names] for row in rows], numbers=(0,))


@command(
    app,
    "show",
    Text("Show a mark and all that was logged of it.", "查看标记及其全部记录。"),
    "fenceline marks show 3",
    "fenceline marks show 3 --json",
)
def show(id_: Number, as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """Show a mark."""
    from hub.companies.words import shown_event

    with opened(config, district, "") as (desk, zone):
        told = _told(desk.mark(id_), zone)
        told["events"] = [shown_event(one, zone, spoken()) for one in desk.store.events(id_)]
    if as_json:
        print_object(told)
        return
    table((), [(tell(text), _cell(told[name])) for name, text in FIELDS.items()])
    table((), [[_cell(one[name]) for name in ("logged", "who", "what_name", "text")] for one in told["events"]])


@command(
    app,
    "kinds",
    Text("List for what data may be marked, and until when.", "列出标记类别及时限。"),
    "fenceline marks kinds",
    "fenceline marks kinds --json",
)
def kinds(as_json: AsJson = False, config: Config = FENCELINE) -> None:
    """List the kinds of marks."""
    import msgspec

    from hub.config.files import ConfigError, load_config
    from schemas.domains import mark_kinds

    try:
        load_config(config)  # it names the packs in use
    except ConfigError as error:
        raise UserError(str(error)) from error
    if as_json:
        print_list(({"kind": id_} | msgspec.to_builtins(one) for id_, one in mark_kinds().items()), "kinds")
        return
    heads = (
        Text("Kind", "类别"),
        Text("Name", "名称"),
        Text("Begins at most h before", "最早提前（小时）"),
        Text("Deadline h after", "时限（小时）"),
        Text("Letter", "核实程度"),
    )
    rows = [
        (id_, tell(Text(one.en, one.zh)), f"{one.back_h:g}", f"{one.deadline_h:g}", one.verified)
        for id_, one in mark_kinds().items()
    ]
    table([tell(head) for head in heads], rows, numbers=(2, 3))


@command(
    app,
    "add",
    Text("Log a mark for an enterprise.", "代排污单位登记标记。"),
    "fenceline marks add da-1 --kind calibration --from 2026-12-01T09:00 --to 2026-12-01T10:00 --reason 'Span gas'",
    "fenceline marks add da-1 --kind fault --from 2026-12-01T09:00 --to 2026-12-01T10:00 --reason 'Lamp' --proof a.pdf",
)
def add(
    outlet: Annotated[str, argument(Text("The outlet.", "排放口编号。"), "OUTLET")],
    kind: Annotated[str, option(Text("Why; 'fenceline marks kinds' lists them.", "类别，见 fenceline marks kinds。"))],
    begin: Annotated[str, option(Text("Local time.", "当地时间。"), "--from", metavar="TIME")],
    end: Annotated[str, option(Text("Local time, the first moment after it.", "当地时间。"), "--to", metavar="TIME")],
    reason: Annotated[str, option(Text("What happened.", "具体原因。"))],
    quantity: Annotated[
        list[str] | None,
        option(Text("Only these, such as stack_nox.", "仅限这些监测项。"), show_default=Text("all", "全部")),
    ] = None,
    proof: Annotated[
        Path | None,
        option(
            Text("A PDF, JPEG, PNG or WebP.", "证明文件（PDF、JPEG、PNG、WebP）。"), show_default=Text("none", "无")
        ),
    ] = None,
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Log a mark."""
    from hub.http.problems import RequestError

    with opened(config, district, who) as (desk, zone):
        content = _read(proof, desk) if proof else b""
        period = (_moment("--from", begin, zone), _moment("--to", end, zone))
        mark = desk.log(outlet, kind, *period, reason, quantities=quantity or ())
        if proof:
            try:
                mark = desk.prove(mark.id, proof.name, content)
            except RequestError as error:
                raise UserError(
                    f"mark {mark.id} is logged, but its proof is not ({tell(error.text)}); when that is mended: "
                    f"fenceline marks prove {mark.id} FILE"
                ) from error
        _report(mark, zone, as_json=as_json)


@command(
    app,
    "prove",
    Text("Add a document that proves a mark.", "为标记上传证明文件。"),
    "fenceline marks prove 3 protocol.pdf",
)
def prove(
    id_: Number,
    file: Annotated[Path, argument(Text("A PDF, JPEG, PNG or WebP.", "PDF、JPEG、PNG或WebP。"), "FILE")],
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Add a document."""
    with opened(config, district, who) as (desk, zone):
        _report(desk.prove(id_, file.name, _read(file, desk)), zone, as_json=as_json)


@command(
    app,
    "end",
    Text("Let a mark end earlier than was said.", "提前结束标记时段。"),
    "fenceline marks end 3 --at 2026-12-01T09:30",
)
def end(
    id_: Number,
    at: Annotated[str, option(Text("Local time.", "当地时间。"), "--at", metavar="TIME")],
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Let a mark end earlier."""
    with opened(config, district, who) as (desk, zone):
        _report(desk.end(id_, _moment("--at", at, zone)), zone, as_json=as_json)


@command(
    app,
    "withdraw",
    Text("Take a mark back; it stays on record.", "撤回标记，记录保留。"),
    "fenceline marks withdraw 3 --text 'It was the other stack'",
)
def withdraw(
    id_: Number,
    text: Why,
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Take a mark back."""
    with opened(config, district, who) as (desk, zone):
        _report(desk.withdraw(id_, text), zone, as_json=as_json)


@command(
    app,
    "accept",
    Text("Say that a mark is right.", "认可标记。"),
    "fenceline marks accept 3 --as officer-2",
)
def accept(
    id_: Number,
    text: Annotated[str, option(Text("A remark.", "备注。"), "--text", show_default=Text("nothing", "无"))] = "",
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Accept a mark."""
    with opened(config, district, who) as (desk, zone):
        _report(desk.decide(id_, "accept", text), zone, as_json=as_json)


@command(
    app,
    "reject",
    Text("Reject a mark: its hours are judged as if it were not there.", "不予认可：所标时段按未标记重新判定。"),
    "fenceline marks reject 3 --text 'The protocol is of another day' --as officer-2",
)
def reject(
    id_: Number,
    text: Why,
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Reject a mark."""
    with opened(config, district, who) as (desk, zone):
        _report(desk.decide(id_, "reject", text), zone, as_json=as_json)


@contextmanager
def opened(config: Path, district: str, who: str) -> "Iterator[tuple[CompanyDesk, ZoneInfo]]":
    """Open the marks of a hub for somebody at its machine, who may do it all; with the city's time zone."""
    from contextlib import closing

    from msgspec.structs import replace

    from hub.access.tokens import User
    from hub.companies.desk import CompanyDesk
    from hub.config.files import ConfigError, load_config
    from hub.http.problems import RequestError
    from hub.process.clock_trust import doubt_beside
    from hub.registry.live import load_registry
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError
    from hub.things.marks.tables import PART as MARKS
    from hub.things.tables import PART as THINGS
    from schemas import load_quantities

    try:
        settings = load_config(config)
        registry = load_registry(settings)
        path = compliance_of(settings, district)
        with closing(open_compliance(path, THINGS, MARKS)) as db:
            own = replace(settings, data=path.parent)
            user = User(actor(who), "admin")
            doubt = doubt_beside(path.parent, _newest(path.parent))
            yield CompanyDesk(db, own, registry, load_quantities(), time.time, user, lambda: doubt), registry.zone
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error
    except RequestError as error:
        raise UserError(f"{error.field}: {tell(error.text)}" if error.field else tell(error.text)) from error


def _newest(data: Path) -> float | None:
    """Return when the newest message in a hub's log was received, Unix s; None: there is none, or no log."""
    import sqlite3

    from hub.log.reader import reading_log

    try:
        with reading_log(data / LOG) as log:
            return log.received_last()
    except sqlite3.Error:
        return None


def _told(mark: "Mark", zone: "ZoneInfo") -> dict[str, Any]:
    from hub.companies.words import shown

    return shown(mark, zone, spoken(), time.time())


def _report(mark: "Mark", zone: "ZoneInfo", *, as_json: bool) -> None:
    told = _told(mark, zone)
    if as_json:
        print_object(told)
    else:
        said = Text("mark {id} of {outlet}: {standing_name}", "标记{id}（{outlet}）：{standing_name}")
        print(tell(said).format(**told))


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)[:16].replace("T", " ") if isinstance(value, str) and value[10:11] == "T" else str(value)


def _read(file: Path, desk: "CompanyDesk") -> bytes:
    try:
        with file.open("rb") as source:  # a byte more than is taken says that it is too large
            return source.read(int(desk.config.cases.attachment_mb * 1e6) + 1)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); name a PDF, JPEG, PNG or WebP file") from error


def _moment(name: str, text: str, zone: "ZoneInfo") -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} {text}: expected a local date and time such as 2026-12-01T09:00") from None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
