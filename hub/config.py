"""The hub's configuration and registry: read whole, or refused with the file, the field and the remedy."""

import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
"""Identifier of a district, site or board, as it stands in topics."""

T = TypeVar("T")


class ConfigError(Exception):
    """A configuration that cannot be used; its text tells the user what to mend."""


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the MQTT broker is and how to be let in; with `ca` the connection is TLS."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    client_id: str = "fenceline-hub"
    user: str | None = None
    password_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where readings go. InfluxDB's address, token and organisation come from the environment: INFLUXDB_V2_URL, ..."""

    kind: Literal["sqlite", "influxdb"] = "sqlite"
    bucket: str = "fenceline"


class Keep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the log keeps what every consumer has done with."""

    days: Annotated[float, msgspec.Meta(gt=0)] = 400.0
    """Messages older than this are removed from the log (their readings stay in the store)."""
    quarantined: Annotated[int, msgspec.Meta(ge=1000)] = 100_000
    """Most messages in quarantine; beyond, the oldest go, and stay counted."""


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where /healthz, /readyz and /metrics are served; port 0 serves none."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8433


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``fenceline.toml``. Paths are relative to the file."""

    registry: Path
    keys: Path
    data: Path = Path("data")
    acknowledge_every: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 2.0
    """Least time between two acknowledgements to one board, s."""
    districts: tuple[Id, ...] = ()
    """The districts this hub owns; none named: all."""
    broker: Broker = Broker()
    store: Store = Store()
    keep: Keep = Keep()
    http: Http = Http()


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A construction site or factory."""

    id: Id
    district: Id
    kind: Literal["construction", "factory"]
    en: str
    zh: str
    zone_class: str | None = None


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A board and the site at whose fence it stands."""

    id: Id
    site: Id


class _RegistryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: list[Site]
    board: list[Board]
    timezone: str = "Asia/Shanghai"


class Registry(msgspec.Struct, frozen=True):
    """What the hub knows of the city: sites and boards by id, the boards' keys, the local time zone."""

    sites: dict[str, Site]
    boards: dict[str, Board]
    keys: dict[str, bytes]
    zone: ZoneInfo

    def site_of(self, device: str) -> Site:
        """Return the site of a registered board."""
        return self.sites[self.boards[device].site]


def load_config(path: Path) -> Config:
    """Read ``fenceline.toml`` and make its paths absolute.

    Raises:
        ConfigError: the file is missing or wrong.
    """
    config = _read(path, Config)
    here = path.resolve().parent
    broker = config.broker
    return msgspec.structs.replace(
        config,
        registry=here / config.registry,
        keys=here / config.keys,
        data=here / config.data,
        broker=msgspec.structs.replace(
            broker,
            password_file=broker.password_file and here / broker.password_file,
            ca=broker.ca and here / broker.ca,
            certificate=broker.certificate and here / broker.certificate,
            key=broker.key and here / broker.key,
        ),
    )


def load_registry(config: Config) -> Registry:
    """Read the registry and the boards' keys and check that they fit each other.

    Raises:
        ConfigError: a file is missing or wrong, or the keys can be read by others than the hub's user.
    """
    path = config.registry
    content = _read(path, _RegistryFile)
    sites = {site.id: site for site in content.site}
    boards = {board.id: board for board in content.board}
    if len(sites) < len(content.site) or len(boards) < len(content.board):
        ids = [site.id for site in content.site] if len(sites) < len(content.site) else [b.id for b in content.board]
        twice = next(name for name in ids if ids.count(name) > 1)
        raise ConfigError(f"{path}: id {twice!r} stands there twice; give each site and each board its own")
    for board in content.board:
        if board.id == "hub":
            raise ConfigError(f"{path}: board 'hub': that is the hub's own name at the broker; give the board another")
        if board.site not in sites:
            raise ConfigError(f"{path}: board {board.id!r}: there is no site {board.site!r}; add it or mend the name")
    try:
        zone = ZoneInfo(content.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"{path}: timezone = {content.timezone!r} is not an IANA zone such as Asia/Shanghai"
        ) from error
    return Registry(sites, boards, _load_keys(config.keys, boards), zone)


def _load_keys(path: Path, boards: dict[str, Board]) -> dict[str, bytes]:
    texts = _read(path, dict[str, Any])
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: the boards' keys can be read by other users; run: chmod 600 {path}")
    keys = {}
    for board in boards:
        try:
            key = bytes.fromhex(str(texts[board]))
        except KeyError:
            raise ConfigError(f"{path}: board {board!r} has no key; add {board} = '<64 hexadecimal digits>'") from None
        except ValueError:
            key = b""
        if len(key) != 32:
            raise ConfigError(f"{path}: the key of board {board!r} is not 64 hexadecimal digits")
        keys[board] = key
    return keys


def _path(type_: type, value: object) -> Path:
    if type_ is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"Expected a path, got {value!r}")


def _read(path: Path, type_: type[T]) -> T:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), type_, dec_hook=_path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); README.md shows what stands in it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error
