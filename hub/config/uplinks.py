"""What `fenceline.toml` says of platforms above the hub: each [[uplink]] and its points."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hub.config.alerts import Name
from schemas.faults import takes

Kind = Literal["minute", "hour", "day"]
Number = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,24}\Z", extra=takes("the MN that the platform gave, up to 24 characters")),
]
System = Annotated[str, msgspec.Meta(pattern=r"^\d\d\Z", extra=takes("two digits of ST, such as 39"))]


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One board or station that a platform hears of, under the number that the platform gave it."""

    device: str
    """Its id in the registry."""
    mn: Number
    """MN: 24 digits by the standard; platforms give others."""
    st: System = "39"
    """ST: 39 is a construction site's dust, 31 a stack, 22 ambient air, 23 and 36 noise (2017, table 5)."""


class Uplink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A platform above the hub that speaks HJ 212."""

    name: Name
    """By which what was told to it is kept: another name is another platform."""
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    password_file: Path
    """The file that holds PW."""
    edition: Literal[2017, 2025] = 2017
    send: tuple[Kind, ...] = ("minute", "hour", "day")
    """What is sent by itself: minutes (2051), hours (2061), days (2031)."""
    settle: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 60.0
    """So long after its end an interval waits for data that are on their way [s]."""
    units: dict[str, str] = {}
    """Units of factor codes that the platform takes, where the standard's table says none that is used: particles."""
    ca: Path | None = None
    """Whose certificate of the platform is believed: then it is spoken to by TLS."""
    certificate: Path | None = None
    """The hub's certificate, where the platform asks for one."""
    key: Path | None = None
    """The private key of `certificate`."""
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=400)] = 60
    """So long an interval is kept, for a platform that is away and for its questions [days]."""
    points: tuple[Point, ...] = msgspec.field(default=(), name="point")

    def __post_init__(self) -> None:
        """Refuse what no platform could tell apart, and half of what TLS needs."""
        for what, names in (("mn", [one.mn for one in self.points]), ("device", [one.device for one in self.points])):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"uplink {self.name!r}: {what} = {name!r} stands there twice; name it once")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together; expected both, or neither")
        if self.certificate and not self.ca:
            raise ValueError(f"uplink {self.name!r}: certificate needs ca: without TLS it is not shown")
