"""What all dashboards have in common: database, variables, links that keep time range and site, alerts."""

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import statements
from dashboards.influxql import Query
from dashboards.looks import BLUE, UNDECIDED
from dashboards.texts import Texts

DATABASE = model.DataSourceRef(type_val="influxdb", uid="${datasource}")
OURS = model.DataSourceRef(type_val="influxdb", uid="fenceline")
"""The data source that deploy/grafana and `fenceline grafana push` make, for a dashboard without variables."""
CHOICE = r"/^(?<text>.*) \((?<value>[^()]*)\)$/"
"""Takes what `place` offers apart: a name, and an id in brackets."""
ALL = ".*"
"""What "all" stands for in a variable."""


class _Annotations(model.AnnotationTarget):
    """The query of annotations. Its columns have the names that Grafana gives a meaning: text, tags, timeEnd."""

    def __init__(self, statement: str, ref_id: str) -> None:
        super().__init__()
        self._query = Query(statement, ref_id=ref_id, alias="", result_format="table")

    def to_json(self) -> dict[str, object]:
        """Return the members by which Grafana's InfluxDB data source knows them."""
        return self._query.to_json()


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
        # Without a value Grafana takes the first InfluxDB by name: some other city's, perhaps.
        ours = model.VariableOption(selected=True, text="Fenceline", value=OURS.uid)
        database = dashboard.DatasourceVariable("datasource").label(text("variable", "datasource")).type("influxdb")
        board.with_variable(database.current(ours))
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


def _places(
    name: str, text: Texts, *, field: str = "", within: str = "", several: bool = False
) -> dashboard.QueryVariable:
    """Return a variable that offers places by their names; its values are their ids.

    Args:
        name: of the variable, ``district`` or ``site``.
        text: gives its label.
        field: of `place`: what is offered, a name with an id in brackets.
        within: a condition on the places.
        several: more than one, or all, may be chosen; otherwise the list begins with the worst one.
    """
    asked = statements.choices if several else statements.worst_first
    variable = (
        dashboard.QueryVariable(name)
        .label(text("variable", name))
        .datasource(DATABASE)
        .query({"query": asked(f"{field}_{text.lang}", within), "refId": name})
        .regex(CHOICE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC if several else model.VariableSort.DISABLED)
    )
    return variable.multi(True).include_all(True).all_value(ALL).current(_all(text)) if several else variable


def district(text: Texts, *, within: str = "", several: bool = False) -> dashboard.QueryVariable:
    """Return the variable of districts."""
    return _places("district", text, field="choice_district", within=within, several=several)


def site(text: Texts, *, within: str = statements.DISTRICT, several: bool = False) -> dashboard.QueryVariable:
    """Return the variable of sites."""
    return _places("site", text, field="choice", within=within, several=several)


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


def alerts(text: Texts, kind: str, panels: Sequence[int]) -> dashboard.AnnotationQuery:
    """Return the site's alerts as annotations, each over the time that it lasted.

    Args:
        text: gives its name.
        kind: ``limit``: about limits of the law, shown from the start; ``boards``: all others, to be switched on.
        panels: numbers of those in which they are drawn.
    """
    fields = f'"text_{text.lang}" AS "text", "severity" AS "tags", "ended_ms" AS "timeEnd"'
    about = "\"kind\" = 'limit'" if kind == "limit" else "\"kind\" != 'limit'"
    statement = f'SELECT {fields} FROM "alert" WHERE {statements.SITE} AND {about} AND $timeFilter'
    return (
        dashboard.AnnotationQuery()
        .name(text("frame", f"alerts_{kind}"))
        .datasource(DATABASE)
        .enable(kind == "limit")
        .icon_color(UNDECIDED if kind == "limit" else BLUE)  # a limit's line is red
        .filter(dashboard.AnnotationPanelFilter().exclude(False).ids(list(panels)))
        .target(_AnnotationBuilder(_Annotations(statement, f"alerts_{kind}")))
    )


def finish(board: dashboard.Dashboard, panels: Sequence[Any]) -> model.Dashboard:
    """Return the dashboard with numbered panels."""
    for number, panel in enumerate(panels, start=1):
        board.with_panel(panel.id(number))
    return board.build()
