"""What all dashboards have in common: database, variables, links that keep time range and site, alerts."""

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import statements
from dashboards.texts import Texts

DATABASE = model.DataSourceRef(type_val="influxdb", uid="${datasource}")
OURS = model.DataSourceRef(type_val="influxdb", uid="fenceline")
"""The data source that deploy/grafana and `fenceline grafana push` make, for a dashboard without variables."""
ALL = ".*"
"""What "all" stands for in a variable."""


class _Annotations(model.AnnotationTarget):
    """The query of the annotations, with the columns that tell Grafana what to show of it."""

    def __init__(self, statement: str, lang: str) -> None:
        super().__init__()
        self._statement = statement
        self._lang = lang

    def to_json(self) -> dict[str, object]:
        """Return the members by which Grafana's InfluxDB data source knows them."""
        return {
            "refId": "alerts",
            "query": self._statement,
            "rawQuery": True,
            "fromAnnotations": True,
            "resultFormat": "table",
            "textColumn": f"text_{self._lang}",
            "tagsColumn": "severity,state",
            "timeEndColumn": "ended_ms",
            "titleColumn": "rule",
        }


class _AnnotationBuilder(builder.Builder[model.AnnotationTarget]):
    def __init__(self, target: _Annotations) -> None:
        self._target = target

    def build(self) -> model.AnnotationTarget:
        return self._target


def frame(name: str, text: Texts, *, since: str = "now-24h", public: bool = False) -> dashboard.Dashboard:
    """Return a dashboard without panels.

    Args:
        name: of the file, and of the texts in texts.toml.
        text: gives them.
        since: begin of the time range that is shown first.
        public: it gets no variables, and no links to the others.
    """
    board = (
        dashboard.Dashboard(text(name, "title"))
        .uid(f"fenceline-{name}-{text.lang}")
        .description(text(name, "description"))
        .tags(["fenceline", text.lang, *(["public"] if public else [])])
        .timezone(statements.ZONE.key)
        .time(since, "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    if not public:
        database = dashboard.DatasourceVariable("datasource").label(text("variable", "datasource")).type("influxdb")
        board.with_variable(database)
        link = dashboard.DashboardLink(text("frame", "link")).type(model.DashboardLinkType.DASHBOARDS)
        board.link(link.tags(["fenceline", text.lang]).keep_time(True).include_vars(True).as_dropdown(True))
    return board


def tag(
    name: str, text: Texts, *, measurement: str = "", within: str = "", several: bool = False
) -> dashboard.QueryVariable:
    """Return a variable with the values of a tag; `several`: of which more than one, or all, may be chosen."""
    variable = (
        dashboard.QueryVariable(name)
        .label(text("variable", name))
        .datasource(DATABASE)
        .query({"query": statements.tag_values(name, measurement, within), "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    return variable.multi(True).include_all(True).all_value(ALL).current(_all(text)) if several else variable


def choice(name: str, text: Texts, values: Sequence[str]) -> dashboard.CustomVariable:
    """Return a variable of which several fixed values, or all, may be chosen, the first to begin with.

    The texts are `name`.VALUE.
    """
    listed = ", ".join(f"{text(name, value)} : {value}" for value in values)
    first = model.VariableOption(selected=True, text=[text(name, values[0])], value=[values[0]])
    variable = dashboard.CustomVariable(name).label(text("variable", name)).values(listed)
    return variable.multi(True).include_all(True).all_value(ALL).current(first)


def _all(text: Texts) -> model.VariableOption:
    return model.VariableOption(selected=True, text=text("variable", "all"), value="$__all")


def alerts(text: Texts) -> dashboard.AnnotationQuery:
    """Return the site's alerts as annotations, each over the time that it lasted."""
    fields = f'"text_{text.lang}", "severity", "state", "rule", "ended_ms"'
    statement = f'SELECT {fields} FROM "alert" WHERE {statements.SITE} AND $timeFilter'
    return (
        dashboard.AnnotationQuery()
        .name(text("frame", "alerts"))
        .datasource(DATABASE)
        .enable(True)
        .icon_color("red")
        .target(_AnnotationBuilder(_Annotations(statement, text.lang)))
    )


def finish(board: dashboard.Dashboard, panels: Sequence[Any]) -> model.Dashboard:
    """Return the dashboard with numbered panels."""
    for number, panel in enumerate(panels, start=1):
        board.with_panel(panel.id(number))
    return board.build()
