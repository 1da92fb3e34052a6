"""Turns the dashboards into the JSON files that Grafana is provisioned with, and lists the queries in them."""

import datetime as dt
import json
from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import site, statements
from dashboards.texts import Lang

DASHBOARDS = {"site.json": site.build}
"""File name and what builds it."""

FOLDER = Path(__file__).parent / "generated"


class PanelQuery(NamedTuple):
    """One query as the database gets it, and where it comes from."""

    where: str
    """``noise/laeq``: the query ``laeq`` of the panel with that title; ``$site/site``: the variable ``site``."""
    statement: str


def files(lang: Lang) -> dict[Path, str]:
    """Return the text of every generated file of one language by its path below the output folder."""
    return {
        Path(lang, name): json.dumps(build(lang), cls=JSONEncoder, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for name, build in DASHBOARDS.items()
    }


def queries(
    lang: Lang, district: str, site: str, device: str, start: dt.datetime, end: dt.datetime, interval: str = "1m"
) -> list[PanelQuery]:
    """Return every query of every dashboard, variables first, with Grafana's variables replaced by these values.

    Args:
        lang: whose dashboards; the statements are the same in every language.
        district: id of a district.
        site: id of a site.
        device: id of a board, or a regular expression of ids such as ``.*``.
        start: begin of the time range, with a time zone.
        end: end of the time range, with a time zone.
        interval: what Grafana chooses for ``$__interval``, as InfluxQL writes durations.
    """
    variables = {"district": district, "site": site, "device": device, "__interval": interval}
    found: list[PanelQuery] = []
    for text in files(lang).values():
        board = json.loads(text)
        asked = [(f"${v['name']}", v["query"]) for v in board["templating"]["list"] if v["type"] == "query"]
        asked += [(panel["title"], target) for panel in board["panels"] for target in panel["targets"]]
        found += [
            PanelQuery(f"{where}/{query['refId']}", statements.substitute(query["query"], variables, start, end))
            for where, query in asked
        ]
    return found
