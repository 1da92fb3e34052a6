"""Signing in: by one-time links and passphrases, for a while, until all is taken back; and who tries otherwise."""

import re
import time

from hub.access import sessions as signing
from hub.access.sessions import IDLE, LINK_S, LONGEST, Sessions, hash_of, is_right
from hub.console.signin.attempts import BURST
from tests.hub.alerting import run
from tests.hub.console.pages import USERS, Read, a_console

PASSPHRASE = "four words on paper"


def session_cookie(city, browser):
    return browser.http.cookies[f"fenceline-{city.config.http.port}"]


def sign_in(browser, name, passphrase, following="/console/today"):
    fields = {"name": name, "passphrase": passphrase, "next": following}
    return browser.post("/console/sign-in", fields)


def set_passphrase(browser, new=PASSPHRASE, **more):
    return browser.send(browser.read("/console/me"), "/console/me/passphrase", new=new, again=new, **more)


def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(city):
    path = f"/console/enter/{city.link('officer-2')}"
    preview = city.browser()
    assert "Sign in as officer-2" in preview.read(path).text
    assert preview.get("/console/today").status_code == 303, "a program that looks at links is not signed in by it"
    browser = city.browser()
    assert browser.send(browser.read(path), path).headers["location"] == "/console/today"
    assert browser.get("/console/today").status_code == 200
    again = preview.post(path, {})
    assert (again.status_code, again.headers.get("set-cookie")) == (410, None)
    assert "used already" in again.text
    assert preview.get(path).status_code == 410


def test_the_command_prints_a_link_that_signs_in_and_is_on_record(city):
    folder = city.config.registry.parent
    made = run(folder, "access", "link", "officer-2")
    assert made.out.startswith(f"http://127.0.0.1:{city.config.http.port}/console/enter/")
    browser, path = city.browser(), made.out.strip().partition(f":{city.config.http.port}")[2]
    assert browser.send(browser.read(path), path).status_code == 303
    assert "officer-2" in browser.read("/console/me").text
    told = run(folder, "access", "history").out
    assert "sign-in link made" in told
    assert "signed in" in told
    refused = run(folder, "access", "link", "nobody")
    assert refused.code == 2
    assert "there is no user 'nobody'" in refused.err


def test_a_cookie_is_kept_from_scripts_and_other_sites_and_behind_tls_from_plain_connections(city, tmp_path):
    browser, path = city.browser(), f"/console/enter/{city.link('officer-2')}"
    for cookie in browser.post(path, {}).headers.get_list("set-cookie"):
        assert {"httponly", "samesite=lax", "path=/"} <= {part.strip().lower() for part in cookie.split(";")[1:]}
        assert "secure" not in cookie.lower()
    config = tmp_path / "fenceline.toml"
    config.write_text(f'{config.read_text("utf-8")}[console]\naddress = "https://fenceline.example"\n', "utf-8")
    with a_console(config, users=()) as behind_tls:
        browser, path = behind_tls.browser(), f"/console/enter/{behind_tls.link('officer-2')}"
        for cookie in browser.post(path, {}).headers.get_list("set-cookie"):
            assert cookie.startswith("__Host-fenceline-")
            assert "secure" in cookie.lower()
            assert "domain" not in cookie.lower()


def test_a_session_ends_when_it_is_not_used_and_at_last_in_any_case(city):
    browser = city.browser("officer-2")
    secret, now = session_cookie(city, browser), time.time()
    with city.users() as (_, sessions):
        assert sessions.find(secret, now + IDLE - 5).user.name == "officer-2"
        assert sessions.find(secret, now + IDLE + 5) is None
        for hours in range(0, int(LONGEST / 3600), 6):
            sessions.touch(sessions.find(secret, now + hours * 3600 - 5 + 5 * (hours == 0)), now + hours * 3600)
        assert sessions.find(secret, now + LONGEST + 5) is None
        assert sessions.find(secret, now - 3600) is None, "a clock that was set back does not make it last"
        link = sessions.make_link("officer-2", now, "root")
        assert sessions.user_of_link(link, now + LINK_S - 5)
        assert sessions.user_of_link(link, now + LINK_S + 5) is None


def test_a_page_that_is_left_open_does_not_keep_its_session_alive(city):
    browser = city.browser("officer-2")
    secret = session_cookie(city, browser)

    def seen(earlier=0.0):
        with city.users() as (access, sessions):
            access.db.execute("UPDATE session SET seen = seen - ?", (earlier,))
            return sessions.find(secret, time.time()).seen

    before = seen(600)
    assert browser.get("/console/today", **{"x-fenceline-follows": "1"}).status_code == 200
    assert seen() == before
    assert browser.get("/console/today").status_code == 200
    assert seen() > before


def test_signing_out_everywhere_ends_every_session_and_link(city):
    phone, desk, link = city.browser("officer-2"), city.browser("officer-2"), city.link("officer-2")
    page = desk.read("/console/me")
    assert "in 2 browsers" in page.text
    assert desk.send(page, "/console/sign-out").headers["location"] == "/console/sign-in"
    assert desk.get("/console/today").status_code == 303
    assert phone.send(phone.read("/console/me"), "/console/sign-out", everywhere="1").status_code == 303
    assert phone.get("/console/today").status_code == 303
    assert desk.get(f"/console/enter/{link}").status_code == 410


def test_whose_access_is_revoked_is_out_at_once_and_stays_out_when_the_name_is_given_again(city):
    browser, link = city.browser("officer-2"), city.link("officer-2")
    set_passphrase(browser)
    with city.users() as (access, _):
        access.revoke("officer-2", time.time(), "root")
    assert browser.get("/console/today").status_code == 303
    with city.users() as (access, _):
        access.add("officer-2", "admin", time.time(), "root")
    assert browser.get("/console/today").status_code == 303
    assert browser.get(f"/console/enter/{link}").status_code == 410
    assert sign_in(browser, "officer-2", PASSPHRASE).status_code == 403


def test_a_passphrase_signs_in_and_is_kept_as_a_hash(city):
    browser = city.browser("officer-2")
    assert set_passphrase(browser).headers["location"] == "/console/me?done=passphrase"
    with city.users() as (_, sessions):
        kept = sessions.passphrase_of("officer-2")
    assert kept.startswith("$argon2id$")
    assert PASSPHRASE not in kept
    fresh = city.browser()
    assert sign_in(fresh, "officer-2", PASSPHRASE, "/console/me").headers["location"] == "/console/me"
    assert fresh.get("/console/today").status_code == 200
    assert is_right(hash_of("a"), "a")
    assert not is_right(None, "a")


def test_a_passphrase_that_will_not_do_is_refused_with_what_to_do(city):
    browser = city.browser("officer-2")
    page = browser.read("/console/me")
    for new, again, said in (
        ("short", "short", "Expected 12 to 200 characters"),
        ("x" * 201, "x" * 201, "Expected 12 to 200 characters"),
        ("my OFFICER-2 phrase", "my OFFICER-2 phrase", "must not contain your user name"),
        (PASSPHRASE, "something else", "do not agree"),
    ):
        refused = browser.send(page, "/console/me/passphrase", new=new, again=again)
        assert refused.status_code == 422
        assert said in refused.text


def test_a_new_passphrase_needs_the_present_one(city):
    browser = city.browser("officer-2")
    set_passphrase(browser)
    assert set_passphrase(browser, "another four words", old="guessed").status_code == 422
    assert set_passphrase(browser, "another four words", old=PASSPHRASE).status_code == 303
    assert sign_in(city.browser(), "officer-2", PASSPHRASE).status_code == 403


def test_whoever_guesses_is_slowed_down_and_keeps_neither_the_user_nor_the_office_out(city):
    at_work, colleague = city.browser("officer-2"), city.browser("officer-3")
    set_passphrase(at_work)
    set_passphrase(colleague)
    stranger = city.browser()  # all of them from one address, as in an office
    answers = [sign_in(stranger, "officer-2", f"guess {n}").status_code for n in range(int(BURST) + 2)]
    assert answers == [403] * int(BURST) + [429, 429]
    assert int(stranger.last.headers["retry-after"]) > 0
    assert sign_in(stranger, "officer-2", PASSPHRASE).status_code == 429, "not even the right one, or guessing went on"
    assert sign_in(at_work, "officer-2", PASSPHRASE).status_code == 303, "in a browser that is known"
    assert sign_in(city.browser(), "officer-3", PASSPHRASE).status_code == 303, "a colleague anywhere"
    assert city.browser("officer-2").get("/console/today").status_code == 200, "and by a link anywhere"


def test_an_unknown_name_and_a_wrong_passphrase_are_refused_in_the_same_words(city):
    set_passphrase(city.browser("officer-2"))
    browser = city.browser()
    known, unknown, none = (sign_in(browser, name, "guess") for name in ("officer-2", "nobody", "officer-3"))
    assert known.status_code == unknown.status_code == none.status_code == 403
    said, other = (re.sub(r"\d\d:\d\d:\d\d", "TIME", one.text) for one in (known, unknown))
    assert said.replace("officer-2", "NAME") == other.replace("nobody", "NAME")


ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/console/",
    "/\\evil.example",
    "/console/..//evil.example",
    "/console//evil.example",
    "javascript:alert(1)",
    "/api/v1/alerts",
    "/console/\r\nset-cookie: a=b",
    "/console.evil.example/",
    "",
)


def test_nobody_is_sent_elsewhere_after_signing_in(city):
    browser, guest = city.browser("officer-2"), city.browser()
    set_passphrase(browser)
    for elsewhere in ELSEWHERE:
        page = Read(guest.http.get("/console/sign-in", params={"next": elsewhere}).text)
        assert page.form("/console/sign-in").fields["next"] == "/console/today"
        chosen = browser.post("/console/language", {"lang": "zh", "next": elsewhere})
        assert chosen.headers["location"] == "/console/today"
    for elsewhere in ELSEWHERE[:3]:
        assert sign_in(browser, "officer-2", PASSPHRASE, elsewhere).headers["location"] == "/console/today"


def test_a_sign_in_form_of_another_site_is_refused(city):
    fields = {"name": "officer-2", "passphrase": PASSPHRASE}
    answer = city.browser().post("/console/sign-in", fields, origin="https://evil.example")
    assert answer.status_code == 403


def test_whoever_asks_too_often_is_told_when_to_ask_again(tmp_path):
    from hub.http.problems import Rate
    from tests.hub.alerting import write_files

    with a_console(write_files(tmp_path), users=USERS[:2], rate=Rate(0.01, 3)) as site:
        browser, other = site.browser("inspector"), site.browser("officer-2")
        assert [browser.get("/console/me").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert int(browser.last.headers["retry-after"]) > 0
        assert other.get("/console/me").status_code == 200


def test_what_is_kept_in_the_database_signs_nobody_in(city):
    browser, link = city.browser("officer-2"), city.link("officer-2")
    with city.users() as (access, _):
        dump = "\n".join(access.db.iterdump())
    for secret in (*browser.http.cookies.values(), link):
        assert secret not in dump
        assert signing.digest(secret) in dump
        assert city.browser().get(f"/console/enter/{signing.digest(secret)}").status_code == 410


def test_sessions_need_a_user_with_access(city):
    with city.users() as (_, sessions):
        assert isinstance(sessions, Sessions)
        assert sessions.enter("nobody", "", time.time()) is None
        assert sessions.enter_by_link("guessed", "", time.time()) is None
