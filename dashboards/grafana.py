"""The connection to a Grafana: its token from a file or the environment, its refusals as instructions.

All that differs between Grafana 11, 12 and 13 is settled here and in `dashboards.push.plan`: everything is addressed by
uid, since Grafana 13 has no numeric ids; and a Grafana without the one tree of notification policies (its makers have
deprecated that interface in 13) is told the receiver in each rule.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException

from schemas.errors import UserError

OLDEST = 11
"""The first version with all that we ask. On 12.2 it was run; of 13 the notes on changes have been read."""
TIMEOUT_S = 60.0
"""How long one answer may take: a panel over a year of data is slow on a cold database."""

_TOKEN = "GRAFANA_TOKEN"  # noqa: S105
_MAKE = (
    "make one in Grafana under Administration, Users and access, Service accounts, with the role Admin, and write it "
    "to a file named with --token-file, or into the environment as GRAFANA_TOKEN"
)


class Grafana:
    """A Grafana; use it in a `with` statement. `version` is as it says it, or empty where it is told to say none."""

    version = ""

    def __init__(self, url: str, token: str, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise UserError(
                f"--url {url!r}: expected an address such as https://grafana.city.example:3000, nothing else"
            )
        self.url = url.rstrip("/")
        # grafana-client has no types; it joins the path and `api` as they are.
        self.api: Any = GrafanaApi.from_url(f"{self.url}/", token, TIMEOUT_S)
        if ca is not None:
            self.api.client.verify = str(ca)

    def __enter__(self) -> Self:
        """Look whether there is a Grafana that we can work with.

        Raises:
            UserError: there is none.
        """
        try:
            self._greet()
        except UserError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.api.client.s.close()

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn Grafana's refusals, and its silence, into an instruction; `what` completes "the token may not ..."."""
        try:
            yield
        except GrafanaException as error:
            raise UserError(self._explained(error, what)) from error
        except OSError as error:  # the HTTP client's errors are such, too
            reason = _reason(error)
            if "certificate" in reason:
                raise UserError(
                    f"the certificate of {self.url} is not trusted ({reason}); name its authority's with --ca"
                ) from error
            raise UserError(
                f"no Grafana answers at {self.url} ({reason}); start it, or mend --url or GRAFANA_URL"
            ) from error

    def get(self, path: str) -> Any:
        """Return what is at a path below /api, or None if nothing is (404)."""
        with self.asking(f"read {path}"):
            try:
                return self.api.client.GET(path)
            except GrafanaException as error:
                if error.status_code in (404, 410):
                    return None
                raise

    def _greet(self) -> None:
        with self.asking("say its version"):
            told = self.api.client.GET("/health")
        if not isinstance(told, dict) or "database" not in told:
            raise UserError(f"what answers at {self.url} is no Grafana; mend --url or GRAFANA_URL")
        self.version = str(told.get("version", ""))
        major = re.match(r"\d+", self.version)
        if major and int(major[0]) < OLDEST:
            raise UserError(f"{self.url} is Grafana {self.version}; Fenceline needs {OLDEST} or newer: upgrade it")

    def _explained(self, error: GrafanaException, what: str) -> str:
        said = error.response.get("message", "") if isinstance(error.response, dict) else error.message
        said = f"{error.status_code}: {said.strip()}" if said else str(error.status_code)
        if error.status_code == 401:
            return f"{self.url} does not know the token ({said}); {_MAKE}"
        if error.status_code == 403:
            return f"the token may not {what} ({said}); give its service account the role Admin in Grafana"
        if error.status_code == 404:
            return f"Grafana could not {what}: not there ({said}); is {self.url} the address of a Grafana?"
        if error.status_code in (409, 412):
            return (
                f"Grafana could not {what} ({said}): somebody else has changed it meanwhile, or holds that name or "
                "uid; run the command again, and if it stays, rename or remove the other one"
            )
        if error.status_code == 0:
            return f"{self.url} gave no answer within {TIMEOUT_S:.0f} s; see whether it is overloaded, and try again"
        return f"Grafana could not {what} ({said}); its log says more"


def read_token(file: Path | None) -> str:
    """Return the token from a file, or else from GRAFANA_TOKEN.

    Raises:
        UserError: there is none, or it cannot be one.
    """
    if file is None:
        token, where = os.environ.get(_TOKEN, "").strip(), _TOKEN
        if not token:
            raise UserError(f"there is no token for Grafana; {_MAKE}")
    else:
        try:
            token, where = file.read_text("ascii").strip(), f"--token-file {file}"
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "it is not a token"
            raise UserError(f"--token-file {file}: cannot be read ({told}); {_MAKE}") from error
    if not token or any(character.isspace() for character in token):
        raise UserError(f"{where} holds no token: expected one word; {_MAKE}")
    return token


def _reason(error: Exception) -> str:
    """Return the innermost reason, without the addresses of objects that the HTTP client puts around it."""
    text = str(error)
    match = re.search(r"\[Errno[^\]]*\] ([^'\")]+)|certificate verify failed: ([^(]+)", text)
    return next((part.strip() for part in match.groups() if part), text) if match else text.partition("(Caused by")[0]
