"""An admin lets people in, changes what they may, takes it back: two admins at once, forms sent twice, districts."""

import csv
import io
import threading
import time

import pytest

from tests.hub.alerting import run
from tests.hub.console.pages import Read

USERS = "/console/users"
THERE = f"{USERS}/officer-2"


@pytest.fixture
def admins(city):
    """Return the browsers of two admins of all districts and one of the north."""
    with city.users() as (access, _):
        access.add("chief", "admin", time.time(), "root")
        access.add("north-admin", "admin", time.time(), "root", ("north",))
    return city.browser("root"), city.browser("chief"), city.browser("north-admin")


def steps(city, name):
    with city.users() as (access, _):
        return [(step.who, step.what) for step in access.steps_of(name)]


def user(city, name):
    with city.users() as (access, _):
        return access.find(name)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_user_is_let_in_signs_in_by_a_link_is_changed_and_revoked(city, lang):
    root = city.browser("root", lang)
    form = root.read("/console/add-user")
    assert root.get(USERS).status_code == 200
    added = root.send(form, "/console/add-user", name="officer-9", role="officer", reach="some", **{"in-north": "1"})
    assert added.headers["location"] == f"{USERS}/officer-9?done=added"
    page = root.read(added.headers["location"])
    made = root.send(page, f"{USERS}/officer-9/link")
    assert made.status_code == 200
    address = next(line for line in Read(made.text).text.split() if "/console/enter/" in line)
    path = address.partition(f":{city.config.http.port}")[2]
    guest = city.browser(lang=lang)
    assert guest.send(guest.read(path), path).status_code == 303
    assert "north" in guest.read("/console/me").text
    page = root.read(f"{USERS}/officer-9")
    changed = root.send(page, f"{USERS}/officer-9/change", role="viewer", reach="some", **{"in-south": "1"})
    assert changed.status_code == 303
    assert (user(city, "officer-9").role, user(city, "officer-9").districts) == ("viewer", ("north", "south"))
    assert guest.get("/console/today").status_code == 200, "who is changed stays signed in"
    page = root.read(f"{USERS}/officer-9")
    assert root.send(page, f"{USERS}/officer-9/revoke").headers["location"] == f"{USERS}?done=revoked"
    assert guest.get("/console/today").status_code == 303
    assert "officer-9" in root.read(USERS).text, "the name stays on record"
    assert [what for _, what in steps(city, "officer-9")] == ["added", "link", "signed_in", "changed", "revoked"]
    told = run(city.config.registry.parent, "access", "history").out
    assert "officer-9" in told, "the command line has the same record"


def test_only_an_admin_gets_there(city):
    for name in ("inspector", "officer-2"):
        browser = city.browser(name)
        assert USERS not in browser.read("/console/more").links
        for path in (USERS, "/console/add-user", THERE, f"{USERS}.csv"):
            assert browser.get(path).status_code == 403
        token = browser.read("/console/me").form("/console/sign-out").fields["form_token"]
        fields = {"form_token": token, "seen": "99", "name": "x", "role": "admin", "reach": "all"}
        assert browser.post("/console/add-user", fields).status_code == 403
        for act in ("change", "link", "token", "sign-out", "reset-factor", "revoke"):
            assert browser.post(f"{USERS}/officer-3/{act}", fields).status_code == 403
    assert user(city, "x") is None
    assert steps(city, "officer-3") == [("root", "added")]


def test_an_admin_of_a_district_sees_and_lets_in_only_people_of_it(city, admins):
    _, _, north = admins
    page = north.read(USERS)
    assert f"{USERS}/officer-north" in page.links
    for name in ("officer-2", "officer-south", "root"):
        assert f"{USERS}/{name}" not in page.links
        assert name not in north.get(f"{USERS}.csv").text
        assert north.get(f"{USERS}/{name}").status_code == 404
        fields = north.read(f"{USERS}/officer-north").form(f"{USERS}/officer-north/revoke").fields
        for act in ("change", "link", "token", "sign-out", "reset-factor", "revoke"):
            more = {"role": "viewer", "in-north": "1"}
            assert north.post(f"{USERS}/{name}/{act}", fields | more).status_code == 404
        assert user(city, name) is not None
    form = north.read("/console/add-user")
    for given in ({}, {"reach": "all"}, {"in-south": "1"}, {"in-north": "1", "in-south": "1"}):
        assert north.send(form, "/console/add-user", name="officer-9", role="admin", **given).status_code == 422, given
    taken = north.send(form, "/console/add-user", name="officer-south", role="viewer", **{"in-north": "1"})
    assert taken.status_code == 422
    assert "Somebody else has or had this name" in taken.text
    assert (
        north.send(form, "/console/add-user", name="officer-9", role="viewer", **{"in-north": "1"}).status_code == 303
    )
    assert user(city, "officer-9").districts == ("north",)
    page = north.read(f"{USERS}/officer-9")
    wider = north.send(page, f"{USERS}/officer-9/change", role="admin", reach="all", **{"in-north": "1"})
    assert wider.status_code == 422
    assert user(city, "officer-9").role == "viewer"


def test_what_another_admin_did_meanwhile_is_read_first(city, admins):
    root, chief, _ = admins
    for name, act in (
        ("officer-2", "change"),
        ("officer-3", "sign-out"),
        ("inspector", "revoke"),
        ("officer-north", "link"),
        ("officer-south", "token"),
    ):
        there, fields = f"{USERS}/{name}", {"role": "viewer", "reach": "all"} if act == "change" else {}
        before, earlier = chief.read(there), root.read(there)
        more = {"reach": "some", "in-north": "1", "role": "technician"}
        assert root.send(earlier, f"{there}/change", **more).status_code == 303
        known = steps(city, name)
        refused = chief.send(before, f"{there}/{act}", **fields)
        assert refused.status_code == 409, act
        page = Read(refused.text)
        assert f"root changed the access of {name} meanwhile" in page.text
        assert "technician" in page.text
        assert steps(city, name) == known, "nothing was done"
        answer = chief.send(page, f"{there}/{act}", **fields)
        assert answer.status_code in {200, 303}, "who has read it may go on"


def test_a_form_that_is_sent_twice_acts_once(city):
    root = city.browser("root")
    for act in ("change", "sign-out", "revoke"):
        page = root.read(THERE)
        fields = {"role": "viewer", "reach": "some", "in-south": "1"} if act == "change" else {}
        before = len(steps(city, "officer-2"))
        answers = [root.send(page, f"{THERE}/{act}", **fields) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
        assert answers[0].headers["location"] == answers[1].headers["location"]
        assert len(steps(city, "officer-2")) == before + 1


def test_a_form_that_adds_is_sent_twice_and_adds_once(city):
    root = city.browser("root")
    form = root.read("/console/add-user")
    given = {"name": "officer-9", "role": "officer", "reach": "all"}
    assert [root.send(form, "/console/add-user", **given).status_code for _ in range(2)] == [303, 303]
    assert steps(city, "officer-9") == [("root", "added")]
    again = root.send(root.read("/console/add-user"), "/console/add-user", **given)
    assert again.status_code == 422
    assert "already" in again.text


def test_what_is_shown_once_is_not_made_twice_by_one_form(city):
    root = city.browser("root")
    for act in ("link", "token"):
        page = root.read(THERE)
        first, second = (root.send(page, f"{THERE}/{act}") for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 409)
        assert "made already" in second.text
        assert root.send(Read(second.text), f"{THERE}/{act}").status_code == 200, "one that was not seen is made anew"


def test_a_new_token_is_the_only_one_that_holds_and_is_kept_nowhere(city):
    root = city.browser("root")
    made = root.send(root.read(THERE), f"{THERE}/token")
    token = next(word for word in Read(made.text).text.split() if word.startswith("officer-2."))
    assert made.headers["cache-control"] == "no-store"
    with city.users() as (access, _):
        assert access.who(token).name == "officer-2"
        assert token.partition(".")[2] not in "\n".join(access.db.iterdump())
    by_command = run(city.config.registry.parent, "access", "token", "officer-2").out.strip()
    with city.users() as (access, _):
        assert access.who(token) is None
        assert access.who(by_command).name == "officer-2"


def test_nobody_takes_the_last_admin_away(city, admins):
    root, chief, _ = admins
    own = root.read(f"{USERS}/root")
    assert [form.action for form in own.forms if "/users/root/" in form.action] == [f"{USERS}/root/link"]
    fields = own.form(f"{USERS}/root/link").fields | {"role": "viewer", "reach": "all"}
    for act in ("change", "revoke", "reset-factor"):
        assert root.post(f"{USERS}/root/{act}", fields).status_code == 409
    pages = [(root, root.read(f"{USERS}/chief"), "chief"), (chief, chief.read(f"{USERS}/root"), "root")]
    answers = []

    def demote(browser, page, whom):
        answers.append(browser.send(page, f"{USERS}/{whom}/change", role="viewer", reach="all").status_code)

    threads = [threading.Thread(target=demote, args=args) for args in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [303, 403], "of two who demote each other at once, one stays"
    assert sorted([user(city, "root").role, user(city, "chief").role]) == ["admin", "viewer"]


def test_an_admin_signs_a_user_out_of_every_browser(city):
    root, phone, desk = city.browser("root"), city.browser("officer-2"), city.browser("officer-2")
    link = city.link("officer-2")
    page = root.read(THERE)
    assert "in 2 browsers" in page.text
    assert root.send(page, f"{THERE}/sign-out").status_code == 303
    assert phone.get("/console/today").status_code == desk.get("/console/today").status_code == 303
    assert phone.get(f"/console/enter/{link}").status_code == 410
    assert steps(city, "officer-2")[-1] == ("root", "signed_out")


WRONG = (
    ({"name": "Officer 9"}, "small letters, digits and -"),
    ({"name": "hub"}, "and not"),
    ({"name": "<img src=x>"}, "small letters, digits and -"),
    ({"name": "officer-3"}, "has a token already"),
    ({"role": "emperor"}, "Choose a role"),
    ({"role": ""}, "Choose a role"),
    ({"reach": ""}, "Say which districts"),
    ({"reach": "some"}, "Tick at least one district"),
    ({"reach": "all", "in-north": "1"}, "Either all districts, or the ticked ones"),
    ({"reach": "some", "in-atlantis": "1"}, "Say which districts"),
)


def test_what_will_not_do_is_said_and_what_was_written_stays(city):
    root = city.browser("root")
    form = root.read("/console/add-user")
    for wrong, said in WRONG:
        given = {"name": "officer-9", "role": "officer", "reach": "all"} | wrong
        refused = root.send(form, "/console/add-user", **given)
        assert refused.status_code == 422, wrong
        page = Read(refused.text)
        assert said in page.text
        assert page.form("/console/add-user").fields["name"] == given["name"]
        assert "<img" not in refused.text.replace('<img src="/console/static', "")


def test_a_form_of_another_session_does_nothing(city, admins):
    root, chief, _ = admins
    fields = root.read(THERE).form(f"{THERE}/revoke").fields
    foreign = chief.read(THERE).form(f"{THERE}/revoke").fields["form_token"]
    for forged in (fields | {"form_token": foreign}, fields | {"form_token": ""}):
        for act in ("change", "link", "token", "sign-out", "reset-factor", "revoke"):
            assert root.post(f"{THERE}/{act}", forged).status_code == 403
        assert (
            root.post("/console/add-user", forged | {"name": "x", "role": "admin", "reach": "all"}).status_code == 403
        )
    assert root.post(f"{THERE}/revoke", fields, origin="https://evil.example").status_code == 403
    for seen in ("", "-1", "x"):
        assert root.post(f"{THERE}/revoke", fields | {"seen": seen}).status_code == 422
    assert steps(city, "officer-2") == [("root", "added")]


def test_the_list_is_searched_ordered_and_taken_along(city, admins):
    root = admins[0]

    def names(query=""):
        return [link.rpartition("/")[2] for link in root.read(USERS + query).links if link.startswith(f"{USERS}/")]

    assert names() == sorted(names())
    assert names("?q=OFFICER&role=officer") == ["officer-2", "officer-3", "officer-north", "officer-south"]
    assert names("?sort=role")[0] in {"chief", "north-admin", "root"}
    assert set(names("?sort=new")[:2]) == {"chief", "north-admin"}
    assert "No user is like that" in root.read(f"{USERS}?q=nobody").text
    rows = list(csv.DictReader(io.StringIO(root.get(f"{USERS}.csv?role=admin").text.lstrip("\ufeff"))))
    assert [(row["name"], row["districts"], row["second_factor"]) for row in rows] == [
        ("chief", "", "no"),
        ("north-admin", "north", "no"),
        ("root", "", "no"),
    ]


def test_the_command_changes_role_and_districts(city):
    folder = city.config.registry.parent
    assert run(folder, "access", "change", "officer-2", "--role", "viewer", "--scope", "south").code == 0
    assert (user(city, "officer-2").role, user(city, "officer-2").districts) == ("viewer", ("south",))
    refused = run(folder, "access", "change", "nobody", "--role", "viewer")
    assert refused.code == 2
    assert "there is no user 'nobody'" in refused.err
    assert "role or districts changed" in run(folder, "access", "history").out
