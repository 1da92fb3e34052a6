"""Patrols and plates without a browser: what is due, what becomes of a visit, what a plate shows and to whom."""

import csv
import io
import json
import re
import sqlite3
import threading

import pytest
import segno

from hub.console.patrol.plates import qr_path
from hub.upkeep.checks.cases import check_cases
from tests.hub.cases.case_city import MONDAY
from tests.hub.cases.pictures import picture
from tests.hub.console.street import DAY, PHONE, a_street, said
from tests.hub.helpers import SHANGHAI


@pytest.fixture
def street(tmp_path):
    with a_street(tmp_path) as street:
        yield street


def told(answer):
    return answer.status_code, answer.json()


def test_what_is_due_stands_on_one_page_with_its_forms_until_it_was_visited(street):
    cases = street.cases
    overview = cases.who("col").read("/console/patrol")
    assert "6 of 6 due" in overview.text
    page = cases.who("col").read("/console/patrol/shop?along=lake-road")
    assert [form.action for form in page.forms if "/patrol/shop/" in form.action] == [
        f"/console/patrol/shop/s-{n}" for n in range(1, 7)
    ]
    assert page.text.count("no agreement in force") == 1
    assert page.text.count("agreement ends soon") == 1
    answer = street.send("col", "s-1")
    assert answer.status_code == 303
    done = cases.who("col").read(answer.headers["location"])
    assert "Kept: all is in order." in done.text
    assert "5 of 6 due" in cases.who("col").read("/console/patrol").text
    cases.now = MONDAY + 6 * DAY
    assert "5 of 6 due" in cases.who("col").read("/console/patrol").text
    cases.now = MONDAY + 7 * DAY - 7200  # by days, not by the time of day
    assert "6 of 6 due" in cases.who("col").read("/console/patrol").text


def test_what_is_broken_becomes_a_case_with_its_photograph_and_place(street):
    photo = ("shop.jpg", picture(), "image/jpeg")
    answer = street.send("col", "s-2", photo=photo, text="crates", **{"answer-order": "fail", "code-order": "0504"})
    assert answer.status_code == 303
    (row,) = street.rows("casefile")
    body = json.loads(row["body"])
    assert (body["source"], body["code"], body["about"], body["district"]) == ("patrol", "0504", "shop/s-2", "north")
    assert body["place"] == "五金店 Hardware，SQ-0002，2"
    assert body["lat"] == pytest.approx(23.0201)
    assert body["text"] == "包秩序 Order: 店外经营 Trading outside the shop\ncrates"
    assert street.cases.book.history(row["id"]) == ["report", "attach"]
    assert street.rows("visit_finding") == [{"visit": 1, "duty": "order", "casefile": row["id"], "known": 0}]
    page = street.cases.who("off").read(answer.headers["location"])
    assert body["number"] in page.text
    assert "/console/things/shop/s-2" in street.cases.who("off").read(f"/console/cases/{row['id']}").links
    (there,) = [link for link in page.links if "/photo/" in link]
    assert street.cases.who("off").get(there).headers["content-type"] == "image/jpeg"
    assert street.cases.who("off").get(there.replace("s-2", "s-1")).status_code == 404
    assert [one.name for one in check_cases(street.site.config, SHANGHAI) if one.state == "problem"] == []
    (street.data / "attachments.db").unlink()
    assert [one.name for one in check_cases(street.site.config, SHANGHAI) if one.state == "problem"] == ["case files"]


def test_what_is_known_already_of_this_shop_is_told_to_its_case_and_a_neighbours_is_another(street):
    fail = {"answer-order": "fail", "code-order": "0504"}
    street.send("col", "s-2", **fail)
    street.cases.now += 8 * DAY
    status, answer = told(street.send("col", "s-2", accept="application/json", **fail))
    assert status == 200
    assert "reported already" in answer["said"]
    assert street.cases.book.history(1) == ["report", "comment"]
    street.send("col", "s-3", **fail)
    street.send("col", "s-2", **fail | {"code-order": "0508"})
    assert [json.loads(row["body"])["about"] for row in street.rows("casefile")] == ["shop/s-2", "shop/s-3", "shop/s-2"]
    # 10 m from wall to wall, and of one class: not the same all the same, so no reason is asked of who files it.
    assert (
        street.cases.act("off", 1, "file", amount="4", unit="work_hour", text="a limit of its own").status_code == 303
    )
    page = street.cases.who("off").read("/console/cases/2")
    assert "may be the same" not in page.text
    # Once it is over, what is found is another case.
    street.cases.act("sup", 1, "force_close", text="moved away")
    street.send("col", "s-2", **fail)
    assert len(street.rows("casefile")) == 4


def test_a_visit_that_comes_again_is_answered_with_what_came_of_it_first(street):
    page = street.cases.who("col").read("/console/patrol/shop/s-1")
    fail = {"answer-clean": "fail", "code-clean": "0116", "time": str(MONDAY - 3600.0)}
    photo = ("shop.jpg", picture(), "image/jpeg")
    first = told(street.send("col", "s-1", page, photo, "application/json", **fail))
    street.cases.now += 600
    assert told(street.send("col", "s-1", page, photo, "application/json", **fail)) == first
    (visit,) = street.rows("visit")
    assert (visit["time"], visit["received"]) == (MONDAY - 3600, MONDAY)
    assert street.cases.book.history(1) == ["report", "attach"]
    # Under the same key nothing can be said of another shop.
    other = street.cases.who("col").read("/console/patrol/shop/s-2")
    key = page.form("/console/patrol/shop/s-1").fields["key"]
    assert street.send("col", "s-2", other, key=key).status_code == 422


def test_a_hub_that_was_killed_between_the_case_and_the_visit_does_the_rest(street, monkeypatch):
    page = street.cases.who("col").read("/console/patrol/shop/s-1")
    fail = {"answer-clean": "fail", "answer-order": "fail", "code-order": "0507"}
    photo = ("shop.jpg", picture(), "image/jpeg")

    def gone(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("hub.cases.patrol.visits.Visits.add", gone)
    assert street.send("col", "s-1", page, photo, **fail).status_code == 503
    assert (len(street.rows("casefile")), street.rows("visit")) == (2, [])
    monkeypatch.undo()
    assert street.send("col", "s-1", page, photo, **fail).status_code == 303
    assert [street.cases.book.history(id_) for id_ in (1, 2)] == [["report", "attach"]] * 2
    assert [row["known"] for row in street.rows("visit_finding")] == [0, 0]


def test_the_same_visit_sent_four_times_at_once_is_one(street):
    page = street.cases.who("col").read("/console/patrol/shop/s-1")
    answers = []

    def send():
        fail = {"answer-clean": "fail"}
        answers.append(street.send("col", "s-1", page, accept="application/json", **fail).json())

    threads = [threading.Thread(target=send) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len({answer["visit"] for answer in answers}) == 1
    assert (len(street.rows("visit")), len(street.rows("casefile"))) == (1, 1)


def test_a_visit_that_cannot_be_taken_says_what_is_missing_and_keeps_what_was_written(street):
    for fields, words in (
        ({"answer-clean": ""}, "Cleanliness: choose pass, fail or not applicable"),
        ({"answer-clean": "fail", "code-clean": "0504"}, "choose what was found"),
        ({"key": "short"}, "the form has no key"),
    ):
        answer = street.send("col", "s-1", text="behind the door", **fields)
        assert answer.status_code == 422
        assert words in answer.text
        assert "behind the door" in answer.text
    answer = street.send("col", "s-1", photo=("x.jpg", b"no picture", "image/jpeg"), **{"answer-clean": "fail"})
    assert answer.status_code == 422, "a photograph that is none refuses the visit whole"
    assert street.rows("visit") == street.rows("casefile") == []


def test_only_collectors_make_patrols_and_only_officers_make_plates(street):
    cases = street.cases
    page = cases.who("col").read("/console/patrol/shop/s-1")
    form = page.form("/console/patrol/shop/s-1").fields
    for name in ("off", "han", "vie"):
        assert "This visit" not in cases.who(name).read("/console/patrol/shop/s-1").text
        token = cases.who(name).read("/console/me").forms[-1].fields.get("form_token", "")
        assert street.send(name, "s-1", page, form_token=token, key=form["key"]).status_code == 403
    assert cases.who("col").get("/console/plates/shop?along=lake-road").status_code == 403
    assert street.rows("visit") == street.rows("plate") == []


def test_who_answers_for_a_shop_is_told_to_those_alone_who_work_with_them(street):
    places = ("things/shop/s-1", "patrol/shop/s-1", "things/shop/list.csv", "things/shop/list.geojson")
    for path in places:
        assert PHONE in street.cases.who("col").get(f"/console/{path}").text, path
        assert PHONE not in street.cases.who("vie").get(f"/console/{path}").text, path
    street.know(
        [said("shop", "s-1", "Noodle house", "刘记面馆", people=[{"role": "owner", "phone": "13900009999"}])], MONDAY
    )
    changed = street.cases.who("vie").get("/console/things/shop/s-1").text
    assert "13900009999" not in changed
    assert "13900009999" in street.cases.who("off").get("/console/things/shop/s-1").text


def dark(path, size):
    """Return the squares that a path of a QR code paints, row by row."""
    rows = [[0] * size for _ in range(size)]
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        for n in range(int(width)):
            rows[int(y)][int(x) + n] = 1
    return rows


def test_plates_are_printed_for_chosen_shops_each_with_its_own_address(street):
    officer = street.cases.who("off")
    page = officer.read("/console/plates/shop?along=lake-road")
    assert "No phone can open such a plate" in page.text
    form = page.form("/console/plates/shop").fields
    assert {name for name in form if name.startswith("thing-")} == {f"thing-s-{n}" for n in range(1, 7)}
    kept = {name: form[name] for name in ("form_token", "along", "thing-s-1", "thing-s-2")}
    answer = officer.post("/console/plates/shop", kept)
    assert answer.status_code == 200
    codes = {row["thing"]: row["code"] for row in street.rows("plate")}
    assert set(codes) == {"s-1", "s-2"}
    assert answer.text.count("plate-code") == 2
    address = f"{street.site.config.console_address}/p/{codes['s-1']}"
    path, size = qr_path(address)
    assert f'd="{path}"' in answer.text
    drawn = segno.make(address, error="q", micro=False, boost_error=False)
    assert dark(path, size) == [[int(bool(one)) for one in row] for row in drawn.matrix_iter(border=4)]
    # Printed once more, a plate is the same.
    officer.post("/console/plates/shop", kept)
    assert {row["thing"]: row["code"] for row in street.rows("plate")} == codes


def test_a_plate_shows_everybody_what_may_be_shown_and_nothing_else(street):
    there = f"/p/{street.code('s-1')}"
    stranger = street.site.browser()
    for lang, words in (
        ("en", ["Noodle house", "catering", "Lake Road", "agreement in force", "12345"]),
        ("zh", ["刘记面馆", "餐饮", "湖滨路", "责任书有效"]),
    ):
        page = stranger.read(f"{there}?lang={lang}")
        assert [one for one in words if one not in page.text] == []
    assert PHONE not in stranger.last.text
    assert "Owner of" not in stranger.last.text
    assert stranger.last.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in stranger.last.text
    assert "no agreement in force" in stranger.read(f"/p/{street.code('s-6')}?lang=en").text
    for wrong in ("/p/" + "A" * 22, "/p/x", "/p/"):
        assert stranger.get(wrong).status_code == 404
    # Who is signed in lands on the visit.
    answer = street.cases.who("col").get(there)
    assert answer.headers["location"] == f"/console{there}"
    assert street.cases.who("col").get(f"/console{there}").headers["location"] == "/console/patrol/shop/s-1"


def test_a_plate_that_was_exchanged_shows_nothing_any_more(street):
    old = street.code("s-1")
    officer = street.cases.who("off")
    page = officer.read("/console/patrol/shop/s-1")
    there = "/console/plates/shop/s-1/exchange"
    assert officer.send(page, there, text="stolen").status_code == 303
    officer.send(page, there, text="stolen")  # twice
    assert len(street.rows("plate")) == 2
    assert street.code("s-1") != old
    gone = street.site.browser().get(f"/p/{old}")
    assert gone.status_code == 410
    assert "Noodle" not in gone.text
    assert street.cases.who("col").get(f"/console/p/{old}").status_code == 410
    assert street.site.browser().get(f"/p/{street.code('s-1')}").status_code == 200


def test_whoever_tries_codes_is_slowed_down(street):
    stranger = street.site.browser()
    answers = [stranger.get(f"/p/{n:022d}").status_code for n in range(30)]
    assert answers[0] == 404
    assert answers[-1] == 429


def test_without_being_turned_on_every_code_leads_to_signing_in(tmp_path):
    with a_street(tmp_path, more="") as street:
        code = street.code("s-1")
        for one in (code, "A" * 22):
            answer = street.site.browser().get(f"/p/{one}")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/console/p/{one}")
            assert "/console/sign-in?next=" in street.site.browser().get(f"/console/p/{one}").headers["location"]
        assert street.cases.who("col").get(f"/console/p/{code}").headers["location"] == "/console/patrol/shop/s-1"


def test_what_belongs_to_another_district_is_as_if_it_were_not_there(street):
    south = street.cases.who("off-south")
    assert south.get("/console/patrol/shop/s-1").status_code == 404
    assert "Lake Road" not in south.read("/console/patrol").text


def test_scores_stand_with_their_terms_and_their_formula_and_go_into_a_file(street):
    street.send("col", "s-1")
    street.send("col", "s-2", **{"answer-order": "fail", "code-order": "0504"})
    officer = street.cases.who("off")
    page = officer.read("/console/scores/shop?along=lake-road")
    # s-1: 20 + 50 + 20 of 90; s-2: 20 + 50 * 1/2 + 15 = 60 of 90; the others were not visited
    assert re.search(r"83\.[34] of 100, the mean of 2 that were visited", page.text)
    assert "50 points by the share of answers" in page.text
    rows = list(csv.DictReader(io.StringIO(officer.get("/console/scores/shop/list.csv").text.removeprefix("\ufeff"))))
    assert [(row["id"], row["score"], row["band"]) for row in rows[:3]] == [
        ("s-1", "100.0", "a"),
        ("s-2", "66.7", "c"),
        ("s-3", "", ""),
    ]
    assert (rows[1]["kept_number"], rows[1]["kept_among"], rows[1]["cases_points"]) == ("1", "2", "15.0")
    assert rows[1]["rules_points"] == "", "no sensor speaks for it"
    assert "66.7" in officer.read("/console/patrol/shop/s-2").text
    for shop, band in (("s-1", "Its band on patrols: A"), ("s-2", "Its band on patrols: C")):
        assert band in street.site.browser().read(f"/p/{street.code(shop)}?lang=en").text
    assert "Its band" not in street.site.browser().read(f"/p/{street.code('s-3')}?lang=en").text


def test_an_objection_is_an_appeal_a_remark_or_a_case_and_is_taken_once(street):
    street.send("col", "s-2", **{"answer-order": "fail", "code-order": "0504"})
    officer, there = street.cases.who("off"), "/console/patrol/shop/s-2"

    def say(case, twice=False):
        page = officer.read(there)
        for _ in range(1 + twice):
            answer = officer.send(page, f"{there}/object", case=case, text="it was not ours")
            assert answer.status_code == 303
        assert "The objection is on record." in officer.read(answer.headers["location"]).text

    say("1", twice=True)
    assert street.cases.book.history(1) == ["report", "comment"]
    street.cases.act("off", 1, "refuse", text="nothing there")
    say("1")
    assert street.cases.book.history(1)[-1] == "appeal"
    say("", twice=True)
    last = json.loads(street.rows("casefile")[-1]["body"])
    assert (last["id"], last["source"], last["about"]) == (2, "citizen", "shop/s-2")
    assert "it was not ours" in last["text"]
    page = street.cases.who("col").read(there)
    assert not [form for form in page.forms if form.action.endswith("/object")]
