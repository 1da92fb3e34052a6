"""A city's own sign-on: a real OpenID Connect provider tells who somebody is, and the hub decides who is let in."""

import contextlib
import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.util import urlsafe_b64encode

from hub.access.identity import Account, Identities, IdentityError
from hub.console.signin import provider as signing_on
from tests.hub.alerting import AlertCity, run, write_files
from tests.hub.console.pages import Read, a_console
from tests.oidc_provider import CLIENT, PASSWORD, SECRET, Provider
from tests.ports import free_port

ACCOUNTS = {
    "officer-2": ["officers"],
    "officer-3": ["gardeners"],
    "inspector": ["officers", "admins"],
    "newcomer": ["officers"],
    "Li.Na@city": ["officers"],
    "gone": ["officers"],
}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?')
ROLES = '\n[oidc.roles]\nadmins = "admin"\nofficers = "officer"\n'


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Wait longer than a hub does: the provider of these tests may stand beside much else."""
    monkeypatch.setattr(signing_on, "PATIENCE", (60.0, 60.0))


@pytest.fixture(scope="module")
def console():
    """The port at which each test's console is reached: the provider knows it."""
    return free_port()


@pytest.fixture(scope="module")
def provider(tmp_path_factory, console):
    server = Provider(tmp_path_factory.mktemp("provider"), f"http://127.0.0.1:{console}", ACCOUNTS)
    yield server
    server.stop()


@contextlib.contextmanager
def a_city(folder, console, issuer, more=""):
    (folder / "secret").touch(0o600)
    (folder / "secret").write_text(f"{SECRET}\n")
    told = f'[console]\naddress = "http://127.0.0.1:{console}"\n[oidc]\nissuer = "{issuer}"\nclient_id = "{CLIENT}"\n'
    told += f'client_secret_file = "secret"\nscopes = ["openid", "profile", "groups"]\n{more}'
    with AlertCity(folder / "data", now=time.time()), a_console(write_files(folder, told), port=console) as city:
        yield city


@pytest.fixture
def city(tmp_path, console, provider):
    with a_city(tmp_path, console, provider.issuer) as site:
        yield site


def at_the_provider(address, name, password=PASSWORD, http=None):
    """Sign in at the provider as a browser does; return where it sends people then."""
    with contextlib.nullcontext(http) if http else httpx.Client(timeout=30, trust_env=False) as client:
        answer = client.get(address)
        while answer.status_code == 302 and "/console/" not in urlsplit(answer.headers["location"]).path:
            answer = client.get(httpx.URL(address).join(answer.headers["location"]))
        if answer.status_code == 200:
            answer = client.post(
                answer.url, data=Read(answer.text).forms[0].fields | {"username": name, "password": password}
            )
            answer = client.get(httpx.URL(address).join(answer.headers["location"]))
        return answer.headers["location"]


def set_out(browser, following="/console/today"):
    answer = browser.get(f"/console/sign-on?{urlencode({'next': following})}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def sign_on(browser, name, following="/console/today"):
    """Sign in by the city's sign-on; return what the console answers who comes back."""
    back = at_the_provider(set_out(browser, following), name)
    return browser.get(back.removeprefix(browser.url))


def said(browser):
    return Read(browser.last.text).text


def test_who_is_known_here_signs_in_with_the_page_that_was_asked_for(city):
    browser = city.browser()
    page = browser.read("/console/sign-in?next=%2Fconsole%2Fmap")
    (way,) = [link for link in page.links if link and link.startswith("/console/sign-on")]
    back = at_the_provider(browser.get(way).headers["location"], "officer-2")
    answer = browser.get(back.removeprefix(city.url))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/map")
    assert "officer-2" in browser.read("/console/me").text
    with city.users() as (access, _):
        assert [step.what for step in access.steps_of("officer-2")] == ["added", "identity", "signed_in"]
        assert access.find("officer-2").role == "officer"


def test_the_request_carries_pkce_state_and_nonce_and_nothing_of_them_can_be_guessed(city):
    one, other = (parse_qs(urlsplit(set_out(city.browser())).query) for _ in range(2))
    assert one["code_challenge_method"] == ["S256"]
    assert one["response_type"] == ["code"]
    assert one["redirect_uri"] == [f"{city.url}/console/sign-on/back"]
    for name in ("state", "nonce", "code_challenge"):
        assert one[name] != other[name]
        assert len(one[name][0]) >= 43


def test_the_cookie_is_kept_from_scripts_and_is_gone_afterwards(city):
    browser = city.browser()
    set_out(browser)
    cookie = browser.last.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    back = at_the_provider(browser.last.headers["location"], "officer-2")
    browser.get(back.removeprefix(city.url))
    assert not [name for name in browser.http.cookies if name.endswith("-sign-on")]
    assert browser.get(back.removeprefix(city.url)).status_code == 410, "the same address again signs nobody in"


def test_who_did_not_set_out_in_this_browser_is_not_signed_in(city):
    back = at_the_provider(set_out(city.browser()), "officer-2")
    path = back.removeprefix(city.url)
    victim = city.browser()
    assert victim.get(path).status_code == 410, "a stranger's way back"
    set_out(victim)
    assert victim.get(path).status_code == 410, "not with a way of its own, either"
    assert "Please sign in again" in said(victim)
    assert victim.get("/console/today").status_code == 303


def test_where_it_goes_on_is_a_page_of_the_console(city):
    for wanted in ("https://evil.example/", "//evil.example/console/", "/elsewhere", "/console/today\r\nX: y"):
        assert sign_on(city.browser(), "officer-2", wanted).headers["location"] == "/console/today"


def test_who_is_not_let_in_here_is_told_in_both_languages_and_nobody_is_added(city):
    for lang, text in (("en", "fenceline access add newcomer"), ("zh-CN", "尚未获准使用本系统")):
        browser = city.browser(lang=lang)
        assert sign_on(browser, "newcomer").status_code == 403
        assert text in said(browser)
        assert browser.get("/console/today").status_code == 303
    odd = city.browser()
    assert sign_on(odd, "Li.Na@city").status_code == 403
    assert "1 to 32 small letters" in said(odd)
    with city.users() as (access, _):
        assert access.find("newcomer") is None


def test_revoked_is_revoked_and_ends_the_session_at_once(city):
    browser = city.browser()
    sign_on(browser, "officer-2")
    assert browser.get("/console/today").status_code == 200
    with city.users() as (access, _):
        access.revoke("officer-2", time.time(), "root")
    assert browser.get("/console/today").status_code == 303
    assert sign_on(browser, "officer-2").status_code == 403
    assert "revoked" in said(browser)


def test_an_account_stays_the_user_it_was_and_nobody_takes_over_a_user_by_its_name(city):
    def admit(subject, name, issuer="https://one.example"):
        with city.users() as (access, _):
            return Identities(access.db).admit(Account(issuer, subject, name, None), time.time()).name

    assert admit("1", "officer-2") == "officer-2"
    assert admit("1", "root") == "officer-2", "whatever it calls itself later"
    with pytest.raises(IdentityError, match="Another account"):
        admit("2", "officer-2")
    assert admit("2", "officer-2", "https://other.example") == "officer-2"
    with city.users() as (access, _):
        access.revoke("officer-2", time.time(), "root")
        access.add("officer-2", "viewer", time.time(), "root")
    assert admit("2", "officer-2") == "officer-2", "the name was given again: to whom is an admin's word"


def test_a_second_factor_is_asked_for_here_too(city):
    with city.users() as (access, _):
        access.db.execute("INSERT INTO second_factor VALUES ('officer-2', 'JBSWY3DPEHPK3PXP', 1.0, 0)")
    browser = city.browser()
    assert sign_on(browser, "officer-2").status_code == 200
    assert Read(browser.last.text).form("/console/code")
    assert browser.get("/console/today").status_code == 303


def test_groups_give_the_role_the_first_line_that_fits_holds_and_who_is_in_none_is_refused(tmp_path, console, provider):
    with a_city(tmp_path, console, provider.issuer, ROLES) as city:
        sign_on(city.browser(), "inspector")
        with city.users() as (access, _):
            assert access.find("inspector").role == "admin", "of both groups the one that stands first"
            steps = access.steps_of("inspector")
            assert [(step.who, step.what) for step in steps][1:3] == [("hub", "identity"), ("hub", "changed")]
        browser = city.browser()
        assert sign_on(browser, "officer-3").status_code == 403
        assert "no group" in said(browser)
        assert sign_on(city.browser(), "newcomer").status_code == 403, "a group alone lets nobody in"


def test_newcomers_read_in_the_districts_that_are_named_for_them_and_nothing_more(tmp_path, console, provider):
    with a_city(tmp_path, console, provider.issuer, 'newcomers = ["north"]\n') as city:
        with city.users() as (access, _):
            access.add("gone", "admin", time.time(), "root")
            access.revoke("gone", time.time(), "root")
        browser = city.browser()
        assert sign_on(browser, "newcomer").status_code == 303
        with city.users() as (access, _):
            user = access.find("newcomer")
            assert (user.role, user.districts) == ("viewer", ("north",))
        assert sign_on(city.browser(), "gone").status_code == 403, "who was revoked is not let in again by this way"


def test_signing_out_here_says_that_one_is_signed_in_there_and_leads_out(city):
    browser = city.browser()
    there = httpx.Client(timeout=30, trust_env=False)
    city.browsers.append(there)
    back = at_the_provider(set_out(browser), "officer-2", http=there)
    browser.get(back.removeprefix(city.url))
    again = at_the_provider(set_out(browser), "nobody", http=there)
    assert "code=" in again, "the provider knows this browser"
    browser.get(again.removeprefix(city.url))
    answer = browser.send(browser.read("/console/me"), "/console/sign-out")
    page = browser.read(answer.headers["location"])
    assert "still signed in there" in page.text
    assert "/console/sign-on/out" in page.links
    end = browser.get("/console/sign-on/out").headers["location"]
    asked = there.get(end)
    confirmed = there.post(end, data=dict(HIDDEN.findall(asked.text)) | {"allow": "Logout"})
    assert confirmed.headers["location"].startswith(f"{city.url}/console/sign-in")
    assert there.get(set_out(browser)).headers["location"].startswith("/login"), "it knows it no more"


def test_what_the_provider_refuses_is_told(city, provider):
    browser = city.browser()
    address = set_out(browser)
    state = parse_qs(urlsplit(address).query)["state"][0]
    assert (
        browser.get(f"/console/sign-on/back?{urlencode({'state': state, 'error': 'access_denied'})}").status_code == 403
    )
    assert "access_denied" in said(browser)
    set_out(browser)
    state = parse_qs(urlsplit(browser.last.headers["location"]).query)["state"][0]
    odd = urlencode({"state": state, "error": "<script>阿\x00"})
    assert browser.get(f"/console/sign-on/back?{odd}").status_code == 403
    assert "<script>" not in browser.last.text.partition("<main")[2]
    set_out(browser)
    state = parse_qs(urlsplit(browser.last.headers["location"]).query)["state"][0]
    assert browser.get(f"/console/sign-on/back?{urlencode({'state': state, 'code': 'made-up'})}").status_code == 502
    assert "cannot be trusted" in said(browser)


def test_a_code_of_another_browsers_way_is_refused_by_its_verifier(city):
    thief, victim = city.browser(), city.browser()
    stolen = parse_qs(urlsplit(at_the_provider(set_out(victim), "officer-2")).query)["code"][0]
    set_out(thief)
    state = parse_qs(urlsplit(thief.last.headers["location"]).query)["state"][0]
    assert thief.get(f"/console/sign-on/back?{urlencode({'state': state, 'code': stolen})}").status_code == 502
    assert thief.get("/console/today").status_code == 303


def test_without_the_sign_on_every_other_way_stays_open_and_it_is_told(tmp_path, console):
    with a_city(tmp_path, console, f"http://127.0.0.1:{free_port()}/o") as city:
        for lang, text in (("en", "cannot be reached"), ("zh-CN", "暂时无法连接统一身份认证")):
            browser = city.browser(lang=lang)
            assert browser.get("/console/sign-on").status_code == 502
            assert text in said(browser)
        assert city.browser("officer-2").get("/console/today").status_code == 200


RIGHT, OTHER = (RSAKey.generate_key(2048, {"kid": "1"}) for _ in range(2))
SYMMETRIC = OctKey.import_key("public as it is, everybody could sign with it")


@contextlib.contextmanager
def a_liar(lies):
    """A sign-on whose every answer is right but for what it lies about; `lies` may be changed meanwhile."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            here = {name: f"{issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
            known = {"issuer": issuer} | here | lies.get("metadata", {})
            self._say(known if "well-known" in self.path else {"keys": [RIGHT.as_dict(private=False)]})

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            now = int(time.time())
            claims = {"iss": issuer, "aud": CLIENT, "sub": "7", "exp": now + 300, "iat": now, "nonce": lies["nonce"]}
            claims |= {"preferred_username": "root"} | lies.get("claims", {})
            claims = {name: value for name, value in claims.items() if value is not None}
            how = lies.get("signed", "right")
            header = {"alg": "HS256" if how == "symmetric" else "RS256", "kid": "1"}
            key = {"right": RIGHT, "other": OTHER, "symmetric": SYMMETRIC}.get(how)
            token = jwt.encode(header, claims, key) if key else unsigned(claims)
            self._say({"access_token": "a", "token_type": "Bearer", "id_token": token})

        def _say(self, what):
            body = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()


def unsigned(claims):
    parts = [json.dumps(one).encode() for one in ({"alg": "none"}, claims)]
    return b".".join([*map(urlsafe_b64encode, parts), b""]).decode()


LIES = {
    "another key": {"signed": "other"},
    "no signature": {"signed": "none"},
    "a signature that everybody can make": {"signed": "symmetric"},
    "another nonce": {"claims": {"nonce": "another"}},
    "no nonce": {"claims": {"nonce": None}},
    "for another console": {"claims": {"aud": "another"}},
    "another issuer": {"claims": {"iss": "https://another.example"}},
    "too old": {"claims": {"exp": 1_700_000_000, "iat": 1_699_999_000}},
    "never ends": {"claims": {"exp": None}},
    "nobody": {"claims": {"sub": None}},
    "a number for somebody": {"claims": {"sub": 7}},
    "another party's": {"claims": {"azp": "another"}},
}


def test_no_token_is_believed_that_is_not_proven(tmp_path, console):
    lies = {}
    with a_liar(lies) as issuer, a_city(tmp_path, console, issuer) as city:
        for lie in ("none", *LIES):
            browser = city.browser()
            query = parse_qs(urlsplit(set_out(browser)).query)
            lies.clear()
            lies.update({"nonce": query["nonce"][0]}, **LIES.get(lie, {}))
            back = browser.get(f"/console/sign-on/back?{urlencode({'state': query['state'][0], 'code': 'any'})}")
            if lie == "none":
                assert back.headers["location"] == "/console/today", "the liar is believed when it does not lie"
                continue
            assert back.status_code == 502, lie
            assert "cannot be trusted" in said(browser)
            assert browser.get("/console/today").status_code == 303, lie


@pytest.mark.parametrize(
    "lie", [{"issuer": "https://another.example"}, {"token_endpoint": "http://sign-on.example/token"}]
)
def test_a_sign_on_is_not_asked_that_is_another_or_hears_codes_in_the_clear(tmp_path, console, lie):
    with a_liar({"metadata": lie}) as issuer, a_city(tmp_path, console, issuer) as city:
        browser = city.browser()
        assert browser.get("/console/sign-on").status_code == 502
        assert "cannot be trusted" in said(browser)


def test_check_asks_the_sign_on_and_names_what_is_wrong(city, console, provider):
    folder = city.config.registry.parent
    assert f"{provider.issuer} answers" in run(folder, "check").out
    (folder / "secret").chmod(0o644)
    assert "chmod 600" in run(folder, "check").out
    (folder / "secret").unlink()
    told = run(folder, "check")
    assert told.code == 1
    assert "cannot be read" in told.out
    (folder / "secret").touch(0o600)
    assert "is empty" in run(folder, "check").out
    config = folder / "fenceline.toml"
    config.write_text(config.read_text("utf-8").replace('/o"', '/elsewhere"'), "utf-8")
    (folder / "secret").write_text("x")
    assert "answers 404" in run(folder, "check").out


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('issuer = "http://sign-on.example"\nclient_id = "f"', "https://"),
        ('issuer = "https://sign-on.example"', "client_id"),
        ('issuer = "https://sign-on.example"\nclient_id = "f"\nscopes = ["profile"]', "openid"),
        ('[oidc.roles]\nofficers = "chief"', "chief"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, wrong, told):
    write_files(tmp_path, f"[oidc]\n{wrong}\n")
    ended = run(tmp_path, "access", "list")
    assert ended.code == 2
    assert told in ended.err


@pytest.mark.parametrize("scripts", [True, False])
def test_a_browser_goes_there_and_back_and_out_again(city, chromium, scripts):
    context, complaints = chromium.new_context(java_script_enabled=scripts), []
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        # What the browser complains about in our pages; the provider has no icon.
        ours = lambda said: said.type in {"error", "warning"} and said.location["url"].startswith(city.url)  # noqa: E731
        page.on("console", lambda said: complaints.append(said.text) if ours(said) else None)
        page.goto(f"{city.url}/console/fleet")
        page.click("#sign-on")
        page.fill("[name=username]", "officer-2")
        page.fill("[name=password]", PASSWORD)
        page.click("button")
        page.wait_for_url("**/console/fleet")
        assert page.inner_text(".me") == "officer-2"
        page.goto(f"{city.url}/console/me")
        page.click("form[action$=sign-out] button:not([name])")
        page.click("a[href$='sign-on/out']")
        page.click("[name=allow]")
        page.wait_for_url("**/console/sign-in*")
        if scripts:
            found = Axe().run(page).response["violations"]
            assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []
        assert complaints == []
    finally:
        context.close()
