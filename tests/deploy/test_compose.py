"""What can be known of the deployment without a container engine: that its parts fit each other."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from deploy.cli import app
from deploy.files import OWNERS
from hub.config.files import load_config
from hub.registry.live import load_registry

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SCHEMA = json.loads((ROOT / "tests" / "data" / "compose-subset.schema.json").read_text())
LASTING = ("mosquitto", "hub", "influxdb", "grafana", "proxy")


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def services():
    return compose()["services"]


def mounts(service):
    """Return what a service mounts of the host as {target: source}."""
    binds = [mount for mount in services()[service]["volumes"] if mount["type"] == "bind"]
    return {mount["target"]: in_plain(mount["source"]) for mount in binds}


def in_plain(source):
    """Return a path of the host, with Compose's variables at their defaults."""
    return Path(os.path.normpath(DEPLOY / re.sub(r"\$\{\w+:-(\w*)\}", r"\1", source)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder deploy as `fenceline deploy init` leaves it."""
    folder = tmp_path_factory.mktemp("deploy")
    shutil.copytree(DEPLOY, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    result = CliRunner().invoke(app, ["init", "--host", "fenceline.city.example", "--folder", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_the_file_is_as_the_compose_specification_says():
    errors = [f"{list(error.path)}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(compose())]
    assert errors == []


def test_docker_compose_takes_it(made, tmp_path):
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here")
    command = [docker, "compose", "--file", made / "compose.yaml", "--profile", "tools", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", services())
def test_every_mounted_file_is_in_the_project_or_made_by_init(service, made):
    for source in mounts(service).values():
        if source.is_relative_to(DEPLOY):
            assert (made / source.relative_to(DEPLOY)).exists(), source
        else:
            assert source.exists(), source
    for name in services()[service].get("secrets", ()):
        assert (made / compose()["secrets"][name]["file"]).is_file()


def test_every_mount_that_is_missing_is_an_error_and_not_an_empty_folder():
    for service in LASTING:
        for mount in services()[service]["volumes"]:
            if mount["type"] == "bind":
                assert mount["bind"] == {"create_host_path": False}
                assert mount["read_only"] is True


def test_each_container_can_read_what_it_is_given_and_no_other_can():
    """Each image runs as a user of its own, and the files that must stay secret are that user's alone."""
    users = {"mosquitto": 1883, "hub": 10001, "influxdb": 1000, "grafana": 472, "proxy": 10002}
    given = {}
    for service, user in users.items():
        sources = [source.relative_to(DEPLOY) for source in mounts(service).values() if source.is_relative_to(DEPLOY)]
        names = services()[service].get("secrets", ())
        sources += [Path(compose()["secrets"][name]["file"]) for name in names]
        for source in sources:
            owner = OWNERS.get(str(source))
            if owner:
                given.setdefault(str(source), set()).add(user)
                assert user in (owner.user, owner.group), source
                assert owner.mode & 0o007 == 0
            else:
                assert not re.search(r"\.key$|^secrets", str(source)), source
    assert given["secrets/influxdb-read-password"] == {472, 1000}
    assert all(len(users) == 1 for name, users in given.items() if name != "secrets/influxdb-read-password")
    assert re.search(r"--uid 10001\b", (DEPLOY / "Containerfile").read_text())


def test_only_the_broker_grafana_and_the_proxy_can_be_reached_from_other_machines_and_all_by_tls():
    published = {name: service.get("ports", []) for name, service in services().items()}
    open_ = {name: ports for name, ports in published.items() if any(not p.startswith("127.0.0.1:") for p in ports)}
    assert open_ == {"mosquitto": ["8883:8883"], "grafana": ["3000:3000"], "proxy": ["8443:8443"]}
    assert services()["grafana"]["environment"]["GF_SERVER_PROTOCOL"] == "https"
    assert re.findall(r"^listener .*", (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(), re.MULTILINE) == [
        "listener 8883"
    ]


@pytest.mark.parametrize("service", LASTING)
def test_every_service_is_pinned_watched_limited_restarted_and_its_log_rotated(service):
    told = services()[service]
    assert re.search(r":\d+\.\d+\.\d+$", told["image"])
    assert told["healthcheck"]["test"]
    assert told["restart"] == "unless-stopped"
    assert set(told["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert told["logging"]["options"]["max-size"]
    assert "no-new-privileges:true" in told["security_opt"]
    base = re.search(r"^FROM (\S+)", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    assert re.search(r":\d+\.\d+\.\d+-", base[1])


def test_no_secret_stands_in_the_environment():
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if re.search("TOKEN|PASSWORD|SECRET|URLS", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert str(value).startswith("/run/"), f"{name}: {variable}"


def test_every_volume_network_and_secret_is_declared_and_used():
    told, used = compose(), services().values()
    named = {mount["source"] for service in used for mount in service["volumes"] if mount["type"] == "volume"}
    assert named == set(told["volumes"])
    assert {network for service in used for network in service["networks"]} == set(told["networks"])
    assert {secret for service in used for secret in service.get("secrets", ())} == set(told["secrets"])


def test_services_share_a_network_with_those_they_talk_to_and_with_no_others():
    networks = {name: set(services()[name]["networks"]) for name in LASTING}
    talk = {("hub", "mosquitto"), ("hub", "influxdb"), ("grafana", "influxdb")} | {("hub", "proxy")}
    pairs = {(one, two) for one in LASTING for two in LASTING if one < two and networks[one] & networks[two]}
    assert pairs == talk


def test_every_variable_is_in_the_example_and_none_has_a_value_there():
    lines = [line for line in (DEPLOY / "env.example").read_text().splitlines() if line and not line.startswith("#")]
    assert all(line.endswith("=") for line in lines)
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())) - {"LANG"}
    assert {line[:-1] for line in lines} == asked


def test_the_hub_can_read_its_configuration_and_finds_its_files_where_compose_puts_them(made):
    config = load_config(made / "fenceline.toml")
    mounted = mounts("hub")
    for path in (config.registry.parent, config.broker.ca, config.broker.certificate, config.broker.key):
        assert f"/etc/fenceline/{path.relative_to(made)}" in mounted
    assert config.keys.parent == config.registry.parent
    told = services()
    assert str(config.data) in {volume["target"] for volume in told["hub"]["volumes"]}
    assert config.broker.host in told
    assert f"listener {config.broker.port}\n" in (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    assert config.store.bucket == told["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert told["hub"]["environment"]["INFLUXDB_V2_ORG"] == told["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_ORG"]
    assert f"127.0.0.1:{config.http.port}:{config.http.port}" in told["hub"]["ports"]


def test_the_hub_can_read_the_example_of_a_city(tmp_path):
    shutil.copy(DEPLOY / "fenceline.toml", tmp_path)
    (tmp_path / "city").mkdir()
    shutil.copy(DEPLOY / "registry.example.toml", tmp_path / "city" / "registry.toml")
    keys = tmp_path / "city" / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text("".join(f'fence-000{number} = "{os.urandom(32).hex()}"\n' for number in (1, 2)))

    registry = load_registry(load_config(tmp_path / "fenceline.toml"))

    assert sorted(registry.boards) == sorted(registry.keys) == ["fence-0001", "fence-0002"]
    assert registry.site_of("fence-0001").district == "north"


def test_the_broker_finds_its_files_where_compose_puts_them():
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    named = set(re.findall(r"^(?:\w+file|acl_file) (\S+)$", text, re.MULTILINE))
    assert len(named) == 4
    assert named <= set(mounts("mosquitto"))
    check = services()["mosquitto"]["healthcheck"]["test"]
    assert {word for word in check if word.startswith("/mosquitto/certs")} <= set(mounts("mosquitto"))
    # Its names must be the certificate's: the hub comes to mosquitto, and so does the check.
    assert check[check.index("-h") + 1] == "mosquitto"


def test_grafana_asks_influxdb_in_influxql_as_a_user_who_may_only_read():
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "influxdb.yaml").read_text())["datasources"]
    assert source["type"] == "influxdb"
    assert "version" not in source["jsonData"]  # without it InfluxQL; it would say Flux or SQL
    assert source["jsonData"]["dbName"] == load_config(DEPLOY / "fenceline.toml").store.bucket
    init = (DEPLOY / "influxdb" / "init" / "fenceline.sh").read_text()
    assert f"--username {source['basicAuthUser']} " in init
    assert source["secureJsonData"]["basicAuthPassword"] == "$__file{/run/secrets/influxdb-read-password}"
    assert "influxdb-read-password" in services()["grafana"]["secrets"]
    assert f"--db {source['jsonData']['dbName']} " in init


def test_grafana_shows_every_language_and_has_the_alert_rules():
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/fenceline.yaml").read_text())["providers"]
    shown = mounts("grafana")[provider["options"]["path"]]
    assert {path.parent.name for path in shown.glob("*/*.json")} == {"en", "zh"}
    alerting = [target for target in mounts("grafana") if target.startswith("/etc/grafana/provisioning/alerting/")]
    assert {Path(target).name for target in alerting} == {
        "rules.json",
        "policies.json",
        "contact-points.json",
        "templates.json",
    }


def stub(folder, answer):
    """Put a program `influx` into a folder, that writes down how it is called and prints an answer."""
    program = folder / "influx"
    program.write_text(f"#!/bin/sh\necho \"$*\" >>'{folder}/called'\nprintf '%s' '{answer}'\n")
    program.chmod(0o755)


def test_influxdb_is_given_a_reader_and_the_hub_a_token_that_only_writes(tmp_path):
    """InfluxDB 2 cannot be had here, so its command is a stub: what is shown is what it would be asked."""
    stub(tmp_path, '{"id": "0c", "token": "drawn-by-influxdb==", "permissions": ["write:bucket"]}')
    script = (DEPLOY / "influxdb" / "init" / "fenceline.sh").read_text()
    for deployed, here in (("/etc/influxdb2/hub/token", "token"), ("/run/secrets/influxdb-read-password", "password")):
        assert deployed in script
        script = script.replace(deployed, str(tmp_path / here))
    (tmp_path / "password").write_text("reads")
    (tmp_path / "script.sh").write_text(script)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment |= {"DOCKER_INFLUXDB_INIT_ORG": "fenceline", "DOCKER_INFLUXDB_INIT_BUCKET": "fenceline"}
    environment |= {"DOCKER_INFLUXDB_INIT_BUCKET_ID": "b1"}

    for _ in range(2):  # the second time there is nothing to do
        subprocess.run(["bash", tmp_path / "script.sh"], env=environment, check=True, capture_output=True)

    calls = (tmp_path / "called").read_text().splitlines()
    assert [call.split(" --")[0] for call in calls] == ["v1 dbrp create", "v1 auth create", "auth create"]
    assert "--read-bucket b1" in calls[1]
    assert "write" not in calls[1]
    assert "--write-bucket b1" in calls[2]
    assert "read-" not in calls[2]
    assert (tmp_path / "token").read_text().strip() == "drawn-by-influxdb=="


def test_influxdb_is_set_up_again_when_it_draws_no_token(tmp_path):
    stub(tmp_path, "")
    script = (DEPLOY / "influxdb" / "init" / "fenceline.sh").read_text()
    script = script.replace("/etc/influxdb2/hub/token", str(tmp_path / "token"))
    script = script.replace("/run/secrets/influxdb-read-password", os.devnull)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment |= {"DOCKER_INFLUXDB_INIT_ORG": "o", "DOCKER_INFLUXDB_INIT_BUCKET": "b"}
    assert subprocess.run(["bash", "-c", script], env=environment, check=False).returncode != 0
    assert not (tmp_path / "token").exists()


def copied():
    """Return what Containerfile copies, by where it goes."""
    lines = [line.split() for line in (DEPLOY / "Containerfile").read_text().splitlines() if line.startswith("COPY ")]
    return {source: words[-1] for words in lines for source in words[1:-1]}


def test_the_image_gets_the_whole_package_and_nothing_else():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    included = {name.removeprefix("/") for name in wheel["include"]}
    laid_out = {name for name in included if name.startswith("deploy/") and name != "deploy/*.py"}  # by `deploy init`
    assert included - laid_out <= set(copied())
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    assert set(copied()) == {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored


def test_the_image_has_a_fenceline_that_works(tmp_path):
    """Follow the Containerfile's steps in a virtual environment, on the locked packages that are installed here."""
    source = tmp_path / "src"
    for pattern, target in copied().items():
        for path in ROOT.glob(pattern):
            place = source / Path(target).relative_to("/src")
            if path.is_dir():
                shutil.copytree(path, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
    assert not list(source.rglob("*.key"))
    assert not list(source.rglob("keys.toml"))
    venv.create(tmp_path / "image", with_pip=False)
    (packages,) = (tmp_path / "image" / "lib").glob("python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", packages, source], check=True)
    shutil.rmtree(source)
    # The locked packages are those of this environment; this project's own code must be the image's.
    here = {path for path in sys.path if path.endswith("site-packages")}
    (packages / "locked.pth").write_text("\n".join(here))
    entrypoint = json.loads(re.search(r"^ENTRYPOINT (.*)", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)[1])
    assert entrypoint[:2] == ["fenceline", "run"]
    environment = {"PATH": os.environ["PATH"], "FENCELINE_LANG": "en"}
    command = [tmp_path / "image" / "bin" / "python", "-I", "-c"]
    run = "import sys, fenceline; sys.argv = sys.argv[1:]; fenceline.main()"

    def fenceline(*arguments):
        line = [*command, run, "fenceline", *arguments]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    where = subprocess.run(
        [*command, "import hub, deploy; print(hub.__file__, deploy.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(path).is_relative_to(packages) for path in where.stdout.split())
    for name in ("run", "deploy", "registry"):
        assert fenceline(name, "--help").returncode == 0, name
    assert fenceline("grafana", "build", "--check").returncode == 0
    refused = fenceline("run", "--config", "/etc/fenceline/missing.toml")
    assert (refused.returncode, "missing.toml" in refused.stderr) == (2, True), refused.stderr
