"""Things that never send, as shops and their papers: of which district their verdicts are, and what they alarm."""

import pytest

from schemas.domains.folders import HERE
from schemas.domains.pack import Pack
from tests.hub.compliance.test_rulings import Port

DAY = 86_400
MERCHANTS = Pack(HERE / "merchants").rules


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
