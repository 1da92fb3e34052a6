"""Brings data source, folders, dashboards, alert rules, contact point and notification policy into a Grafana.

First everything is compared and nothing changed (`plan`), then what differs is written (`PushStep.apply`). So a second
push does nothing, and a dry run shows what a push would do. What is not ours stays as it is: other dashboards, rules
and contact points, other branches of the policy tree, and what people may set on ours (paused, moved, the contact
point's receivers). What a provisioning file has put there is left to that file.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from dashboards import alerting
from dashboards.alerting import Wording, contact_point
from dashboards.basemap import EMPTY, Basemap
from dashboards.contact import Contact
from dashboards.generate import files
from dashboards.grafana import Grafana
from dashboards.texts import Lang
from schemas.errors import UserError
from schemas.language import Text

TAG = "fenceline"
"""The tag that all our dashboards have; one without it is somebody else's."""
FOLDERS = {Lang.EN: ("fenceline-en", "Fenceline (English)"), Lang.ZH: ("fenceline-zh", "Fenceline（中文）")}
"""Uid and title of the folder of each language's dashboards."""

BY_FILE = Text("provisioned by a file, which decides", "由配置文件管理，不作更改")
NO_STORE = Text(
    "not there: say where InfluxDB is, with --store-url, --store-user and --store-password-file",
    "尚不存在：请用--store-url、--store-user和--store-password-file指明InfluxDB",
)
SECRET = Text("its secrets cannot be compared, so they are sent again", "密钥无法比对，将重新发送")
_HIDDEN = "[REDACTED]"


class Action(StrEnum):
    """What is to be done with one thing."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    """It is as it should be."""
    LEAVE = "leave"
    """It is not as we would have it, and not ours to change."""


class PushStep(NamedTuple):
    """One thing in Grafana, what is to be done with it, and how."""

    kind: str
    name: str
    action: Action
    apply: Callable[[], object] | None = None
    note: Text | None = None


class Database(NamedTuple):
    """Where Grafana finds InfluxDB; with a user, it says who it is by HTTP Basic, which every InfluxDB understands."""

    url: str
    name: str = "fenceline"
    user: str = ""
    password: str = ""


def plan(
    grafana: Grafana,
    languages: Sequence[Lang],
    wording: Wording,
    database: Database | None = None,
    contact: Contact | None = None,
    *,
    alerts: bool = True,
    basemap: Basemap = EMPTY,
) -> Iterator[PushStep]:
    """Compare with what is there; yield a step for each thing, in the order in which they must be applied.

    Args:
        grafana: the Grafana.
        languages: whose dashboards to bring.
        wording: the language of the alert rules.
        database: where InfluxDB is; None leaves the data source that is there.
        contact: whom alerts reach; None leaves the contact point that is there.
        basemap: what lies below the sites on the map.
        alerts: whether to bring alert rules, contact point and notification policy, too.

    Raises:
        UserError: Grafana refuses, or something of ours has somebody else's uid.
    """
    yield _datasource(grafana, database)
    for language in languages:
        yield _folder(grafana, *FOLDERS[language])
        for text in files(language, basemap).values():
            yield _dashboard(grafana, json.loads(text), FOLDERS[language][0])
    if alerts:
        yield _folder(grafana, alerting.PLACE, alerting.PLACE_TITLE)
        yield _message(grafana, wording)
        yield _contact_point(grafana, contact)
        tree = grafana.get("/v1/provisioning/policies")
        there = {rule["uid"]: rule for rule in grafana.get("/v1/provisioning/alert-rules") or ()}
        for group in alerting.groups(wording):
            for rule in group.rules:
                wanted = rule if tree else rule | {"notification_settings": {"receiver": alerting.RECEIVER}}
                yield _rule(grafana, wanted, there.get(rule["uid"]))
            yield _interval(grafana, group)
        if tree:
            yield _policy(grafana, tree)


def same(wanted: Any, there: Any) -> bool:
    """Tell whether all that is wanted is there; what Grafana has added by itself does not count."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(same(value, there.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(wanted) == len(there)
            and all(same(*pair) for pair in zip(wanted, there, strict=True))
        )
    # What is empty may come back left out.
    return bool(wanted == there or (there is None and wanted in ("", False)))


def _datasource(grafana: Grafana, database: Database | None) -> PushStep:
    uid, api = alerting.DATASOURCE, grafana.api.datasource
    there = grafana.get(f"/datasources/uid/{uid}")
    if there and there["type"] != "influxdb":
        raise UserError(
            f"the data source with uid {uid!r} in {grafana.url} is of type {there['type']!r}, not influxdb; "
            "give that one another uid, since the dashboards look for theirs by it"
        )
    if there and there.get("readOnly"):
        return PushStep("data source", uid, Action.LEAVE, note=BY_FILE)
    if database is None:
        if there:
            return PushStep("data source", uid, Action.KEEP)
        missing = UserError(
            f"{grafana.url} has no data source with uid {uid!r}; say where InfluxDB is: "
            "--store-url http://influxdb:8086 --store-user NAME --store-password-file FILE"
        )

        def refuse() -> None:
            raise missing

        # It is the first step: a dry run shows the others, too, and nothing is written before it refuses.
        return PushStep("data source", uid, Action.CREATE, refuse, NO_STORE)
    wanted: dict[str, Any] = {
        "uid": uid,
        "name": there["name"] if there else "Fenceline",
        "type": "influxdb",
        "access": "proxy",
        "url": database.url,
        "basicAuth": bool(database.user),
        "basicAuthUser": database.user,
        # No `version` here: without one Grafana speaks InfluxQL.
        "jsonData": {"dbName": database.name, "httpMode": "GET"},
    }
    secret = {"secureJsonData": {"basicAuthPassword": database.password}} if database.password else {}
    if there is None:
        return _step(
            grafana,
            "data source",
            uid,
            Action.CREATE,
            lambda: api.create_datasource(wanted | secret | {"isDefault": False}),
        )
    if same(wanted, there) and not secret:
        return PushStep("data source", uid, Action.KEEP)
    body = wanted | secret | {"isDefault": there.get("isDefault", False), "version": there.get("version", 0)}
    body["jsonData"] = (there.get("jsonData") or {}) | wanted["jsonData"]
    note = SECRET if same(wanted, there) else None
    return _step(grafana, "data source", uid, Action.UPDATE, lambda: api.update_datasource_by_uid(uid, body), note)


def _folder(grafana: Grafana, uid: str, title: str) -> PushStep:
    # A folder that is there keeps its title: people may rename it.
    if grafana.get(f"/folders/{uid}"):
        return PushStep("folder", uid, Action.KEEP)
    return _step(grafana, "folder", uid, Action.CREATE, lambda: grafana.api.folder.create_folder(title, uid))


def _dashboard(grafana: Grafana, wanted: dict[str, Any], folder: str) -> PushStep:
    uid = wanted["uid"]
    found = grafana.get(f"/dashboards/uid/{uid}")
    body = {"dashboard": wanted, "folderUid": folder, "overwrite": False, "message": "fenceline grafana push"}
    action = Action.CREATE
    if found:
        there, meta = found["dashboard"], found.get("meta", {})
        if TAG not in (there.get("tags") or ()):
            raise UserError(
                f"the dashboard {there.get('title')!r} in {grafana.url} has the uid {uid!r} and is not Fenceline's "
                f"(it has no tag {TAG!r}); give it another uid, or remove it"
            )
        if meta.get("provisioned"):
            return PushStep("dashboard", uid, Action.LEAVE, note=BY_FILE)
        if same({name: value for name, value in wanted.items() if name not in ("id", "version")}, there):
            return PushStep("dashboard", uid, Action.KEEP)
        # The version that we have read: if somebody saves another one now, Grafana refuses ours (412).
        body["dashboard"] = wanted | {"version": there.get("version", 0)}
        body["folderUid"] = meta.get("folderUid", folder)
        action = Action.UPDATE
    return _step(grafana, "dashboard", uid, action, lambda: grafana.api.dashboard.update_dashboard(body))


def _message(grafana: Grafana, wording: Wording) -> PushStep:
    """Return the step for the templates by which our contact point words its messages."""
    path, name = f"/v1/provisioning/templates/{alerting.MESSAGE}", alerting.MESSAGE
    wanted, there = alerting.template(wording), grafana.get(path)
    if there and there.get("provenance") == "file":
        return PushStep("message template", name, Action.LEAVE, note=BY_FILE)
    if there and there["template"].strip() == wanted.strip():
        return PushStep("message template", name, Action.KEEP)
    # Grafana takes a change only of the version that we have read.
    body = {"template": wanted} | ({"version": there["version"]} if there and there.get("version") else {})
    by_hand = {"X-Disable-Provenance": "true"} if there is None or not there.get("provenance") else {}
    action = Action.UPDATE if there else Action.CREATE
    put = lambda: grafana.api.client.PUT(path, json=body, headers=by_hand)  # noqa: E731
    return _step(grafana, "message template", name, action, put)


def _contact_point(grafana: Grafana, contact: Contact | None) -> PushStep:
    api, uid = grafana.api.alertingprovisioning, alerting.RECEIVER
    points = grafana.get("/v1/provisioning/contact-points") or ()
    there = next((point for point in points if point.get("uid") == uid), None)
    wanted = contact_point(*contact) if contact else alerting.NOBODY
    if there is None:
        create = lambda: api.create_contactpoint(wanted, disable_provenance=True)  # noqa: E731
        note = Text(
            "reaches nobody yet: name somebody with --contact, or in Grafana",
            "尚未设置接收人：请使用--contact，或在Grafana中设置",
        )
        return _step(grafana, "contact point", uid, Action.CREATE, create, None if contact else note)
    if there.get("provenance") == "file":
        return PushStep("contact point", uid, Action.LEAVE, note=BY_FILE)
    if contact is None:
        return PushStep("contact point", uid, Action.KEEP)
    hidden = _HIDDEN in json.dumps(there["settings"])
    shown = {name: value for name, value in wanted["settings"].items() if there["settings"].get(name) != _HIDDEN}
    alike = same(wanted | {"settings": shown}, there)
    if alike and not hidden:
        return PushStep("contact point", uid, Action.KEEP)
    update = lambda: api.update_contactpoint(uid, wanted, disable_provenance=not there.get("provenance"))  # noqa: E731
    return _step(grafana, "contact point", uid, Action.UPDATE, update, SECRET if alike else None)


def _rule(grafana: Grafana, wanted: dict[str, Any], there: dict[str, Any] | None) -> PushStep:
    uid, api = wanted["uid"], grafana.api.alertingprovisioning
    if there is None:
        return _step(grafana, "alert rule", uid, Action.CREATE, lambda: api.create_alertrule(wanted))
    if there.get("provenance") == "file":
        return PushStep("alert rule", uid, Action.LEAVE, note=BY_FILE)
    # People may pause a rule, move it, or send it elsewhere. The organisation is the token's.
    kept = {
        name: there[name]
        for name in ("orgID", "folderUID", "ruleGroup", "isPaused", "notification_settings")
        if name in there
    }
    if same(wanted | kept, there):
        return PushStep("alert rule", uid, Action.KEEP)
    by_hand = not there.get("provenance")
    return _step(
        grafana,
        "alert rule",
        uid,
        Action.UPDATE,
        lambda: api.update_alertrule(uid, wanted | kept, disable_provenance=by_hand),
    )


def _interval(grafana: Grafana, group: alerting.Group) -> PushStep:
    """Return the step that sets how often a group is evaluated; rules that others have put into it stay in it."""
    path = f"/v1/provisioning/folder/{alerting.PLACE}/rule-groups/{group.name}"
    api = grafana.api.alertingprovisioning

    def change() -> None:
        there = grafana.get(path)
        if there and there["interval"] != group.interval_s:
            by_hand = not any(rule.get("provenance") for rule in there["rules"])
            body = there | {"interval": group.interval_s}
            api.update_rule_group(alerting.PLACE, group.name, body, disable_provenance=by_hand)

    there = grafana.get(path)
    if there is None:
        return _step(grafana, "rule group", group.name, Action.CREATE, change)
    if any(rule.get("provenance") == "file" for rule in there["rules"]):
        return PushStep("rule group", group.name, Action.LEAVE, note=BY_FILE)
    if there["interval"] == group.interval_s:
        return PushStep("rule group", group.name, Action.KEEP)
    return _step(grafana, "rule group", group.name, Action.UPDATE, change)


def _policy(grafana: Grafana, tree: dict[str, Any]) -> PushStep:
    """Return the step for our branch of the tree; it stands first, so that no branch before it takes our alerts."""
    api, name = grafana.api.alertingprovisioning, alerting.RECEIVER
    wanted = alerting.route()
    routes = tree.get("routes") or []
    ours = [route for route in routes if route.get("object_matchers") == wanted["object_matchers"]]
    if tree.get("provenance") == "file":
        return PushStep("notification policy", name, Action.KEEP if ours else Action.LEAVE, note=BY_FILE)
    if len(ours) == 1 and same(wanted, ours[0]):
        return PushStep("notification policy", name, Action.KEEP)
    others = [route for route in routes if route not in ours]
    place = routes.index(ours[0]) if ours else 0
    body = {part: value for part, value in tree.items() if part != "provenance"}
    body["routes"] = [*others[:place], wanted, *others[place:]]
    return _step(
        grafana,
        "notification policy",
        name,
        Action.UPDATE if ours else Action.CREATE,
        lambda: api.set_notification_policy_tree(body, disable_provenance=not tree.get("provenance")),
    )


def _step(
    grafana: Grafana, kind: str, name: str, action: Action, change: Callable[[], object], note: Text | None = None
) -> PushStep:
    def apply() -> None:
        with grafana.asking(f"{action} the {kind} {name!r}"):
            change()

    return PushStep(kind, name, action, apply, note)
