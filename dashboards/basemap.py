"""What lies below the sites on the map: nothing, unless the deployment chooses tiles or districts of its own.

Grafana's own default asks a foreign server for tiles, which fails without the internet and tells that server where an
agency looks. So the dashboards name their base map themselves: an empty one that asks nobody.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple, Self

from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.models import common as shapes

from dashboards.looks import GREY
from hub.terminal.commands import option
from schemas.errors import UserError
from schemas.language import Text

_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""One transparent pixel (GIF)."""
_SHAPES = ("http://", "https://", "public/")


class Layer(builder.Builder[shapes.MapLayerOptions]):
    """A layer that needs no building."""

    def __init__(self, layer: shapes.MapLayerOptions) -> None:
        self._layer = layer

    def build(self) -> shapes.MapLayerOptions:
        """Return it."""
        return self._layer


class Basemap(NamedTuple):
    """What the deployment chooses.

    Args:
        tiles: address of its tiles with {z}, {x} and {y} (XYZ); empty: none.
        attribution: who made them.
        gcj02: they are drawn in GCJ-02, as Chinese maps are: the marks are shifted to fit.
        districts: address of a GeoJSON file, or its path in Grafana's own `public` folder; empty: none.
    """

    tiles: str = ""
    attribution: str = ""
    gcj02: bool = False
    districts: str = ""

    @property
    def position(self) -> tuple[str, str]:
        """The fields with a site's latitude and longitude."""
        return ("lat_gcj02", "lon_gcj02") if self.gcj02 else ("lat", "lon")

    def checked(self) -> Self:
        """Return it, if Grafana can use it.

        Raises:
            UserError: it cannot.
        """
        if self.tiles and not (
            self.tiles.startswith(_SHAPES[:2]) and all(part in self.tiles for part in ("{z}", "{x}", "{y}"))
        ):
            raise UserError(
                f"--tiles {self.tiles!r}: expected an address with {{z}}, {{x}} and {{y}}, such as "
                "https://tiles.city.example/{z}/{x}/{y}.png"
            )
        if self.districts and not self.districts.startswith(_SHAPES):
            raise UserError(
                f"--districts {self.districts!r}: expected the address of a GeoJSON file, or its path in Grafana's own "
                "folder, such as public/maps/districts.geojson"
            )
        return self

    def tiles_layer(self) -> Layer:
        """Return the base map."""
        config = {"url": self.tiles or _PIXEL, "attribution": self.attribution}
        return Layer(shapes.MapLayerOptions(type_val="xyz", name="tiles", config=config))

    def district_layers(self, name: str) -> Sequence[Layer]:
        """Return the layer with the outlines of the districts, if there is one."""
        if not self.districts:
            return []
        style = {"color": {"fixed": GREY}, "opacity": 0.15, "lineWidth": 2, "text": {"mode": "field", "field": "name"}}
        config = {"src": self.districts, "rules": [], "style": style}
        return [Layer(shapes.MapLayerOptions(type_val="geojson", name=name, config=config, tooltip=False))]


EMPTY = Basemap()

Tiles = Annotated[
    str,
    option(
        Text(
            "Address of the map's tiles, with {z}, {x} and {y}: every browser asks it. Without it nobody is asked.",
            "地图瓦片地址，含 {z}、{x} 和 {y}，由浏览器访问。不提供则不访问任何服务器。",
        ),
        "--tiles",
        show_default=Text("none", "无"),
    ),
]
Attribution = Annotated[
    str,
    option(Text("Who made the tiles, shown on the map.", "瓦片来源，显示在地图上。"), show_default=Text("none", "无")),
]
Gcj02 = Annotated[
    bool,
    option(
        Text("The tiles are drawn in GCJ-02, as Chinese maps are.", "瓦片采用 GCJ-02 坐标（国内地图）。"),
        "--gcj02",
    ),
]
Districts = Annotated[
    str,
    option(
        Text(
            "GeoJSON with the districts: its address, or its path in Grafana's own folder public/.",
            "区县边界 GeoJSON：地址，或其在 Grafana 的 public/ 目录中的路径。",
        ),
        show_default=Text("none", "无"),
    ),
]
