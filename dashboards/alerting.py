"""Grafana's alert rules, contact point and notification policy, for what the hub cannot say of itself.

A hub that is dead sends no alert, so Grafana watches it from outside, through the database: is the hub silent, is the
database not written, is a whole district silent. No limit of the law stands here: the hub judges, by the catalogue.

The same resources go two ways: as provisioning files (`files`), and through Grafana's API (`dashboards.push`). Their
uids do not depend on the language, so a change of language changes texts and never makes a second rule that fires, too.
"""

import json
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import alerting, expr
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import alerting as model

from dashboards.influxql import InfluxQL

FOLDER = Path(__file__).parent / "provisioning"
TEXTS = Path(__file__).parent / "alerting.toml"

DATASOURCE = "fenceline"
"""Uid of the data source, here and in deploy/grafana."""
PLACE = "fenceline-alerts"
"""Uid of the folder of the rules."""
PLACE_TITLE = "Fenceline"
RECEIVER = "fenceline-operations"
"""Name and uid of the contact point."""
MESSAGE = "fenceline"
"""Name of the group of templates by which our contact point words what it sends."""
TITLE_OF, TEXT_OF = '{{ template "fenceline.title" . }}', '{{ template "fenceline.message" . }}'
WORDED = {
    "LINE": ("title", "description"),
    "dingding": ("title", "message"),
    "discord": ("title", "message"),
    "email": ("subject", "message"),
    "googlechat": ("title", "message"),
    "jira": ("summary", "description"),
    "kafka": ("description", "details"),
    "mqtt": ("", "message"),
    "oncall": ("title", "message"),
    "opsgenie": ("message", "description"),
    "pushover": ("title", "message"),
    "sensugo": ("", "message"),
    "slack": ("title", "text"),
    "sns": ("subject", "message"),
    "teams": ("title", "message"),
    "telegram": ("", "message"),
    "threema": ("title", "description"),
    "victorops": ("title", "description"),
    "webex": ("", "message"),
    "webhook": ("title", "message"),
    "wecom": ("title", "message"),
}
"""What each kind of contact points calls a message's title and text, where it has them: as Grafana's own list of kinds
says (/api/alert-notifiers)."""
LABEL = ("fenceline", "operations")
"""What the notification policy knows our alerts by."""

HEARTBEATS = 5
"""Minutes without a heartbeat, which the hub writes once a minute, until the hub counts as silent."""
LATE_S = 600
"""How far the database may lag behind the hub's log, s: ten times what a rollup takes to be written."""
SILENT_S = 1800
"""How long nothing came from any board of a district until it counts as silent [s]."""
SAMPLED_S = 300
"""How far back the fleet's state, which the hub writes once a minute, is looked for [s]."""
DAY_S = 86_400

# The average over the last periods, and not the last period: that one has only begun, and clocks differ. It stands
# outside of what it averages: openGemini answers a function of an aggregate with no rows.
_BEATS = (
    'SELECT moving_average("beats", {minutes}) FROM (SELECT count("heartbeat") AS "beats" FROM "hub" WHERE $timeFilter '
    'GROUP BY time(1m), "hub" fill(0)) WHERE $timeFilter GROUP BY "hub"'
)
_LATE = 'SELECT last("lag_s") FROM "hub" WHERE $timeFilter GROUP BY "hub"'
_LATEST = 'SELECT max("lag_s") FROM "hub" WHERE $timeFilter'
# One measurement that has every board, whatever it measures: engines differ in what they make of several.
_SILENT = 'SELECT min("silent_s") FROM "fleet" WHERE $timeFilter GROUP BY "district"'


class Wording(StrEnum):
    """In which language alerts are worded; `both` is for a city whose officers read either."""

    EN = "en"
    ZH = "zh"
    BOTH = "both"


class Group(NamedTuple):
    """Rules that Grafana evaluates together."""

    name: str
    interval_s: int
    rules: list[dict[str, Any]]
    """As the API takes them (ProvisionedAlertRule)."""


def groups(wording: Wording) -> list[Group]:
    """Return the rules, in the groups in which they are evaluated."""
    hub, districts = "fenceline-hub", "fenceline-districts"
    silent = _rule(
        "hub-silent",
        hub,
        wording,
        {"beats": (_BEATS.format(minutes=HEARTBEATS), DAY_S)},
        "$beats < 0.1",
        lasting="1m",
        no_data="Alerting",
        minutes=HEARTBEATS,
    )
    behind = _rule(
        "store-behind",
        hub,
        wording,
        {"late": (_LATE, LATE_S)},
        f"$late > {LATE_S}",
        lasting="5m",
        on_error="Alerting",
        minutes=LATE_S // 60,
    )
    # With the hub silent or the database behind, every district looks silent: then the other two rules speak.
    district = _rule(
        "district-silent",
        districts,
        wording,
        {"silent": (_SILENT, SAMPLED_S), "late": (_LATEST, LATE_S)},
        f"$silent > {SILENT_S} && $late < {LATE_S}",
        lasting="5m",
        minutes=SILENT_S // 60,
    )
    return [Group(hub, 60, [silent, behind]), Group(districts, 300, [district])]


def contact_point(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the contact point as the API takes it (EmbeddedContactPoint).

    Args:
        kind: Grafana's name of the way: ``email``, ``dingding``, ``wecom``, ``webhook`` ...
        settings: what that way needs, by Grafana's names; what it sends is worded by our templates, unless they say.
    """
    fields = zip(WORDED.get(kind, ("", "")), (TITLE_OF, TEXT_OF), strict=True)
    return {
        "uid": RECEIVER,
        "name": RECEIVER,
        "type": kind,
        "settings": {name: said for name, said in fields if name} | settings,
        "disableResolveMessage": False,
    }


NOBODY = contact_point("email", {"addresses": "operations@fenceline.invalid", "singleEmail": True})
"""Stands in until the operator names somebody: the domain `invalid` never exists (RFC 2606)."""


def route() -> dict[str, Any]:
    """Return our branch of the tree of notification policies (Route)."""
    policy = (
        alerting.NotificationPolicy()
        .receiver(RECEIVER)
        .object_matchers([[LABEL[0], "=", LABEL[1]]])
        .group_by(["alertname", "grafana_folder"])
        .group_wait("30s")
        .group_interval("5m")
        .repeat_interval("4h")
    )
    return _plain(policy.build())


def template(wording: Wording) -> str:
    """Return the templates of a message: what fires or is over, and once for all what is to be done.

    Grafana's own would add labels, values and addresses that say nothing to whoever reads it on a phone.
    """
    over = _text("message", "over", wording)
    told = "{{ .Annotations.summary }}" + "".join(
        f"{{{{ with .Labels.{label} }}}} ({{{{ . }}}}){{{{ end }}}}" for label in ("hub", "district")
    )
    return (
        '{{ define "fenceline.title" -}}\n'
        '{{ if eq .Status "firing" }}✖{{ else }}✔ ' + over + ":{{ end }} {{ .CommonLabels.alertname }}\n"
        "{{- end }}\n"
        '{{ define "fenceline.message" -}}\n'
        "{{ range .Alerts.Firing }}✖ " + told + "\n{{ end -}}\n"
        "{{ range .Alerts.Resolved }}✔ " + over + ": " + told + "\n{{ end -}}\n"
        "{{ if .Alerts.Firing }}{{ .CommonAnnotations.description }}{{ end }}\n"
        "{{- end }}\n"
    )


def files(wording: Wording) -> dict[Path, str]:
    """Return the text of every provisioning file by its path below the output folder."""
    places = {
        "templates.json": {"templates": [{"orgId": 1, "name": MESSAGE, "template": template(wording)}]},
        "rules.json": {"groups": [_group_file(group) for group in groups(wording)]},
        "contact-points.json": contact_points_file(NOBODY),
        # Grafana has one tree, so this file is the whole of it, and what has no branch of its own comes to us, too.
        # `fenceline grafana push` keeps a tree that is there.
        "policies.json": {
            "policies": [
                {
                    "orgId": 1,
                    "receiver": RECEIVER,
                    "group_by": ["grafana_folder", "alertname"],
                    "routes": [route()],
                }
            ]
        },
    }
    return {Path(wording, name): file_text(content) for name, content in places.items()}


def contact_points_file(point: dict[str, Any]) -> dict[str, Any]:
    """Return a contact point as a provisioning file has it: a `$` is doubled, or Grafana would look for a variable."""
    receiver = {name: value for name, value in point.items() if name != "name"}
    receiver["settings"] = {
        name: value.replace("$", "$$") if isinstance(value, str) else value for name, value in point["settings"].items()
    }
    return {"contactPoints": [{"orgId": 1, "name": point["name"], "receivers": [receiver]}]}


def file_text(content: dict[str, Any]) -> str:
    """Return the text of one of Grafana's alerting provisioning files."""
    return json.dumps({"apiVersion": 1, **content}, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _rule(
    name: str,
    group: str,
    wording: Wording,
    asked: dict[str, tuple[str, int]],
    fires: str,
    *,
    lasting: str,
    minutes: int,
    no_data: Any = "OK",
    on_error: Any = "OK",
) -> dict[str, Any]:
    """Return a rule: ask the database, take each series' last value, decide.

    Each failure has one rule that speaks of it, so no data and no answer are of interest to one rule each.

    Args:
        name: of its texts, and the end of its uid.
        group: the name of its group.
        wording: the language of its texts.
        asked: InfluxQL, and the s from which on it asks, by the name that the decision has for the last value.
        fires: the decision, as Grafana's expressions write it.
        lasting: how long it must hold until the alert fires.
        minutes: what the texts say.
        no_data: what an empty answer means.
        on_error: what no answer means.
    """
    queries = [
        alerting.Query(f"ask_{value}")
        .datasource_uid(DATASOURCE)
        .relative_time_range(model.RelativeTimeRange(since_s, 0))
        .model(InfluxQL(statement, ref_id=f"ask_{value}"))
        for value, (statement, since_s) in asked.items()
    ]
    for value in asked:
        # dropNN: leave out what is no number, so that a period without rows decides nothing.
        settings = expr.ExprTypeReduceSettings().mode("dropNN")
        last = expr.TypeReduce().ref_id(value).expression(f"ask_{value}").reducer("last").settings(settings)
        queries.append(_expression(last, value))
    queries.append(_expression(expr.TypeMath().ref_id("fires").expression(fires), "fires"))
    rule = (
        alerting.Rule(_text(name, "title", wording))
        .uid(f"fenceline-{name}")
        .org_id(1)
        .folder_uid(PLACE)
        .rule_group(group)
        .condition("fires")
        .queries(queries)  # type: ignore[arg-type]
        .for_val(lasting)
        .no_data_state(no_data)
        .exec_err_state(on_error)
        .labels({LABEL[0]: LABEL[1]})
        .annotations({part: _text(name, part, wording, minutes) for part in ("summary", "description")})
    )
    return _plain(rule.build())


def _expression(builder: Any, ref_id: str) -> alerting.Query:
    return (
        alerting.Query(ref_id)
        .datasource_uid("__expr__")
        .relative_time_range(model.RelativeTimeRange(0, 0))
        .model(builder)
    )


def _group_file(group: Group) -> dict[str, Any]:
    """Return a group as a provisioning file has it: without what the API says of each rule again."""
    place = ("orgID", "folderUID", "ruleGroup")
    rules = [{name: value for name, value in rule.items() if name not in place} for rule in group.rules]
    return {
        "orgId": 1,
        "name": group.name,
        "folder": PLACE_TITLE,
        "interval": f"{group.interval_s}s",
        "rules": rules,
    }


def _text(name: str, part: str, wording: Wording, minutes: int = 0) -> str:
    texts = tomllib.loads(TEXTS.read_text("utf-8"))[name][part]
    languages = ("zh", "en") if wording is Wording.BOTH else (wording.value,)
    between = " / " if part in ("title", "over") else "\n"
    return between.join(texts[language].strip().format(minutes=minutes) for language in languages)


def _plain(resource: object) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(resource, cls=JSONEncoder))
    return plain
