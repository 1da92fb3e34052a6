"""Turns the dashboards into the JSON files that Grafana is provisioned with, and lists the queries in them."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import city, domain, fleet, public, statements, verdicts
from dashboards.basemap import EMPTY, Basemap
from dashboards.frame import ALL
from dashboards.texts import Lang
from schemas.domains import Pack, packs

FOLDER = Path(__file__).parent / "generated"


class PanelQuery(NamedTuple):
    """One query as the database gets it, and where it comes from."""

    dashboard: str
    """Name of its file, without .json."""
    panel: str
    """Its title; ``$site``: the variable of that name; ``@Alerts``: the annotations of that name."""
    query: str
    """Its name within the panel (refId)."""
    statement: str


def builders(basemap: Basemap = EMPTY) -> dict[str, Callable[[Lang], Dashboard]]:
    """Return the file name of each dashboard and what builds it: those of domain packs among them."""
    of_packs = {
        f"{pack.dashboard.name}.json": partial(
            domain.build, shown=pack.dashboard, kinds=tuple(pack.manifest.kind), basemap=basemap
        )
        for pack in packs()
        if pack.dashboard
    }
    others = {f"{one.NAME}.json": one.build for one in (verdicts, fleet, public)}
    return {f"{city.NAME}.json": partial(city.build, basemap=basemap)} | of_packs | others


def files(lang: Lang, basemap: Basemap = EMPTY) -> dict[Path, str]:
    """Return the text of every generated file of one language by its path below the output folder."""
    return dict(_written(lang, basemap, packs()))


@lru_cache(8)
def _written(lang: Lang, basemap: Basemap, among: tuple[Pack, ...]) -> Mapping[Path, str]:  # noqa: ARG001 - packs may be added
    return {
        Path(lang, name): json.dumps(_plain(build(lang)), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for name, build in builders(basemap).items()
    }


def _plain(board: Dashboard) -> dict[str, Any]:
    """Return a dashboard as JSON has it, the pages of tables where Grafana 12 has them, too: the SDK is that of 11."""
    plain: dict[str, Any] = json.loads(json.dumps(board, cls=JSONEncoder))
    for panel in plain["panels"]:
        if panel["type"] == "table":
            panel["options"]["enablePagination"] = panel["options"]["footer"]["enablePagination"]
    return plain


def queries(
    lang: Lang, district: str, site: str, device: str, start: dt.datetime, end: dt.datetime, interval: str = "1m"
) -> list[PanelQuery]:
    """Return every query of every dashboard, variables first, with Grafana's variables replaced by these values.

    Args:
        lang: whose dashboards.
        district: id of a district, or a regular expression of ids such as ``.*``.
        site: id of a site, or a regular expression.
        device: id of a board, or a regular expression.
        start: begin of the time range, with a time zone.
        end: end of the time range, with a time zone.
        interval: what Grafana chooses for ``$__interval``, as InfluxQL writes durations.
    """
    variables = {"district": district, "site": site, "device": device, "standard": ALL, "outcome": ALL}
    variables["__interval"] = interval
    found: list[PanelQuery] = []
    for path, text in files(lang).items():
        board = json.loads(text)
        asked = [
            (f"${v['name']}", v["query"]) for v in board.get("templating", {}).get("list", ()) if v["type"] == "query"
        ]
        asked += [(f"@{a['name']}", a["target"]) for a in board.get("annotations", {}).get("list", ()) if "target" in a]
        asked += [(panel["title"], target) for panel in board["panels"] for target in panel.get("targets", ())]
        found += [
            PanelQuery(path.stem, panel, query["refId"], statements.substitute(query["query"], variables, start, end))
            for panel, query in asked
        ]
    return found
