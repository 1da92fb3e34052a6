"""Tells the hub of boards over HTTPS: registration with its key, calibrations, repairs. Sent again, nothing changes."""

import http.client
import ipaddress
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from firmware.notebook.boards import BoardRecord, Outgoing
from firmware.notebook.calibrations import CalibrationEntry
from firmware.notebook.repairs import Repair
from firmware.terminal.speech import FieldError
from schemas.language import Text, spoken

TIMEOUT_S = 20
MOST_BYTES = 24_000
"""Of entries in one request: the hub reads 32 KB."""


class UnreachableError(FieldError):
    """The hub was not reached: what waits stays and can be sent later."""


@dataclass(frozen=True, repr=False)
class HubClient:
    """A hub's address and a technician's token.

    Args:
        url: https://HOST[:PORT]; http:// only for this machine, since keys are sent.
        token: from `fenceline access add NAME --role technician`.
        ca: certificate of the authority behind the hub's, where it is none that the system knows.
    """

    url: str
    token: str
    ca: Path | None = None

    def __post_init__(self) -> None:
        """Refuse an address over which a key could be overheard."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FieldError(
                Text(f"--hub {self.url}: expected https://HOST[:PORT]", f"--hub {self.url}：应为 https://主机[:端口]")
            )
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise FieldError(
                Text(
                    f"--hub {self.url}: boards' keys are not sent over plain http, where anybody on the way reads "
                    "them; use https://",
                    f"--hub {self.url}：设备密钥不能经明文 http 发送，途中可被窃取；请使用 https://",
                )
            )

    def tell(
        self, record: BoardRecord, outgoing: Outgoing, calibrations: list[CalibrationEntry], repairs: list[Repair]
    ) -> dict[str, Any]:
        """Send all that is known of a board; return whether it was new, and how many entries were.

        Raises:
            UnreachableError: there is no network, or the hub does not answer.
            FieldError: the hub refuses it, with why.
        """
        head: dict[str, Any] = {
            "site": record.site,
            "sensors": sorted({str(settings["type"]) for settings in record.sensors}),
        }
        due = min((entry.due for entry in latest(calibrations)), default=None)
        if record.provisioned:
            head["installed"] = record.provisioned.date().isoformat()
        if due:
            head["calibration_due"] = due.isoformat()
        if outgoing.key:
            head["key"] = outgoing.key
        entries = [("calibrations", msgspec.to_builtins(entry)) for entry in calibrations]
        entries += [("repairs", msgspec.to_builtins(repair)) for repair in repairs]
        done: dict[str, Any] = {"registered": False, "calibrations": 0, "repairs": 0}
        for portion in portions(entries):
            body = head | {
                kind: [entry for other, entry in portion if other == kind] for kind in ("calibrations", "repairs")
            }
            answer = self._put(f"/api/v1/boards/{record.board}", json.dumps(body).encode())
            done["registered"] |= answer["registered"]
            for kind in ("calibrations", "repairs"):
                done[kind] += answer[kind]
        return done

    def _put(self, path: str, body: bytes) -> dict[str, Any]:
        parts = urllib.parse.urlsplit(self.url)
        host = parts.hostname or ""
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            connection = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=context)
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept-Language": spoken().value,
        }
        try:
            connection.request("PUT", parts.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()  # a redirection is not followed: it would carry the key elsewhere
            content = answer.read()
        except ssl.SSLCertVerificationError as error:
            raise FieldError(
                Text(
                    f"the hub at {self.url} does not prove who it is ({error.verify_message}); name its authority with "
                    "--hub-ca, and check the laptop's clock",
                    f"无法确认数据中心 {self.url} 的身份（{error.verify_message}）；请用 --hub-ca 指定其证书颁发机构，"
                    "并检查本机时钟",
                )
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                Text(
                    f"the hub at {self.url} is not reached ({_reason(error)}); what waits is kept: fenceline board "
                    "sync, when there is a network",
                    f"无法连接数据中心 {self.url}（{_reason(error)}）；待发送内容已保留：有网络时执行"
                    " fenceline board sync",
                )
            ) from error
        finally:
            connection.close()
        return self._answer(answer.status, content)

    def _answer(self, status: int, content: bytes) -> dict[str, Any]:
        try:
            told = json.loads(content)
        except ValueError:
            told = None
        if status == 200 and isinstance(told, dict) and "registered" in told:
            return told
        detail = told.get("detail") if isinstance(told, dict) else None
        if status in (429, 500, 502, 503, 504):
            raise UnreachableError(
                Text(
                    f"the hub at {self.url} cannot take it now ({status}: {detail}); what waits is kept: try later",
                    f"数据中心 {self.url} 暂时无法接收（{status}：{detail}）；待发送内容已保留，请稍后重试",
                )
            )
        if detail is None:
            raise FieldError(
                Text(
                    f"what answers at {self.url} is no hub of this version (HTTP {status}); check --hub",
                    f"{self.url} 的应答不是本版本的数据中心（HTTP {status}）；请检查 --hub",
                )
            )
        raise FieldError(Text(f"the hub refuses it ({status}): {detail}", f"数据中心拒绝（{status}）：{detail}"))


def portions(entries: list[tuple[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Split entries so that each portion, as JSON, stays below what the hub reads; at least one, maybe empty."""
    found: list[list[tuple[str, Any]]] = [[]]
    size = 0
    for entry in entries:
        more = len(json.dumps(entry[1]).encode()) + 2
        if found[-1] and size + more > MOST_BYTES:
            found.append([])
            size = 0
        found[-1].append(entry)
        size += more
    return found


def latest(entries: list[CalibrationEntry]) -> list[CalibrationEntry]:
    """Return the newest entry of each channel."""
    return list({entry.channel: entry for entry in entries}.values())


def read_token(path: Path) -> str:
    """Return the token in a file that only its owner can read.

    Raises:
        FieldError: it cannot be read, others can read it, or it holds none.
    """
    try:
        text = path.read_text("ascii").strip()
        loose = path.stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as error:
        why = _reason(error)
        raise FieldError(
            Text(f"--token-file {path}: cannot be read ({why})", f"--token-file {path}：无法读取（{why}）")
        ) from None
    if loose:
        raise FieldError(
            Text(
                f"--token-file {path}: other users can read it; run: chmod 600 {path}",
                f"--token-file {path}：其他用户可读；请执行：chmod 600 {path}",
            )
        )
    if "." not in text or len(text.split()) != 1:
        raise FieldError(
            Text(
                f"--token-file {path}: holds no token; make one at the hub: fenceline access add NAME --role "
                "technician",
                f"--token-file {path}：其中没有令牌；请在数据中心执行：fenceline access add 姓名 --role technician",
            )
        )
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
