"""`fenceline deploy`: what a city needs before its first `compose up`, and a certificate for each of its boards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import AsJson
from hub.terminal.tables import Cell, table
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from deploy.files import Made

app = group(
    Text(
        "Certificates, passwords and tokens of a city on one machine; deploy/README.md tells the whole way.",
        "单机部署所需的证书、密码和令牌；完整步骤见 deploy/README.md。",
    ),
    "sudo fenceline deploy init --host fenceline.city.example",
)

Folder = Annotated[
    Path | None,
    option(
        Text(
            "Where compose.yaml lies; a new one is laid out for a city without containers.",
            "compose.yaml 所在目录；新目录将按不使用容器的方式准备。",
        ),
        show_default=Text("here, or ./deploy", "当前目录或 ./deploy"),
    ),
]
AuthorityFolder = Annotated[
    Path | None,
    option(
        Text("Where the authority's key is, or is to be.", "证书机构密钥的存放位置。"),
        "--authority",
        show_default=Text("authority/ beside it", "同级的 authority/"),
    ),
]

OwnerOfAll = Annotated[
    str,
    option(
        Text(
            "Without containers: the user of this machine that all files are given to.",
            "不使用容器时：本机上拥有全部文件的用户。",
        ),
        "--owner",
        show_default=Text("each to its container's user", "各容器的用户"),
    ),
]

STATES = {
    "made": (Text("made", "已生成"), "green"),
    "renewed": (Text("renewed", "已更新"), "yellow"),
    "kept": (Text("kept", "已保留"), "dim"),
    "left": (Text("left out", "未生成"), "yellow"),
}
OWNERS = Text(
    "Not root, so these files are still yours; the services start only when they can read them:",
    "当前不是root用户，以下文件仍归您所有；服务能够读取后才能启动：",
)
PUT_AWAY = Text(
    "Whoever has {path} can make boards: move it to a safe place off this machine.",
    "持有{path}即可签发设备证书：请将其移至本机以外的安全位置。",
)
ON_BOARD = Text("Put the files of {folder} on the board.", "请将{folder}中的文件放到设备上。")


@command(
    app,
    "init",
    Text(
        """Make what a city needs before the first 'docker compose up': authority, certificates, passwords, tokens.

        Nothing that exists is overwritten, so run it as often as you like: it renews certificates that end within 90
        days or lack a --host, gives each file to the user who must read it (as root), and tells what it did. Secrets
        are never shown. Those users are the containers'; a machine without containers has others of the same numbers:
        name the one that is to have all files with --owner.""",
        """生成首次 docker compose up 之前所需的内容：证书机构、证书、密码、令牌。

        不覆盖已有内容，可重复执行：更新 90 天内到期或缺少某个 --host 的证书，（以 root 运行时）将各文件交给须读取它的
        用户，并报告所做的事。机密从不显示。这些用户属于容器；不使用容器的机器上，相同编号是其他用户：请用 --owner
        指明拥有全部文件的用户。""",
    ),
    "docker compose run --rm tools deploy init --host fenceline.city.example",
    "sudo fenceline deploy init --host fenceline.city.example --host 203.0.113.7 --authority /media/safe/authority",
    "sudo fenceline deploy init --host fenceline.city.example --owner operator",
)
def init_command(
    host: Annotated[
        list[str],
        option(
            Text(
                "Name or address by which boards and people reach this machine; may be repeated.",
                "设备和人员访问本机所用的名称或地址，可重复。",
            )
        ),
    ],
    district: Annotated[
        list[str] | None,
        option(
            Text(
                "District with a hub of its own; may be repeated (SIZING.md).",
                "有独立数据中心的区，可重复（见 SIZING.md）。",
            ),
            "--district",
            show_default=Text("none", "无"),
        ),
    ] = None,
    folder: Folder = None,
    authority: AuthorityFolder = None,
    owner: OwnerOfAll = "",
    as_json: AsJson = False,
) -> None:
    """Make what is missing."""
    from deploy.files import init, lay_out, wrong_owners

    given = _given(owner)
    place = _new_place(folder)
    made = list(lay_out(place)) if place else []
    place = place or _place(folder)
    keys = authority or place / "authority"
    made += init(place, host, keys, district or ())
    commands = wrong_owners(place, given)
    _tell(place, made, commands, as_json)
    if (keys / "ca.key").exists() and not as_json:
        print(tell(PUT_AWAY).format(path=keys / "ca.key"))


@command(
    app,
    "board-certificate",
    Text(
        """Make certificates for boards: three files for each in certs/boards/ID, which are put on the board.

        With --registry every board of the registry gets one that has none, or whose own ends within 90 days.""",
        """为设备生成证书：每台设备三个文件，位于 certs/boards/编号，须放到设备上。

        使用 --registry 时，登记册中没有证书或证书 90 天内到期的设备均会生成。""",
    ),
    "fenceline deploy board-certificate fence-0001 fence-0002",
    "fenceline deploy board-certificate --registry --authority /media/safe/authority",
)
def board_certificate(
    ids: Annotated[list[str] | None, argument(Text("Ids of boards.", "设备编号。"), "ID...")] = None,
    registry: Annotated[
        bool,
        option(Text("All boards of the registry that are not retired.", "登记册中所有未停用的设备。"), "--registry"),
    ] = False,
    folder: Folder = None,
    authority: AuthorityFolder = None,
    owner: OwnerOfAll = "",
    as_json: AsJson = False,
) -> None:
    """Make boards' certificates."""
    from deploy.files import Done, board, wrong_owners
    from hub.config.files import ConfigError, load_config
    from hub.registry.live import load_registry

    place, given = _place(folder), _given(owner)
    wanted = list(ids or ())
    if registry:
        try:
            known = load_registry(load_config(place / "fenceline.toml"))
        except ConfigError as error:
            raise UserError(str(error)) from error
        wanted += [id_ for id_, one in known.boards.items() if one.retired is None]
    if not wanted:
        raise UserError("no board is named; name its id, or all of the registry with --registry")
    made = [board(place, authority or place / "authority", id_) for id_ in dict.fromkeys(wanted)]
    wrong_owners(place, given)
    _tell(place, made, [], as_json)
    if not as_json:
        told = tell(ON_BOARD)
        for one in made:
            if one.done is not Done.KEPT:
                print(told.format(folder=one.path.parent))


@command(
    app,
    "renew-authority",
    Text(
        """Give the city's authority a new certificate for the key that it has, before the one it has ends.

        Whatever it has signed stays good. Services read the new one when they start; boards get it with their next
        certificate: 'deploy board-certificate', then 'orders renew-certificate'.""",
        """在证书机构自身的证书到期前，用原有密钥为其签发新证书。

        已签发的证书继续有效。各服务重启后读取新证书；设备随下一次证书更新获得：先 deploy board-certificate，再 orders
        renew-certificate。""",
    ),
    "fenceline deploy renew-authority --authority /media/safe/authority",
)
def renew_authority_command(
    folder: Folder = None, authority: AuthorityFolder = None, owner: OwnerOfAll = "", as_json: AsJson = False
) -> None:
    """Renew the authority's certificate."""
    from deploy.files import renew_authority, wrong_owners

    place, given = _place(folder), _given(owner)
    made = renew_authority(place, authority or place / "authority")
    _tell(place, made, wrong_owners(place, given), as_json)


@command(
    app,
    "access",
    Text(
        """Let each board of the registry, at its own place, say and hear what it must at the broker, and nothing else.

        After every change of which boards there are and where they stand; the broker reads it when it starts.
        'deploy init' does it, too.""",
        """使登记册中的每台设备在消息代理上只能以自己的位置收发所需的消息，此外一概不可。

        设备增减或变更位置后须执行；消息代理启动时读取。deploy init 也会执行。""",
    ),
    "docker compose run --rm tools deploy access && docker compose restart mosquitto",
)
def access_command(folder: Folder = None, owner: OwnerOfAll = "", as_json: AsJson = False) -> None:
    """Make the broker's list of who may say and hear what."""
    from deploy.files import broker_access, wrong_owners

    place, given = _place(folder), _given(owner)
    made = broker_access(place)
    _tell(place, [made], wrong_owners(place, given), as_json)


def _given(owner: str) -> tuple[int, int] | None:
    from deploy.files import owner_named

    return owner_named(owner) if owner else None


def _place(folder: Path | None) -> Path:
    """Return the folder of the deployment: the project's own, or one that `init` has laid out without containers."""
    for place in _places(folder):
        if any((place / name).is_file() for name in ("compose.yaml", "env.example")):
            return place
    where = f"--folder {folder}" if folder else "here and in ./deploy"
    raise UserError(
        f"{where}: there is no compose.yaml; go to the project's folder deploy, or name it with --folder. Without "
        "containers name a new folder: fenceline deploy init --folder NEW makes it"
    )


def _new_place(folder: Path | None) -> Path | None:
    """Return the folder that `init` is to lay out: the one that is named, or ./deploy, if nothing is in it yet."""
    place = _places(folder)[-1]
    taken = place.exists() and (not place.is_dir() or any(place.iterdir()))
    there = any((one / "compose.yaml").is_file() for one in _places(folder))
    return None if taken or there else place


def _places(folder: Path | None) -> list[Path]:
    return [folder] if folder else [Path(), Path("deploy")]


def _tell(place: Path, made: list["Made"], commands: list[str], as_json: bool) -> None:
    if as_json:
        print_object({"files": [{"path": str(one.path), "done": one.done.value} for one in made], "to_do": commands})
        return
    rows = []
    for one in made:
        said, style = STATES[one.done.value]
        path = one.path.relative_to(place) if one.path.is_relative_to(place) else one.path
        rows.append((Cell(tell(said), style), str(path), tell(one.note) if one.note else ""))
    table((), rows, whole=(0, 1))
    if commands:
        print(tell(OWNERS))
        for command_ in commands:
            print(f"  {command_}")
