"""Every option of a panel is one that Grafana 11, 12 and 13 know by their published schemas, or has a counterpart.

An option that a version does not know does nothing there, without a word. tests/data/grafana-options.json has the
facts; dashboards/README.md tells the differences.
"""

import json
from collections import defaultdict
from pathlib import Path

from dashboards.generate import FOLDER

PANELS = json.loads((Path(__file__).parents[1] / "data" / "grafana-options.json").read_text("utf-8"))["panels"]
VERSIONS = ("11.0", "11.6", "12.4", "13.2")
INSTEAD = {
    "options.footer": "options.enablePagination",
    "custom.hidden": "custom.hideFrom.viz",
    "custom.cellOptions.wrapText": "custom.wrapText",
}
"""What tables have by one name in Grafana 11, and by another from 12 on."""
NEWER = {
    ("bargauge", "options.legend"): "nothing is shown by it",
    ("stat", "options.percentChangeColorMode"): "no change in percent is shown",
    ("state-timeline", "options.perPage"): "all lanes stand on one page",
    ("timeseries", "custom.insertNulls"): "it is there, but not in the schema of 11.0",
}
"""What 11.0 does not have, and what that does."""
UNTYPED = ("options.layers[].config", "options.basemap.config", "custom.hideFrom", "custom.insertNulls")
"""What the published schemas leave open: layers of maps, and what is taken for every field of a map or timeline."""


def paths(prefix, value):
    """Yield the path of each option, with its text if it is one."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield f"{prefix}.{name}", inner if isinstance(inner, str) else None
        yield from paths(f"{prefix}.{name}", inner)
    for inner in value if isinstance(value, list) else ():
        yield from paths(f"{prefix}[]", inner)


def used():
    """Return the texts that are set, by kind of panel and path."""
    found = defaultdict(set)
    for file in FOLDER.glob("*/*.json"):
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            config = panel.get("fieldConfig", {})
            parts = [("options", panel.get("options", {})), ("custom", config.get("defaults", {}).get("custom", {}))]
            rules = [entry for rule in config.get("overrides", ()) for entry in rule["properties"]]
            custom = [(entry["id"], entry["value"]) for entry in rules if entry["id"].startswith("custom.")]
            for prefix, value in (*parts, *custom):
                for path, text in ((prefix, value if isinstance(value, str) else None), *paths(prefix, value)):
                    found[panel["type"], path].add(text)
    return found


def is_open(path):
    return path in {"options", "custom"} or any(path == one or path.startswith(f"{one}.") for one in UNTYPED)


def test_every_option_is_known_to_every_version_or_has_a_counterpart():
    found = used()
    assert len(found) > 150
    told = []
    for (kind, path), texts in found.items():
        if path not in PANELS[kind]:
            if not is_open(path):
                told.append((kind, path, "in no version"))
            continue
        known, *words = PANELS[kind][path]
        if words and not {text for text in texts if text} <= set(words):
            told.append((kind, path, texts))
        absent = [version for version in VERSIONS if version not in known.split()]
        old = next((name for name in INSTEAD if path == name or path.startswith(f"{name}.")), "")
        if old:
            assert (kind, INSTEAD[old]) in found, f"{path} alone does nothing from Grafana 12 on"
        elif absent == ["11.0"]:
            if not any(path == name or path.startswith(f"{name}.") for one, name in NEWER if one == kind):
                told.append((kind, path, absent))
        elif absent and path not in INSTEAD.values():
            told.append((kind, path, absent))
    assert told == []


def test_what_is_written_twice_is_written_twice_everywhere():
    """Both names in each override, and in each table."""
    for file in FOLDER.glob("*/*.json"):
        for panel in (one for one in json.loads(file.read_text("utf-8"))["panels"] if one["type"] == "table"):
            assert panel["options"]["enablePagination"] is panel["options"]["footer"]["enablePagination"]
            for rule in panel["fieldConfig"]["overrides"]:
                said = {entry["id"]: entry["value"] for entry in rule["properties"]}
                assert said.get("custom.hidden") == said.get("custom.hideFrom.viz"), panel["title"]
                assert said.get("custom.cellOptions", {}).get("wrapText") == said.get("custom.wrapText"), panel["title"]


def test_the_differences_are_written_down():
    text = (FOLDER.parent / "README.md").read_text("utf-8")
    for name in (*INSTEAD, *INSTEAD.values(), *(path for _, path in NEWER)):
        assert f"`{name.partition('.')[2]}`" in text, name
