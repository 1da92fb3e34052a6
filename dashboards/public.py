"""The dashboard for everybody: air and noise by district. It reads only what has no name of a site or board in it.

Grafana shares a dashboard with the public only without variables, and its server alone fills in the statements: so
nothing stands in them but `$timeFilter` and `$__interval`, and the database is the one with our own uid.
"""

from typing import Any

from grafana_foundation_sdk.builders import text as note
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import text as note_model

from dashboards import statements
from dashboards.frame import finish, frame
from dashboards.looks import GREY, sorted_by, thresholds
from dashboards.panels import Column, Panels
from dashboards.texts import Lang, Texts

NAME = "public"
COLORS = ("#00e400", "#ffff00", "#ff7e00", "#ff0000", "#99004c", "#7e0023")
"""Of the index's six levels (HJ 633)."""
HIGHEST = (50, 100, 150, 200, 300)
"""Highest index of the levels but the last (HJ 633)."""
NOW = "3h"
"""An hour is told of 10 min after its end: what is older is not told as if it were now."""


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    panels.public = True
    board = frame(NAME, text, since="now-7d", public=True)
    name = f"district_{lang}"
    kept = (
        'SELECT 1 - sum("exceeded") / (sum("windows") - sum("invalid") - sum("open") - sum("uncorrected")) AS "kept", '
        f'last("{name}") AS "{name}" FROM "verdict_24h" WHERE {statements.BINDS} '
        'AND "quantity" =~ /^(laeq|lafmax)$/ AND $timeFilter GROUP BY "district"'
    )
    return finish(
        board,
        [
            _now(panels).height(9).span(12),
            _course(panels, "aqi", "aqi", "none").height(9).span(12),
            _course(panels, "district_noise", "laeq", panels.unit("laeq")).height(9).span(12),
            _course(panels, "district_dust", "pm10", panels.unit("pm10")).height(9).span(12),
            _kept(panels, kept).height(9).span(8),
            _advice(panels).height(9).span(16),
        ],
    )


def _kept(panels: Panels, statement: str) -> Any:
    """Return a row with a bar for each district, the one that kept least first."""
    columns = [
        Column(_named(panels), width=110, wrapped=True),
        Column("kept", unit="percentunit", decimals=1, bar=True),
        Column("district", hidden=True),
    ]
    panel = panels.rows("kept", statement, columns, ref_id="kept").min(0).max(1)
    for step in sorted_by("kept", descending=False):
        panel.with_transformation(step)
    return panel


def _named(panels: Panels) -> str:
    """Return the tag with a district's name."""
    return f"district_{panels.text.lang}"


def _now(panels: Panels) -> Any:
    """Return the index of each district and its level in words, the worst first: nobody has to read it off a colour."""
    lang, name = panels.text.lang, _named(panels)
    statement = (
        f'SELECT last("aqi") AS "aqi", "level_{lang}" FROM "district" WHERE "{name}" != \'\' AND $timeFilter '
        f'GROUP BY "{name}"'
    )
    steps = ((most + 1, color) for most, color in zip(HIGHEST, COLORS[1:], strict=True))
    coloured = thresholds((None, GREY), (0, COLORS[0]), *steps)
    columns = [
        Column(name, width=110, wrapped=True),
        # The bar has the colour, the figures have the text's: yellow ones on white could not be read.
        Column("aqi", decimals=0, thresholds=coloured, bar=True, least=100),
        Column(f"level_{lang}", width=130, wrapped=True),
    ]
    panel = panels.rows("aqi_now", statement, columns, ref_id="aqi").min(0).max(500).time_from(NOW)
    for step in sorted_by("aqi", descending=True):
        panel.with_transformation(step)
    return panel.no_value(panels.text("aqi_now", "none"))


def _course(panels: Panels, place: str, field: str, unit: str) -> Any:
    """Return a figure of each hour; in long ranges the highest of each step."""
    name = _named(panels)
    statement = (
        f'SELECT max("{field}") FROM "district" WHERE "{name}" != \'\' AND $timeFilter '
        f'GROUP BY time($__interval), "{name}" fill(null)'
    )
    panel = panels.plot(place, statement, ref_id=field, alias=f"$tag_{name}")
    # A single hour is a point that can be seen; an axis from 130 to 133 would make hills of nothing.
    panel.interval("1h").unit(unit).decimals(0).point_size(7)
    return panel if field == "laeq" else panel.min(0)


def _advice(panels: Panels) -> Any:
    """Return what the levels mean for people, in the words of HJ 633."""
    text = panels.text
    head = f"| {text('advice', 'level')} | {text('advice', 'index')} | {text('advice', 'do')} |\n|---|---|---|"
    bounds = (0, *(most + 1 for most in HIGHEST))
    ends = (*(str(most) for most in HIGHEST), "")
    rows = [
        f"| {text('advice', f'name_{n}')} | {begin}–{end} | {text('advice', f'do_{n}')} |"
        for n, (begin, end) in enumerate(zip(bounds, ends, strict=True), start=1)
    ]
    content = "\n".join([head, *rows])
    panel = note.Panel().title(text("advice", "title")).description(text("advice", "description"))
    return panel.mode(note_model.TextMode.MARKDOWN).content(content)
