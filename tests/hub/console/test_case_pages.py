"""Cases in the console: each step by the one whose it is, and nothing that is not theirs to see or do."""

import csv
import hashlib
import io

import pytest

from hub.alerts.book import of_lines
from hub.cases.bridge import open_from_alert
from hub.cases.present import history_digest
from hub.console.cases import lists
from hub.console.parts import sheet
from hub.storage.compliance_file import COMPLIANCE
from tests.hub.cases.pictures import SECRET, picture
from tests.hub.console.case_console import case_console
from tests.hub.console.pages import Read

HOUR = 3600


@pytest.fixture
def city(tmp_path):
    with case_console(tmp_path) as opened:
        yield opened


def add(city, name="off", **fields):
    """Take a report on the page; return the case's number."""
    browser = city.who(name)
    page = browser.read("/console/add-case?district=north")
    given = {"source": "citizen", "code": "0102", "text": "refuse by the bins", "place": "Lake Road 7"} | fields
    answer = browser.send(page, "/console/add-case", **given)
    assert answer.status_code == 303, Read(answer.text).text
    return int(answer.headers["location"].split("/")[3].split("?")[0])


def test_a_report_goes_all_seven_steps_each_by_the_one_whose_it_is(city):
    id_ = add(city)
    assert city.offered("off", id_) == {"ask_verification", "refuse", "comment", "join_alert"}, "not filed unverified"
    assert city.offered("vie", id_) == set()
    steps = (
        ("off", "ask_verification", {}, {"verify", "comment"}, "col"),
        ("col", "verify", {"found": "exists"}, {"file", "ask_verification", "refuse", "comment", "join_alert"}, "off"),
        ("off", "file", {}, {"dispatch", "send_back", "comment"}, "dis"),
        ("dis", "dispatch", {}, {"receive", "return", "ask_extension", "comment"}, "han"),
        ("han", "receive", {}, {"feed_back", "return", "ask_extension", "comment"}, "han"),
        ("han", "feed_back", {"text": "swept"}, {"send_check", "rework", "comment", "join_alert"}, "off"),
        ("off", "send_check", {}, {"inspect", "comment"}, "col"),
        ("col", "inspect", {"result": "pass"}, {"close", "rework", "comment", "join_alert"}, "off"),
        ("off", "close", {}, {"archive", "appeal", "comment"}, "off"),
    )
    for name, what, fields, following, next_one in steps:
        answer = city.act(name, id_, what, **fields)
        assert answer.status_code == 303, (what, Read(answer.text).text)
        assert city.offered(next_one, id_) == following
        city.now += 60
    page = city.who("vie").read(f"/console/cases/{id_}")
    for text in ("Seven steps", "on time", "Roads", "swept", "it is there (col)"):
        assert text in page.text
    assert city.book.history(id_) == ["report", *(what for _, what, _, _, _ in steps)]


def test_only_what_may_be_done_now_is_offered(city):
    id_ = city.book.handled(code="2101").id
    assert "feed_back" in city.offered("other", id_)
    assert city.offered("stranger", id_) == set(), "of another department"
    assert "grant_extension" not in city.offered("dis", id_)
    assert city.act("han", id_, "ask_extension", amount="3", text="the truck broke down").status_code == 303
    assert "ask_extension" not in city.offered("han", id_)
    assert {"grant_extension", "deny_extension"} <= city.offered("dis", id_)
    assert "remove_co_handler" not in city.offered("dis", id_)
    assert city.act("dis", id_, "add_co_handler", department="greens").status_code == 303
    assert "remove_co_handler" in city.offered("dis", id_)
    assert "feed_back" in city.offered("stranger", id_), "the parks, which handle it beside, name nobody"
    closed = city.book.closed(place="elsewhere")
    city.book.act(closed.id, "han", "appeal", "it was not us")
    for stage in ("pre_check", "department", "leader"):
        page = city.who("sup").read(f"/console/cases/{closed.id}")
        assert page.form(f"/console/cases/{closed.id}/review").fields["stage"] == stage
        assert city.act("sup", closed.id, "review", text="seen").status_code == 303
    assert city.offered("sup", closed.id) == {"uphold", "reject_appeal", "supervise", "comment"}


def test_of_two_people_at_once_the_second_is_told_what_the_first_did_and_keeps_what_was_written(city):
    id_ = city.book.report().id
    there = f"/console/cases/{id_}"
    first, second = city.who("off"), city.who("off-2")
    page_1, page_2 = first.read(there), second.read(there)
    assert first.send(page_1, f"{there}/refuse", text="not in this city").status_code == 303
    refused = second.send(page_2, f"{there}/file", text="I file it")
    assert refused.status_code == 409
    page = Read(refused.text)
    assert "off did something meanwhile" in page.text
    assert "not in this city" in page.text
    assert "I file it" in page.text, "although the form is not there any more"
    assert city.book.history(id_) == ["report", "refuse"]
    id_ = city.book.report(place="elsewhere").id
    there = f"/console/cases/{id_}"
    page_1, page_2 = first.read(there), second.read(there)
    assert first.send(page_1, f"{there}/comment", text="one").status_code == 303
    refused = second.send(page_2, f"{there}/comment", text="two")
    page = Read(refused.text)
    assert page.form(f"{there}/comment").fields["text"] == "two"
    assert second.send(page, f"{there}/comment").status_code == 303, "whoever has read it may go on"
    assert [event.text for event in city.book.desk("root").book.events(id_)][1:] == ["one", "two"]


def test_a_form_that_is_sent_again_does_nothing_twice(city):
    """A second tap, a browser that asks again, or a hub that was killed between the act and the page."""
    browser = city.who("off")
    page = browser.read("/console/add-case?district=north")
    given = {"source": "department", "code": "0302", "text": "dust", "place": "Lake Road"}
    made = [browser.send(page, "/console/add-case", **given).headers["location"] for _ in range(2)]
    assert made[0] == made[1]
    id_ = 1
    for name, what, fields in (
        ("off", "file", {}),
        ("dis", "dispatch", {}),
        ("han", "receive", {}),
        ("han", "ask_extension", {"amount": "2", "text": "rain"}),
        ("dis", "grant_extension", {}),
        ("han", "comment", {"text": "on the way"}),
    ):
        who, there = city.who(name), f"/console/cases/{id_}"
        page = who.read(there)
        for _ in range(2):
            assert who.send(page, f"{there}/{what}", **fields).status_code == 303
    history = city.book.history(id_)
    assert history == ["report", "file", "dispatch", "receive", "ask_extension", "grant_extension", "comment"]
    assert len(city.book.desk("root").book.search()) == 1


def test_other_districts_are_not_there(city):
    north = city.book.filed(text="a secret of the north", place="Lake Road").id
    page = city.who("off-south").read("/console/cases")
    assert "Lake Road" not in page.text
    for path in (f"/console/cases/{north}", f"/console/cases/{north}/file", "/console/cases/999"):
        assert city.who("off-south").get(path).status_code == 404, path
    token = {"form_token": city.who("dis-south").read("/console/me").form("/console/sign-out").fields["form_token"]}
    for what in ("dispatch", "comment"):
        answer = city.who("dis-south").post(f"/console/cases/{north}/{what}", token | {"seen": "9", "text": "mine"})
        assert answer.status_code == 404
    for path in (
        "/console/cases?district=north",
        "/console/cases?q=Lake",
        f"/console/cases?q={north}",
        "/console/cases.csv",
        "/console/evaluation?by=area&district=north",
        "/console/evaluation.csv?by=all",
        "/console/cases?measure=accepted&by=area&group=north&area=north",
        "/console/cases?measure=accepted&by=all",
        "/console/today",
    ):
        text = city.who("off-south").get(path).text
        assert "secret" not in text, path
        assert f'cases/{north}"' not in text, path
        assert "Lake Road" not in text, path
    south = city.who("off-south")
    page = south.read("/console/add-case?district=north")
    assert "/console/add-case" in {form.action for form in page.forms}
    forged = page.form("/console/add-case").fields | {"district": "north", "source": "citizen", "code": "0102"}
    forged |= {"text": "x", "place": "y", "key": "k"} | {
        "form_token": south.read("/console/me").form("/console/sign-out").fields["form_token"]
    }
    assert south.post("/console/add-case", forged).status_code == 422
    alert = city.alert()
    assert south.get(f"/console/add-case?alert={alert}").status_code == 404
    assert south.post("/console/join-case", forged | {"alert": str(alert), "case": str(north)}).status_code == 404
    assert city.book.history(north) == ["report", "file"]


def test_a_form_of_another_session_does_nothing(city):
    id_ = city.book.report().id
    there = f"/console/cases/{id_}"
    fields = city.who("off").read(there).form(f"{there}/file").fields
    foreign = city.who("off-2").read(there).form(f"{there}/file").fields["form_token"]
    assert city.who("off").post(f"{there}/file", fields | {"form_token": foreign}).status_code == 403
    assert city.who("off").post(f"{there}/file", fields, origin="https://evil.example").status_code == 403
    assert city.who("off").post(f"{there}/file", fields | {"seen": ""}).status_code == 422
    assert city.who("off").post(f"{there}/move_deadline", fields).status_code == 409
    assert city.who("off").post(f"{there}/abolish", fields).status_code == 404
    assert city.book.history(id_) == ["report"]


@pytest.mark.parametrize("amount", ["1e999", "nan", "x", "-1", "９"])
def test_what_is_no_number_is_told_and_kept(city, amount):
    id_ = city.book.handled().id
    refused = city.act("han", id_, "ask_extension", amount=amount, text="rain")
    assert refused.status_code == 422
    form = Read(refused.text).form(f"/console/cases/{id_}/ask_extension")
    assert (form.fields["text"], form.fields["amount"]) == ("rain", amount)
    assert "ask_extension" not in city.book.history(id_)


def test_an_alert_opens_a_case_once_and_another_alert_joins_it(city):
    alert = city.alert()
    browser, there = city.who("off"), f"/console/alerts/{alert}"
    page = browser.read(there)
    assert f"/console/add-case?alert={alert}" in page.links
    assert f"/console/add-case?alert={alert}" not in city.who("vie").read(there).links
    form = browser.read(f"/console/add-case?alert={alert}")
    assert form.form("/console/add-case").fields["code"] == "0301", "as the rulebook says for noise of a site"
    for _ in range(2):
        assert browser.send(form, "/console/add-case").headers["location"] == "/console/cases/1?done=report"
    assert browser.get(f"/console/add-case?alert={alert}").headers["location"] == "/console/cases/1"
    page = browser.read(there)
    assert "/console/cases/1" in page.links
    assert f"/console/add-case?alert={alert}" not in page.links
    assert there in browser.read("/console/cases/1").links
    city.alerts.judge(75.0, device="fence-2", start=int(city.now) - 1300)
    second = city.alerts.rows()[-1]["id"]
    page = browser.read(f"/console/alerts/{second}")
    for _ in range(2):
        answer = browser.send(page, "/console/join-case")
        assert answer.headers["location"] == "/console/cases/1?done=join_alert"
    assert city.book.desk("root").get(1).alerts == (alert, second)
    assert city.book.history(1) == ["report", "join_alert"]
    assert "/console/cases/1" in browser.read(f"/console/alerts/{second}").links


def test_today_has_the_cases_that_wait_for_me_the_most_urgent_first(city):
    late, soon = city.book.filed(code="0302"), city.book.filed(code="2101", place="Mill Lane")
    city.now += 50 * HOUR
    fresh = city.book.filed(code="0302", place="Far Road")
    assert late.deadline < city.now < fresh.deadline < soon.deadline
    page = city.who("dis").read("/console/today")
    found = [link for link in page.links if link and link.startswith("/console/cases/")]
    assert found == [f"/console/cases/{one.id}" for one in (late, fresh, soon)]
    assert "late" in page.text
    assert "left" in page.text
    for name in ("han", "col", "sup", "vie"):
        assert "Cases that wait for you" not in city.who(name).read("/console/today").text
    for case in (late, soon):
        city.act("dis", case.id, "dispatch", department="roads")
    assert "/console/cases/1" in city.who("han").read("/console/today").links
    assert "/console/cases/1" not in city.who("stranger").read("/console/today").links
    city.act("han", late.id, "receive")
    city.act("han", soon.id, "ask_extension", amount="1", text="rain")
    page = city.who("dis").read("/console/cases?state=mine&sort=deadline")
    assert [link for link in page.links if link and link.startswith("/console/cases/")] == [
        f"/console/cases/{fresh.id}",
        f"/console/cases/{soon.id}",
    ], "an extension that was asked for waits, too"


def test_a_deadline_counts_down_in_the_citys_working_hours_and_moves_with_its_calendar(city):
    id_ = city.book.filed(source="department", code="0102").id  # 4 working hours, Monday 9:00
    city.now += 10 * HOUR  # Monday 19:00
    assert "late" in city.who("off").read(f"/console/cases/{id_}").text
    city.now -= 9 * HOUR
    assert "3 working hours left" in city.who("off").read(f"/console/cases/{id_}").text
    (city.book.rules_folder / "z.toml").write_text(
        'title = "c"\nedition = "2"\nsource = "the test"\nverified = "U"\n[calendar]\nsource = "the test"\n'
        'verified = "U"\nknown_to = 2026-12-31\nhours = ["08:30-12:00"]\n',
        "utf-8",
    )
    page = city.who("off").read(f"/console/cases/{id_}")
    assert "3 working hours left" in page.text, "one before noon, two tomorrow"
    assert "deadline moved by the calendar" in page.text
    assert city.book.desk("root").get(id_).deadline > city.now + 20 * HOUR


def test_lists_are_filtered_ordered_and_read_page_by_page(city, monkeypatch):
    with_roads = [city.book.handled(code="2101", place=f"Lake Road {n}") for n in range(3)]
    for n in range(60):
        city.book.report(source="citizen", code="0102", place=f"<b>Mill</b> {n}")
    browser = city.who("off")
    page = browser.read("/console/cases")
    assert "Page 1 of 2, 63 in all" in page.text
    assert "<b>Mill</b> 59" in page.text
    assert "/console/cases/63" in page.links
    last = browser.read("/console/cases?page=2")
    assert "/console/cases/1" in last.links
    for query, expected in (
        ("state=handling", {1, 2, 3}),
        ("state=open&department=roads", {1, 2, 3}),
        ("q=Lake+Road+1", {2}),
        ("q=20261102000002", {2}),
        ("q=2&state=handling", {2, 3}),
        ("code=21", {1, 2, 3}),
        ("source=department", {1, 2, 3}),
        ("source=citizen&district=south", set()),
        ("state=late", set()),
        ("q=%25", set()),
        ("state=nonsense&source=citizen&q=Mill</b>+7", {11}),
    ):
        found = {link for link in browser.read(f"/console/cases?{query}").links if link and "/cases/" in link}
        assert found == {f"/console/cases/{n}" for n in expected}, query
    city.now += 100 * HOUR
    found = [link for link in browser.read("/console/cases?state=late").links if link and "/cases/" in link]
    assert len(found) == len(with_roads)
    rows = list(csv.DictReader(io.StringIO(browser.get("/console/cases.csv?department=roads&sort=id").text[1:])))
    assert [(one["id"], one["department"], one["code"]) for one in rows] == [
        (f"{n}", "roads", "2101") for n in (1, 2, 3)
    ]
    # Made in pieces while it is sent, in the same order as the list.
    monkeypatch.setattr(lists, "PIECE", 2)
    monkeypatch.setattr(sheet, "PIECE", 3)
    answer = browser.get("/console/cases.csv?sort=-id")
    rows = list(csv.DictReader(io.StringIO(answer.text[1:])))
    assert [int(one["id"]) for one in rows] == sorted(
        (one.id for one in city.book.desk("root").book.search()), reverse=True
    )
    assert {one["code_name"] for one in rows if one["code"] == "2101"} == {"Missing manhole cover"}
    assert "cases.csv" in answer.headers["content-disposition"]


def test_the_case_file_has_facts_law_evidence_with_digests_and_steps(city):
    alert = city.alert()
    browser = city.who("off")
    browser.send(browser.read(f"/console/add-case?alert={alert}"), "/console/add-case")
    city.act("off", 1, "file")
    page = browser.read("/console/cases/1/file")
    history = city.book.desk("root").book.events(1)
    for text in ("GB 12523-2025", "74.0 dB(A)", "SHA-256", history_digest(history), "Signed"):
        assert text in page.text, text
    city.act("off", 1, "comment", text="one more")
    assert history_digest(history) not in browser.read("/console/cases/1/file").text


@pytest.mark.parametrize("written", ["", "as it was told\nand a second line"])
def test_an_alerts_own_text_is_read_in_one_language_and_what_an_officer_wrote_whole(city, written):
    alert = city.alert()
    told = of_lines(city.alerts.rows()[-1]["text"])
    case = open_from_alert(city.book.desk("off"), city.book.folder / COMPLIANCE, alert, text=written)
    for there in (f"/console/cases/{case.id}", f"/console/cases/{case.id}/file"):
        en, zh = (city.who("off", lang).read(there).text for lang in ("en", "zh"))
        if written:
            assert written in en
            assert written in zh
        else:
            assert (en.count(told.zh), zh.count(told.en)) == (1, 1), "in the history, which is verbatim, alone"
            assert en.count(told.en) > 1 < zh.count(told.zh)


def test_the_evaluation_tells_rates_and_the_cases_behind_each_number(city):
    done = city.book.closed(place="a")
    city.book.fed_back(place="b")
    city.book.report(place="c", source="citizen", code="0102")
    city.now += 100 * HOUR
    browser = city.who("sup")
    page = browser.read("/console/evaluation?begin=2026-11-01&end=2026-11-30&by=department")
    assert "66.67 %" not in page.text, "reports are of no department yet"
    whole = browser.read("/console/evaluation?begin=2026-11-01&end=2026-11-30&by=all")
    assert "66.67 %" in whole.text, "filed of reported"
    assert "50.00 %" in whole.text, "closed of due"
    behind = [link for link in whole.links if link and link.endswith("measure=closed")]
    found = {link for link in browser.read(behind[0]).links if link and link.startswith("/console/cases/")}
    assert found == {f"/console/cases/{done.id}"}
    people = browser.read("/console/evaluation?begin=2026-11-01&end=2026-11-30&by=person")
    for link in people.links:
        if link and "measure=" in link:
            count = people.text  # every number leads to so many cases
            assert "/console/cases/" in "".join(filter(None, browser.read(link).links)), count
    rows = list(csv.DictReader(io.StringIO(browser.get("/console/evaluation.csv?by=area&begin=2026-11-01").text[1:])))
    assert (rows[0]["area"], rows[0]["accepted"], rows[0]["filed"], rows[0]["filing_rate"]) == (
        "north",
        "3",
        "2",
        "0.6667",
    )
    for query in ("begin=x", "begin=2026-11-30&end=2026-11-01", "begin=0001-01-01", "begin=2020-01-01&end=2026-01-01"):
        assert browser.get(f"/console/evaluation?{query}").status_code == 422, query


def send_file(city, name, id_, content, **more):
    """Attach a file on the page of a case, as a browser sends it."""
    there = f"/console/cases/{id_}"
    browser = city.who(name)
    fields = browser.read(there).form(f"{there}/attachments").fields | {"shows": "after"} | more
    headers = {"origin": city.site.url, "sec-fetch-site": "same-origin"}
    return browser.http.post(
        f"{there}/attachments", data=fields, files={"file": ("gate 三.jpg", content)}, headers=headers
    )


def test_a_photograph_is_attached_on_the_page_and_shown_without_exif(city):
    id_, content = city.book.handled().id, picture(turned=True)
    for _ in range(2):
        assert send_file(city, "han", id_, content, text="swept", seen="4").status_code == 303
    digest = hashlib.sha256(content).hexdigest()
    there = f"/console/cases/{id_}/attachments/{digest}"
    page = city.who("vie").read(f"/console/cases/{id_}")
    assert [attrs["src"] for tag, attrs in page.tags if tag == "img" and "attachments" in attrs["src"]] == [there]
    shown = city.who("vie").get(there)
    assert shown.headers["content-type"] == "image/jpeg"
    assert SECRET.encode() not in shown.content
    original = city.who("vie").get(f"{there}?original=1")
    assert original.content == content
    assert original.headers["content-disposition"].startswith("attachment")
    assert digest in city.who("vie").read(f"/console/cases/{id_}/file").text
    assert city.who("off-south").get(there).status_code == 404
    assert city.who("vie").get(f"/console/cases/{id_}/attachments/{'0' * 64}").status_code == 404
    assert city.book.history(id_)[-1] == "attach"
    assert city.book.history(id_).count("attach") == 1


def test_a_file_that_is_not_taken_is_told_on_the_page(city):
    id_ = city.book.handled().id
    refused = send_file(city, "han", id_, b"<html>no picture</html>", text="my remark")
    assert refused.status_code == 422
    assert "no JPEG" in Read(refused.text).text
    assert "my remark" in refused.text
    assert send_file(city, "han", id_, picture(), form_token="").status_code == 403
    browser = city.who("han")
    there = f"/console/cases/{id_}/attachments"
    assert browser.http.post(there, content=b"x" * 26_000_001, headers={"origin": city.site.url}).status_code == 413
    assert browser.post(there, {"seen": "4"}).status_code == 422
    for body in (b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n\xff\r\n--x--"):
        headers = {"origin": city.site.url, "content-type": "multipart/form-data; boundary=x"}
        assert browser.http.post(there, content=body, headers=headers).status_code in {403, 422}
    assert "attach" not in city.book.history(id_)
