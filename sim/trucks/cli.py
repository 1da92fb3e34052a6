"""`fenceline sim trucks`: a night of muck trucks with planted breaches, and how many of them are found."""

import asyncio
import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from hub.terminal.commands import option
from hub.terminal.json_lines import print_list
from schemas.errors import UserError
from schemas.language import Text

if TYPE_CHECKING:
    from hub.judge.records import RuleVerdict
    from sim.trucks.night import Night

EXAMPLES = (
    "fenceline sim trucks",
    "fenceline sim trucks --seed 7 --trucks 12 --breaches 8 --look-alikes 4 --hours 2",
    "fenceline sim trucks --out night",
    "fenceline sim trucks --port 8808 --code-file code",
    "fenceline sim trucks --found-by fenceline.toml",
)
HELP = Text(
    """Run a night of simulated muck trucks, with breaches planted and look-alikes, and tell how many were found.

    Without more it is judged here, from the bytes that terminals would send: each breach in a line, with whether it was
    found, each false find, and last recall and precision. With --port the trucks send them to a hub, all of last night
    at once; --out writes what the hub must know of them first; --found-by then compares what that hub has found.""",
    """运行一夜的模拟渣土车：其中设有违规行为及易混淆的正常行为，并统计检出情况。

    默认在本机按终端将发送的字节判定：每项违规一行并注明是否检出，每项误报一行，最后为召回率和精确率。--port：将昨夜的全部
    数据发送到数据中心；--out：写出数据中心需预先导入的文件；--found-by：与该数据中心的判定结果比较。""",
)
ZONE = ZoneInfo("Asia/Shanghai")
"""Local time of the simulated city."""
PHONE = 13_900_000_000
"""The first truck's number."""


def trucks(
    seed: Annotated[int, option(Text("The same seed makes the same night.", "相同的种子生成相同的一夜。"), min=0)] = 1,
    count: Annotated[int, option(Text("How many trucks.", "车辆数。"), "--trucks", min=1, max=10_000)] = 50,
    breaches: Annotated[int, option(Text("Breaches that are planted.", "设置的违规数。"), min=0)] = 40,
    look_alikes: Annotated[
        int, option(Text("Nights that only look like a breach.", "易混淆的正常行为数。"), "--look-alikes", min=0)
    ] = 10,
    hours: Annotated[
        float, option(Text("How long trips are begun, from 20:10 on.", "自20:10起持续派车的小时数。"), min=0.5, max=8.3)
    ] = 8.3,
    day: Annotated[
        str,
        option(
            Text("The evening's local day.", "当晚的日期（当地时间）。"),
            metavar="DAY",
            show_default=Text("of the last whole night", "最近完整的一夜"),
        ),
    ] = "",
    out: Annotated[
        Path | None,
        option(
            Text(
                "Write things, terminals and the planted list into this folder.", "将对象、终端和违规清单写入该文件夹。"
            ),
            "--out",
            show_default=Text("nothing", "不写"),
        ),
    ] = None,
    site: Annotated[
        str, option(Text("Site of the terminals in the registry.", "终端在登记表中所属的站点。"), show_default=True)
    ] = "depot",
    host: Annotated[str, option(Text("The hub's address.", "数据中心的地址。"))] = "127.0.0.1",
    port: Annotated[
        int | None,
        option(
            Text("Send it to a hub at this port.", "发送到数据中心的该端口。"),
            min=1,
            max=65535,
            show_default=Text("judge it here", "在本机判定"),
        ),
    ] = None,
    code_file: Annotated[
        Path | None,
        option(
            Text("File with the terminals' code.", "鉴权码文件。"),
            "--code-file",
            show_default=Text("what a registration tells", "注册时获得"),
        ),
    ] = None,
    found_by: Annotated[
        Path | None,
        option(
            Text(
                "Compare what the hub of this fenceline.toml has found.",
                "与该 fenceline.toml 的数据中心的判定结果比较。",
            ),
            "--found-by",
            show_default=Text("judge it here", "在本机判定"),
        ),
    ] = None,
) -> None:
    """Run a night of simulated trucks."""
    from sim.trucks.night import make_night

    night = make_night(seed, midnight(day), count, breaches, look_alikes, hours)
    if out is not None:
        write(night, out, site)
    if port is not None:
        made = asyncio.run(send(night, host, port, _code(code_file)))
        print_list((), "trucks", trucks=len(night.fixes), made=made, acknowledged=made)
    elif out is None or found_by is not None:
        tell(night, _judged(night) if found_by is None else _found_by(found_by))


def tell(night: "Night", finds: Iterable["RuleVerdict"]) -> None:
    """Print each planted breach with whether it was found, each false find, and the sums."""
    from sim.trucks.judged import score

    scored = score(finds, night.planted)
    what = {one.truck: one.what for one in (*night.planted, *night.innocent)}

    def rows() -> Iterable[dict[str, Any]]:
        for one in night.planted:
            if not one.brought:
                times = {"from": local_time(one.start), "until": local_time(one.end)}
                found = one not in scored.missed
                yield {"truck": one.truck, "rule": one.rule, "what": one.what, **times, "found": found}
        for false in scored.false:
            times = {"from": local_time(false.start), "until": local_time(false.end)}
            night_of = what.get(false.subject, "")
            yield {"truck": false.subject, "rule": false.rule, "what": night_of, **times, "false": True}

    print_list(
        rows(),
        "lines",
        fixes=sum(map(len, night.fixes.values())),
        planted=scored.planted,
        look_alikes=len(night.innocent),
        found=scored.found,
        right=scored.right,
        wrong=scored.wrong,
        recall=round(scored.recall, 4),
        precision=round(scored.precision, 4),
    )


async def send(night: "Night", host: str, port: int, code: str | None) -> int:
    """Let each truck send its night, and then what it kept back; return how many fixes were acknowledged."""
    from sim.terminals.terminal import SimTerminal

    fleet = {
        truck: SimTerminal(port, phone(number), code, host=host, plate=f"粤A{truck[-4:]}0")
        for number, truck in enumerate(night.fixes)
    }
    talking = [asyncio.create_task(one.run()) for one in fleet.values()]
    try:
        for late in (False, True):
            for truck, terminal in fleet.items():
                for fix in night.fixes[truck]:
                    if fix.late is late:
                        terminal.add(fix.t, fix.body)
            while any(one.account().waiting for one in fleet.values()):
                await asyncio.sleep(0.1)
    finally:
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
    return sum(one.account().acknowledged for one in fleet.values())


def phone(number: int) -> str:
    """Return the phone number of the truck with a number."""
    return f"0{PHONE + number}"


def write(night: "Night", out: Path, site: str) -> None:
    """Write what a hub must know of a night, and what was planted in it.

    Raises:
        UserError: the folder cannot be written.
    """
    from hub.things.entries import Thing
    from hub.things.exchange import to_toml
    from sim.trucks.night import PROFILE

    def thing(one: Any) -> Thing:
        said = {name: tuple(value) if isinstance(value, list) else value for name, value in one.properties.items()}
        return Thing(
            kind=one.kind,
            id=one.id,
            en=one.id,
            zh=one.id,
            from_=one.valid_from,
            until=one.valid_until,
            properties=said,
            geometry=one.geometry,
        )

    entries = "\n".join(
        f'[[terminal]]\nid = "{truck}"\nsite = "{site}"\nphone = "{phone(number)}"\nprofile = "{PROFILE}"\n'
        for number, truck in enumerate(night.fixes)
    )
    files = {
        "things.toml": to_toml(map(thing, night.things), ZONE),
        "late.toml": to_toml(map(thing, night.late), ZONE),
        "terminals.toml": entries,
        "planted.jsonl": "".join(f"{_line(one)}\n" for one in (*night.planted, *night.innocent)),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error}); name another folder") from error


def _line(one: Any) -> str:
    import msgspec

    return msgspec.json.encode(one._asdict() | {"start": local_time(one.start), "end": local_time(one.end)}).decode()


def _judged(night: "Night") -> list["RuleVerdict"]:
    from schemas.domains import rules
    from sim.trucks.judged import judge_night

    return judge_night(night, rules(), ZONE)


def _found_by(config: Path) -> list["RuleVerdict"]:
    """Return the breaches that a hub holds to be there, by the rules for trucks."""
    from contextlib import closing

    from hub.compliance.rule_table import RuleTable
    from hub.compliance.tables import PART
    from hub.config.files import ConfigError, load_config
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError
    from schemas.domains import rules
    from sim.trucks.judged import KIND, is_find

    try:
        path = compliance_of(load_config(config), "")
        if not path.exists():
            raise UserError(f"{path}: nothing has been judged yet; 'fenceline run --config {config}' does it")
        with closing(open_compliance(path, PART)) as db:
            table = RuleTable(db)
            of_trucks = [rule for rule in rules().values() if rule.of == KIND]
            return [one for rule in of_trucks for one in table.breaches(rule.id, 0) if is_find(one, rule)]
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error


def _code(path: Path | None) -> str | None:
    try:
        return path.read_text("utf-8").strip() if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--code-file {path}: cannot be read ({error}); name a file with the code") from error


def midnight(day: str) -> int:
    """Return when the local day of the evening begins, Unix s; no day named: of the last whole night.

    Raises:
        UserError: it is no day.
    """
    try:
        date = dt.date.fromisoformat(day) if day else (dt.datetime.now(ZONE) - dt.timedelta(hours=32)).date()
    except ValueError:
        raise UserError(f"--day {day!r}: expected a day such as 2026-12-01") from None
    return int(dt.datetime.combine(date, dt.time(), ZONE).timestamp())


def local_time(t: int) -> str:
    """Return a moment (Unix s) in local time, with its offset."""
    return dt.datetime.fromtimestamp(t, ZONE).isoformat()
