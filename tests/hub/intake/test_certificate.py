"""A broker that no longer takes the hub's certificate is told of in a few lines that name it, and is not stormed."""

import datetime as dt
import time

import msgspec
import pytest

import deploy.certificates
from deploy.certificates import CLIENT, Authority, Pair
from hub.config.files import Broker, ConfigError
from hub.intake.broker import Link
from hub.intake.certificate import NOTHING, remark
from tests.conftest import require
from tests.deployed_broker import DeployedBroker


@pytest.fixture
def broker(tmp_path):
    broker = DeployedBroker(require("mosquitto"), tmp_path)
    try:
        broker.wait()
        yield broker
    finally:
        broker.stop()


def settings(broker, name):
    files = broker.certificates
    return Broker(
        host="127.0.0.1",
        port=broker.port,
        client_id=name,
        ca=files / "ca.crt",
        certificate=files / f"{name}.crt",
        key=files / f"{name}.key",
    )


def issue(broker, name, days, monkeypatch):
    monkeypatch.setattr(deploy.certificates, "DAYS", days)
    pair = Pair(broker.certificates / f"{name}.crt", broker.certificates / f"{name}.key")
    Authority(broker.certificates).issue(pair, name, CLIENT)
    return settings(broker, name)


def listen(link, seconds):
    """Let a link work; return how often it came round."""
    rounds, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        link.receive(100, 0.2)
        rounds += 1
    return rounds


def test_an_expired_certificate_is_named_and_the_broker_is_asked_ever_more_rarely(broker, monkeypatch, caplog):
    link = Link(issue(broker, "hub", 0, monkeypatch))
    rounds = listen(link, 3)
    link.close()
    lines = [record.getMessage() for record in caplog.records]
    assert 1 <= len(lines) < 20
    assert any("hub.crt has expired: it ended on" in line for line in lines)
    assert any("fenceline deploy init" in line for line in lines)
    assert rounds < 100, "it waits between two looks"
    assert not link.connected


def test_a_key_of_another_certificate_is_named_as_that(broker, monkeypatch):
    wrong = msgspec.structs.replace(
        issue(broker, "hub", 400, monkeypatch), key=issue(broker, "other", 400, monkeypatch).key
    )
    with pytest.raises(ConfigError, match=r"the key is not that of the certificate; look at .*other\.key") as told:
        Link(wrong)
    assert "_ssl.c" not in str(told.value)
    wrong.key.write_text("nonsense")
    with pytest.raises(ConfigError, match="one of them is no PEM"):
        Link(wrong)


def test_a_certificate_that_ends_soon_is_warned_of_and_a_good_one_is_not(broker, monkeypatch, caplog):
    caplog.set_level("INFO")
    for days, warned in ((20, True), (400, False)):
        caplog.clear()
        link = Link(issue(broker, "hub", days, monkeypatch))
        listen(link, 1)
        assert link.connected
        link.close()
        assert any("hub.crt ends on" in record.getMessage() for record in caplog.records) is warned


def test_what_is_said_of_a_certificate(broker, monkeypatch):
    found = issue(broker, "hub", 400, monkeypatch)
    assert remark(found) == (True, NOTHING)
    now = dt.datetime.now(dt.UTC)
    assert remark(found, now + dt.timedelta(days=380))[0]
    assert "in 19 days" in remark(found, now + dt.timedelta(days=380))[1].en
    assert "还有 19 天" in remark(found, now + dt.timedelta(days=380))[1].zh
    assert not remark(found, now + dt.timedelta(days=401))[0]
    assert remark(Broker()) == (True, NOTHING)
    found.certificate.write_text("nonsense")
    good, said = remark(found)
    assert (good, said.en) == (False, f"{found.certificate} cannot be read; run 'fenceline check'")
