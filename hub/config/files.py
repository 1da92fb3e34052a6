"""The hub's configuration: read whole, or refused with the file, the field and the remedy."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from hub.config.alerts import Alerting, Recipient
from hub.config.names import OWN
from hub.config.roles import Own
from hub.config.uplinks import Uplink
from schemas import domains
from schemas.errors import CatalogueError
from schemas.faults import as_type, at, explain, lines_of, takes, told
from schemas.toml_text import TomlError, read_toml_file

Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z", extra=takes("1 to 32 of a-z, 0-9 and -, in quotes"))]
"""Identifier of a district, site or board, as it stands in topics."""

T = TypeVar("T")

SECRETS = ("INFLUXDB_V2_TOKEN", "APPRISE_URLS")
"""Secrets of the environment that may stand in a file instead, which NAME_FILE names: as containers are given them."""


class ConfigError(Exception):
    """A configuration that cannot be used; its text tells the user what to mend."""


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the MQTT broker is and how to be let in; with `ca` the connection is TLS."""

    host: str = "127.0.0.1"
    """Name or address."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    """8883 is usual with TLS."""
    client_id: str = "fenceline-hub"
    """Names the hub's persistent session at the broker: never change it while messages wait there."""
    user: str | None = None
    """Name at the broker, where it asks for one."""
    password_file: Path | None = None
    """The file with the user's password."""
    ca: Path | None = None
    """The certificate of the authority that signed the broker's."""
    certificate: Path | None = None
    """The hub's own certificate, where the broker asks for one."""
    key: Path | None = None
    """The private key of `certificate`."""
    control: bool = False
    """The hub may tell Mosquitto's dynamic-security plugin to shut out a board that is retired."""

    def __post_init__(self) -> None:
        """Refuse a hub that would be taken for another part of the deployment."""
        if self.client_id in OWN and self.client_id != "hub":
            raise ValueError(f"client_id = {self.client_id!r} is the name of another part; expected e.g. fenceline-hub")


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where readings go. InfluxDB's address, token and organisation come from the environment: INFLUXDB_V2_URL, ..."""

    kind: Literal["sqlite", "influxdb"] = "sqlite"
    """A file of the hub's own, or InfluxDB."""
    bucket: str = "fenceline"
    """InfluxDB's bucket; a database of InfluxDB 1.x is `database/policy`."""


class Keep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the log keeps, and how much room it leaves."""

    days: Annotated[float, msgspec.Meta(gt=0)] = 400.0
    """Messages older than this are removed from the log (their readings stay in the store)."""
    quarantined: Annotated[int, msgspec.Meta(ge=1000)] = 100_000
    """Most foreign messages in quarantine (no board's, by its MAC); beyond, the oldest go, and stay counted."""
    quarantined_mb: Annotated[float, msgspec.Meta(ge=1)] = 200.0
    """Most room that they take, MB; likewise."""
    free_mb: Annotated[float, msgspec.Meta(ge=0)] = 500.0
    """With less than this free on the disk of the data folder nothing is committed and acknowledged, MB, ..."""
    free_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = 2.0
    """... or with less than this share of the disk, if that is less."""


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where /healthz, /readyz and /metrics are served; port 0 serves none."""

    host: str = "127.0.0.1"
    """The address on which it listens."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8433
    """0: nothing is served."""


def _check_tls(certificate: Path | None, key: Path | None, ca: Path | None) -> None:
    """Refuse half of what TLS needs."""
    if (certificate is None) != (key is None):
        raise ValueError("certificate and key belong together; expected both, or neither")
    if ca and not certificate:
        raise ValueError("ca needs certificate and key: without TLS nobody can show a certificate")


class Hj212(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where stations that speak HJ 212 connect; port 0: nowhere. With `certificate` it is TLS."""

    host: str = "127.0.0.1"
    """The address on which it listens; stations elsewhere reach it on 0.0.0.0."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """0: nothing listens."""
    certificate: Path | None = None
    """The hub's certificate: then stations connect by TLS alone."""
    key: Path | None = None
    """The private key of `certificate`."""
    ca: Path | None = None
    """Whose certificates of stations are believed: one whose common name is the station's MN proves its origin."""
    require_certificate: bool = False
    """Only stations that show a certificate of `ca` are let in; else the others may prove themselves by password."""
    profiles: Path | None = None
    """Folder of station profiles of the city's own."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 4000
    """Most connections at once."""
    idle_minutes: Annotated[float, msgspec.Meta(gt=0)] = 130.0
    """A connection on which nothing came for so long is closed: some stations only send hours."""
    ask: bool = True
    """Stations are asked for what is missing and for their time, where their profile says that they answer."""

    def __post_init__(self) -> None:
        """Refuse half of what TLS needs."""
        _check_tls(self.certificate, self.key, self.ca)
        if self.require_certificate and not self.ca:
            raise ValueError("require_certificate needs ca: it says whose certificates of stations are believed")


class Jt808(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where vehicles' terminals that speak JT/T 808 connect; port 0: nowhere. With `certificate` it is TLS."""

    host: str = "127.0.0.1"
    """The address on which it listens; terminals elsewhere reach it on 0.0.0.0."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """0: nothing listens."""
    certificate: Path | None = None
    """The hub's certificate: then terminals connect by TLS alone."""
    key: Path | None = None
    """The private key of `certificate`."""
    ca: Path | None = None
    """Only terminals that show a certificate of this authority are let in; they prove themselves by their code, too."""
    profiles: Path | None = None
    """Folder of terminal profiles of the city's own."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 12_000
    """Most connections at once."""
    idle_minutes: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """A connection on which nothing came for so long is closed: terminals send heartbeats."""

    def __post_init__(self) -> None:
        """Refuse half of what TLS needs."""
        _check_tls(self.certificate, self.key, self.ca)

    @property
    def require_certificate(self) -> bool:
        """Whether terminals must show a certificate."""
        return self.ca is not None


class Badges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where workers' badges that speak the watch protocol ([3G*...]) connect; port 0: nowhere (docs/workers.md)."""

    host: str = "127.0.0.1"
    """The address on which it listens; badges elsewhere reach it on 0.0.0.0."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """0: nothing listens."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 4000
    """Most connections at once."""
    idle_minutes: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """A connection on which nothing came for so long is closed: badges send heartbeats."""

    @property
    def certificate(self) -> None:
        """None: badges speak no TLS."""

    @property
    def key(self) -> None:
        """None, likewise."""

    @property
    def ca(self) -> None:
        """None, likewise."""

    @property
    def require_certificate(self) -> bool:
        """False, likewise."""
        return False


class Lorawan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network server of LoRaWAN whose uplinks are taken over MQTT: ChirpStack v4, The Things Stack (docs/bins.md)."""

    name: Id
    """Names it in log lines and conditions."""
    topics: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("application/+/device/+/event/up",)
    """What is subscribed to; the default is ChirpStack's. The Things Stack: ["v3/APPLICATION@TENANT/devices/+/up"]."""
    host: str = "127.0.0.1"
    """Name or address of its MQTT broker."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    """8883 is usual with TLS."""
    client_id: str = "fenceline-hub-lorawan"
    """Names the hub's persistent session there: never change it while messages wait."""
    user: str | None = None
    """Name at that broker, where it asks for one."""
    password_file: Path | None = None
    """The file with the user's password."""
    ca: Path | None = None
    """The authority that signed that broker's certificate: with it the connection is TLS, and what comes is proven to
    come from that server; without, its origin is not proven."""
    certificate: Path | None = None
    """The hub's own certificate, where that broker asks for one."""
    key: Path | None = None
    """The private key of `certificate`."""

    @property
    def broker(self) -> Broker:
        """Where it is and how to be let in."""
        fields = ("host", "port", "client_id", "user", "password_file", "ca", "certificate", "key")
        return Broker(**{name: getattr(self, name) for name in fields})


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pages for officers, inspectors and technicians, at /console of the HTTP interface."""

    address: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^(https?://[^\s/?#]+)?\Z",
            extra=takes("an address such as https://fenceline.example.gov.cn, in quotes, nothing behind it"),
        ),
    ] = ""
    """How people reach it: "https://fenceline.example.gov.cn", with ``{district}`` where districts have hubs of their
    own. Links in messages lead there; with https, cookies go over TLS alone. Empty: where [http] listens."""
    tiles: Annotated[
        str,
        msgspec.Meta(
            # What stands in it goes into the page's Content-Security-Policy, too.
            pattern=r"^(https?://[A-Za-z0-9.\-]+(:\d+)?/[A-Za-z0-9._~/?&=%+@{}:\-]*)?\Z",
            extra=takes("an address such as https://tiles.example.gov.cn/{z}/{x}/{y}.png, in quotes"),
        ),
    ] = ""
    """Where the map under the sites comes from: a server of map tiles in Web Mercator, with ``{z}``, ``{x}`` and
    ``{y}`` in its address. Browsers load them from there; without it the map needs no other server."""
    tiles_datum: Literal["wgs84", "gcj02"] = "wgs84"
    """Where those tiles draw a position: gcj02 for maps of Chinese vendors (AMap, Tencent), some 100 m off."""
    tiles_credit: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Whose map it is, as shown below it: its owner, and in China its number (审图号)."""
    plates: bool = False
    """Whether everybody may read what a plate shows, at /p/CODE, without signing in. Without it, a plate's address
    leads those who work here to signing in, and says nothing to anybody else."""
    plates_contact: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Whom the page of a plate names for complaints and objections, such as a telephone number."""

    @property
    def tiles_origin(self) -> str:
        """The server of the tiles, as a browser is told from where else it may load pictures; empty: from nowhere."""
        return "/".join(self.tiles.split("/", 3)[:3])

    def __post_init__(self) -> None:
        """Refuse an address that cannot be filled in."""
        parts = re.findall(r"[{}][^{}]*[{}]?", self.tiles)
        if self.tiles and sorted(parts) != ["{x}", "{y}", "{z}"]:
            raise ValueError(f"tiles = {self.tiles!r}: expected {{z}}, {{x}} and {{y}} in braces, each of them once")
        try:
            self.address.format(district="district")
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(f"address = {self.address!r}: expected only {{district}} in braces") from None


class Oidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A city's own sign-on for the console, by OpenID Connect (docs/sign-on.md); without `issuer` there is none."""

    issuer: Annotated[
        str,
        msgspec.Meta(
            # Plain http only on the machine itself, as a proxy beside the hub may speak it.
            pattern=r"^(https://[^\s?#]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^\s?#]*)?)?\Z",
            extra=takes("the issuer's address with https://, as its tokens name it, in quotes"),
        ),
    ] = ""
    """The sign-on, as it names itself: what it can do is read from `/.well-known/openid-configuration` below it."""
    client_id: str = ""
    """As what the console is registered there, with CONSOLE/console/sign-on/back as where people come back."""
    client_secret_file: Path | None = None
    """The file with the secret of that registration; none: it is registered as a public client."""
    scopes: tuple[str, ...] = ("openid", "profile")
    """What is asked for; some sign-ons tell groups only for a scope of their own."""
    user_claim: str = "preferred_username"
    """What of a token is the user's name at `fenceline access`: something that people cannot change themselves."""
    groups_claim: str = "groups"
    """What of a token names the account's groups."""
    roles: dict[str, Own] = {}
    """By group, the role that it gives, at each sign-in; the first line that fits holds, and who is in none of them is
    not let in. None named: the role stays the one that an admin has given."""
    newcomers: tuple[Id, ...] = ()
    """Districts in which somebody whom nobody has let in yet may read, from the first sign-in on; none named: such
    people are refused."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.issuer and not self.client_id:
            raise ValueError("issuer needs client_id: as what the console is registered there")
        if self.issuer and "openid" not in self.scopes:
            raise ValueError(f"scopes = {list(self.scopes)}: expected openid among them")


class Cases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the city works on cases (docs/cases.md)."""

    folder: Path | None = None
    """Folder of the city's own calendar, codes, case standards, departments and responsibility table."""
    joined: bool = False
    """Supervision and command are one centre, as in small cities: who judges a case may dispatch it, too. It stands in
    the history of each case, and is shown wherever cases are."""
    attachment_mb: Annotated[float, msgspec.Meta(gt=0, le=25)] = 12.0
    """Of one photograph or document, at most. A phone's photograph has 2 to 8 MB."""
    attachments_mb: Annotated[float, msgspec.Meta(ge=0)] = 20_000.0
    """Of all of them together, at most. They are evidence: none is ever removed, and every backup has them all."""


class Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New versions of the boards' agent: `fenceline fleet`."""

    trusted: Path | None = None
    """The public half of the key by which the city signs bundles; none: no bundle is taken."""
    address: Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s?#]+)?\Z", max_length=200)] = ""
    """Where boards reach /bundles of the hub's HTTP server, as `http://10.0.0.5:8433/bundles`; empty: nowhere. Plain
    http will do: a board takes only files whose SHA-256 the hub has told it under the board's own key."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``fenceline.toml``. Paths are relative to the file."""

    registry: Path
    """The file of the city's sites and boards."""
    keys: Path
    """The file of the boards' keys; refused unless only its owner can read it."""
    data: Path = Path("data")
    """The folder of the databases."""
    acknowledge_every: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 2.0
    """Least time between two acknowledgements to one board [s]."""
    domains: tuple[Path, ...] = ()
    """Folders of domain packs of the city's own, beside those that come with Fenceline."""
    districts: tuple[Id, ...] = ()
    """The districts this hub owns; none named: all."""
    broker: Broker = Broker()
    store: Store = Store()
    keep: Keep = Keep()
    http: Http = Http()
    hj212: Hj212 = Hj212()
    jt808: Jt808 = Jt808()
    lorawan: tuple[Lorawan, ...] = ()
    badges: Badges = Badges()
    console: Console = Console()
    oidc: Oidc = Oidc()
    cases: Cases = Cases()
    fleet: Fleet = Fleet()
    alerts: Alerting = Alerting()
    recipients: tuple[Recipient, ...] = msgspec.field(default=(), name="recipient")
    uplinks: tuple[Uplink, ...] = msgspec.field(default=(), name="uplink")

    def __post_init__(self) -> None:
        """Refuse two recipients, platforms or network servers of one name: what each has been told is kept by it."""
        for what, names in (
            ("lorawan", [one.name for one in self.lorawan]),
            ("recipient", [one.name for one in self.recipients]),
            ("uplink", [one.name for one in self.uplinks]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{what} {name!r} stands there twice; give each a name of its own")

    @property
    def console_address(self) -> str:
        """How people reach the console, without a slash at the end; empty: nobody serves it."""
        if self.console.address:
            return self.console.address.format(district="-".join(self.districts))
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http.host, self.http.host)  # noqa: S104 - what listens
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.http.port}" if self.http.port else ""

    @property
    def alerting(self) -> Alerting:
        """What is said of alerts, with a link to the console where none is named."""
        address = self.console_address
        if self.alerts.link or not address:
            return self.alerts
        return msgspec.structs.replace(self.alerts, link=f"{address}/console/alerts/{{alert}}")


def load_config(path: Path) -> Config:
    """Read ``fenceline.toml`` and make its paths absolute.

    Raises:
        ConfigError: the file is missing or wrong, or one that NAME_FILE in the environment names.
    """
    _take_secrets()
    config = read_toml(path, Config)
    here = path.resolve().parent
    broker, hj212, jt808 = config.broker, config.hj212, config.jt808
    folders = tuple(here / folder for folder in config.domains)
    _take_domains(path, folders, config.recipients)
    return msgspec.structs.replace(
        config,
        registry=here / config.registry,
        keys=here / config.keys,
        data=here / config.data,
        domains=folders,
        cases=msgspec.structs.replace(config.cases, folder=config.cases.folder and here / config.cases.folder),
        broker=msgspec.structs.replace(
            broker,
            password_file=broker.password_file and here / broker.password_file,
            ca=broker.ca and here / broker.ca,
            certificate=broker.certificate and here / broker.certificate,
            key=broker.key and here / broker.key,
        ),
        hj212=msgspec.structs.replace(
            hj212,
            certificate=hj212.certificate and here / hj212.certificate,
            key=hj212.key and here / hj212.key,
            ca=hj212.ca and here / hj212.ca,
            profiles=hj212.profiles and here / hj212.profiles,
        ),
        jt808=msgspec.structs.replace(
            jt808,
            certificate=jt808.certificate and here / jt808.certificate,
            key=jt808.key and here / jt808.key,
            ca=jt808.ca and here / jt808.ca,
            profiles=jt808.profiles and here / jt808.profiles,
        ),
        lorawan=tuple(
            msgspec.structs.replace(
                one,
                password_file=one.password_file and here / one.password_file,
                ca=one.ca and here / one.ca,
                certificate=one.certificate and here / one.certificate,
                key=one.key and here / one.key,
            )
            for one in config.lorawan
        ),
        oidc=msgspec.structs.replace(
            config.oidc, client_secret_file=config.oidc.client_secret_file and here / config.oidc.client_secret_file
        ),
        fleet=msgspec.structs.replace(config.fleet, trusted=config.fleet.trusted and here / config.fleet.trusted),
        recipients=tuple(
            msgspec.structs.replace(one, url_file=one.url_file and here / one.url_file) for one in config.recipients
        ),
        uplinks=tuple(
            msgspec.structs.replace(
                one,
                password_file=here / one.password_file,
                ca=one.ca and here / one.ca,
                certificate=one.certificate and here / one.certificate,
                key=one.key and here / one.key,
            )
            for one in config.uplinks
        ),
    )


def read_domains(path: Path) -> tuple[Path, ...]:
    """Return the folders of domain packs that ``fenceline.toml`` names, whatever is in them.

    Raises:
        ConfigError: the file cannot be used.
    """
    return tuple(path.resolve().parent / folder for folder in read_toml(path, Config).domains)


def _take_domains(path: Path, folders: Iterable[Path], recipients: Iterable[Recipient]) -> None:
    """Use the domain packs of a configuration from now on, and check what it says of kinds of sites against them."""
    try:
        domains.use(folders)
        known = domains.site_kinds() if any(recipient.kinds for recipient in recipients) else {}
    except CatalogueError as error:
        raise ConfigError(f"{path}: domains: {error}") from error
    for recipient in recipients:
        for kind in recipient.kinds:
            if kind not in known:
                expected = ", ".join(known)
                raise ConfigError(f"{path}: recipient {recipient.name!r}: kinds: {kind!r}: expected one of: {expected}")


def _take_secrets() -> None:
    """Put into the environment what stands in files, where the libraries that need it look for it."""
    for name in SECRETS:
        file = os.environ.get(f"{name}_FILE")
        if file and not os.environ.get(name):
            try:
                os.environ[name] = Path(file).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                told = error.strerror if isinstance(error, OSError) else "it is not text"
                raise ConfigError(f"{name}_FILE: {file} cannot be read ({told}); mend it, or set {name}") from error


def with_districts(config: Config, names: str) -> Config:
    """Return the configuration of a hub that owns only the districts in `names`, separated by commas.

    Raises:
        ConfigError: one of them cannot be the id of a district.
    """
    try:
        districts = msgspec.convert([name.strip() for name in names.split(",")], tuple[Id, ...])
    except msgspec.ValidationError:
        raise ConfigError(
            f"--districts {names}: expected ids of districts separated by commas (small letters, digits and -)"
        ) from None
    return msgspec.structs.replace(config, districts=districts)


def read_toml(path: Path, type_: type[T]) -> T:
    """Read a TOML file as `type_`.

    Raises:
        ConfigError: the file is missing, is not TOML, or holds something else.
    """
    raw = read_document(path)
    try:
        return as_type(raw, type_)
    except msgspec.ValidationError as error:
        raise ConfigError(next(mistakes(path, raw, type_), f"{path}: {error}")) from None


def mistakes(path: Path, raw: dict[str, Any], type_: Any) -> Iterator[str]:
    """Go through every mistake in what a TOML file holds: its line, the field, the value, what was expected."""
    where = lines_of(path)
    for place, problem in explain(raw, type_):
        yield f"{at(path, place, where)}: {told(place)}: {problem}" if place else f"{path}: {problem}"


def read_document(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: it is missing, or is not TOML.
    """
    try:
        return read_toml_file(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); docs/it.md shows what stands in it") from error
    except TomlError as error:
        raise ConfigError(f"{path}: {error}") from None
