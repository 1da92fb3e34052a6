"""What `fenceline.toml` says of alerts: [alerts] and each [[recipient]]."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from schemas.faults import takes

Severity = Literal["info", "warning", "suspicion", "violation", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "suspicion", "violation", "critical")
"""From the least to the gravest.

info: to know; nothing needs to be done. warning: act soon, before a limit is broken or data are lost (early warnings;
faults of the network; a night limit exceeded under a permit for night work). suspicion: above a limit, and it takes a
measurement to say whether the law is broken: the background of the noise is not known, or the instrument only indicates
or cannot tell so small a difference. violation: a limit that binds
the site was exceeded in a window with enough data. critical: so by 10 dB or more, or by twice the limit; or the hub
judges nothing.
"""
Told = Literal["early", "firing", "escalated", "amended", "resolved"]
"""What recipients are told of. early: early warnings, and that one came to nothing. firing: that an alert fires, or has
become graver. escalated: that nobody acknowledged it in time. amended: that late data changed a verdict on which it
rests. resolved: that its cause is over."""

Position = Literal["collector", "officer", "dispatcher", "handler", "supervisor"]
"""In a case (docs/cases.md)."""

Minutes = Annotated[float, msgspec.Meta(gt=0)]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9_.-]{1,64}\Z", extra=takes("a name in quotes: 1 to 64 letters, digits, ., _ and -")
    ),
]
Hours = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d\Z",
        extra=takes("hours such as 08:00-20:00, in quotes"),
    ),
]


class Alerting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When alerts fire, end and are passed on."""

    fire_after: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """So many windows in a row must break a limit before its alert fires. The law asks for one."""
    resolve_after: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    """So many windows in a row must keep it before the alert ends: a value near the limit makes one alert, not many."""
    silent_minutes: Minutes = 15.0
    """A board from which nothing came for so long is silent."""
    silent_node_minutes: Minutes = 180.0
    """A node of LoRaWAN from which nothing came for so long is silent: it sleeps to save its battery."""
    sensor_minutes: Minutes = 30.0
    """A sensor that gave nothing but flagged values for so long is faulty."""
    unheard_minutes: Minutes = 5.0
    """A board that still sends from a number that it was told so long ago to forget does not hear the hub."""
    lag_minutes: Minutes = 5.0
    """A consumer of the log that is so far behind keeps verdicts and alerts from people."""
    escalate_minutes: dict[Severity, Minutes] = msgspec.field(
        default_factory=lambda: {"suspicion": 60.0, "violation": 30.0, "critical": 10.0}
    )
    """An alert that nobody has acknowledged for so long is told to the recipients of the next level; after twice as
    long to those of the level behind it, and so on. A severity that is not named is never escalated."""
    digest_above: Annotated[int, msgspec.Meta(ge=1)] = 10
    """More messages than this for one recipient within a minute become one message with a table."""
    link: str = ""
    """Where a message leads; empty: to the alert's page in the console. ``{site}``,
    ``{device}``, ``{district}`` and ``{alert}`` in it are filled in."""

    def __post_init__(self) -> None:
        """Refuse a link that cannot be filled in."""
        try:
            self.link_to("site", "device", "district", 1)
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(
                f"link = {self.link!r}: expected only {{site}}, {{device}}, {{district}} and {{alert}} in braces"
            ) from None

    def link_to(self, site: str, device: str, district: str, alert: int) -> str:
        """Return the link for one alert; empty when none is configured."""
        return self.link.format(site=site, device=device, district=district, alert=alert)


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is told of alerts. The address holds a secret, so it stands in the environment or a file."""

    name: Name
    lang: Literal["en", "zh", "both"] = "both"
    url_env: str | None = None
    """The environment variable with the address, as apprise writes it."""
    url_file: Path | None = None
    """The file with the address, which only the hub's user can read."""
    districts: tuple[str, ...] = ()
    """Only of these; none named: of all."""
    kinds: tuple[str, ...] = ()
    """Only of sites of these kinds; none named: of all."""
    least: Severity = "info"
    """Only what is at least so grave."""
    hours: Hours | None = None
    """Local time in which messages are sent; what comes outside waits until it begins."""
    level: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    """0: is told at once. Above: only when nobody has acknowledged in time (`Alerting.escalate_minutes`)."""
    tell: tuple[Told, ...] = ("early", "firing", "escalated", "amended", "resolved")
    cases: tuple[Position, ...] = ()
    """Is told of each step of a case that concerns one of these positions, at any level; none named: of no case."""
    departments: tuple[str, ...] = ()
    """Of what concerns handlers, only of cases that one of these departments handles; none named: of all."""

    def __post_init__(self) -> None:
        """Refuse a recipient without exactly one address."""
        if (self.url_env is None) == (self.url_file is None):
            raise ValueError(f"recipient {self.name!r}: expected either url_env or url_file; name where its address is")
