"""Things that never send, as shops and their papers: of which district their verdicts are, and what they alarm."""

import pytest

from schemas.domains.folders import HERE
from schemas.domains.pack import Pack
from tests.hub.compliance.test_rulings import TEN, Port

DAY = 86_400
MERCHANTS = Pack(HERE / "merchants").rules
TIP = {"muck-received-near": Pack(HERE / "muck").rules["muck-received-near"]}
HEAT = {"heat-outdoors": Pack(HERE / "sanitation").rules["heat-outdoors"]}


@pytest.fixture
def port(tmp_path):
    port = Port(tmp_path, MERCHANTS)
    yield port
    port.close()


def days(port, many):
    for _ in range(many * 432):
        port.now += 200
        port.rulings._taken = port.now  # the hub has not paused
        port.rulings.take([])


def test_what_is_asked_once_a_day_and_stays_broken_is_one_alert(port):
    port.know(kind="shop", id="noodles", district="nansha", properties={"plate": "1"})
    days(port, 3)
    assert len(port.rows(rule="shop-agreement")) >= 2
    assert [row["state"] for row in port.rows("alert")] == ["firing"]
    since = int(port.now)
    port.know(
        **{
            "kind": "agreement",
            "id": "a-1",
            "from": since,
            "until": since + 300 * DAY,
            "properties": {"shop": "noodles"},
        }
    )
    days(port, 3)
    assert [row["state"] for row in port.rows("alert")] == ["resolved"]


def test_a_shop_that_lacks_its_agreement_is_of_its_district(port):
    port.know(kind="shop", id="noodles", district="nansha", properties={"plate": "1"})
    days(port, 2)
    (verdict, *_) = port.rows(rule="shop-agreement")
    assert (verdict["outcome"], verdict["district"]) == ("exceeded", "nansha")
    assert {row["district"] for row in port.rows("alert")} == {"nansha"}


def test_an_agreement_that_ends_is_of_the_district_of_its_shop(port):
    port.know(kind="shop", id="noodles", district="nansha", properties={"plate": "1"})
    until = int(port.now) + 10 * DAY
    port.know(
        **{
            "kind": "agreement",
            "id": "a-1",
            "from": int(port.now) - DAY,
            "until": until,
            "properties": {"shop": "noodles"},
        }
    )
    days(port, 2)
    assert {row["district"] for row in port.rows(rule="shop-agreement-ends")} == {"nansha"}


def test_a_shift_that_is_entered_when_its_day_is_over_is_judged_by_the_heat_of_its_area(tmp_path):
    port = Port(tmp_path, HEAT)
    day = int(port.now) - 10 * 3600
    port.know(kind="weather_area", id="town")
    port.know(
        **{
            "kind": "heat_forecast",
            "id": "f-1",
            "from": day,
            "until": day + DAY,
            "properties": {"area": "town", "max_c": 41},
        }
    )
    port.know(kind="beat", id="high-street", properties={"weather": "town"})
    days(port, 1)
    assert {row["outcome"] for row in port.rows(rule="heat-outdoors")} == {"compliant"}
    shift = {"from": day + 9 * 3600, "until": day + 11 * 3600, "properties": {"worker": "w-1", "beat": ["high-street"]}}
    port.know(**{"kind": "shift", "id": "s-1"} | shift)
    port.rulings.take([])
    (first, amended) = port.rows(rule="heat-outdoors")[:2]
    assert (amended["start"], amended["outcome"], amended["amends"]) == (first["start"], "exceeded", first["start"])
    port.close()


def test_a_dump_site_that_is_nearly_full_warns_on_the_day_itself(tmp_path):
    port = Port(tmp_path, TIP)
    port.know(kind="company", id="tip-co")
    port.know(kind="dump_site", id="tip", district="nansha", properties={"receiver": "tip-co", "volume_m3": 100.0})
    port.rulings.take([])
    for number, hours in enumerate((1, 2)):
        port.pass_time(TEN + hours * 3600)
        said = {"vehicle": "v", "project": "pit", "dump_site": "tip", "loaded_m3": 46.0}
        port.know(**{"kind": "manifest", "id": f"m-{number}", "from": int(port.now), "properties": said})
        assert port.rows("alert") == []
        port.pass_time(port.now + 400)
    (alert,) = port.rows("alert")
    assert (alert["state"], alert["severity"], alert["value"], alert["limit_value"]) == ("firing", "warning", 92.0, 100)
    assert "not broken yet" in alert["text"]
    assert "尚未违规" in alert["text"]
    assert "违规，" not in alert["text"].replace("尚未违规，", "")
    port.restart()
    port.pass_time(port.now + 1200)
    assert len(port.rows(rule="muck-received-near")) == 1
    port.close()
