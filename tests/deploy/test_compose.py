"""What can be known of the deployment without a container engine: that its parts fit each other."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from hub.config import load_config
from hub.registry import load_registry

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MADE_BY_THE_OPERATOR = ("certs", "registry.toml", "keys.toml")


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def mounts(service):
    """Return what a service mounts as {target: source}, named volumes left out."""
    pairs = (mount.split(":")[:2] for mount in compose()["services"][service]["volumes"])
    return {target: DEPLOY / source for source, target in pairs if source.startswith(".")}


def variables(text):
    return set(re.findall(r"\$\{(\w+)", text))


@pytest.mark.parametrize("service", compose()["services"])
def test_every_mounted_file_exists_or_the_readme_says_how_to_make_it(service):
    readme = (DEPLOY / "README.md").read_text()
    for source in mounts(service).values():
        made = source.relative_to(DEPLOY).parts[0] in MADE_BY_THE_OPERATOR
        assert (source.relative_to(DEPLOY).parts[0] in readme) if made else source.exists(), source


def test_only_the_brokers_tls_port_is_open_to_others():
    published = {name: service.get("ports", []) for name, service in compose()["services"].items()}
    assert published.pop("mosquitto") == ["8883:8883"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_variable_is_in_the_example_and_none_has_a_value_there():
    lines = [line for line in (DEPLOY / "env.example").read_text().splitlines() if line and not line.startswith("#")]
    assert all(line.endswith("=") for line in lines)
    assert {line[:-1] for line in lines} == variables((DEPLOY / "compose.yaml").read_text())


def test_the_hub_can_read_its_configuration_and_finds_its_files_where_compose_puts_them():
    config = load_config(DEPLOY / "fenceline.toml")
    mounted = mounts("hub")
    for path in (config.registry, config.keys, config.broker.ca, config.broker.certificate, config.broker.key):
        assert f"/etc/fenceline/{path.relative_to(DEPLOY)}" in mounted
    services = compose()["services"]
    assert str(config.data) in {volume.split(":")[1] for volume in services["hub"]["volumes"]}
    assert config.broker.host in services
    assert f"listener {config.broker.port}\n" in (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    assert config.store.bucket == services["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]


def test_the_hub_can_read_the_example_of_a_city(tmp_path):
    shutil.copy(DEPLOY / "fenceline.toml", tmp_path)
    shutil.copy(DEPLOY / "registry.example.toml", tmp_path / "registry.toml")
    recipe = next(line for line in (DEPLOY / "README.md").read_text().splitlines() if "openssl rand" in line)
    subprocess.run(["sh", "-c", f"umask 077; {recipe.strip()}"], cwd=tmp_path, check=True)

    registry = load_registry(load_config(tmp_path / "fenceline.toml"))

    assert sorted(registry.boards) == sorted(registry.keys) == ["fence-0001", "fence-0002"]
    assert registry.site_of("fence-0001").district == "north"


def test_the_broker_finds_its_files_where_compose_puts_them():
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    named = set(re.findall(r"^(?:\w+file|acl_file) (\S+)$", text, re.MULTILINE))
    assert len(named) == 4
    assert named <= set(mounts("mosquitto"))


def test_grafana_asks_influxdb_in_influxql_and_shows_every_language():
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "influxdb.yaml").read_text())["datasources"]
    environment = compose()["services"]["grafana"]["environment"]
    assert source["type"] == "influxdb"
    assert "version" not in source["jsonData"]  # without it InfluxQL; it would say Flux or SQL
    assert source["jsonData"]["dbName"] == load_config(DEPLOY / "fenceline.toml").store.bucket
    assert set(re.findall(r"\$(\w+)", str(source))) <= set(environment)

    (provider,) = yaml.safe_load((provisioning / "dashboards" / "fenceline.yaml").read_text())["providers"]
    shown = mounts("grafana")[provider["options"]["path"]]
    assert sorted(path.parent.name for path in shown.glob("*/site.json")) == ["en", "zh"]


def test_the_image_gets_the_whole_package_and_nothing_else():
    copied = {
        source
        for line in (DEPLOY / "Containerfile").read_text().splitlines()
        if line.startswith("COPY ")
        for source in line.split()[1:-1]
    }
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["include"]) <= copied
    assert all((ROOT / source).exists() for source in copied)
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    assert copied == {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
