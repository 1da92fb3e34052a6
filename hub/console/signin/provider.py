"""What a city's own sign-on is asked, by OpenID Connect: where it is, and who somebody is who comes back from there.

The authorization code flow with PKCE (RFC 7636). Nothing is kept between setting out and coming back: state, nonce and
verifier are made from one secret, which the browser alone holds.
"""

import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from requests.exceptions import RequestException
from requests.sessions import Session

from hub.config.files import Oidc
from schemas.language import Text

PATIENCE = (3.0, 7.0)
"""For a connection, and then for each part of an answer [s]."""
KEPT = 3600.0
"""What the sign-on says of itself is asked for again after so long [s]."""
MOST = 1_000_000
"""Bytes of an answer."""
LEEWAY = 120
"""So far the sign-on's clock may be off [s]."""
AT_ONCE = 4
"""Requests to the sign-on at once: one that does not answer must not hold every thread of the pages."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""By which tokens may be signed: with a key that only the sign-on has."""
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")

UNREACHABLE = Text(
    "The city's sign-on cannot be reached now. Try again, or use a one-time link or your passphrase.",
    "暂时无法连接统一身份认证。请重试，或使用一次性登录链接、口令登录。",
)
UNTRUSTED = Text(
    "What the city's sign-on answered cannot be trusted; nobody was signed in. The hub's log says why.",
    "统一身份认证的应答无法通过验证，未登录。原因见数据中心日志。",
)
log = logging.getLogger("hub.http")


class ProviderError(Exception):
    """The sign-on does not answer, or not as it should; `text` is for whoever signs in, the message for the log."""

    def __init__(self, text: Text, detail: str) -> None:
        self.text = text
        super().__init__(detail)


class Metadata(NamedTuple):
    """What a sign-on says of itself."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    """Empty: it has none, as `end`."""
    end: str
    auth_methods: Sequence[str]
    """How the console may prove itself at `token`."""
    pkce: Sequence[str] | None
    """The ways of PKCE; None: it does not say."""


class Provider:
    """A city's sign-on. `back`: the console's address to which people come back from it."""

    def __init__(self, settings: Oidc, back: str) -> None:
        self._settings, self._back = settings, back
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._known: tuple[float, Metadata] | None = None
        self._keys: KeySet | None = None

    def set_out(self, secret: str) -> str:
        """Return where somebody signs in. `secret`: random, stays in the browser.

        Raises:
            ProviderError: the sign-on does not answer.
        """
        with self._session() as session:
            address, _ = session.create_authorization_url(
                self.metadata().authorization,
                state=made_from(secret, "state"),
                nonce=made_from(secret, "nonce"),
                code_verifier=made_from(secret, "verifier"),
            )
        return str(address)

    def come_back(self, secret: str, code: str) -> dict[str, Any]:
        """Return what the sign-on tells of whoever came back with a code.

        Raises:
            ProviderError: it does not answer, or what it answers is not to be trusted.
        """
        known = self.metadata()
        verifier = made_from(secret, "verifier")
        with self._session(known) as session:
            token = self._ask(
                lambda: session.fetch_token(
                    known.token,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    timeout=PATIENCE,
                    allow_redirects=False,
                )
            )
        claims = self._claims(token, made_from(secret, "nonce"))
        wanted = {self._settings.user_claim} | ({self._settings.groups_claim} if self._settings.roles else set())
        if known.userinfo and not wanted <= claims.keys() and token.get("access_token"):
            claims = self._more(known.userinfo, str(token["access_token"]), claims["sub"]) | claims
        return claims

    def end(self, following: str) -> str:
        """Return where somebody ends the session at the sign-on itself, to go on with a page here; empty: nowhere.

        Raises:
            ProviderError: the sign-on does not answer.
        """
        address = self.metadata().end
        asked = {"client_id": self._settings.client_id, "post_logout_redirect_uri": following}
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}" if address else ""

    def metadata(self) -> Metadata:
        """Return what the sign-on says of itself; it is asked once an hour.

        Raises:
            ProviderError: it does not answer, or calls itself otherwise than it is called here.
        """
        with self._lock:
            known = self._known
        if known and time.monotonic() - known[0] < KEPT:
            return known[1]
        issuer = self._settings.issuer
        found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            told = f"{issuer}: calls itself {found.get('issuer')!r}; expected the same: mend [oidc] issuer"
            raise ProviderError(UNTRUSTED, told)
        for name in NEEDED:
            if not is_safe(found.get(name)):
                told = f"{issuer}: {name} = {found.get(name)!r}; expected an https address"
                raise ProviderError(UNTRUSTED, told)
        end, userinfo = (found.get(name, "") for name in ("end_session_endpoint", "userinfo_endpoint"))
        made = Metadata(
            authorization=found["authorization_endpoint"],
            token=found["token_endpoint"],
            keys=found["jwks_uri"],
            userinfo=userinfo if is_safe(userinfo) else "",
            end=end if is_safe(end) else "",
            auth_methods=found.get("token_endpoint_auth_methods_supported") or ("client_secret_basic",),
            pkce=found.get("code_challenge_methods_supported"),
        )
        with self._lock:
            self._known = time.monotonic(), made
        return made

    def keys(self, *, again: bool = False) -> KeySet:
        """Return the keys by which the sign-on's tokens are signed; `again`: ask, whatever is known.

        Raises:
            ProviderError: it does not answer, or with something else.
        """
        with self._lock:
            known = self._keys
        if known and not again:
            return known
        found = self._get(self.metadata().keys)
        try:
            made = KeySet.import_key_set(found)  # type: ignore[arg-type]  # what is no set of keys is refused
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError(UNTRUSTED, f"{self._settings.issuer}: its keys cannot be read ({error})") from error
        with self._lock:
            self._keys = made
        return made

    def _session(self, known: Metadata | None = None) -> OAuth2Session:
        secret = None
        if file := self._settings.client_secret_file:
            try:
                secret = file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ProviderError(UNREACHABLE, f"[oidc] client_secret_file = {file}: cannot be read") from error
        methods = known.auth_methods if known else ()
        post = "client_secret_post" in methods and "client_secret_basic" not in methods
        return OAuth2Session(
            self._settings.client_id,
            secret,
            scope=" ".join(self._settings.scopes),
            redirect_uri=self._back,
            code_challenge_method="S256",
            token_endpoint_auth_method="none" if not secret else "client_secret_post" if post else None,
        )

    def _claims(self, token: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Return what an ID token says, once it is proven to be of the sign-on, for us, and for this browser."""
        text = token.get("id_token")
        if not isinstance(text, str):
            raise ProviderError(UNTRUSTED, f"{self._settings.issuer}: no id_token in its answer")
        try:
            registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
            try:
                read = jwt.decode(text, self.keys(), registry=registry)
            except InvalidKeyIdError:  # keys are changed now and then
                read = jwt.decode(text, self.keys(again=True), registry=registry)
            expected = {
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
                "nonce": {"essential": True, "value": nonce},
            }
            params = {"nonce": nonce, "client_id": self._settings.client_id, "access_token": token.get("access_token")}
            claims = CodeIDToken(read.claims, read.header, expected, params)
            claims.validate(leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError(UNTRUSTED, f"{self._settings.issuer}: its id_token is refused: {error}") from error
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise ProviderError(UNTRUSTED, f"{self._settings.issuer}: its id_token has no sub")
        return dict(claims)

    def _more(self, address: str, access_token: str, subject: str) -> dict[str, Any]:
        found = self._get(address, {"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != subject:
            raise ProviderError(UNTRUSTED, f"{address}: tells of {found.get('sub')!r} when asked for {subject!r}")
        return found

    def _get(self, address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        def get() -> bytes:
            given = {"Accept": "application/json"} | (headers or {})
            with (
                Session() as session,
                session.get(address, timeout=PATIENCE, allow_redirects=False, headers=given, stream=True) as answer,
            ):
                if answer.status_code != 200:
                    raise ProviderError(UNREACHABLE, f"{address}: answers {answer.status_code}; expected 200")
                read = bytearray()
                for part in answer.iter_content(65_536):
                    read += part
                    if len(read) > MOST:
                        raise ProviderError(UNREACHABLE, f"{address}: answers more than {MOST} bytes")
                return bytes(read)

        try:
            found = json.loads(self._ask(get))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProviderError(UNREACHABLE, f"{address}: answers no JSON object")
        return found

    def _ask(self, do: Callable[[], Any]) -> Any:
        if not self._places.acquire(timeout=PATIENCE[0]):
            raise ProviderError(UNREACHABLE, f"{self._settings.issuer}: {AT_ONCE} requests wait for it already")
        try:
            return do()
        except RequestException as error:
            raise ProviderError(UNREACHABLE, f"{self._settings.issuer}: {error}") from error
        except OAuthError as error:
            raise ProviderError(UNTRUSTED, f"{self._settings.issuer}: refuses the code: {error}") from error
        except ValueError as error:
            raise ProviderError(UNTRUSTED, f"{self._settings.issuer}: cannot be understood: {error}") from error
        finally:
            self._places.release()


def made_from(secret: str, what: str) -> str:
    """Return state, nonce or verifier of a browser's secret, none of which tells another."""
    return hmac.new(secret.encode(), what.encode(), hashlib.sha256).hexdigest()


def is_safe(address: object) -> bool:
    """Tell whether an address keeps what is sent to it from others: by TLS, or within this machine."""
    if not isinstance(address, str):
        return False
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))
