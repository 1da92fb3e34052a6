"""`fenceline grafana push`: what it brings, what it leaves alone, and what it says when it may not."""

import json
import ssl
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dashboards import Lang, files
from dashboards.push import same
from deploy.certificates import SERVER, Authority, Pair
from fenceline import main
from schemas.errors import UserError
from tests.grafana_server import EDITOR, VIEWER

STORE = ("--store-url", "http://influxdb:8086")
OWN_BOARD = {"uid": "theirs", "title": "Lunch menu", "tags": [], "panels": []}
MATCH = [["fenceline", "=", "operations"]]


def steps(result):
    assert result.exit_code == 0, result.output + str(result.exception)
    return {(step["kind"], step["name"]): step["action"] for step in json.loads(result.stdout)["steps"]}


def uids(*languages):
    return {json.loads(text)["uid"] for lang in languages for text in files(lang).values()}


def refused(result):
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def test_a_first_push_brings_everything_and_a_second_one_changes_nothing(server, run):
    first = steps(run("push", server.url, *STORE, "--json"))

    assert set(first.values()) == {"create"}
    assert set(server.dashboards) == uids(*Lang)
    assert set(server.folders) == {"fenceline-en", "fenceline-zh", "fenceline-alerts"}
    assert set(server.rules) == {"fenceline-hub-silent", "fenceline-store-behind", "fenceline-district-silent"}
    assert server.intervals["fenceline-alerts", "fenceline-districts"] == 300
    source = server.datasources["fenceline"]
    assert (source["url"], source["jsonData"]["dbName"]) == ("http://influxdb:8086", "fenceline")
    assert "version" not in source["jsonData"]  # InfluxQL

    before, server.changes = server.state(), []
    again = steps(run("push", server.url, *STORE, "--json"))

    assert set(again.values()) == {"keep"}
    assert server.changes == []
    assert server.state() == before


def test_a_dry_run_shows_what_would_change_and_changes_nothing(server, run):
    shown = run("push", server.url, *STORE, "--dry-run")

    assert shown.exit_code == 0
    assert server.changes == []
    assert "fenceline-hub-silent" in shown.stdout
    assert "would be created" in shown.stdout
    assert "none made" in shown.stdout
    assert "将创建" in run("push", server.url, *STORE, "--dry-run", FENCELINE_LANG="zh").stdout


def test_one_language_brings_its_dashboards_and_its_words(server, run):
    steps(run("push", server.url, *STORE, "--lang", "zh", "--json"))
    assert set(server.dashboards) == uids(Lang.ZH)
    assert server.rules["fenceline-hub-silent"]["title"] == "数据中心无响应"

    changed = steps(run("push", server.url, *STORE, "--lang", "both", "--json"))
    # The same rules with other words: a second set would tell everybody everything twice.
    assert changed["alert rule", "fenceline-hub-silent"] == "update"
    assert len(server.rules) == 3
    assert "The hub is silent" in server.rules["fenceline-hub-silent"]["title"]


def test_what_is_not_ours_stays_as_it_is(server, run):
    server.folders["home"] = {"uid": "home", "title": "Home", "version": 1}
    server.dashboards["theirs"] = {"dashboard": OWN_BOARD | {"version": 3}, "meta": {"folderUid": "home"}}
    server.add_point(
        {"uid": "night", "name": "night shift", "type": "email", "settings": {"addresses": "n@city.example"}}
    )
    theirs = {"receiver": "night shift", "object_matchers": [["team", "=", "it"]], "continue": True}
    server.tree = {"receiver": "night shift", "group_by": ["alertname"], "group_wait": "1m", "routes": [theirs]}
    board, points = server.dashboards["theirs"], dict(server.points)

    steps(run("push", server.url, *STORE, "--json"))

    assert server.dashboards["theirs"] == board
    assert {uid: server.points[uid] for uid in points} == points
    assert server.tree["routes"][1] == theirs
    assert server.tree["routes"][0]["object_matchers"] == MATCH
    assert (server.tree["receiver"], server.tree["group_wait"]) == ("night shift", "1m")
    # Nobody is locked out of the tree in Grafana's own pages.
    assert not server.tree.get("provenance")


def test_what_people_set_on_ours_stays(server, run):
    steps(run("push", server.url, *STORE, "--json"))
    server.rules["fenceline-district-silent"]["isPaused"] = True
    server.folders["fenceline-zh"]["title"] = "看板"
    server.folders["elsewhere"] = {"uid": "elsewhere", "title": "Elsewhere", "version": 1}
    server.dashboards["fenceline-site-en"]["meta"]["folderUid"] = "elsewhere"
    server.dashboards["fenceline-site-en"]["dashboard"]["title"] = "An old title"
    own_rule = server.rules["fenceline-hub-silent"] | {"uid": "their-rule", "title": "Theirs"}
    server.rules["their-rule"] = own_rule
    server.intervals["fenceline-alerts", "fenceline-hub"] = 10

    done = steps(run("push", server.url, *STORE, "--lang", "en", "--json"))

    assert done["dashboard", "fenceline-site-en"] == "update"
    assert done["rule group", "fenceline-hub"] == "update"
    assert server.dashboards["fenceline-site-en"]["meta"]["folderUid"] == "elsewhere"
    assert server.rules["fenceline-district-silent"]["isPaused"] is True
    assert server.folders["fenceline-zh"]["title"] == "看板"
    assert server.intervals["fenceline-alerts", "fenceline-hub"] == 60
    assert server.rules["their-rule"]["title"] == "Theirs"


def test_what_a_file_has_provisioned_is_left_to_the_file(server, run):
    steps(run("push", server.url, *STORE, "--json"))
    server.datasources["fenceline"] |= {"readOnly": True, "url": "http://other:8086"}
    for board in server.dashboards.values():
        board["meta"]["provisioned"] = True
        board["dashboard"]["title"] += " of the file"
    for rule in server.rules.values():
        rule |= {"provenance": "file", "title": "of the file"}
    server.templates["fenceline"]["provenance"] = "file"
    server.points["fenceline-operations"]["provenance"] = "file"
    server.tree = {"receiver": "grafana-default-email", "provenance": "file"}
    server.changes = []

    done = steps(run("push", server.url, *STORE, "--json"))

    assert set(done.values()) == {"leave", "keep"}
    assert {kind for (kind, _), action in done.items() if action == "keep"} == {"folder"}
    assert server.changes == []


def test_messages_are_worded_by_our_template_unless_the_operator_words_them(server, run, tmp_path):
    contact = tmp_path / "contact.toml"
    contact.write_text('type = "wecom"\n[settings]\nurl = "https://qyapi.example"\ntitle = "Mine"\n')
    first = steps(run("push", server.url, *STORE, "--lang", "en", "--contact", contact, "--json"))
    assert first["message template", "fenceline"] == "create"
    settings = server.points["fenceline-operations"]["settings"]
    assert (settings["title"], settings["message"]) == ("Mine", '{{ template "fenceline.message" . }}')
    assert "✔ over:" in server.templates["fenceline"]["template"]
    assert not server.templates["fenceline"].get("provenance"), "people may change it in Grafana's own pages"

    done = steps(run("push", server.url, "--lang", "zh", "--json"))
    assert done["message template", "fenceline"] == "update"
    assert "✔ 已恢复:" in server.templates["fenceline"]["template"]


def test_a_contact_is_told_and_stays_until_another_is_told(server, run, tmp_path):
    told = run("push", server.url, *STORE)
    assert "reaches nobody yet" in told.stdout
    contact = tmp_path / "contact.toml"
    contact.write_text('type = "email"\n[settings]\naddresses = "ops@city.example"\n')

    assert (
        steps(run("push", server.url, "--contact", contact, "--json"))["contact point", "fenceline-operations"]
        == "update"
    )
    worded = {"subject": '{{ template "fenceline.title" . }}', "message": '{{ template "fenceline.message" . }}'}
    assert server.points["fenceline-operations"]["settings"] == {"addresses": "ops@city.example"} | worded
    assert set(steps(run("push", server.url, "--contact", contact, "--json")).values()) == {"keep"}
    server.points["fenceline-operations"]["settings"] = {"addresses": "changed@in.grafana"}
    assert set(steps(run("push", server.url, "--json")).values()) == {"keep"}


def test_a_secret_is_sent_again_because_grafana_shows_none(server, run, tmp_path):
    contact = tmp_path / "contact.toml"
    contact.write_text('type = "dingding"\n[settings]\nurl = "https://robot.example/send?access_token=first"\n')
    steps(run("push", server.url, *STORE, "--contact", contact, "--json"))
    contact.write_text(contact.read_text().replace("first", "second"))

    result = run("push", server.url, "--contact", contact)

    assert "cannot be compared" in result.stdout
    assert "second" in server.points["fenceline-operations"]["settings"]["url"]
    assert "second" not in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [("type = 3", 'expected type = "email"'), ('type = "email"', "[settings]"), ("type", "is not valid TOML")],
)
def test_a_contact_file_that_says_something_else_is_refused(server, run, tmp_path, text, said):
    contact = tmp_path / "contact.toml"
    contact.write_text(text)
    assert said in refused(run("push", server.url, "--contact", contact))
    assert server.changes == []


def test_the_databases_password_comes_from_a_file_and_is_not_shown(server, run, tmp_path):
    file = tmp_path / "password"
    file.write_text("a secret\n")
    credentials = (*STORE, "--store-user", "grafana", "--store-password-file", file)

    result = run("push", server.url, *credentials)

    assert result.exit_code == 0
    assert server.datasources["fenceline"]["secureJsonFields"] == {"basicAuthPassword": True}
    assert server.datasources["fenceline"]["basicAuthUser"] == "grafana"
    assert "a secret" not in result.output
    again = run("push", server.url, *credentials, "--json")
    assert steps(again)["data source", "fenceline"] == "update"
    assert json.loads(again.stdout)["changes"] == 0, "what was only sent again is no change"
    assert "belong together" in refused(run("push", server.url, *STORE, "--store-user", "grafana"))
    assert "without --store-url" in refused(run("push", server.url, "--store-user", "grafana"))


def test_without_a_data_source_it_asks_where_the_database_is(server, run):
    assert "--store-url" in refused(run("push", server.url))
    assert server.changes == []
    shown = run("push", server.url, "--dry-run")
    assert shown.exit_code == 0, "a dry run goes on, so that everything can be looked at first"
    assert "say where InfluxDB is, with --store-url" in shown.stdout
    assert "fenceline-hub-silent" in shown.stdout


def test_our_uid_on_somebody_elses_thing_is_refused_and_nothing_is_changed(server, run):
    server.dashboards["fenceline-site-en"] = {"dashboard": OWN_BOARD | {"uid": "fenceline-site-en"}, "meta": {}}
    said = refused(run("push", server.url, *STORE))
    assert "'Lunch menu'" in said
    assert "another uid" in said
    assert server.changes == []
    server.datasources["fenceline"] = {"uid": "fenceline", "type": "prometheus", "name": "P"}
    assert "not influxdb" in refused(run("push", server.url, *STORE))


def test_a_name_that_is_taken_is_told(server, run):
    server.datasources["other"] = {"uid": "other", "type": "influxdb", "name": "Fenceline"}
    assert "holds that name or uid" in refused(run("push", server.url, *STORE))


def test_a_dashboard_saved_meanwhile_is_not_overwritten(server, run):
    steps(run("push", server.url, *STORE, "--json"))
    theirs = server.dashboards["fenceline-site-zh"]["dashboard"]
    theirs["title"] = "Being edited"
    server.meanwhile = lambda: theirs.update(version=theirs["version"] + 1)

    assert "somebody else has changed it meanwhile" in refused(run("push", server.url, *STORE))
    assert theirs["title"] == "Being edited"


def test_a_grafana_without_one_policy_tree_gets_the_receiver_in_each_rule(server, run):
    server.one_tree = False
    done = steps(run("push", server.url, *STORE, "--json"))
    assert ("notification policy", "fenceline-operations") not in done
    assert all(rule["notification_settings"] == {"receiver": "fenceline-operations"} for rule in server.rules.values())
    assert set(steps(run("push", server.url, *STORE, "--json")).values()) == {"keep"}


@pytest.mark.parametrize("version", ["11.6.0", "12.4.1", "13.0.2", "14.0.0", ""])
def test_versions_from_11_on_are_served(server, run, version):
    server.version = version
    assert run("push", server.url, *STORE, "--dry-run").exit_code == 0


def test_an_older_grafana_is_refused(server, run):
    server.version = "10.4.3"
    assert "needs 11 or newer" in refused(run("push", server.url, *STORE))


def test_a_token_that_is_unknown_or_may_too_little_is_told_with_the_remedy(server, run):
    assert "Service accounts" in refused(run("push", server.url, *STORE, token="wrong"))
    assert "role Admin" in refused(run("push", server.url, *STORE, token=VIEWER))
    assert "role Admin" in refused(run("push", server.url, *STORE, token=EDITOR))
    assert server.changes == []


def test_no_token_no_grafana_and_no_address_are_told(run, free_port, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    assert "no Grafana answers" in refused(run("push", nobody, *STORE))
    assert "expected an address" in refused(run("push", "grafana:3000", *STORE))
    assert "cannot be read" in refused(run("push", nobody, "--token-file", tmp_path / "missing"))
    assert "holds no token" in refused(run("push", nobody, token="two words"))


def test_a_grafana_with_the_citys_own_certificate_is_trusted_with_its_authority_only(server, run, tmp_path):
    authority = Authority(tmp_path / "authority")
    authority.make()
    pair = Pair(tmp_path / "grafana.crt", tmp_path / "grafana.key")
    authority.issue(pair, "grafana", SERVER, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    url = server.url.replace("http:", "https:")

    assert run("push", url, *STORE, "--dry-run", "--ca", tmp_path / "authority" / "ca.crt").exit_code == 0
    assert "name its authority's with --ca" in refused(run("push", url, *STORE, "--dry-run"))


def test_what_is_no_grafana_is_told(influxdb, run, tmp_path):
    assert "the address of a Grafana?" in refused(run("push", influxdb.url, *STORE))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as pages:
        threading.Thread(target=pages.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        (tmp_path / "api").mkdir()
        (tmp_path / "api" / "health").write_text("a page")
        assert "no Grafana" in refused(run("push", f"http://127.0.0.1:{pages.server_port}", *STORE))
        pages.shutdown()


def test_the_token_may_stand_in_the_environment(server, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fenceline", "grafana", "push", "--url", server.url, *STORE, "--dry-run"])
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "there is no token" in capsys.readouterr().err
    monkeypatch.setenv("GRAFANA_TOKEN", "token-of-an-admin")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_only_what_is_wanted_is_compared():
    assert same({"a": [1, {"b": ""}]}, {"a": [1, {"x": 2}], "c": 3})
    assert not same({"a": [1]}, {"a": [1, 2]})
    assert same({"a": 0}, {})
    assert not same({"a": 1}, {})
    assert not same({"a": {"b": 1}}, {"a": None})
