"""Everything that `compose.yaml` mounts and that must be made first, with its owner: as a list that init goes through.

Nothing that exists is changed, but for three things that are told: a certificate that ends soon or lacks a name is
renewed, owners and permissions are put right, and what is derived from the operator's own file is derived again.
"""

import datetime as dt
import os
import pwd
import re
import secrets
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from deploy.access import Place, access
from deploy.certificates import (
    CLIENT,
    RENEW_BEFORE,
    SERVER,
    Authority,
    Pair,
    days_left,
    fits,
    hosts_of,
    read,
    same_authority,
    write,
)
from hub.config.files import ConfigError, load_config
from hub.config.names import EXPECTED, is_own
from hub.registry.live import load_entries
from hub.registry.stays import sites_of
from schemas.errors import UserError
from schemas.language import Text

MOSQUITTO, GRAFANA, INFLUXDB, HUB, PROXY = 1883, 472, 1000, 10001, 10002
"""The users as which the images run; the hub's is made in Containerfile, the proxy's has no name."""

CARRIED = (
    "caddy/Caddyfile",
    "env.example",
    "fenceline.toml",
    "mosquitto/mosquitto.conf",
    "registry.example.toml",
    "systemd/README.md",
    "systemd/fenceline-backup.service",
    "systemd/fenceline-backup.timer",
    "systemd/fenceline-hub.service",
)
"""What an installed Fenceline brings for a city without containers; their image is built from the project's folder."""

ID = re.compile(r"[a-z0-9-]{1,32}")
HUB_OF = "hub-"
"""How the name of a district's own hub begins; no board's may."""

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]+")

REGISTRY = """\
# The city's sites and boards. `fenceline registry add ...` writes here; registry.example.toml shows all that may stand.

timezone = "Asia/Shanghai"
"""
KEYS = "# The boards' keys. `fenceline registry add board ...` draws them.\n"
GRAFANA_SETTINGS = "# Further settings of Grafana, such as GF_SMTP_HOST=smtp.city.example:587\n"
CONTACT = """\
# Whom Grafana tells that the hub is silent, the database not written, or a whole district silent. The hub itself cannot
# tell that. After a change: fenceline deploy init, then docker compose restart grafana.
#
# type = "dingding"                     # DingTalk; "wecom" and "webhook" take a url, too
# settings = {url = "https://oapi.dingtalk.com/robot/send?access_token=..."}
#
# E-mail needs GF_SMTP_ENABLED, GF_SMTP_HOST, ... in grafana.env.

type = "email"
settings = {addresses = "operations@fenceline.invalid"}
"""


class Done(StrEnum):
    """What became of a file."""

    MADE = "made"
    RENEWED = "renewed"
    KEPT = "kept"
    LEFT = "left"


class Made(NamedTuple):
    """A file, what became of it, and a word on it."""

    path: Path
    done: Done
    note: Text | None = None


class Owner(NamedTuple):
    """Who may read a file: a user, a group (0: root's), and the permissions."""

    user: int
    group: int = 0
    mode: int = 0o400


OWNERS = {
    "certs/broker.key": Owner(MOSQUITTO),
    "certs/health.key": Owner(MOSQUITTO),
    "certs/hub.key": Owner(HUB),
    "certs/grafana.key": Owner(GRAFANA),
    "certs/proxy.key": Owner(PROXY),
    "mosquitto/access.json": Owner(MOSQUITTO, MOSQUITTO),
    "secrets/influxdb-admin-password": Owner(INFLUXDB),
    "secrets/influxdb-admin-token": Owner(INFLUXDB),
    # InfluxDB sets it, Grafana uses it.
    "secrets/influxdb-read-password": Owner(GRAFANA, INFLUXDB, 0o440),
    "secrets/grafana-admin-password": Owner(GRAFANA),
    "secrets/grafana-secret-key": Owner(GRAFANA),
    "secrets/contact-points.json": Owner(GRAFANA),
    "secrets/apprise-urls": Owner(HUB),
    "city": Owner(HUB, HUB, 0o700),
    "city/registry.toml": Owner(HUB, HUB, 0o640),
    "city/keys.toml": Owner(HUB, HUB, 0o600),
}
"""Who must be able to read what, by its path in the folder of compose.yaml."""
OPERATORS = {"certs": 0o700, "secrets": 0o700, ".env": 0o644, "grafana.env": 0o600, "contact.toml": 0o600}
"""What is the operator's own, whoever that is: the owner of the folder. Docker's client reads it as that user.

A container's user may be somebody's login on this machine, as 1000 mostly is. Docker mounts each file by itself, so
nobody else has to come into the two folders, and who has that number by chance cannot reach what is in them.
"""


def lay_out(folder: Path) -> Iterator[Made]:
    """Put into an empty folder what `CARRIED` names; yield what became of each file."""
    for name in CARRIED:
        yield _new(folder / name, (Path(__file__).parent / name).read_text("utf-8"), 0o644)


def init(folder: Path, hosts: Sequence[str], authority_folder: Path, districts: Sequence[str] = ()) -> Iterator[Made]:
    """Make what is missing in the folder of compose.yaml; yield what became of each file.

    Args:
        folder: where compose.yaml lies.
        hosts: names and addresses under which boards and people reach this machine.
        authority_folder: where the authority is, or is to be.
        districts: ids of districts that have a hub of their own; each gets a certificate as `hub-ID`.

    Raises:
        UserError: something there is in the way.
    """
    for host in hosts:
        if not HOST.fullmatch(host):
            raise UserError(f"--host {host!r}: expected a name such as mqtt.city.example, or an IP address")
    for district in districts:
        if not ID.fullmatch(f"{HUB_OF}{district}") or is_own(district):
            raise UserError(f"--district {district!r}: expected 1 to 28 of a-z, 0-9 and -, and {EXPECTED}")
    authority = Authority(authority_folder)
    copy = folder / "certs" / "ca.crt"
    if not authority.certificate_file.exists() and copy.exists():
        # The authority has been put away. Its certificate is enough to see that nothing is to be signed.
        authority.certificate_file = copy
    else:
        yield Made(authority.certificate_file, Done.MADE if authority.make() else Done.KEPT)
        yield _ca_copy(copy, authority)
    known = sorted({"localhost", "127.0.0.1", *hosts})
    yield certificate(authority, _pair(folder, "broker"), "broker", SERVER, ["mosquitto", *known])
    yield certificate(authority, _pair(folder, "grafana"), "grafana", SERVER, ["grafana", *known])
    yield certificate(authority, _pair(folder, "proxy"), "proxy", SERVER, known)
    yield certificate(authority, _pair(folder, "hub"), "hub", CLIENT)
    yield certificate(authority, _pair(folder, "health"), "health", CLIENT)
    for district in districts:
        yield certificate(authority, _pair(folder, f"{HUB_OF}{district}"), f"{HUB_OF}{district}", CLIENT)
    for name in ("influxdb-admin-password", "influxdb-read-password", "grafana-admin-password", "grafana-secret-key"):
        yield _new(folder / "secrets" / name, secrets.token_urlsafe(24), 0o600)
    yield _new(folder / "secrets" / "influxdb-admin-token", secrets.token_urlsafe(48), 0o600)
    yield _new(folder / "secrets" / "apprise-urls", "", 0o600)
    yield _new(folder / "city" / "registry.toml", REGISTRY, 0o640)
    yield _new(folder / "city" / "keys.toml", KEYS, 0o600)
    yield broker_access(folder)
    yield _new(
        folder / "grafana.env", "# Further settings of Grafana, such as GF_SMTP_HOST=smtp.city.example:587\n", 0o600
    )
    yield _new(folder / "contact.toml", CONTACT, 0o600)
    yield _contact_points(folder)
    yield _environment(folder, hosts[0])


def certificate(
    authority: Authority, pair: Pair, name: str, side: x509.ObjectIdentifier, hosts: Sequence[str] = ()
) -> Made:
    """Make a certificate, renew one that ends soon or lacks a host, keep any other.

    Raises:
        UserError: the one that is there is from another authority, or only half of it is there.
    """
    done, note = Done.MADE, None
    wanted = set(hosts)
    if pair.exists():
        there = read(pair.certificate)
        if not authority.has_issued(there):
            raise UserError(
                f"{pair.certificate} is from another authority than {authority.certificate_file}; "
                "bring the right authority, or remove the certificate and its key for new ones"
            )
        left, missing, right = days_left(there), sorted(wanted - hosts_of(there)), fits(pair)
        if left >= RENEW_BEFORE and not missing and right:
            return Made(pair.certificate, Done.KEPT, Text(f"good for {left} days", f"有效期还有{left}天"))
        wanted |= hosts_of(there)
        done = Done.RENEWED
        note = Text(f"it ended in {left} days", f"原证书剩余{left}天")
        if missing:
            note = Text(f"now for {', '.join(missing)}, too", f"新增：{'、'.join(missing)}")
        if not right:
            note = Text("its key was another's", "私钥与证书不匹配")
    authority.issue(pair, name, side, sorted(wanted))
    return Made(pair.certificate, done, note)


def board(folder: Path, authority_folder: Path, id_: str) -> Made:
    """Make a board's certificate, as three files that are put on the board as they are.

    Raises:
        UserError: the id cannot be a board's.
    """
    if not ID.fullmatch(id_) or is_own(id_):
        raise UserError(f"board {id_!r}: expected 1 to 32 of a-z, 0-9 and -, and {EXPECTED}")
    authority = Authority(authority_folder)
    if not authority.certificate_file.exists():
        authority.certificate_file = folder / "certs" / "ca.crt"
    if not authority.certificate_file.exists():
        raise UserError(f"there is no authority in {authority_folder}; make it first: fenceline deploy init")
    own = folder / "certs" / "boards" / id_
    made = certificate(authority, Pair(own / "board.crt", own / "board.key"), id_, CLIENT)
    copied = _ca_copy(own / "ca.crt", authority)
    return copied if (made.done, copied.done) == (Done.KEPT, Done.RENEWED) else made


def renew_authority(folder: Path, authority_folder: Path) -> list[Made]:
    """Give the authority a new certificate for the key that it has, and put it where services read it.

    Raises:
        UserError: the authority, or its key, is not there.
    """
    authority = Authority(authority_folder)
    if not authority.certificate_file.exists():
        raise UserError(f"there is no authority in {authority_folder}; name its folder with --authority")
    authority.renew()
    note = Text(
        "start the services anew, then send it to the boards: README.md", "请重启各服务，再发送给设备：见README.zh.md"
    )
    return [Made(authority.certificate_file, Done.RENEWED, note), _ca_copy(folder / "certs" / "ca.crt", authority)]


def broker_access(folder: Path) -> Made:
    """Derive from the registry what each client may say and hear at the broker.

    Raises:
        UserError: the registry cannot be read or is wrong.
    """
    try:
        entries = load_entries(load_config(folder / "fenceline.toml"))
    except ConfigError as error:
        raise UserError(str(error)) from error
    today = dt.datetime.now(entries.zone).date()
    boards = {
        id_: Place(entries.sites[one.site].district, one.site)
        for id_, one in sorted(entries.boards.items())
        if one.retired is None or one.retired > today
    }
    earlier = {
        id_: [Place(entries.sites[site].district, site) for site in sites_of(entries.boards[id_])] for id_ in boards
    }
    hubs = {"hub": "+"}
    for certificate in sorted((folder / "certs").glob(f"{HUB_OF}*.crt")):
        hubs[certificate.stem] = certificate.stem.removeprefix(HUB_OF)
    path, text = folder / "mosquitto" / "access.json", access(boards, hubs, earlier)
    done = _derived(path, text.encode())
    if done is Done.KEPT:
        return Made(path, done)
    note = Text(
        "the broker reads it when it starts: docker compose restart mosquitto",
        "代理启动时读取：docker compose restart mosquitto",
    )
    return Made(path, done, note if done is Done.RENEWED else None)


def owner_named(name: str) -> tuple[int, int]:
    """Return the number of a user of this machine, and of that user's group.

    Raises:
        UserError: there is none of that name.
    """
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"--owner {name!r}: this machine has no such user; make it first, or name another") from None
    return user.pw_uid, user.pw_gid


def wrong_owners(folder: Path, only: tuple[int, int] | None = None) -> list[str]:
    """Give each file to the user who must read it; return the commands for what only root can do.

    `only`: without containers, the user and group of this machine that all files are given to.
    """
    here = folder.stat()
    own = {name: Owner(here.st_uid, here.st_gid, mode) for name, mode in OPERATORS.items()}
    wanted = {folder / name: owner for name, owner in (own | OWNERS).items()}
    wanted |= {path: Owner(HUB) for path in (folder / "certs").glob(f"{HUB_OF}*.key")}
    if only:
        wanted = {path: Owner(*only, owner.mode) for path, owner in wanted.items()}
    # A technician puts them on the board.
    boards = folder / "certs" / "boards"
    for path in [boards, *boards.glob("*"), *boards.glob("*/*")]:
        mode = 0o700 if path.is_dir() else 0o600
        wanted[path] = Owner(here.st_uid, here.st_gid, mode)
    return [
        command
        for path, owner in wanted.items()
        if os.path.lexists(path)
        for command in _hand_over(folder, path, owner)
    ]


def _hand_over(folder: Path, path: Path, owner: Owner) -> list[str]:
    if path.resolve() != folder.resolve() / path.relative_to(folder):
        # As root, what the link leads to would be given away.
        raise UserError(f"{path}: a link lies on the way to it; put the file or folder itself in its place")
    state = path.stat()
    if (state.st_uid, state.st_gid) != (owner.user, owner.group):
        if os.geteuid() != 0:
            return [f"sudo chown {owner.user}:{owner.group} {path}"]
        os.chown(path, owner.user, owner.group, follow_symlinks=False)
    if state.st_mode & 0o777 != owner.mode:
        path.chmod(owner.mode)
    return []


def _pair(folder: Path, name: str) -> Pair:
    return Pair(folder / "certs" / f"{name}.crt", folder / "certs" / f"{name}.key")


def _new(path: Path, content: str, mode: int) -> Made:
    if path.exists():
        return Made(path, Done.KEPT)
    write(path, content.encode(), mode)
    return Made(path, Done.MADE)


def _ca_copy(path: Path, authority: Authority) -> Made:
    content = authority.certificate_file.read_bytes()
    if path.exists() and path.read_bytes() == content:
        return Made(path, Done.KEPT)
    if path.exists() and same_authority(path, authority.certificate_file):
        return Made(path, _derived(path, content, 0o644), Text("the authority was renewed", "证书机构已更新"))
    if path.exists():
        raise UserError(
            f"{path} is another authority's than {authority.certificate_file}, and the certificates here are from that "
            "one; name the right folder with --authority"
        )
    write(path, content, 0o644)
    return Made(path, Done.MADE)


def _contact_points(folder: Path) -> Made:
    """Derive Grafana's provisioning file from the operator's contact.toml."""
    path = folder / "secrets" / "contact-points.json"
    try:
        from dashboards.alerting import NOBODY, contact_point, contact_points_file, file_text
        from dashboards.contact import read_contact
    except ModuleNotFoundError as error:
        if "grafana" not in str(error.name):
            raise
        need = "pip install 'fenceline[grafana]'"
        return Made(path, Done.LEFT, Text(f"only Grafana needs it: {need}", f"仅Grafana需要：{need}"))
    contact = contact_point(*read_contact(folder / "contact.toml"))
    nobody = contact["settings"].get("addresses") == NOBODY["settings"]["addresses"]
    note = Text("reaches nobody yet: fill in contact.toml", "尚未设置接收人：请填写contact.toml") if nobody else None
    return Made(path, _derived(path, file_text(contact_points_file(contact)).encode()), note)


def _derived(path: Path, content: bytes, mode: int = 0o600) -> Done:
    """Write what is derived from other files, unless it is there already; nobody finds half of it."""
    try:
        there = path.read_bytes() if path.exists() else None
        if there == content:
            return Done.KEPT
        part = path.with_name(f".{path.name}.new")
        part.unlink(missing_ok=True)
        write(part, content, mode)
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run it as root, or mend the folder") from error
    return Done.MADE if there is None else Done.RENEWED


def _environment(folder: Path, host: str) -> Made:
    """Write .env from its example, with the host filled in."""
    example = folder / "env.example"
    try:
        text = example.read_text("utf-8")
    except OSError as error:
        raise UserError(
            f"{example}: cannot be read ({error.strerror}); name the folder of compose.yaml with --folder"
        ) from error
    return _new(folder / ".env", text.replace("FENCELINE_HOST=\n", f"FENCELINE_HOST={host}\n"), 0o644)
