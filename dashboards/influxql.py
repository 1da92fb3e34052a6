"""A raw InfluxQL query for Grafana, since grafana-foundation-sdk has no class for the InfluxDB data source.

Raw, because the statement that people review here is then the statement that the database gets.
"""

from typing import Literal

from grafana_foundation_sdk.cog import builder, variants


class Query(variants.Dataquery):
    """What Grafana stores for one InfluxQL query of a panel."""

    def __init__(self, statement: str, *, ref_id: str, alias: str, result_format: str) -> None:
        self.statement = statement
        self.ref_id = ref_id
        self.alias = alias
        self.result_format = result_format

    def to_json(self) -> dict[str, object]:
        """Return the members by which Grafana's InfluxDB data source knows them."""
        payload: dict[str, object] = {
            "query": self.statement,
            "rawQuery": True,
            "refId": self.ref_id,
            "resultFormat": self.result_format,
        }
        if self.alias:
            payload["alias"] = self.alias
        return payload


class InfluxQL(builder.Builder[Query]):
    """Builds a query for a panel: ``panel.with_target(InfluxQL('SELECT ...', ref_id="A", alias="LAeq $tag_device"))``.

    Args:
        statement: InfluxQL with Grafana's variables in it.
        ref_id: names the query within its panel; overrides address it by this name.
        alias: name of the series; ``$tag_device`` in it stands for the value of the tag ``device``.
        result_format: ``time_series`` for a graph, ``table`` for a table.
    """

    def __init__(
        self,
        statement: str,
        *,
        ref_id: str,
        alias: str = "",
        result_format: Literal["time_series", "table"] = "time_series",
    ) -> None:
        self._query = Query(statement, ref_id=ref_id, alias=alias, result_format=result_format)

    def build(self) -> Query:
        """Return the query."""
        return self._query
