"""`fenceline grafana push` as any Grafana sees it: the tests' own, and a real one where GRAFANA_URL names it."""

import json

from dashboards import Lang, alerting, files

STORE = ("--store-url", "http://influxdb:8086")
UIDS = [json.loads(text)["uid"] for lang in Lang for text in files(lang).values()]


def push(run, place, *arguments):
    result = run("push", place.url, *STORE, "--json", *arguments, token=place.token)
    assert result.exit_code == 0, f"{result.output}\n{result.exception}"
    return json.loads(result.stdout)


def test_everything_arrives_once_and_stays_as_it_is(place, run):
    assert push(run, place)["changes"] > len(UIDS)
    boards, alerts = place.boards(UIDS), place.alerting()
    assert None not in boards.values()
    assert {f"fenceline-{name}" for name in ("hub-silent", "store-behind", "district-silent")} <= set(alerts[0])

    again = push(run, place)

    assert again["changes"] == 0, [step for step in again["steps"] if step["action"] not in ("keep", "leave")]
    assert place.boards(UIDS) == boards
    assert place.alerting() == alerts


def test_a_dry_run_changes_nothing_anywhere(place, run):
    before = place.alerting()
    assert push(run, place, "--dry-run")["changes"] > len(UIDS)
    assert place.alerting() == before
    assert set(place.boards(UIDS).values()) == {None}


def test_what_others_have_made_stays_anywhere(place, run):
    """Their things are named so that cleaning up takes them away, too."""
    api = place.api.alertingprovisioning
    place.api.folder.create_folder("Theirs", "fenceline-tests")
    board = {"uid": "fenceline-tests-board", "title": "Lunch menu", "tags": [], "panels": []}
    place.api.dashboard.update_dashboard({"dashboard": board, "folderUid": "fenceline-tests", "overwrite": False})
    point = {"uid": "fenceline-tests-point", "name": "night shift", "type": "email"}
    api.create_contactpoint(point | {"settings": {"addresses": "night@city.example"}}, disable_provenance=True)
    tree = {name: value for name, value in place.get("/v1/provisioning/policies").items() if name != "provenance"}
    theirs = {"receiver": "night shift", "object_matchers": [["team", "=", "it"]]}
    api.set_notification_policy_tree(tree | {"routes": [*tree.get("routes", ()), theirs]}, disable_provenance=True)
    _, points, _ = place.alerting()

    push(run, place)

    assert place.boards(["fenceline-tests-board"]) == {"fenceline-tests-board": 1}
    _, points_after, after = place.alerting()
    assert points.items() <= points_after.items()
    assert after["receiver"] == tree["receiver"]
    matched = [route["object_matchers"] for route in after["routes"]]
    assert matched.count(theirs["object_matchers"]) == 1
    assert matched.count([[alerting.LABEL[0], "=", alerting.LABEL[1]]]) == 1
