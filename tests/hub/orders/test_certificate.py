"""A board's new certificate is looked through before it is sent: no board is to try what cannot be right."""

from pathlib import Path

import pytest

from deploy import certificates
from deploy.certificates import CLIENT, Authority, Pair
from edge import rekey
from edge.message import Signer
from hub.orders import certificate
from hub.orders.certificate import order_settings
from hub.orders.kinds import OrderError
from hub.wire.sealing import disclose

KEY = bytes(range(32))
BOARD = "fence-1"


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    Authority(folder).make()
    return folder


def issued(city, folder, name=BOARD):
    folder.mkdir(exist_ok=True)
    Authority(city).issue(Pair(folder / "board.crt", folder / "board.key"), name, CLIENT)
    return [(folder / "board.crt").read_bytes(), (folder / "board.key").read_bytes()]


def refusal(files, trusted=b""):
    with pytest.raises(OrderError) as caught:
        order_settings(BOARD, files, KEY, trusted)
    return caught.value.text.en


@pytest.mark.parametrize("with_ca", [True, False])
def test_the_board_gets_the_very_files_in_whatever_order_they_are_named(city, tmp_path, with_ca):
    cert, key = issued(city, tmp_path)
    ca = (city / "ca.crt").read_bytes()
    trusted = b"" if with_ca else ca
    (sealed,) = order_settings(BOARD, [key, *([ca] if with_ca else []), cert], KEY, trusted).values()
    assert b"PRIVATE" not in sealed.encode()
    tls = {part: str(tmp_path / f"there.{part}") for part in rekey.PARTS}
    named = rekey.lay_out(tls, sealed, Signer(KEY))
    there = [Path(named[part]).read_bytes() for part in ("certificate", "key")]
    assert there == [cert, key]
    assert (tmp_path / "there.ca.next").exists() == with_ca
    assert disclose(sealed, KEY).startswith(f"{len(cert)} {len(key)} {len(ca) if with_ca else 0}\n".encode())


def test_two_authorities_fit_a_packet_while_one_takes_the_others_place(city, tmp_path):
    Authority(tmp_path / "next").make()
    both = (city / "ca.crt").read_bytes() + (tmp_path / "next" / "ca.crt").read_bytes()
    sealed = order_settings("a" * 32, [*issued(city, tmp_path / "own", "a" * 32), both], KEY)["sealed"]
    assert len(sealed) <= rekey.MOST
    tls = {part: str(tmp_path / f"there.{part}") for part in rekey.PARTS}
    rekey.lay_out(tls, sealed, Signer(KEY))
    assert (tmp_path / "there.ca.next").read_bytes() == both


def test_what_is_not_this_boards_is_refused(city, tmp_path):
    cert, key = issued(city, tmp_path / "one")
    other, other_key = issued(city, tmp_path / "two")
    assert "0 certificates of 'fence-1'" in refusal(issued(city, tmp_path / "foreign", "fence-2"))
    assert "0 keys" in refusal([cert])
    assert "2 keys" in refusal([cert, key, other_key])
    assert "2 certificates" in refusal([cert, other, key])
    assert "not that of the certificate" in refusal([cert, other_key])
    assert "cannot be read" in refusal([cert.replace(b"MII", b"!!!"), key])
    assert "0 certificates" in refusal([b"nonsense", b""])
    assert "cannot be read" in refusal([cert, key.replace(b"MI", b"!!")])


def test_one_of_another_authority_is_refused_by_those_that_are_given_or_the_hubs_own(city, tmp_path):
    files = issued(city, tmp_path / "one")
    Authority(tmp_path / "foreign").make()
    foreign = (tmp_path / "foreign" / "ca.crt").read_bytes()
    assert "none of the authorities" in refusal([*files, foreign])
    assert "none of the authorities" in refusal(files, foreign)
    assert order_settings(BOARD, files, KEY, (city / "ca.crt").read_bytes())


def test_one_that_ends_soon_and_one_that_is_too_large_are_refused(city, tmp_path, monkeypatch):
    files = issued(city, tmp_path / "large")
    authorities = [(city / "ca.crt").read_bytes()] * 5
    assert "a board takes 2700" in refusal([*files, *authorities])
    monkeypatch.setattr(certificates, "DAYS", 20)
    assert "ends in" in refusal(issued(city, tmp_path / "soon"))
    assert certificate.LEAST_DAYS > 20
    assert certificate.LEAST_DAYS < certificates.RENEW_BEFORE
