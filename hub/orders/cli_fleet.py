"""`fenceline fleet`: new versions of the boards' agent, brought in waves, at the hub's machine."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, Actor, AsJson, Config, HubOf, Reason
from hub.terminal.tables import say, table
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.orders.waves.book import Rollout, RolloutBook

app = group(
    Text(
        """New versions of the boards' agent: signed by the city, brought in waves, back by themselves.

        Canaries first; the next wave only when the last one works as well as before. Where too many fail, it halts and
        goes back, and says why.""",
        """设备程序的新版本：由本市签名，分批更新，失败自动退回。

        先更新少量设备；上一批运行正常后才更新下一批。失败过多时自动中止、退回并说明原因。""",
    ),
    "fenceline fleet add dist/board-xtensawin",
    "fenceline fleet update 0.2.0 --wave 1,10,100",
    "fenceline fleet status",
    "fenceline fleet halt --reason 'storm tonight'",
)
ADDED = Text("{version} for {arch} is there; its boards can be told of it", "已添加{version}（{arch}）")
BEGUN = Text(
    "{version}: begun; 'fenceline fleet status' tells how far it is",
    "{version}：已开始；fenceline fleet status 可查看进度",
)
HALTED = Text("{version}: halted; boards that are at it end that, then nothing more is sent", "{version}：已中止")
BACK = Text("{version}: halted; the boards that have it go back", "{version}：已中止，设备将退回")
RESUMED = Text("{version}: goes on; boards that failed are left out", "{version}：继续；失败的设备不再更新")
NONE = Text("no version was ever brought to boards", "尚无更新")
HEADS = (Text("Board", "设备"), Text("State", "状态"), Text("Wave", "批次"), Text("Since", "时间"), Text("Why", "原因"))
STEP_HEADS = (Text("Time", "时间"), Text("By", "操作人"), Text("What", "操作"), Text("Detail", "说明"))
MOST_SHOWN = 20


@command(
    app,
    "add",
    Text("Take in a bundle that the city has signed.", "添加本市签名的软件包。"),
    "fenceline fleet add dist/board-xtensawin",
)
def add(
    folder: Annotated[
        Path,
        argument(
            Text("Folder of 'fenceline board bundle --sign KEY'.", "fenceline board bundle --sign 生成的目录。"),
            "FOLDER",
        ),
    ],
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Take in a bundle."""
    from hub.config.files import load_config
    from hub.orders.opening import opened
    from hub.orders.waves.shelf import Shelf

    trusted = load_config(config).fleet.trusted
    if trusted is None:
        raise UserError(f"{config}: [fleet] trusted: missing; name the .pub of 'fenceline board bundle-key' there")
    with opened(config, district) as (db, _):
        found = Shelf(db).add(folder, trusted, actor(who), time.time())
    said = {"version": found.version, "arch": found.arch, "sha256": found.sha256}
    if as_json:
        print_object(said)
    else:
        print(tell(ADDED).format(**said))


@command(
    app,
    "update",
    Text("Bring a version to all boards, wave after wave.", "分批更新全部设备。"),
    "fenceline fleet update 0.2.0 --wave 1,10,100",
    "fenceline fleet update 0.2.0 --tolerate 5 --watch 60 --reason 'LAeq of ESP32-C3'",
    "fenceline fleet update 0.1.0 --downgrade",
)
def update(
    version: Annotated[str, argument(Text("The version.", "版本号。"), "VERSION")],
    wave: Annotated[
        str,
        option(
            Text(
                "Percent of the boards, rising to 100; each wave has one board at least.",
                "设备百分比，递增至100；每批至少一台。",
            )
        ),
    ] = "1,10,100",
    tolerate: Annotated[
        float,
        option(
            Text("Percent of a wave that may fail before it halts.", "每批允许失败的百分比，超过即中止。"),
            min=0,
            max=100,
        ),
    ] = 2.0,
    watch: Annotated[
        float,
        option(
            Text(
                "How long a board is watched with it, minutes; its own trial takes up to 5.",
                "每台设备的观察时间（分钟）；设备自身试运行最多5分钟。",
            ),
            min=0.01,
            max=10_080,
        ),
    ] = 30.0,
    downgrade: Annotated[
        bool, option(Text("Permit boards to take an older version.", "授权设备降级。"), "--downgrade")
    ] = False,
    one_way: Annotated[
        bool,
        option(
            Text("Also where the hub has no bundle to go back to.", "数据中心没有可退回的软件包时也更新。"), "--one-way"
        ),
    ] = False,
    reason: Reason = "",
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Begin to bring a version to boards."""
    from hub.config.files import load_config
    from hub.log.reader import reading_log
    from hub.orders.opening import opened
    from hub.orders.waves import view
    from hub.orders.waves.book import RolloutBook
    from hub.orders.waves.rolling import versions_of
    from hub.storage.compliance_file import compliance_of
    from hub.storage.data_folder import LOG

    settings = load_config(config)
    fleet = settings.fleet
    if fleet.trusted is None or not fleet.address:
        raise UserError(f"{config}: [fleet]: expected trusted and address; docs/waves.md says what they are")
    try:
        percents = [float(part) for part in wave.split(",")]
    except ValueError:
        raise UserError(f"--wave {wave}: expected percents such as 1,10,100") from None
    with opened(config, district) as (db, registry):
        book = RolloutBook(db)
        book.shelf.refuse_unsigned(version, fleet.trusted)
        with reading_log(compliance_of(settings, district).parent / LOG) as entries:
            running, end = versions_of(entries, registry, time.time()), entries.end()
        begun = book.begin(
            version,
            percents,
            running,
            actor(who),
            reason,
            time.time(),
            end,
            tolerate=tolerate,
            watch=watch * 60,
            downgrade=downgrade,
            one_way=one_way,
        )
        said = view.shown(book, begun, registry.zone, spoken())
    if as_json:
        print_object(said)
    else:
        print(tell(BEGUN).format(**said))


@command(
    app,
    "status",
    Text("Show how far the newest update is, and why it halted.", "查看最近一次更新的进度及中止原因。"),
    "fenceline fleet status",
    "fenceline fleet status --boards --json",
)
def status(
    boards: Annotated[bool, option(Text("Every board.", "列出每台设备。"), "--boards")] = False,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show how far it is."""
    from hub.orders.opening import opened
    from hub.orders.waves import view
    from hub.orders.waves.book import RolloutBook

    with opened(config, district) as (db, registry):
        book = RolloutBook(db)
        rollout = book.newest()
        if rollout is None:
            if as_json:
                print_object({"state": "none"})
            else:
                print(tell(NONE))
            return
        said = view.shown(book, rollout, registry.zone, spoken())
        each = view.shown_boards(book, rollout, registry.zone, spoken())
        steps = view.shown_steps(book, rollout, registry.zone, spoken())
    if as_json and boards:
        print_list(each, "boards")
        return
    if as_json:
        print_object(said | {"steps": steps})
        return
    state = tell(view.STATES[rollout.state]).format(**said | {"last": len(said["waves"])})
    say(f"{rollout.version}: {state}")
    say(", ".join(f"{tell(view.BOARD_STATES[name])} {count}" for name, count in sorted(said["boards"].items())))
    trail = [[step["time"], step["who"], tell(view.STEPS[step["what"]]), step["detail"]] for step in steps]
    table([tell(head) for head in STEP_HEADS], trail)
    bad = [one for one in each if one["failed"] or one["state"] == "stuck"]
    if shown := each if boards else bad[:MOST_SHOWN]:
        table([tell(head) for head in HEADS], [_row(one) for one in shown])


def _row(board: dict[str, Any]) -> list[str]:
    from hub.orders.waves.view import BOARD_STATES

    state, wave = tell(BOARD_STATES[board["state"]]), str(board["wave"] or "-")
    return [board["device"], state, wave, board["since"], board["why"] or "-"]


@command(
    app,
    "halt",
    Text("Tell no more boards of the version that is on its way.", "中止正在进行的更新。"),
    "fenceline fleet halt --reason 'storm tonight'",
    "fenceline fleet halt --back",
)
def halt(
    back: Annotated[
        bool, option(Text("Boards that have it go back to what they ran before.", "已更新的设备退回原版本。"), "--back")
    ] = False,
    reason: Reason = "",
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Halt it."""
    told = BACK if back else HALTED
    _change(config, district, told, as_json, lambda book: book.halt(actor(who), reason, time.time(), back=back))


@command(
    app,
    "resume",
    Text("Go on with an update that was halted.", "继续已中止的更新。"),
    "fenceline fleet resume --reason 'the two boards have a broken sensor'",
)
def resume(
    reason: Reason = "",
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Go on."""
    _change(config, district, RESUMED, as_json, lambda book: book.resume(actor(who), reason, time.time()))


def _change(config: Path, district: str, told: Text, as_json: bool, act: "Callable[[RolloutBook], Rollout]") -> None:
    """Do something with the newest version on its way, and say so."""
    from hub.orders.opening import opened
    from hub.orders.waves import view
    from hub.orders.waves.book import RolloutBook

    with opened(config, district) as (db, registry):
        book = RolloutBook(db)
        said = view.shown(book, act(book), registry.zone, spoken())
    if as_json:
        print_object(said)
    else:
        print(tell(told).format(**said))
