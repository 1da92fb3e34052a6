"""Checks the series store: that it takes writes, and that a cluster keeps what it takes when a node is lost."""

import json
import os
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError

from hub.config.files import Config
from hub.series.answers import answer_of, silence
from hub.series.engine import Engine, engine_at
from hub.upkeep.checks.finding import Finding, ok, problem, skipped, warning
from schemas.language import Text

VARIABLES = ("INFLUXDB_V2_URL", "INFLUXDB_V2_TOKEN", "INFLUXDB_V2_ORG")
COPIES = 3
"""Of each point in an openGemini cluster: with fewer, one lost store takes points out of every answer, unsaid."""
REPLICATION = "replication"
"""openGemini's ha-policy with which it keeps several copies."""


def check_store(config: Config) -> list[Finding]:
    """Check the series store; SQLite's file is checked with the other databases."""
    if config.store.kind == "sqlite":
        return [ok("store", "SQLite, in the data folder", "SQLite，位于数据文件夹")]
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        names = ", ".join(missing)
        text = Text(f"InfluxDB: not set in the environment: {names}", f"InfluxDB：未设置环境变量 {names}")
        return [problem("store", text, Text("Set them where the hub is started.", "请在启动数据中心的环境中设置。"))]
    url, bucket = os.environ["INFLUXDB_V2_URL"], config.store.bucket
    if not url.startswith(("http://", "https://")):
        text = Text(f"InfluxDB: {url} is no address", f"InfluxDB：{url} 不是地址")
        mend = Text("Mend INFLUXDB_V2_URL: http://HOST:PORT.", "请改正 INFLUXDB_V2_URL：http://主机:端口。")
        return [problem("store", text, mend)]
    try:
        with InfluxDBClient.from_env_properties() as client:  # type: ignore[no-untyped-call]
            engine = engine_at(client)
            if engine is None:
                text = Text(f"no InfluxDB answers at {url}", f"{url} 没有 InfluxDB 应答")
                start = Text("Start it, or mend INFLUXDB_V2_URL.", "请启动它，或改正 INFLUXDB_V2_URL。")
                return [problem("store", text, start)]
            refusal = _try_to_write(client, bucket)
            if refusal:
                return [refusal]
            findings = [_taken(engine, url, bucket)]
            return findings + _check_copies(client, bucket.partition("/")[0]) if engine.is_gemini else findings
    except (HTTPError, OSError, ValueError) as error:
        why = silence(error)
        text = Text(f"InfluxDB at {url}: {why}", f"{url} 的 InfluxDB：{why}")
        return [problem("store", text, Text("Mend INFLUXDB_V2_URL.", "请改正 INFLUXDB_V2_URL。"))]


def _taken(engine: Engine, url: str, bucket: str) -> Finding:
    name = f"{engine.name} {engine.version}".rstrip()
    org = os.environ["INFLUXDB_V2_ORG"]
    en = f"{name} at {url} takes writes to bucket {bucket!r}"
    zh = f"{url} 的 {name} 接受写入存储桶 {bucket!r}"
    if engine.ignores_org:
        en += f"; it knows no organisations, so INFLUXDB_V2_ORG={org} says nothing there"
        zh += f"；该数据库没有组织的概念，INFLUXDB_V2_ORG={org} 不起作用"
    return ok("store", en, zh)


def _try_to_write(client: InfluxDBClient, bucket: str) -> Finding | None:
    """Write nothing to the bucket: address, token, organisation and bucket are judged, and no point is made.

    InfluxDB 2 judges all of them before it complains, with 400, that there are no points; 1.8 and openGemini take it.
    """
    try:
        WriteService(client.api_client).post_write(org=os.environ["INFLUXDB_V2_ORG"], bucket=bucket, body=b"")  # type: ignore[no-untyped-call]
    except ApiException as error:
        said = str(answer_of(error))
        if error.status == 400:
            return None
        if error.status in (401, 403):
            text = Text(f"InfluxDB refuses the token: {said}", f"InfluxDB 拒绝该令牌：{said}")
            return problem(
                "store",
                text,
                Text(
                    f"Set INFLUXDB_V2_TOKEN to one that may write to bucket {bucket!r} (InfluxDB 1.8, openGemini: "
                    "user:password).",
                    f"请将 INFLUXDB_V2_TOKEN 设为可写入存储桶 {bucket!r} 的令牌"
                    "（InfluxDB 1.8、openGemini：用户名:密码）。",
                ),
            )
        if error.status == 404:
            text = Text(
                f"InfluxDB does not know bucket or organisation: {said}", f"InfluxDB 中没有该存储桶或组织：{said}"
            )
            return problem(
                "store",
                text,
                Text(
                    "Make the bucket, or mend bucket under [store] or INFLUXDB_V2_ORG.",
                    "请创建存储桶，或改正 [store] 中的 bucket 或 INFLUXDB_V2_ORG。",
                ),
            )
        text = Text(f"InfluxDB answers {said}", f"InfluxDB 应答 {said}")
        return problem("store", text, Text("Look into InfluxDB's own log.", "请查看 InfluxDB 自己的日志。"))
    return None


def _check_copies(client: InfluxDBClient, database: str) -> list[Finding]:
    """Check that an openGemini cluster keeps enough copies of each point.

    How many the database has, whoever may write it may see; how many stores there are and their policy, only an admin.
    """
    name = "store copies"
    counted = {row["name"]: row["ReplicaN"] for row in _ask(client, "SHOW DATABASES DETAIL") or ()}
    if database not in counted:
        return [skipped(name, "openGemini does not tell how many copies it keeps", "openGemini 未告知保存的副本数")]
    copies = max(1, int(counted[database]))
    nodes = _ask(client, "SHOW CLUSTER")
    stores = None if nodes is None else sum(row.get("nodeType") == "data" for row in nodes)
    settings = {row["name"]: row["value"] for row in _ask(client, "SHOW CONFIGS") or ()}
    policy = str(settings.get("common.ha-policy", "")) or None
    if stores == 1:
        en, zh = "one store, one copy: what its disk loses is gone", "单个存储节点，单副本：磁盘损坏即丢失数据"
        return [ok(name, en, zh)]
    if copies >= COPIES and policy in (REPLICATION, None):
        en = f"{copies} copies of each point: complete while one store is away"
        return [ok(name, en, f"每个数据点 {copies} 个副本：一个存储节点离线时数据仍完整")]
    found = problem if stores or copies > 1 else warning
    en = "" if stores is None else f" on {stores} stores"
    zh = "" if stores is None else f"（{stores} 个存储节点）"
    if policy is not None:
        en += f", ha-policy {policy!r}"
        zh += f"，ha-policy 为 {policy!r}"
    text = Text(
        f"openGemini keeps {copies} copies of each point{en}: while a store of a cluster is away, its points are "
        "missing from every answer, without an error, and what is tried again stands twice",
        f"openGemini 每个数据点保存 {copies} 个副本{zh}：集群中有存储节点离线时，查询结果缺少其数据而不报错，"
        "重试的写入会重复",
    )
    remedy = Text(
        f'Set ha-policy = "{REPLICATION}" on every node, and make the database anew: CREATE DATABASE {database} '
        f"REPLICAS {COPIES} (deploy/SIZING.md).",
        f'请在每个节点设置 ha-policy = "{REPLICATION}"，并重建数据库：CREATE DATABASE {database} REPLICAS {COPIES}'
        "（见 deploy/SIZING.md）。",
    )
    return [found(name, text, remedy)]


def _ask(client: InfluxDBClient, statement: str) -> list[dict[str, Any]] | None:
    """Return the rows of a statement in InfluxQL; None if the server refuses it, as it does to who is no admin."""
    try:
        answer = client.api_client.call_api(  # type: ignore[no-untyped-call]
            "/query", "GET", query_params=[("q", statement)], _preload_content=False, _return_http_data_only=True
        )
        (result,) = json.loads(answer.data)["results"]
    except (ApiException, ValueError, KeyError):
        return None
    if "error" in result:
        return None
    return [
        dict(zip(series["columns"], row, strict=True))
        for series in result.get("series", ())
        for row in series.get("values", ())
    ]
