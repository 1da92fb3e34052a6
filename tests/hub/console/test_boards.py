"""A board's page: what it is to do and says, orders given and answered, by role and district, in both languages."""

import json
import time
from contextlib import closing

import pytest

from hub.orders.book import OrderBook
from hub.orders.desired.book import DesiredBook
from hub.orders.tables import PART
from hub.orders.waves.book import RolloutBook
from hub.storage.compliance_file import open_compliance
from hub.wire.messages import Event, Reply
from schemas import domains
from tests.hub.console.pages import Read
from tests.hub.helpers import CITY

HERE = "/console/fleet/fence-1"


@pytest.fixture
def technicians(city):
    with city.users() as (access, _):
        access.add("zhang", "technician", time.time(), "root")
        access.add("li", "technician", time.time(), "root")
        access.add("south", "technician", time.time(), "root", ("south",))
    return city


def orders(city):
    with closing(open_compliance(city.config.data / "compliance.db", PART)) as db:
        return OrderBook(db).search()


def desired(city, device="fence-1"):
    with closing(open_compliance(city.config.data / "compliance.db", PART)) as db:
        return DesiredBook(db).settings("board", device)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_technician_gives_an_order_and_sees_what_came_of_it(technicians, lang):
    city = technicians
    zhang = city.browser("zhang", lang)
    page = zhang.read(HERE)
    given = {"what": "relay", "on": "1", "minutes": "30", "reason": "Dust <b>now</b>"}
    for _ in range(2):  # sent twice, it is one order
        assert zhang.send(page, f"{HERE}/order", **given).headers["location"] == f"{HERE}?done=order"
    (order,) = orders(city)
    assert (order.device, order.what, order.told, order.who) == (
        "fence-1",
        "relay",
        {"on": True, "minutes": 30},
        "zhang",
    )
    shown = zhang.read(HERE)
    assert "Dust <b>now</b>" in shown.text
    with closing(open_compliance(city.config.data / "compliance.db", PART)) as db:
        book = OrderBook(db)
        signed = book.sign(order, time.time(), 0)
        reply = {"id": signed.command_id, "t": 1, "ok": False, "detail": "no relay here", "mac": "0" * 64}
        book.answer([signed], Reply(**reply), time.time())
    assert "no relay here" in zhang.read(HERE).text
    listed = zhang.read("/console/orders")
    assert "no relay here" in listed.text
    assert HERE in listed.links
    assert "no relay here" not in zhang.read("/console/orders?open=1").text
    assert "no relay here" not in zhang.read("/console/orders?board=fence-2").text


def test_how_a_board_is_to_work_is_changed_and_what_it_says_of_it_is_seen(technicians):
    city = technicians
    zhang = city.browser("zhang")
    page = zhang.read(HERE)
    assert "as its own file says" in page.text
    assert zhang.send(page, f"{HERE}/config", interval="30", period="2.5", reason="night").status_code == 303
    assert desired(city) == {"interval": 30, "period": 2.5}
    page = zhang.read(HERE)
    assert "pending" in page.text
    assert page.form(f"{HERE}/config").fields["interval"] == "30"
    with closing(open_compliance(city.config.data / "compliance.db", PART)) as db:
        book = DesiredBook(db)
        book.revise(CITY, time.time(), lambda: 0)
        revision = book.told("fence-1").revision
        detail = {"revision": revision, "problem": "period: no <i>sensor</i> is so slow"}
        book.hear("fence-1", Event(t=1, event="config", mac="0" * 64, n=1, detail=detail), time.time())
    text = zhang.read(HERE).text
    assert "Refused because: period: no <i>sensor</i> is so slow" in text
    # Empty again: the site, or the board's own file, decides.
    assert zhang.send(zhang.read(HERE), f"{HERE}/config", interval="", period="").status_code == 303
    assert desired(city) == {}


def test_what_a_board_would_refuse_and_what_is_no_order_is_told_and_stays_in_the_form(technicians):
    zhang = technicians.browser("zhang")
    page = zhang.read(HERE)
    for fields, words in (
        ({"interval": "7"}, "boards would refuse it: interval"),
        ({"period": "soon"}, "Expected a number"),
        ({"period": "nan"}, "period"),
        ({"period": "1e999"}, "period"),
        ({"relay": "on"}, "Expected a rule as JSON"),
        ({"relay": '{"quantity": "pm10"}'}, "relay"),
        ({"relay": '{"quantity": "pm10", "on": NaN, "off": 1}'}, "relay"),
        ({"relay": "[" * 3000}, "Expected a rule as JSON"),
    ):
        answer = zhang.send(page, f"{HERE}/config", reason="why not", **fields)
        assert answer.status_code == 422, fields
        refused = Read(answer.text)
        assert words in refused.text
        assert refused.form(f"{HERE}/config").fields["reason"] == "why not"
    assert desired(technicians) == {}
    for fields in ({"what": ""}, {"what": "update"}, {"what": "renew-certificate"}, {"what": "live", "minutes": "0"}):
        assert zhang.send(page, f"{HERE}/order", **fields).status_code == 422, fields
    assert orders(technicians) == []


def test_of_two_who_want_the_contrary_the_second_reads_the_first_and_decides(technicians):
    zhang, li = (technicians.browser(name) for name in ("zhang", "li"))
    pages = [one.read(HERE) for one in (zhang, li)]
    assert zhang.send(pages[0], f"{HERE}/order", what="relay", on="1").status_code == 303
    refused = li.send(pages[1], f"{HERE}/order", what="relay", on="0", reason="quiet please")
    assert refused.status_code == 409
    page = Read(refused.text)
    assert "zhang has decided meanwhile" in page.text
    assert page.form(f"{HERE}/order").fields["reason"] == "quiet please"
    assert len(orders(technicians)) == 1
    assert li.send(page, f"{HERE}/order").status_code == 303, "who has read it may go on"
    assert [one.told["on"] for one in orders(technicians)] == [False, True]
    # And with contrary configurations.
    pages = [one.read(HERE) for one in (zhang, li)]
    assert zhang.send(pages[0], f"{HERE}/config", interval="10").status_code == 303
    refused = li.send(pages[1], f"{HERE}/config", interval="60")
    assert refused.status_code == 409
    page = Read(refused.text)
    assert "zhang has decided meanwhile" in page.text
    assert desired(technicians) == {"interval": 10}
    assert li.send(page, f"{HERE}/config").status_code == 303
    assert desired(technicians) == {"interval": 60}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_templates_are_changed_by_whom_they_concern_and_two_admins_do_not_undo_each_other(technicians, lang):
    city = technicians
    pack = f"/console/templates/pack/{domains.pack_at(CITY.sites['tower'].kind).id}"
    site = "/console/templates/site/tower"
    with city.users() as (access, _):
        access.add("chen", "admin", time.time(), "root")
    root, chen, zhang, south = (city.browser(name, lang) for name in ("root", "chen", "zhang", "south"))
    assert {pack} <= set(root.read("/console/templates").links)
    assert {site, pack} <= set(zhang.read(HERE).links)
    pages = [one.read(pack) for one in (root, chen)]
    assert root.send(pages[0], f"{pack}#shipped", reason="one way for all").status_code == 303
    refused = chen.send(pages[1], pack, interval="60", reason="less")
    assert refused.status_code == 409
    assert Read(refused.text).form(pack).fields["reason"] == "less"
    shown = chen.read(pack)
    assert "one way for all" in shown.text
    assert "fence-1" in shown.text
    assert f"{pack}#shipped" not in [form.action for form in shown.forms], "there is nothing left to take over"

    assert zhang.send(zhang.read(site), site, raw="true", brokers="a.example, b.example:1883").status_code == 303
    with closing(open_compliance(city.config.data / "compliance.db", PART)) as db:
        book = DesiredBook(db)
        assert book.settings("site", "tower") == {"raw": True, "brokers": ["a.example", "b.example:1883"]}
        assert book.desired(CITY, "fence-1")["interval"] == 10
    answer = zhang.send(zhang.read(site), site, sensors='[{"name": "<b>dust</b>"}]')
    assert answer.status_code == 422
    assert Read(answer.text).form(site).fields["sensors"] == '[{"name": "<b>dust</b>"}]'
    assert site in root.read("/console/templates").links
    assert site in root.read("/console/audit").links

    # A pack's template is an admin's business, and the whole city's; a site's is its district's.
    assert pack not in [form.action for form in zhang.read(pack).forms]
    forged = zhang.read(site).form(site).fields | {"interval": "60"}
    assert zhang.post(pack, forged).status_code == 403
    assert pack not in south.read("/console/templates").links
    assert site not in south.read("/console/templates").links
    for address in (pack, site, "/console/templates/pack/nobody", "/console/templates/site/nobody"):
        assert south.get(address).status_code == 404, address
        assert south.post(address, forged).status_code in (403, 404), address


def test_who_only_reads_has_no_form_and_who_is_of_another_district_no_page(technicians):
    viewer, south = technicians.browser("inspector"), technicians.browser("south")
    page = viewer.read(HERE)
    assert [form.action for form in page.forms if form.action.startswith(HERE)] == []
    forged = technicians.browser("zhang").read(HERE).form(f"{HERE}/order").fields | {"what": "reboot"}
    assert viewer.post(f"{HERE}/order", forged).status_code == 403
    assert south.get(HERE).status_code == 404
    assert south.post(f"{HERE}/order", forged).status_code in (403, 404)
    assert south.get("/console/fleet/stack-1").status_code == 200
    assert south.get("/console/waves").status_code == 404
    zhang = technicians.browser("zhang")
    zhang.send(zhang.read(HERE), f"{HERE}/order", what="ping")
    assert "fence-1" not in south.read("/console/orders").text
    assert zhang.get("/console/fleet/nobody").status_code == 404
    assert len(orders(technicians)) == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_version_that_halted_says_why(technicians, lang):
    root = technicians.browser("root", lang)
    assert {HERE, "/console/orders", "/console/waves"} <= set(root.read("/console/fleet").links)
    assert root.get("/console/waves").status_code == 200
    with closing(open_compliance(technicians.config.data / "compliance.db", PART)) as db:
        why = json.dumps(["2 of 2 boards failed", "2台中2台失败"])
        now = time.time()
        db.execute(
            "INSERT INTO rollout (version, waves, tolerate, watch, downgrade, who, reason, made, state, heard, why) "
            "VALUES ('0.2.0', '[1, 100]', 2, 60, 0, 'zhang', 'class 1', ?, 'halted', 0, ?)",
            (now, why),
        )
        assert RolloutBook(db).newest()
    text = root.read("/console/waves").text
    assert "0.2.0" in text
    assert ("2 of 2 boards failed" if lang == "en" else "2台中2台失败") in text
