"""The units of deploy/systemd: what systemd says of them, and that they fit the hub and its pages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hub.config.files import load_config
from tests.conftest import require
from tests.markdown import read

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service")) + sorted((DEPLOY / "systemd").glob("*.timer"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
PROGRAM = "/opt/fenceline/bin/fenceline"


def settings(unit):
    """Return a unit's `[Service]` as {name: [values]}."""
    found = {}
    for line in unit.read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_it(unit, tmp_path):
    for one in UNITS:  # with a program that is there
        (tmp_path / one.name).write_text(one.read_text().replace(PROGRAM, sys.executable))
    command = [require("systemd"), "verify", "--man=no", "--generators=no", tmp_path / unit.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "fenceline" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_a_mistake_in_a_unit_is_found(tmp_path):
    wrong = tmp_path / "fenceline-hub.service"
    text = SERVICES[-1].read_text().replace(PROGRAM, sys.executable)
    wrong.write_text(text.replace("ProtectSystem=strict", "ProtectSystem=very"))
    done = subprocess.run(
        [require("systemd"), "verify", "--man=no", "--generators=no", wrong],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "protect system" in done.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_shut_in(unit):
    """systemd's own measure: 0 is shut in, 10 is open. A service without any such setting has 9.6."""
    command = [require("systemd"), "security", "--offline=true", "--threshold=15", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_hub_may_do_what_it_must():
    hub = settings(DEPLOY / "systemd" / "fenceline-hub.service")
    # The kernel's word on the clock is a witness of the hub's; ProtectClock= would forbid to ask for it.
    assert "adjtimex" in (DEPLOY.parent / "hub" / "process" / "clock_trust.py").read_text()
    assert "adjtimex" in hub["SystemCallFilter"][0]
    assert "ProtectClock" not in hub
    # It makes its consumers nicer, which needs no right; the filter must leave it.
    assert not any("@resources" in one for one in hub["SystemCallFilter"])
    # Only the first process is told to end, as under compose.
    assert hub["KillMode"] == ["mixed"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["hub"]
    assert hub["TimeoutStopSec"] == [compose["stop_grace_period"].removesuffix("s")]
    assert hub["MemoryMax"] == [compose["deploy"]["resources"]["limits"]["memory"]]
    assert hub["UMask"] == ["0077"]


def page():
    return read(DEPLOY / "systemd" / "README.md")


def test_the_pages_configuration_is_one_and_fits_the_units(tmp_path):
    (text,) = [block.text for block in page().blocks if block.language == "toml"]
    (tmp_path / "fenceline.toml").write_text(text)
    config = load_config(tmp_path / "fenceline.toml")
    assert str(config.data) == f"/var/lib/{settings(SERVICES[-1])['StateDirectory'][0]}"
    assert config.http.host == "127.0.0.1"
    assert str(config.broker.ca.parent) == str(tmp_path / "certs")


def test_the_command_that_makes_mosquittos_configuration_leaves_no_path_of_a_container(tmp_path):
    (line,) = [line for block in page().blocks for line in block.text.splitlines() if "mosquitto.conf >" in line]
    made = subprocess.run(
        ["sh", "-c", line.partition(" > ")[0]], cwd=DEPLOY, capture_output=True, text=True, check=True
    ).stdout
    told = [line for line in made.splitlines() if not line.startswith("#")]
    assert not [line for line in told if re.search(r"\s/mosquitto/", line)], made
    assert "cafile /etc/mosquitto/certs/ca.crt" in told
    assert any(line.startswith("plugin /usr/lib/") for line in told)
    # What Debian's own mosquitto.conf says already would be refused as said twice.
    assert not [line for line in told if line.startswith(("persistence ", "persistence_location", "log_dest"))]


def test_every_file_that_the_page_installs_is_made_or_there():
    text = "\n".join(block.text for block in page().blocks)
    for name in re.findall(r"(?<![/\w])((?:systemd|caddy)/[\w.-]+)", text):
        assert (DEPLOY / name).exists(), name
    for unit in UNITS:
        assert unit.name in text
