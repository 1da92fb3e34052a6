"""The kinds of panels, each with what an inspector may rely on: unit, gaps as gaps, no meaning in colour alone."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
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
from dashboards.basemap import EMPTY
from dashboards.frame import DATABASE, OURS
from dashboards.influxql import InfluxQL
from dashboards.looks import (
    BLUE,
    DARK_RED,
    GREEN,
    GREY,
    NEUTRAL,
    ORANGE,
    RED,
    SUSPECT,
    UNDECIDED,
    colour,
    gap_beyond,
    in_order,
    limit_line,
    merged,
    range_map,
    room,
    thresholds,
    unseen,
    value,
    value_map,
)
from dashboards.texts import Lang, Texts
from schemas import load_quantities
from schemas.domains import packs

Panel = TypeVar("Panel", bound=Any)
KIND = "${__data.fields.site_kind}"
TIME_WIDTH = 165
"""Of a date with its time, pixels."""
LATE = dt.timedelta(minutes=2)
"""How far two samples may lie further apart than they should."""
HUES = (BLUE, GREEN, UNDECIDED, SUSPECT, ORANGE)
"""Of the quantities of one panel, never the limits' red; each board has a shade of them."""
FLAGS = {"C": BLUE, "D": RED, "M": SUSPECT, "F": GREY, "T": ORANGE, "S": UNDECIDED, "B": DARK_RED}
"""Colours of the letters of HJ 212; the words beside them tell them apart."""


class Column(NamedTuple):
    """A column of a table: the field's name, and how it is shown."""

    name: str
    unit: str = ""
    mappings: Sequence[Any] = ()
    decimals: int | None = None
    coloured: bool = False
    width: int | None = None
    """Pixels; None: what the others leave."""
    least: int | None = None
    """Pixels that it has at least, where it has no width: a phone would make ten lines of a sentence. What is not
    wrapped and longer is cut, and a click shows all of it."""
    wrapped: bool = False
    """It takes as many lines as it needs; in Chinese it is cut, and a click shows all of it."""
    hidden: bool = False
    """It is there for links only."""
    thresholds: Any = None
    """Of the coloured value, where no mapping colours it."""
    bar: bool = False
    """The value is drawn as a bar from the panel's least to its most."""
    title: str = ""
    """Its text in the table "column"; empty: the one that is called as the field."""


def hues(keys: Iterable[str]) -> dict[str, str]:
    """Return a colour for each quantity of a panel."""
    return dict(zip(keys, itertools.cycle(HUES), strict=False))


def _shades(hue: str) -> Any:
    return value("color", {"mode": "shades", "fixedColor": hue})


class Panels:
    """Makes panels in one language; `place` names a panel's texts."""

    def __init__(self, text: Texts) -> None:
        self.text = text
        self.quantities = load_quantities()
        self.basemap = EMPTY
        self.public = False
        """Whether the database is the one with our own uid, and not what a variable says."""

    def base(self, panel: Panel, place: str, **values: str) -> Panel:
        """Give a panel its title, description and database."""
        text = self.text
        described = panel.title(text(place, "title")).description(text(place, "description", **values))
        # Without thresholds Grafana takes its own: green, and red from 80 of whatever it is.
        plain = described.thresholds(thresholds((None, NEUTRAL)))
        # Grafana's own "No data" is in the language of its menus.
        plain = plain.no_value(text("frame", "no_data"))
        return plain.datasource(OURS if self.public else DATABASE)  # type: ignore[no-any-return]

    def name(self, key: str) -> str:
        """Return what a legend calls a quantity."""
        quantity = self.quantities[key]
        return quantity.symbol or (quantity.zh if self.text.lang is Lang.ZH else quantity.en)

    def unit(self, key: str) -> str:
        """Return Grafana's way of saying "this text after the number"."""
        return f"suffix:{self.quantities[key].label}"

    def curves(
        self,
        place: str,
        keys: Sequence[str],
        limits: Sequence[str] = (),
        parts: Mapping[str, int] = MappingProxyType({}),
    ) -> timeseries.Panel:
        """Return a panel with a curve for each quantity and board, and the limits of some of them as dashed steps.

        The quantities share one unit and one family. How coarse they are drawn follows from the range. Of what has
        `parts` the axis counts those.
        """
        first = self.quantities[keys[0]]
        panel = self._plot(place).unit(self.unit(keys[0]))
        for step in statements.READINGS:
            names = {
                key: self.name(key) for key in keys if not step.suffix or statements.rolled_up(self.quantities[key])
            }
            if names:
                ref_id = first.family + step.name
                panel.with_target(
                    InfluxQL(
                        statements.readings(first.family, names, step, parts), ref_id=ref_id, alias="$col $tag_device"
                    )
                )
                panel.override_by_query(ref_id, [gap_beyond(step.length * 1.5)])
        if len(keys) > 1 and "lafmax" not in keys:
            # Red is the limits', which a palette would give to the fifth curve.
            for key, hue in hues(keys).items():
                panel.override_by_regexp(f"/^{self.name(key)} /", [_shades(hue)])
        if "lafmax" in keys:  # The loudest moments stand behind the levels that most windows are judged by.
            thin = [value("color", {"mode": "fixed", "fixedColor": GREY}), value("custom.lineWidth", 1)]
            panel.override_by_regexp(f"/^{self.name('lafmax')} /", thin)
        for index, key in enumerate(limits):
            dash, color = ([12, 6], RED) if index == 0 else ([3, 6 * index], DARK_RED)
            self.limit(panel, key, dash, color)
        return panel

    def limit(self, panel: timeseries.Panel, key: str, dash: list[int], color: str) -> None:
        """Draw a quantity's limit into a panel, as it applies through the day."""
        for step in statements.VERDICTS:
            ref_id = f"{key}_limit{step.name}"
            name = self.text("frame", "limit", symbol=self.name(key))
            panel.with_target(InfluxQL(statements.limit(key, step), ref_id=ref_id, alias=name))
            length = step.length if step.suffix else statements.window(key)
            panel.override_by_query(ref_id, [gap_beyond(length), *limit_line(dash, color)])

    def _plot(self, place: str) -> timeseries.Panel:
        panel = self.base(timeseries.Panel(), place).interval("60s").span_nulls(False).line_width(2)
        panel.tooltip(
            common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)
        )
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

    def close(self, panel: Panel) -> None:
        """Take the ends of windows out of a panel whose aliases begin with the column: they only break its lines."""
        panel.override_by_regexp(f"/^{statements.CLOSED} /", [unseen()])

    def call(
        self, panel: Panel, column: str, what: str, keys: Iterable[str], hues: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Name the series of a column by `what`, quantity and time of day.

        Args:
            panel: gets the names.
            column: the alias's first word; `$tag_quantity $tag_rule` follow.
            what: stands before the quantity, such as the board's label: a phone cuts the begin of a lane's name.
            keys: quantities that may occur.
            hues: colours of some of them.
        """
        # One name for each: what has been renamed is looked for by its new name.
        for key in keys:
            noise = key in ("laeq", "lafmax")
            coloured = [_shades(hues[key])] if key in hues else []
            for part in ("day", "night") if noise else ():
                name = self.text("frame", part, symbol=self.name(key))
                matched = f"/^{column} {key} \\S*-{part}/"
                panel.override_by_regexp(matched, [value("displayName", f"{what} · {name}"), *coloured])
            other = "(?!\\S*-(day|night))" if noise else ""
            named = [value("displayName", f"{what} · {self.name(key)}"), *coloured]
            panel.override_by_regexp(f"/^{column} {key} {other}/", named)

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
            .per_page(10)
            .show_value(shapes.VisibilityMode.AUTO)
        )
        for step in steps:
            ref_id = place + step.name
            panel.with_target(InfluxQL(statement(step), ref_id=ref_id, alias=alias))
            # A lane is filled up to the next value: what is taken every hour comes some seconds late.
            panel.override_by_query(ref_id, [gap_beyond(step.length + LATE)])
        return panel

    def strip(self, place: str, where: str = "") -> statetimeline.Panel:
        """Return the lanes of verdicts: for each rule and board whether its windows kept the limit.

        `where` is a condition, such as on the quantities.
        """
        chosen = f"{statements.SITE} AND {statements.BINDS} AND $timeFilter" + (f" AND {where}" if where else "")

        def statement(step: statements.Resolution) -> str:
            value_ = '"exceeded"' if step.suffix else '"exceeded" - "invalid"'
            ends = "" if step.suffix else f', "{statements.CLOSED}"'
            source = f'FROM "verdict{step.suffix}" WHERE {chosen} AND {step.condition}'
            return f'SELECT {value_} AS "outcome"{ends} {source} GROUP BY "device", "standard", "quantity", "rule"'

        alias = "$col $tag_quantity $tag_rule $tag_device ($tag_standard)"
        panel = self.lanes(place, statements.VERDICTS, statement, alias=alias, mappings=meanings.strip(self.text))
        self.close(panel)
        self.call(panel, "outcome", "${__field.labels.device}", self.quantities)
        return panel.per_page(30)  # the ends of windows count as lanes, too

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
            .value_mode(shapes.BarGaugeValueMode.TEXT)
            .sizing(shapes.BarGaugeSizing.MANUAL)  # a few bars would share a whole panel
            .min_viz_height(16)
            .max_viz_height(48)
            .text(common.VizTextDisplayOptions().title_size(14).value_size(18))
            .no_value("–")
            .name_placement(shapes.BarGaugeNamePlacement.TOP)
            .with_target(InfluxQL(statement, ref_id=ref_id, alias=alias))
        )

    def columns_by_day(self, place: str, statement: str, *, ref_id: str, alias: str) -> barchart.Panel:
        """Return a panel with a column for each local day of what nobody wants: in red."""
        return (
            self.base(barchart.Panel(), place)
            .unit("none")
            .decimals(0)
            .color_scheme(colour("fixed", RED))
            .x_tick_label_spacing(100)
            .legend(common.VizLegendOptions().show_legend(False))
            .with_target(InfluxQL(statement, ref_id=ref_id, alias=alias))
        )

    def rows(
        self,
        place: str,
        statement: str,
        columns: Sequence[Column],
        *,
        ref_id: str,
        time: str = "",
        before_time: int = 0,
        more: str = "",
        searched: bool = False,
    ) -> table.Panel:
        """Return a table, whose columns stand in the order in which they are listed.

        Args:
            place: names its texts.
            statement: of its rows.
            columns: all that is shown, but for the time.
            ref_id: of the query.
            time: the text in the table "column" for the time of a row; empty: it tells nothing and is not shown.
            before_time: how many columns stand before it: a phone shows the first two.
            more: a further statement, whose rows are merged with the others.
            searched: its columns can be searched, which takes room of their names.
        """
        panel = self.base(table.Panel(), place).unit("none").filterable(searched)
        panel.footer(common.TableFooterOptions().show(False).enable_pagination(True))
        panel.with_target(InfluxQL(statement, ref_id=ref_id, result_format="table"))
        if more:
            panel.with_target(InfluxQL(more, ref_id=f"{ref_id}_more", result_format="table"))
            panel.with_transformation(merged())
        names = [column.name for column in columns]
        order = [*names[:before_time], "Time", *names[before_time:]]
        panel.with_transformation(in_order(order, without=[] if time else ["Time"]))
        if time:
            panel.override_by_name(
                "Time",
                [
                    value("displayName", self.text("column", time)),
                    value("custom.width", TIME_WIDTH),
                    value("unit", "time:YYYY-MM-DD HH:mm:ss"),
                ],
            )
        for column in columns:
            panel.override_by_name(column.name, self._looks(column, searched=searched))
        return panel

    def _looks(self, column: Column, *, searched: bool) -> list[Any]:
        """Return how a column looks."""
        title = "" if column.hidden else self.text("column", column.title or column.name)
        found: dict[str, Any] = {
            "mappings": list(column.mappings),
            "unit": column.unit,
            "noValue": "–",  # the panel's own is for when there is no row
            "custom.width": column.width and max(column.width, room(title, searched=searched)),
            "custom.minWidth": column.least,
            "custom.hidden": column.hidden,
            "custom.hideFrom.viz": column.hidden,  # Grafana 12 calls it so
        }
        if column.decimals is not None:
            found["decimals"] = column.decimals
        if column.mappings:
            found["custom.align"] = "left"  # a word, though it stands for a number
        if column.thresholds:
            found |= {"thresholds": column.thresholds.build(), "color": {"mode": "thresholds"}}
        found |= self._cell(column)
        shown = [value(name, content) for name, content in found.items() if content or name == "decimals"]
        if column.hidden:
            return shown
        if column.name == f"site_{self.text.lang}":
            shown.append(self.site_links())
        return [value("displayName", title), *shown]

    def _cell(self, column: Column) -> dict[str, Any]:
        """Return what kind of cells a column has."""
        if column.coloured:
            return {"custom.cellOptions": {"type": "color-text"}}
        if column.bar:
            return {"custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}}
        if not column.wrapped:
            return {"custom.inspect": True} if column.least else {}
        if self.text.lang is Lang.ZH:
            # Grafana counts lines by blanks, of which Chinese has few: wrapped rows would cover each other.
            return {"custom.inspect": True}
        # The second is where Grafana 12 has it.
        return {"custom.cellOptions": {"type": "auto", "wrapText": True}, "custom.wrapText": True}

    def where(self, width: int | None = 150, district: int | None = 95, least: int = 150) -> list[Column]:
        """Return the columns that tell a site by its name and its district's, and lead to it.

        Args:
            width: of the site's name, which is often long, in pixels; None: what the other columns leave, which on a
                phone is as little as it needs: in Chinese it stands in one line.
            district: of the district's name; None: what the other columns leave.
            least: of the site's name where that is what the others leave.
        """
        lang = self.text.lang
        kinds = {kind: (pack.dashboard.name, None) for pack in packs() if pack.dashboard for kind in pack.manifest.kind}
        return [
            Column(f"site_{lang}", width=width, least=None if width else least, wrapped=True),
            Column(f"district_{lang}", width=district, least=None if district else 80, wrapped=True),
            Column("district", hidden=True),
            Column("site", hidden=True),
            # What a link calls the dashboard of a kind of sites.
            Column("site_kind", hidden=True, mappings=[value_map(kinds)]),
        ]

    def site_links(self) -> Any:
        """Return the links from a row with the columns of `where` to that site, in the same time range."""
        variables = "var-district=${__data.fields.district}&var-site=${__data.fields.site}&${__url_time_range}"
        lang = self.text.lang
        return value(
            "links",
            [
                {
                    "title": self.text("frame", "to_site"),
                    "url": f"/d/fenceline-${{__data.fields.site_kind}}-{lang}?{variables}",
                },
                {"title": self.text("verdicts", "title"), "url": f"/d/fenceline-verdicts-{lang}?{variables}"},
            ],
        )

    def flagged(self) -> table.Panel:
        """Return the table of readings that do not count."""
        statement = (
            'SELECT "device", "quantity", "flag", "value", "dt" FROM "flagged" '
            f"WHERE {statements.DEVICES} AND $timeFilter ORDER BY time DESC LIMIT 1000"
        )
        columns = [
            Column("quantity", mappings=meanings.quantities(self.text, self.quantities)),
            Column("flag", mappings=meanings.named(self.text, "flag"), width=200),
            Column("value", width=120),
            Column("dt", unit="suffix:s", width=120),
            Column("device", width=160),
        ]
        return self.rows("flagged", statement, columns, ref_id="flagged", time="time", searched=True)

    def flag_lanes(self, place: str) -> statetimeline.Panel:
        """Return a lane for each quantity and flag: when what was measured did not count, and why."""
        source = f'FROM "flagged" WHERE {statements.DEVICES} AND $timeFilter'
        by = 'GROUP BY time($__interval), "quantity", "flag", "device" fill(null)'
        panel = self.lanes(place, (), lambda _: "", alias="", mappings=[]).interval("10m")
        alias = "$col $tag_quantity $tag_flag $tag_device"
        panel.with_target(InfluxQL(f'SELECT sum("dt") AS "dt" {source} {by}', ref_id="flags", alias=alias))
        # The meaning first: what has been renamed is looked for by its new name.
        # A calibration is too short for a word in it, so that the lane's name has it.
        for flag, color in FLAGS.items():
            shown = [range_map(0.001, 1e9, self.text("flag", flag), color)]
            panel.override_by_regexp(f"/^dt \\S+ {flag} /", [value("mappings", shown)])
            for key in self.quantities:
                name = f"${{__field.labels.device}} · {self.name(key)} {self.text('flag', flag)}"
                panel.override_by_regexp(f"/^dt {key} {flag} /", [value("displayName", name)])
        return panel.row_height(0.5).show_value(shapes.VisibilityMode.NEVER)
