"""The registry's districts as GeoJSON for the map: names from the registry, outlines from the file that it names."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import mapping, shape

from hub.registry.entries import District
from hub.things.coordinates import System, gcj02_of_wgs84, to_wgs84
from schemas.errors import UserError

MOST_BYTES = 20_000_000
"""Of a file with outlines; a browser has to load what is made of it."""
ENOUGH = 1e-5
"""Outlines are simplified by at most so many degrees, 1 m."""


def districts(named: Mapping[str, District], folder: Path, system: System, *, gcj02: bool) -> str:
    """Return the districts that have an outline as a FeatureCollection, whose features' `name` a map shows.

    Args:
        named: the registry's districts by id.
        folder: of the registry; files with outlines are named from there.
        system: which coordinates those files have.
        gcj02: the map's tiles are drawn in GCJ-02, so the outlines are shifted to fit.

    Raises:
        UserError: no district has an outline, or one cannot be read.
    """
    features = [
        _feature(one, _outline(one, folder / one.outline), system, gcj02=gcj02)
        for one in named.values()
        if one.outline is not None
    ]
    if not features:
        raise UserError(
            'no district of the registry has an outline; give it one: outline = "districts.geojson", a file with a '
            "feature that has the district's id or name"
        )
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False) + "\n"


def _feature(district: District, outline: Any, system: System, *, gcj02: bool) -> dict[str, Any]:
    def moved(xy: Any) -> list[tuple[float, float]]:
        plain = [to_wgs84((lon, lat), system) for lon, lat in xy.tolist()]
        return [gcj02_of_wgs84(position) for position in plain] if gcj02 else plain

    try:
        placed = shapely.transform(outline.simplify(ENOUGH), moved)
    except ValueError as error:
        raise UserError(f"district {district.id!r}: its outline {district.outline}: {error}") from error
    return {
        "type": "Feature",
        "properties": {"id": district.id, "name": " ".join(dict.fromkeys((district.zh, district.en)))},
        "geometry": mapping(shapely.set_precision(placed, 1e-6)),
    }


def _outline(district: District, path: Path) -> Any:
    """Return the outline of a district: the feature that has its id or one of its names, or the file's only one."""
    where = f"district {district.id!r}: its outline {path}"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{where}: has more than {MOST_BYTES} bytes; simplify it")
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UserError(
            f"{where}: cannot be read ({error.strerror}); name a GeoJSON file beside the registry"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: is no JSON ({error}); expected GeoJSON") from error
    features = list(_features(found))
    known = {district.id, district.en, district.zh}
    fits = [one for one in features if known & _names(one)] or (features if len(features) == 1 else [])
    if len(fits) != 1:
        raise UserError(
            f"{where}: {len(fits)} of its {len(features)} features have the district's id or name; expected one whose "
            f"property id or name is {', '.join(sorted(known))}"
        )
    try:
        outline = shapely.force_2d(shape(fits[0]["geometry"]))
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, shapely.errors.ShapelyError):
        raise UserError(f"{where}: its geometry is none; expected a Polygon or MultiPolygon") from None
    if outline.geom_type not in ("Polygon", "MultiPolygon") or outline.is_empty:
        raise UserError(f"{where}: its geometry is a {outline.geom_type}; expected a Polygon or MultiPolygon")
    if not shapely.is_valid(outline):
        raise UserError(f"{where}: {shapely.is_valid_reason(outline)}; draw it without crossing itself")
    west, south, east, north = outline.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise UserError(f"{where}: reaches beyond the Earth; expected degrees, longitude first")
    return outline


def _features(found: Any) -> Iterator[dict[str, Any]]:
    if isinstance(found, dict) and found.get("type") == "FeatureCollection" and isinstance(found.get("features"), list):
        yield from (one for one in found["features"] if isinstance(one, dict))
    elif isinstance(found, dict):
        yield found if found.get("type") == "Feature" else {"geometry": found}


def _names(feature: Mapping[str, Any]) -> set[str]:
    properties = feature.get("properties")
    said = properties if isinstance(properties, dict) else {}
    return {str(one) for one in (feature.get("id"), *said.values()) if isinstance(one, (str, int))}
