"""The kinds of panels, each with what an inspector may rely on: unit, gaps as gaps, no meaning in colour alone."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    common,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as shapes

from dashboards import meanings, statements
from dashboards.frame import DATABASE, OURS
from dashboards.influxql import InfluxQL
from dashboards.looks import GREY, ORANGE, colour, gap_beyond, limit_line, range_map, value
from dashboards.texts import Lang, Texts
from schemas import load_quantities
from schemas.domains import packs

Panel = TypeVar("Panel", bound=Any)


class Column(NamedTuple):
    """A column of a table: the field's name, and how it is shown."""

    name: str
    unit: str = ""
    mappings: Sequence[Any] = ()
    decimals: int | None = None
    coloured: bool = False


class Panels:
    """Makes panels in one language; `place` names a panel's texts."""

    def __init__(self, text: Texts) -> None:
        self.text = text
        self.quantities = load_quantities()
        self.public = False
        """Whether the database is the one with our own uid, and not what a variable says."""

    def base(self, panel: Panel, place: str, **values: str) -> Panel:
        """Give a panel its title, description and database."""
        text = self.text
        described = panel.title(text(place, "title")).description(text(place, "description", **values))
        return described.datasource(OURS if self.public else DATABASE)  # type: ignore[no-any-return]

    def name(self, key: str) -> str:
        """Return what a legend calls a quantity."""
        quantity = self.quantities[key]
        return quantity.symbol or (quantity.zh if self.text.lang is Lang.ZH else quantity.en)

    def unit(self, key: str) -> str:
        """Return Grafana's way of saying "this text after the number"."""
        return f"suffix: {self.quantities[key].label}"

    def curves(self, place: str, keys: Sequence[str], limits: Sequence[str] = ()) -> timeseries.Panel:
        """Return a panel with a curve for each quantity and board, and the limits of some of them as dashed steps.

        The quantities share one unit and one family. How coarse they are drawn follows from the range.
        """
        first = self.quantities[keys[0]]
        panel = self._plot(place).unit(self.unit(keys[0])).decimals(first.resolution)
        for step in statements.READINGS:
            names = {
                key: self.name(key) for key in keys if not step.suffix or statements.rolled_up(self.quantities[key])
            }
            if names:
                ref_id = first.family + step.name
                panel.with_target(
                    InfluxQL(statements.readings(first.family, names, step), ref_id=ref_id, alias="$col $tag_device")
                )
                panel.override_by_query(ref_id, [gap_beyond(step.length * 1.5)])
        for index, key in enumerate(limits):
            self.limit(panel, key, dash=[12, 6] if index == 0 else [3, 6 * index])
        return panel

    def limit(self, panel: timeseries.Panel, key: str, dash: list[int]) -> None:
        """Draw a quantity's limit into a panel, as it applies through the day."""
        for step in statements.VERDICTS:
            ref_id = f"{key}_limit{step.name}"
            alias = self.text("frame", "limit", symbol=self.name(key)) + (" $tag_rule" if step.suffix else "")
            panel.with_target(InfluxQL(statements.limit(key, step), ref_id=ref_id, alias=alias))
            panel.override_by_query(ref_id, [gap_beyond(step.length * 1.5), *limit_line(dash)])

    def _plot(self, place: str) -> timeseries.Panel:
        panel = self.base(timeseries.Panel(), place).interval("60s").span_nulls(False)
        return panel.legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(shapes.LegendDisplayMode.LIST)
            .placement(shapes.LegendPlacement.BOTTOM)
        )

    def plot(
        self, place: str, statement: str, *, ref_id: str, alias: str, step: dt.timedelta | None = None
    ) -> timeseries.Panel:
        """Return a panel with the curves of one statement, whose values lie at most `step` apart.

        Without `step` the statement itself gives empty rows (`fill(null)`).
        """
        panel = self._plot(place)
        if step is None:
            return panel.with_target(InfluxQL(statement, ref_id=ref_id, alias=alias))
        self.add(panel, statement, ref_id=ref_id, alias=alias, step=step)
        return panel

    def add(
        self,
        panel: timeseries.Panel,
        statement: str,
        *,
        ref_id: str,
        alias: str,
        step: dt.timedelta,
        more: Sequence[Any] = (),
    ) -> None:
        """Add the curves of a statement to a panel."""
        panel.with_target(InfluxQL(statement, ref_id=ref_id, alias=alias))
        panel.override_by_query(ref_id, [gap_beyond(step * 1.5), *more])

    def stepped(
        self,
        place: str,
        steps: Sequence[statements.Resolution],
        statement: Callable[[statements.Resolution], str],
        *,
        alias: str,
    ) -> timeseries.Panel:
        """Return a panel whose curves come from one statement for each coarseness."""
        panel = self._plot(place)
        for step in steps:
            self.add(panel, statement(step), ref_id=f"{place}{step.name}", alias=alias, step=step.length)
        return panel

    def lanes(
        self,
        place: str,
        steps: Sequence[statements.Resolution],
        statement: Callable[[statements.Resolution], str],
        *,
        alias: str,
        mappings: Sequence[Any],
    ) -> statetimeline.Panel:
        """Return a panel with a lane for each series of one statement for each coarseness."""
        panel = (
            self.base(statetimeline.Panel(), place)
            .interval("60s")
            .unit("none")
            .mappings(list(mappings))
            .color_scheme(colour("fixed", GREY))
            .merge_values(True)
            .row_height(0.8)
            .show_value(shapes.VisibilityMode.AUTO)
        )
        for step in steps:
            ref_id = place + step.name
            panel.with_target(InfluxQL(statement(step), ref_id=ref_id, alias=alias))
            panel.override_by_query(ref_id, [gap_beyond(step.length * 1.5)])
        return panel

    def strip(self, place: str, where: str = "") -> statetimeline.Panel:
        """Return the lanes of verdicts: for each rule and board whether its windows kept the limit.

        `where` is a condition, such as on the quantities.
        """
        chosen = f"{statements.SITE} AND {statements.BINDS} AND $timeFilter" + (f" AND {where}" if where else "")

        def statement(step: statements.Resolution) -> str:
            value_ = '"exceeded"' if step.suffix else '"exceeded" - "invalid"'
            source = f'FROM "verdict{step.suffix}" WHERE {chosen} AND {step.condition}'
            return f'SELECT {value_} AS "outcome" {source} GROUP BY "device", "standard", "rule"'

        alias = "$tag_rule $tag_device ($tag_standard)"
        return self.lanes(place, statements.VERDICTS, statement, alias=alias, mappings=meanings.strip(self.text))

    def number(self, place: str, targets: Mapping[str, tuple[str, str]], unit: str = "none") -> stat.Panel:
        """Return a panel with large numbers: statement and name of each by the name of its query."""
        panel = (
            self.base(stat.Panel(), place)
            .unit(unit)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .text_mode(shapes.BigValueTextMode.VALUE_AND_NAME)
            .graph_mode(shapes.BigValueGraphMode.NONE)
            .color_mode(shapes.BigValueColorMode.NONE)
            .no_value("–")
        )
        for ref_id, (statement, name) in targets.items():
            panel.with_target(InfluxQL(statement, ref_id=ref_id, alias=name))
        return panel

    def bars(self, place: str, statement: str, *, ref_id: str, alias: str, unit: str = "none") -> bargauge.Panel:
        """Return a panel with a bar for each series: its newest value."""
        return (
            self.base(bargauge.Panel(), place)
            .unit(unit)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .orientation(shapes.VizOrientation.HORIZONTAL)
            .display_mode(shapes.BarGaugeDisplayMode.BASIC)
            .with_target(InfluxQL(statement, ref_id=ref_id, alias=alias))
        )

    def columns_by_day(self, place: str, statement: str, *, ref_id: str, alias: str) -> barchart.Panel:
        """Return a panel with a column for each local day."""
        return (
            self.base(barchart.Panel(), place)
            .unit("none")
            .decimals(0)
            .with_target(InfluxQL(statement, ref_id=ref_id, alias=alias))
        )

    def rows(self, place: str, statement: str, columns: Sequence[Column], *, ref_id: str) -> table.Panel:
        """Return a table, whose columns can be searched; what is not among them is not shown."""
        panel = self.base(table.Panel(), place).unit("none").filterable(True)
        panel.with_target(InfluxQL(statement, ref_id=ref_id, result_format="table"))
        panel.override_by_regexp("/^[Tt]ime$/", [value("displayName", self.text("column", "time"))])
        for column in columns:
            shown = [value("displayName", self.text("column", column.name))]
            if column.unit:
                shown.append(value("unit", column.unit))
            if column.mappings:
                shown.append(value("mappings", list(column.mappings)))
            if column.decimals is not None:
                shown.append(value("decimals", column.decimals))
            if column.name == "site":
                shown.append(self.site_links())
            if column.coloured:
                shown.append(value("custom.cellOptions", {"type": "color-text"}))
            panel.override_by_name(column.name, shown)
        return panel

    def site_links(self) -> Any:
        """Return the links from a row that has fields district and site to that site, in the same time range."""
        variables = "var-district=${__data.fields.district}&var-site=${__data.fields.site}&${__url_time_range}"
        return value(
            "links",
            [
                {"title": self.text(name, "title"), "url": f"/d/fenceline-{name}-{self.text.lang}?{variables}"}
                for name in (*(one.dashboard.name for one in packs() if one.dashboard), "verdicts")
            ],
        )

    def flagged(self) -> table.Panel:
        """Return the table of readings that do not count."""
        statement = (
            'SELECT "device", "quantity", "flag", "value", "dt" FROM "flagged" '
            f"WHERE {statements.DEVICES} AND $timeFilter ORDER BY time DESC LIMIT 1000"
        )
        columns = [
            Column("device"),
            Column("quantity", mappings=meanings.quantities(self.text, self.quantities)),
            Column("flag", mappings=meanings.named(self.text, "flag")),
            Column("value"),
            Column("dt", unit="suffix: s"),
        ]
        return self.rows("flagged", statement, columns, ref_id="flagged")

    def flag_lanes(self, place: str) -> statetimeline.Panel:
        """Return a lane for each quantity and flag: when what was measured did not count, and why."""
        source = f'FROM "flagged" WHERE {statements.DEVICES} AND $timeFilter'
        by = 'GROUP BY time($__interval), "quantity", "flag", "device" fill(null)'
        flagged = [range_map(0.001, 1e9, self.text("frame", "flagged"), ORANGE)]
        panel = self.lanes(place, (), lambda _: "", alias="", mappings=flagged).interval("10m")
        alias = "$tag_quantity: $tag_flag ($tag_device)"
        return panel.with_target(InfluxQL(f'SELECT sum("dt") AS "dt" {source} {by}', ref_id="flags", alias=alias))
