"""The dashboard of one site of a domain, as the panels of its pack say: each is drawn by a function of `PALETTE`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model

from dashboards import collected, hauled, meanings, stacks, statements
from dashboards.basemap import EMPTY, Basemap
from dashboards.frame import alerts, district, finish, frame, site, tag
from dashboards.influxql import InfluxQL
from dashboards.looks import BLUE, FAINT, GREEN, GREY, ORANGE, RED, limit_line, sorted_by, thresholds, value, value_map
from dashboards.panels import Column, Panels, hues
from dashboards.texts import Lang, Texts
from schemas import load_limits
from schemas.domains.entries import Dashboard, Panel

BOARD, STANDARD = "${__field.labels.device}", "${__field.labels.standard}"
"""What Grafana puts into the name of a series."""
BOARDS = "$tag_device $tag_rule ($tag_standard)"
_HOUR, _DAY = (step.length for step in statements.VERDICTS)


def build(lang: Lang, shown: Dashboard, kinds: tuple[str, ...], basemap: Basemap = EMPTY) -> model.Dashboard:
    """Return a pack's dashboard in one language; `kinds`: its kinds of sites. Without any it is one of districts."""
    text = Texts(lang)
    panels = Panels(text)
    panels.basemap = basemap
    if not kinds:
        drawn = [PALETTE[one.draw].draw(panels, one).height(one.height).span(one.width) for one in shown.panel]
        return finish(frame(shown.name, text, since=shown.since).with_variable(district(text, several=True)), drawn)
    one_of = " OR ".join(f"\"kind\" = '{kind}'" for kind in kinds)
    within = f"({one_of})" if len(kinds) > 1 else one_of
    board = (
        frame(shown.name, text, since=shown.since)
        .with_variable(district(text, within=within))
        .with_variable(site(text, within=f"{within} AND {statements.DISTRICT}"))
        .with_variable(tag("device", text, measurement="fleet", within=statements.SITE, several=True))
    )
    judged = [
        number for number, one in enumerate(shown.panel, start=1) if one.limits or one.draw in ("judged", "strip")
    ]
    for kind in ("limit", "boards"):
        board.annotation(alerts(text, kind, judged))
    drawn = [PALETTE[one.draw].draw(panels, one).height(one.height).span(one.width) for one in shown.panel]
    return finish(board, drawn)


def _place(one: Panel) -> str:
    return one.text or one.draw


def _curves(panels: Panels, one: Panel) -> Any:
    return panels.curves(_place(one), one.quantities, one.limits)


def _strip(panels: Panels, one: Panel) -> Any:
    return panels.strip(_place(one), f'"quantity" !~ /^({"|".join(one.without)})$/' if one.without else "")


def _budget(panels: Panels, one: Panel) -> Any:
    source = (
        f'FROM "budget" WHERE {statements.DEVICES} AND "quantity" =~ /^({"|".join(one.quantities)})$/ '
        f'AND {statements.before_end("5m")} GROUP BY "device", "quantity", "rule"'
    )
    alias = "$col $tag_quantity $tag_rule $tag_device"
    panel = panels.bars(
        _place(one), f'SELECT last("used") AS "used" {source}', ref_id="budget", alias=alias, unit="percentunit"
    )
    # Grafana leaves out the name of a single bar, unless all have one: the same by which they are found.
    panel.display_name("used ${__field.labels.quantity} ${__field.labels.rule} ${__field.labels.device}")
    panels.call(panel, "used", BOARD, one.quantities)
    # The steps are of the picture; 1 is the limit, whichever it is. Nothing is in the colour of the first step.
    steps = thresholds((None, GREY), (0, GREEN), (0.8, ORANGE), (1.0, RED))
    return panel.min(0).max(1.2).decimals(0).thresholds(steps)


def _percentiles(panels: Panels, one: Panel) -> Any:
    """Return the levels exceeded 10, 50 and 90 % of the time: as measured, in long ranges their extremes.

    Nothing can be made of several such levels but which was the highest and which the lowest.
    """
    keys = ("l10", "l50", "l90")
    raw, longer = statements.READINGS[0], statements.READINGS[1]
    names = {key: panels.name(key) for key in keys}
    panel = panels.plot(
        _place(one),
        statements.readings("noise", names, raw),
        ref_id="noise_raw",
        alias="$col $tag_device",
        step=raw.length,
    )
    highest, lowest = (panels.text("percentiles", name) for name in ("highest", "lowest"))
    beyond = longer._replace(up_to=None).condition
    panel.with_target(
        InfluxQL(
            f'SELECT max("l10") AS "{highest}", min("l90") AS "{lowest}" FROM "noise" WHERE {statements.DEVICES} '
            f'AND $timeFilter AND {beyond} GROUP BY time($__interval), "device" fill(null)',
            ref_id="noise_extremes",
            alias="$col $tag_device",
        )
    )
    return panel.unit(panels.unit("l10"))


def _wind(panels: Panels, one: Panel) -> Any:
    # Grafana has ticks at 50 and 100 degrees, but at whole eighths of the circle.
    panel = panels.curves(_place(one), ("wind_speed", "wind_dir"), parts={"wind_dir": meanings.EIGHTH})
    panel.override_by_regexp(
        f"/^{panels.name('wind_dir')}/",
        [
            value("unit", "none"),
            value("decimals", 0),  # no tick between two names
            value("mappings", meanings.winds(panels.text)),
            value("custom.axisPlacement", "right"),
            value("custom.drawStyle", "points"),
            value("min", 0),
            value("max", 8),
        ],
    )
    return panel


def _relay(panels: Panels, one: Panel) -> Any:
    text = panels.text
    # A silent board's last word is not what its relay does now.
    switched = {"0": (f"○ {text('relay', 'off')}", FAINT), "1": (f"● {text('relay', 'on')}", BLUE)}
    panel = panels.lanes(
        _place(one),
        statements.SAMPLES,
        lambda step: (
            f'SELECT "relay" FROM "fleet{step.suffix}" WHERE {statements.DEVICES} AND {statements.HEARD} '
            f'AND $timeFilter AND {step.condition} GROUP BY "device"'
        ),
        alias="$tag_device",
        mappings=[value_map(switched)],
    )
    return panel.row_height(0.4)


def _judged(panels: Panels, one: Panel) -> Any:
    """Return the values as they were judged, each with its limit; in long ranges each day's highest."""
    (key,) = one.quantities
    panel = panels.plot(
        _place(one), _values(key, "value", statements.VERDICTS[0]), ref_id="judged", alias=f"$col {BOARDS}", step=_HOUR
    )
    panels.add(
        panel,
        _values(key, "highest", statements.VERDICTS[1]),
        ref_id="judged_24h",
        alias=f"$col {BOARDS}",
        step=_DAY,
    )
    for step, length in zip(statements.VERDICTS, (_HOUR, _DAY), strict=True):
        panels.add(
            panel,
            _values(key, "limit_value", step),
            ref_id=f"limit{step.name}",
            alias=f"$col {BOARDS}",
            step=length,
            more=limit_line([12, 6]),
        )
    panels.close(panel)
    names = {
        "value": BOARD,
        "highest": f"{panels.text('frame', 'highest')} {BOARD}",
        "limit_value": panels.text("frame", "limit", symbol=STANDARD),
    }
    for column, name in names.items():
        panel.override_by_regexp(f"/^{column} /", [value("displayName", name)])
    return panel.unit(panels.unit(key)).min(0)


def _values(key: str, field: str, step: statements.Resolution) -> str:
    where = f"{statements.SITE} AND \"quantity\" = '{key}' AND {statements.BINDS} AND $timeFilter AND {step.condition}"
    ends = "" if step.suffix else f', "{statements.CLOSED}"'
    return f'SELECT "{field}"{ends} FROM "verdict{step.suffix}" WHERE {where} GROUP BY "device", "standard", "rule"'


def _boundary(panels: Panels, one: Panel) -> Any:
    """Return how much of each boundary limit the judged values come to: quantities of several units in one picture."""
    keys = "|".join(f"{key}.*" if key.endswith("_") else key for key in one.without)
    left_out = f' AND "quantity" !~ /^({keys})$/' if keys else ""
    source = f"{statements.SITE} AND {statements.BINDS}{left_out} AND $timeFilter"
    closed = f', "{statements.CLOSED}"'
    panel = panels.stepped(
        _place(one),
        statements.VERDICTS,
        lambda step: (
            f'SELECT "ratio"{"" if step.suffix else closed} FROM "verdict{step.suffix}" WHERE {source} '
            f'AND {step.condition} GROUP BY "device", "quantity", "standard", "rule"'
        ),
        alias="$col $tag_quantity $tag_rule $tag_device ($tag_standard)",
    )
    panels.close(panel)
    judged = dict.fromkeys(limit.quantity for standard, limit in load_limits() if standard.nature == "emission")
    coloured = hues(key for key in judged if not key.startswith(tuple(one.without)))
    panels.call(panel, "ratio", f"{BOARD} ({STANDARD})", panels.quantities, coloured)
    return _marked(panel, 1).unit("percentunit").min(0).axis_soft_max(1.1)


def _marked(panel: Any, at: float) -> Any:
    """Draw a dashed line at a share of the limit, or of a window."""
    panel.thresholds(thresholds((None, "transparent"), (at, RED)))
    dashed = common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds_style(dashed)


def _hours(panels: Panels, one: Panel) -> Any:
    """Return for how long each limit was exceeded in this month, the longest first."""
    lang = panels.text.lang
    statement = (
        f'SELECT sum("exceeded_s") / 3600 AS "hours", sum("windows") AS "windows", '
        f'last("rule_{lang}") AS "rule_{lang}" FROM "verdict_24h" WHERE {statements.SITE} '
        f'AND {statements.BINDS} AND $timeFilter GROUP BY "standard", "rule"'
    )
    above = thresholds((None, GREY), (0.001, RED))
    columns = [
        Column("hours", unit="suffix:h", decimals=1, coloured=True, thresholds=above, width=115),
        Column(f"rule_{lang}", wrapped=True, least=300),
        Column("standard", width=130),
        Column("windows", width=80),
        Column("rule", hidden=True),
    ]
    panel = panels.rows(_place(one), statement, columns, ref_id="hours").time_from("now/M")
    for step in sorted_by("hours", descending=True):
        panel.with_transformation(step)
    return panel


def _capture(panels: Panels, one: Panel) -> Any:
    panel = panels.stepped(
        _place(one),
        statements.VERDICTS,
        lambda step: (
            f'SELECT min("capture") FROM "verdict{step.suffix}" WHERE {statements.SITE} AND {statements.BINDS} '
            f"AND $timeFilter AND {step.condition} GROUP BY time({'1d, -8h' if step.suffix else '1h'}), "
            '"device" fill(none)'
        ),
        alias="$tag_device",
    )
    return _marked(panel, 0.75).unit("percentunit").min(0).max(1)


class Drawing(NamedTuple):
    """How a kind of panels is drawn, and which fields of a pack's panel it reads."""

    draw: Callable[[Panels, Panel], Any]
    reads: tuple[str, ...] = ()
    one: bool = False
    """It shows exactly one quantity."""


PALETTE = {
    "curves": Drawing(_curves, ("quantities", "limits")),
    "judged": Drawing(_judged, ("quantities",), one=True),
    "budget": Drawing(_budget, ("quantities",)),
    "strip": Drawing(_strip, ("without",)),
    "boundary": Drawing(_boundary, ("without",)),
    "percentiles": Drawing(_percentiles),
    "wind": Drawing(_wind),
    "relay": Drawing(_relay),
    "hours": Drawing(_hours),
    "judged_capture": Drawing(_capture),
    "flag_lanes": Drawing(lambda panels, one: panels.flag_lanes(_place(one))),
    "flagged": Drawing(lambda panels, _: panels.flagged()),
    "spots": Drawing(hauled.spots),
    "taken": Drawing(hauled.taken),
    "left": Drawing(hauled.left),
    "carriers": Drawing(hauled.carriers),
    "materials": Drawing(hauled.materials),
    "compared": Drawing(hauled.compared),
    "compared_each": Drawing(hauled.compared_each),
    "kept": Drawing(hauled.kept, ("rules",)),
    "broken": Drawing(hauled.broken, ("rules",)),
    "papers": Drawing(hauled.papers, ("things",)),
    "mass": Drawing(stacks.mass, ("quantities",)),
    "totals": Drawing(stacks.totals),
    "rates": Drawing(stacks.rates),
    "marks": Drawing(stacks.marks),
    "filled": Drawing(collected.filled, ("quantities",), one=True),
    "emptied": Drawing(collected.emptied, ("quantities",), one=True),
    "tonnes": Drawing(collected.tonnes),
    "tonnes_in": Drawing(collected.tonnes_in),
    "served": Drawing(collected.served, ("rules",)),
    "summed": Drawing(collected.summed, ("rules",)),
}
"""What a panel may `draw`.

curves: readings of quantities of one unit, with the limits of some. judged: one quantity as it was judged, with its
limits. budget: how much of what a limit permits is used. strip: verdicts, `without` some quantities. boundary: judged
values as a share of their limits, `without` quantities (one that ends in _: all that begin so). percentiles: L10, L50,
L90. wind: speed and direction. relay: dust suppression. hours: time in exceedance this month. judged_capture: valid
share of judged windows. flag_lanes, flagged: what does not count, and why.
Of a pack whose rules watch what hauls loads: spots: where rules were broken, on a map. taken, left, carriers,
materials: loads by the district in which they were taken or left, by company, by material. compared, compared_each:
breaches per 100 trips, by company and by vehicle. kept: the share in which `rules` were kept. broken: how
often each rule was broken, or each of `rules`. papers: how many of some `things` hold.
Of a pack whose sites have stacks with permits: mass: what each outlet let out of `quantities`. totals: permitted yearly
totals with their forecast. rates: transmission rate x validity rate of the month. marks: what enterprises marked.
Of a pack whose rules watch what is collected: filled: the newest level of each sensor. emptied: when its level fell
last. tonnes, tonnes_in: what was weighed, by kind of waste and by district. served: which share of each round was
done, by `rules` of coverage. summed: how often `rules` were kept, in doubt, or not judged, in one sum: of people
nothing else.
"""
