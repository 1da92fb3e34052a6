"""Terminals over TLS, with certificates of a real authority: who is let in, and what still has to be proven."""

import socket
import ssl

import pytest

from deploy.certificates import CLIENT, SERVER, Authority, Pair
from hub.config.files import ConfigError, Jt808
from hub.intake.terminals.server import TerminalServer
from hub.registry.entries import Terminal as Entry
from hub.upkeep.checks.lines.terminals import check_terminals
from tests.hub.intake.frame_hub import until
from tests.hub.intake.terminals.terminal import CODE, Terminal, TerminalHub, fix, minute_of, registry
from tests.ports import free_port

PHONE = "013800000000"
PLAIN = 'certificate = "hub.crt"\nkey = "hub.key"\n'


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    authority.make()
    authority.issue(Pair(folder / "hub.crt", folder / "hub.key"), "hub", SERVER, ["127.0.0.1"])
    authority.issue(Pair(folder / "truck.crt", folder / "truck.key"), "truck", CLIENT, [])
    return folder


def speaking(folder, *, shown=False):
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    if shown:
        context.load_cert_chain(folder / "truck.crt", folder / "truck.key")
    return context


@pytest.mark.parametrize("required", [False, True], ids=["hub's certificate", "terminals' certificates, too"])
def test_a_fix_comes_over_tls_and_the_code_still_proves_whose_it_is(city, required):
    ca = 'ca = "ca.crt"\n' if required else ""
    with TerminalHub(city, registry("a"), f'a = "{CODE}"\n', PLAIN + ca) as hub:
        if required:
            with (
                pytest.raises((ssl.SSLError, ConnectionError, AssertionError)),
                Terminal(hub.port, PHONE, tls=speaking(city)) as nobody,
            ):
                nobody.authenticate()
        with Terminal(hub.port, PHONE, tls=speaking(city, shown=True)) as a:
            assert a.authenticate("another") == 1
            assert a.authenticate() == 0
            assert a.ask(0x0200, fix(minute_of(20 + required))) == 0
        with socket.create_connection(("127.0.0.1", hub.port), 20) as plain:
            plain.sendall(b"\x7e" * 40)
            plain.settimeout(60)
            until(lambda: _ends(plain), "plain text is not heard", 60)
        assert minute_of(20 + required) in [one.t for one in hub.moments("a")]


def _ends(line):
    try:
        return line.recv(4096) == b""
    except ConnectionResetError:
        return True


def test_check_tells_of_certificate_port_and_profile_before_a_terminal_does(city, tmp_path):
    files = {"certificate": city / "hub.crt", "key": city / "hub.key"}
    terminals = {"a": Entry(id="a", site="tower", phone=PHONE, profile="trwy")}

    def said(*, hub_runs=True, **settings):
        return [(one.state, one.text.en) for one in check_terminals(Jt808(**settings), terminals, hub_runs=hub_runs)]

    certificate, heard = said(port=1, **files)[-2:]
    assert "good until" in certificate[1]
    assert heard[0] == "ok"
    assert heard[1].endswith("TLS")
    (tmp_path / "no.key").write_text("no key")
    assert "cannot be used" in said(port=1, certificate=files["certificate"], key=tmp_path / "no.key")[0][1]
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        (found,) = said(port=taken.getsockname()[1], hub_runs=False)
        assert "cannot listen there" in found[1]
    (found,) = said()
    assert (found[0], "nobody listens" in found[1]) == ("warning", True)
    with pytest.raises(ConfigError, match=r"\[jt808\] certificate, key, ca: cannot be used"):
        TerminalServer(Jt808(port=1, certificate=files["certificate"], key=tmp_path / "no.key"))
    for wrong in ({"certificate": files["certificate"]}, {"ca": city / "ca.crt"}):
        with pytest.raises(ValueError, match="certificate and key"):
            Jt808(port=1, **wrong)
