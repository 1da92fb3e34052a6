"""Makes a board one of the city's: identity, key, certificates, Wi-Fi and sensors, written in an order that survives.

`config.json` is written last and makes the rest count. A cut before it leaves a board that is not provisioned, and the
same command does it again; after it, everything is there.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.link.errors import BoardCodeError
from firmware.link.link import Link
from firmware.provision.certificates import Material
from firmware.terminal.speech import FieldError
from schemas.language import Text

CONFIG, KEY, WIFI = "/config.json", "/key", "/wifi-password"
CA, CERTIFICATE, CERTIFICATE_KEY = "/ca.crt", "/board.crt", "/board.key"
OUTBOX = "outbox"
INTERVALS = (1, 2, 5, 10, 15, 20, 30, 60)

Told = Callable[[str], None]


@dataclass(frozen=True, repr=False)
class Wanted:
    """What a board is to be. `repr` shows nothing: there is a Wi-Fi password in it."""

    board: str
    site: str
    district: str
    host: str
    port: int
    sensors: list[dict[str, Any]]
    interval: int = 10
    material: Material | None = None
    """None: a broker without TLS, on this machine or in a laboratory."""
    wifi: str = ""
    wifi_password: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    """Further members of the configuration, such as `outbox` or `relay_pin`."""

    def config(self) -> dict[str, Any]:
        """Return the content of `config.json`, which anybody may read."""
        broker: dict[str, Any] = {"host": self.host, "port": self.port}
        if self.material:
            broker["tls"] = {"ca": CA[1:], "certificate": CERTIFICATE[1:], "key": CERTIFICATE_KEY[1:]}
        made: dict[str, Any] = {
            "district": self.district,
            "site": self.site,
            "device": self.board,
            "key_file": KEY[1:],
            "folder": OUTBOX,
            "interval": self.interval,
            "broker": broker,
        }
        if self.wifi:
            made["wifi"] = {"ssid": self.wifi, "password_file": WIFI[1:]}
        return made | self.more | {"sensors": self.sensors}


@dataclass(frozen=True)
class Found:
    """What is on a board already."""

    config: dict[str, Any] | None
    """None: it is not provisioned. Empty: its configuration is damaged."""
    has_key: bool
    records: int
    """In its outbox, as far as they can be counted."""
    calibration: dict[str, Any] | None

    @property
    def board(self) -> str:
        """The id it has, or nothing."""
        return str((self.config or {}).get("device", ""))

    def losses(self, wanted: str) -> list[Text]:
        """Return what is lost when the board becomes `wanted`."""
        lost = [Text("its configuration", "其配置")]
        if self.board != wanted:
            lost.append(Text(f"its identity {self.board or '?'} and its key", f"其身份 {self.board or '?'} 和密钥"))
            if self.records:
                lost.append(
                    Text(
                        f"{self.records} records in its outbox (saved to a backup before)",
                        f"发件箱的 {self.records} 条记录（事先自动备份）",
                    )
                )
            if self.calibration and self.calibration.get("id"):
                number = self.calibration["id"]
                lost.append(Text(f"its calibration {number}", f"其校准 {number}"))
        return lost


_COUNT = f"""
import os
def _count(f):
 n = 0
 try:
  for e in os.listdir(f):
   if e.endswith('.seg'):
    with open(f + '/' + e, 'rb') as s:
     for _ in s:
      n += 1
 except OSError:
  pass
 return n
print(_count({OUTBOX!r}))
"""


def find(link: Link) -> Found:
    """Return what is on a board."""
    config = _json(link, CONFIG)
    folder = str((config or {}).get("folder", OUTBOX))
    return Found(
        config=config,
        has_key=link.size(KEY) is not None,
        records=int(link.run(_COUNT, silence=60).strip() or 0),
        calibration=_json(link, f"/{folder}/calibration.json"),
    )


def key_of(link: Link) -> str | None:
    """Return a board's key, None if it has none that is one. Never show it."""
    try:
        text = link.read(KEY).decode("ascii").strip()
    except (BoardCodeError, UnicodeDecodeError):
        return None
    return text if len(text) == 64 and not text.strip("0123456789abcdef") else None


def provision(link: Link, wanted: Wanted, found: Found, waiting_key: str | None, told: Told) -> str:
    """Write it all, read it back, and return the board's key; a key that the board or the hub's queue has stays.

    Args:
        link: to the board.
        wanted: what it is to be.
        found: what is on it; what belongs to another identity is removed.
        waiting_key: the key that waits to be told to the hub, from a try that was cut off.
        told: is told the name of each file before it is written.
    """
    key = key_of(link) if found.board == wanted.board and found.has_key else None
    key = key or waiting_key or secrets.token_hex(32)
    if found.config is not None and found.board != wanted.board:
        link.remove(CONFIG)  # first: from now on it is nobody, not somebody with the wrong key
        for path in (f"/{found.config.get('folder', OUTBOX)}", KEY, CERTIFICATE, CERTIFICATE_KEY):
            told(path)
            link.remove(path)
    files = {KEY: key.encode()}
    if wanted.material:
        files |= {
            CA: wanted.material.ca,
            CERTIFICATE: wanted.material.certificate,
            CERTIFICATE_KEY: wanted.material.key,
        }
    if wanted.wifi:
        files[WIFI] = wanted.wifi_password.encode()
    files[CONFIG] = json.dumps(wanted.config(), indent=1).encode()
    for path, content in files.items():
        told(path)
        link.write(path, content)  # it compares the SHA-256 that the board computes of what it has
    return key


_SET_CLOCK = """
import time
_o = 946684800 if time.gmtime(0)[0] == 2000 else 0
print(int(time.time()) + _o)
"""


def clock_difference(link: Link, now: float) -> float:
    """Return by how much the board's clock is ahead of `now` (Unix s); one never set is decades behind."""
    return float(link.run(_SET_CLOCK).strip()) - now


def set_clock(link: Link, now: tuple[int, int, int, int, int, int, int]) -> bool:
    """Set the chip's clock to UTC (year, month, day, weekday, hour, minute, second); False where it can't be set."""
    year, month, day, weekday, hour, minute, second = now
    code = f"from machine import RTC\nRTC().datetime(({year},{month},{day},{weekday},{hour},{minute},{second},0))"
    try:
        link.run(code)
    except BoardCodeError:
        return False
    return True


def needs_wifi(link: Link) -> bool:
    """Tell whether the board is a chip, which has no other network than Wi-Fi."""
    return bool(link.value("__import__('sys').platform") == "esp32")


def mac(link: Link) -> str:
    """Return the chip's hardware address such as 24:0a:c4:00:00:01, nothing where it has none."""
    try:
        unique = link.value("__import__('machine').unique_id()")
    except BoardCodeError:
        return ""
    return ":".join(f"{byte:02x}" for byte in unique)


def config_of(link: Link) -> dict[str, Any]:
    """Return the configuration of a board that is provisioned.

    Raises:
        FieldError: it is not, or its configuration is damaged.
    """
    config = _json(link, CONFIG)
    if config is None:
        raise FieldError(
            Text(
                "this board is not provisioned: fenceline board provision --help",
                "该设备尚未配置：请见 fenceline board provision --help",
            )
        )
    if not {"device", "site", "district", "folder", "sensors", "broker"} <= config.keys():
        raise FieldError(
            Text(
                "the board's config.json is damaged: provision it again with --force",
                "设备上的 config.json 已损坏：请用 provision --force 重新配置",
            )
        )
    return config


def _json(link: Link, path: str) -> dict[str, Any] | None:
    if link.size(path) is None:
        return None
    try:
        content = json.loads(link.read(path))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
