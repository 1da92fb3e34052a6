"""Asks every query of dashboards and alert rules as Grafana does, through its own query interface (/api/ds/query).

Grafana's pages fill in a dashboard's variables before they ask, so that is done here, too: each variable takes the
first value that the database has for it. `$timeFilter` and `$__interval` are Grafana's server's to fill in.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from grafana_client.client import GrafanaException

from dashboards import alerting
from dashboards.grafana import Grafana
from schemas.errors import UserError

ALL = ".*"
"""What a variable stands for that has no value in the database, or of which a panel shows all."""
STEP_MS = 60_000
"""The least that Grafana is told to fill in for `$__interval`, ms."""
MOST_POINTS = 1000
"""As wide as a panel on a wall, in points."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000, "y": 31_536_000}
"""What Grafana's letters for times mean, s; a month and a year are about that long."""


class Asked(NamedTuple):
    """A query of a dashboard, and what came of it."""

    dashboard: str
    """Its title."""
    panel: str
    """Its title; `$name` for the values of a variable, `@name` for an annotation."""
    query: str
    """Its refId."""
    rows: int
    seconds: float
    problem: str
    """Empty if it has been answered."""


class Span(NamedTuple):
    """A time range, in Unix time in ms."""

    begin: int
    end: int

    @property
    def step(self) -> int:
        """What a panel of that range takes for `$__interval`, ms."""
        return max(STEP_MS, (self.end - self.begin) // MOST_POINTS)


class Question(NamedTuple):
    """A query as it stands in a dashboard."""

    panel: str
    target: dict[str, Any]


def parse_span(begin: str, end: str, now: float) -> Span:
    """Return a time range that is written as Grafana writes it: ``now-24h`` to ``now``, or Unix time in ms.

    Raises:
        UserError: it is written otherwise, or ends before it begins.
    """
    moments = []
    for option, text in (("--from", begin), ("--to", end)):
        match = re.fullmatch(r"now(?:-(\d+)([smhdwMy]))?", text)
        if match:
            moments.append(round((now - int(match[1] or 0) * UNITS.get(match[2], 0)) * 1000))
        elif text.isascii() and text.isdigit():
            moments.append(int(text))
        else:
            raise UserError(f"{option} {text!r}: expected now, now-24h, now-7d, or Unix time in ms")
    if moments[0] >= moments[1]:
        raise UserError(f"--from {begin} is not before --to {end}; give a time range")
    return Span(*moments)


def questions(board: Mapping[str, Any]) -> list[Question]:
    """Return the queries of a dashboard's panels and annotations, those of rows that are folded up, too."""
    panels = [panel for one in board["panels"] for panel in (one, *one.get("panels", ()))]
    found = [Question(panel.get("title", ""), target) for panel in panels for target in panel.get("targets", ())]
    for annotation in board.get("annotations", {}).get("list", ()):
        statement = annotation.get("query") or annotation.get("target", {}).get("query")
        if statement and not annotation.get("builtIn"):
            found.append(Question(f"@{annotation['name']}", {"refId": "annotation", "query": statement}))
    return found


def of_rules(wording: alerting.Wording) -> dict[str, Any]:
    """Return the alert rules' queries in the form of a dashboard, a panel for each rule."""
    rules = [rule for group in alerting.groups(wording) for rule in group.rules]
    panels = [
        {
            "title": rule["title"],
            "targets": [one["model"] for one in rule["data"] if one["datasourceUid"] == alerting.DATASOURCE],
        }
        for rule in rules
    ]
    return {"title": alerting.PLACE_TITLE, "panels": panels}


def ask_all(grafana: Grafana, board: Mapping[str, Any], span: Span) -> Iterator[Asked]:
    """Ask each query of a dashboard, as Grafana keeps it, over a time range; yield what came of it."""
    title = str(board.get("title", ""))
    values = {"__from": str(span.begin), "__to": str(span.end), "datasource": alerting.DATASOURCE}
    for variable in board.get("templating", {}).get("list", ()):
        name, kind = variable["name"], variable["type"]
        if kind == "query":
            statement = variable["query"]["query"] if isinstance(variable["query"], dict) else variable["query"]
            target = {"refId": name, "query": statement, "resultFormat": "table"}
            asked, found = _ask(grafana, title, Question(f"${name}", target), values, span)
            values[name] = (
                ALL if variable.get("includeAll") or not found else chosen(found[0], variable.get("regex", ""))
            )
            yield asked
        elif name not in values:
            current = (variable.get("current") or {}).get("value") or variable.get("query") or ""
            values[name] = ALL if variable.get("includeAll") else str(current).partition(",")[0] or ALL
    for question in questions(board):
        yield _ask(grafana, title, question, values, span)[0]


def fill(statement: str, values: Mapping[str, str]) -> str:
    """Return a statement with a dashboard's variables filled in, in whichever of Grafana's ways they are written."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        return values.get(name, match[0])

    return re.sub(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]", value, statement)


def chosen(offered: str, regex: str) -> str:
    """Return the value of what a variable offers: where its regular expression names a group so, that one."""
    found = re.search(regex.strip("/").replace("(?<", "(?P<"), offered) if regex else None
    return found["value"] if found and "value" in found.groupdict() else offered


def _ask(
    grafana: Grafana, title: str, question: Question, values: Mapping[str, str], span: Span
) -> tuple[Asked, list[str]]:
    target = question.target
    ref_id = target.get("refId", "A")
    query = target | {
        "refId": ref_id,
        "datasource": {"uid": alerting.DATASOURCE, "type": "influxdb"},
        "query": fill(target["query"], values),
        "rawQuery": True,
        "resultFormat": target.get("resultFormat", "time_series"),
        "intervalMs": span.step,
        "maxDataPoints": MOST_POINTS,
    }
    started = time.monotonic()
    frames, problem = [], ""
    with grafana.asking("query the data source"):
        try:
            answer = grafana.api.client.POST(
                "/ds/query", json={"queries": [query], "from": str(span.begin), "to": str(span.end)}
            )
            result = answer["results"].get(ref_id, {})
            frames, problem = result.get("frames", []), result.get("error", "")
        except GrafanaException as error:
            # A statement that the database refuses comes as 400; every other refusal is of the request, not of it.
            if error.status_code != 400:
                raise
            problem = _problem(error.response, ref_id)
    columns = [column for frame in frames for column in frame["data"]["values"][-1:]]
    texts = [str(value) for column in columns for value in column if isinstance(value, str)]
    rows = sum(len(column) for column in columns)
    return Asked(title, question.panel, ref_id, rows, time.monotonic() - started, problem), texts


def _problem(response: Any, ref_id: str) -> str:
    if isinstance(response, dict):
        return str(
            response.get("results", {}).get(ref_id, {}).get("error") or response.get("message") or json.dumps(response)
        )
    return str(response)
