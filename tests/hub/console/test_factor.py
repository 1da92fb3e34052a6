"""The second factor: set up, asked for, never twice the same, slowed down, recovered, reset, and in a backup."""

import re
import time
from contextlib import closing
from types import SimpleNamespace

import pyotp
import pytest

from hub.access.factor import CODES, DRIFT, STEP, SecondFactor
from hub.access.sessions import CODE_S, MOST_TRIES
from hub.access.tables import PART
from hub.access.tokens import Access
from hub.console.signin import attempts, entering, own
from hub.console.signin.attempts import BURST
from hub.storage.compliance_file import open_compliance
from tests.hub.alerting import run
from tests.hub.console.pages import Read
from tests.hub.console.test_signin import PASSPHRASE, set_passphrase, sign_in

ME = "/console/me"
CODE = "/console/code"


NOW = time.time() // STEP * STEP - 20 * STEP
"""The time that signing in goes by here: it stands still, so codes are those that a test means, however slow it is."""


class Phone:
    """An authenticator app."""

    def __init__(self, secret):
        self.totp = pyotp.TOTP(secret)

    def code(self, steps=0):
        return self.totp.at(NOW + 1 + STEP * steps)


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch):
    for module in (entering, own):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: NOW))
    monkeypatch.setattr(attempts, "PER_SECOND", 1e-9)


def set_up(browser, password=None):
    """Set up a phone as its user does; return it and the recovery codes. It gives the code of the step before."""
    more = {"old": password} if password else {}
    begun = browser.send(browser.read(ME), f"{ME}/factor/begin", **more)
    assert begun.headers["location"] == f"{ME}/factor"
    page = browser.read(f"{ME}/factor")
    address = next(link for link in page.links if link.startswith("otpauth:"))
    phone = Phone(pyotp.parse_uri(address).secret)
    assert phone.totp.secret in page.text.replace(" ", ""), "the secret can be typed by hand"
    done = browser.send(page, f"{ME}/factor/confirm", code=phone.code(-1))
    assert done.status_code == 200
    return phone, re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", done.text)


def by_link(city, name, lang="en"):
    """Use a link; return the browser and the page that asks for a code."""
    browser, path = city.browser(lang=lang), f"/console/enter/{city.link(name)}"
    answer = browser.send(browser.read(path), path)
    assert (answer.status_code, answer.headers.get("set-cookie")) == (200, None)
    return browser, Read(answer.text)


def acts(city, name="officer-2"):
    with city.users() as (access, _):
        return [step.what for step in access.steps_of(name)]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_code_is_asked_for_after_link_and_passphrase(city, lang):
    at_work = city.browser("officer-2", lang)
    set_passphrase(at_work)
    phone, codes = set_up(at_work, PASSPHRASE)
    assert len(set(codes)) == CODES
    browser, page = by_link(city, "officer-2", lang)
    assert browser.get("/console/today").status_code == 303, "a link alone signs nobody in any more"
    entered = browser.send(page, CODE, code=phone.code())
    assert (entered.status_code, entered.headers["location"]) == (303, "/console/today")
    assert browser.get("/console/today").status_code == 200

    fresh = city.browser(lang=lang)
    asked = sign_in(fresh, "officer-2", PASSPHRASE, "/console/map")
    assert (asked.status_code, asked.headers.get("set-cookie")) == (200, None)
    assert fresh.get("/console/today").status_code == 303
    entered = fresh.send(Read(asked.text), CODE, code=phone.code(1))
    assert entered.headers["location"] == "/console/map", "it goes on to where it was going"
    assert acts(city).count("signed_in") == 3
    assert "factor_on" in acts(city)


def test_a_code_is_taken_once_and_none_before_it(city):
    phone, _ = set_up(city.browser("officer-2"))
    first, page_1 = by_link(city, "officer-2")
    second, page_2 = by_link(city, "officer-2")
    assert first.send(page_1, CODE, code=phone.code()).status_code == 303
    for seen_already in (phone.code(), phone.code(-1)):
        refused = second.send(page_2, CODE, code=seen_already)
        assert refused.status_code == 403
        assert "not right, or was used already" in refused.text
    assert second.get("/console/today").status_code == 303
    assert second.send(page_2, CODE, code=phone.code(1)).status_code == 303


def test_the_codes_are_those_of_the_standard(city):
    # RFC 6238, appendix B: the SHA-1 secret "12345678901234567890", of which the last six of eight digits are shown.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for when, eight in ((59, "94287082"), (1111111109, "07081804"), (2000000000, "69279037")):
        with city.users() as (access, _):
            access.db.execute("INSERT OR REPLACE INTO second_factor VALUES ('officer-2', ?, NULL, 0)", (secret,))
            factor, officer = SecondFactor(access.db), access.find("officer-2")
            assert factor.confirm(officer, "000000", when) is None
            assert factor.confirm(officer, f" {eight[2:5]} {eight[5:]} ", when) is not None, "as an app groups digits"
            assert not factor.takes(officer, eight[2:], when), "used already"
            factor.off(officer, when)
    with city.users() as (access, _):
        access.db.execute("INSERT OR REPLACE INTO second_factor VALUES ('officer-2', ?, NULL, 0)", (secret,))
        factor, officer = SecondFactor(access.db), access.find("officer-2")
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in "287082")
        assert factor.confirm(officer, wide, 59 + DRIFT * STEP) is not None, "full-width, as input methods write digits"
        assert not factor.takes(officer, pyotp.TOTP(secret).at(59 + 7 * STEP), 59), "of a phone whose clock is far off"


def test_recovery_codes_sign_in_once_each_and_are_kept_as_hashes(city):
    _, codes = set_up(city.browser("officer-2"))
    browser, page = by_link(city, "officer-2")
    assert browser.send(page, CODE, code=codes[0].upper()).status_code == 303
    assert f"Recovery codes left: {CODES - 1}" in browser.read(ME).text
    again, page = by_link(city, "officer-2")
    assert again.send(page, CODE, code=codes[0]).status_code == 403
    assert again.send(page, CODE, code=codes[1].replace("-", "")).status_code == 303
    assert acts(city).count("recovered") == 2
    with city.users() as (access, _):
        dump = "\n".join(access.db.iterdump())
    assert not [code for code in codes if code in dump or code.replace("-", "") in dump]


def test_whoever_guesses_codes_is_sent_back_and_slowed_down(city):
    phone, _ = set_up(city.browser("officer-2"))
    stranger, page = by_link(city, "officer-2")
    wrong = [stranger.send(page, CODE, code=f"{n:06}").status_code for n in range(MOST_TRIES)]
    assert wrong == [403] * (MOST_TRIES - 1) + [410], "the last one sends back to link or passphrase"
    assert stranger.send(page, CODE, code=phone.code()).status_code == 410
    assert int(BURST) == MOST_TRIES
    other, page = by_link(city, "officer-2")
    slowed = other.send(page, CODE, code=phone.code())
    assert slowed.status_code == 429, "not even the right one, or guessing went on"
    assert int(slowed.headers["retry-after"]) > 0
    colleague = city.browser("officer-3")
    assert colleague.get("/console/today").status_code == 200


def test_a_code_must_come_soon_and_its_form_is_nobody_elses(city):
    phone, _ = set_up(city.browser("officer-2"))
    browser, page = by_link(city, "officer-2")
    half, now = page.form(CODE).fields["half"], NOW
    with city.users() as (access, sessions):
        assert sessions.user_of_half(half, now + CODE_S - 5).name == "officer-2"
        assert sessions.user_of_half(half, now + CODE_S + 5) is None
        assert half not in "\n".join(access.db.iterdump())
    assert browser.post(CODE, {"half": "guessed", "code": phone.code()}).status_code == 410
    assert browser.post(CODE, {"code": phone.code()}).status_code == 410
    foreign = browser.post(CODE, page.form(CODE).fields | {"code": phone.code()}, origin="https://evil.example")
    assert foreign.status_code == 403
    for step, elsewhere in enumerate(("https://evil.example/", "//evil.example")):
        sent_on = browser.send(page, CODE, code=phone.code(step), next=elsewhere)
        assert sent_on.headers["location"] == "/console/today"
        browser, page = by_link(city, "officer-2")


def test_who_is_revoked_or_signed_out_meanwhile_gives_no_code(city):
    phone, _ = set_up(city.browser("officer-2"))
    browser, page = by_link(city, "officer-2")
    root = city.browser("root")
    there = "/console/users/officer-2"
    root.send(root.read(there), f"{there}/sign-out")
    assert browser.send(page, CODE, code=phone.code()).status_code == 410
    root.send(root.read(there), f"{there}/revoke")
    with city.users() as (access, _):
        access.add("officer-2", "viewer", time.time(), "root")
        assert not SecondFactor(access.db).is_on("officer-2"), "the name begins anew"
    assert city.browser("officer-2").get("/console/today").status_code == 200


def test_setting_up_needs_the_passphrase_and_a_right_code(city):
    browser = city.browser("officer-2")
    set_passphrase(browser)
    assert browser.send(browser.read(ME), f"{ME}/factor/begin", old="guessed").status_code == 422
    assert browser.get(f"{ME}/factor").headers["location"] == ME, "nothing was begun"
    browser.send(browser.read(ME), f"{ME}/factor/begin", old=PASSPHRASE)
    page = browser.read(f"{ME}/factor")
    assert browser.send(page, f"{ME}/factor/confirm", code="000000").status_code == 422
    assert sign_in(city.browser(), "officer-2", PASSPHRASE).status_code == 303, "until then as before"
    token = page.form(f"{ME}/factor/confirm").fields | {"form_token": "forged"}
    assert browser.post(f"{ME}/factor/confirm", token).status_code == 403


def test_a_confirmation_that_is_sent_twice_keeps_the_codes_of_the_first(city):
    browser = city.browser("officer-2")
    browser.send(browser.read(ME), f"{ME}/factor/begin")
    page = browser.read(f"{ME}/factor")
    phone = Phone(pyotp.parse_uri(next(link for link in page.links if link.startswith("otpauth:"))).secret)
    assert browser.send(page, f"{ME}/factor/confirm", code=phone.code()).status_code == 200
    again = browser.send(page, f"{ME}/factor/confirm", code=phone.code())
    assert again.headers["location"] == f"{ME}?done=factor"
    assert browser.get(f"{ME}/factor").status_code == 303, "the secret is shown no more"
    assert phone.totp.secret not in browser.read(ME).text
    assert acts(city).count("factor_on") == 1


def test_it_is_switched_off_with_a_code_or_reset_by_an_admin(city):
    browser = city.browser("officer-2")
    phone, _ = set_up(browser)
    assert browser.send(browser.read(ME), f"{ME}/factor/off", code="000000").status_code == 422
    assert browser.send(browser.read(ME), f"{ME}/factor/off", code=phone.code()).status_code == 303
    assert "factor_off" in acts(city)
    assert city.browser("officer-2").get("/console/today").status_code == 200

    set_up(browser)
    root, there = city.browser("root"), "/console/users/officer-2"
    page = root.read(there)
    assert [root.send(page, f"{there}/reset-factor").status_code for _ in range(2)] == [303, 303]
    assert acts(city).count("factor_reset") == 1
    assert city.browser("officer-2").get("/console/today").status_code == 200
    assert f"{there}/reset-factor" not in [form.action for form in root.read(there).forms]

    set_up(browser)
    folder = city.config.registry.parent
    assert run(folder, "access", "list", "--json").out.count('"second_factor": true') == 1
    assert run(folder, "access", "reset-factor", "officer-2").code == 0
    assert city.browser("officer-2").get("/console/today").status_code == 200
    assert acts(city).count("factor_reset") == 2


def test_only_the_hubs_user_reads_the_file_with_the_secrets(city):
    set_up(city.browser("officer-2"))
    for path in city.config.data.glob("compliance.db*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_backup_that_is_put_back_asks_for_the_same_codes(city, tmp_path):
    phone, codes = set_up(city.browser("officer-2"))
    folder, target = city.config.registry.parent, tmp_path / "saved.tar.gz"
    assert run(folder, "backup", target).code == 0
    with city.users() as (access, _):
        SecondFactor(access.db).off(access.find("officer-2"), time.time(), "root")
        access.change("officer-2", "viewer", time.time(), "root", ("south",))
    place = tmp_path / "elsewhere"
    place.mkdir()
    restored = run(place, "restore", target)
    assert restored.code == 0, restored.err
    with closing(open_compliance(next(place.rglob("compliance.db")), PART)) as db:
        factor, officer = SecondFactor(db), Access(db).find("officer-2")
        assert (officer.role, officer.districts) == ("officer", ())
        assert not factor.takes(officer, phone.code(-1), NOW), "what was used before stays used"
        assert factor.takes(officer, phone.code(), NOW)
        assert factor.takes(officer, codes[0], NOW)
