"""Verdicts on things that never send are of a district, so that its officers see them."""

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


def test_a_shop_that_lacks_its_agreement_is_of_its_district(port):
    port.know(kind="shop", id="noodles", district="nansha", properties={"plate": "1"})
    port.pass_time(port.now + DAY + 3600)
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
    port.pass_time(port.now + DAY + 3600)
    assert {row["district"] for row in port.rows(rule="shop-agreement-ends")} == {"nansha"}
