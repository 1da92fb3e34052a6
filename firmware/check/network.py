"""Judges how far a board gets: radio, broker, and the hub and back; with what to do about each failure."""

import re

from firmware.check.results import Result, ResultState, same
from firmware.link.session import Seen
from schemas.language import Text

WEAK_DBM, WEAKEST_DBM = -80, -90
"""Signal strengths below which Wi-Fi loses packets, and does not hold (this project's choice)."""


def network(seen: Seen, platform: str, *, offline: bool) -> list[Result]:
    """Judge radio, broker and the way to the hub and back, by what the agent has reached."""
    names = Text("Network", "网络"), Text("Broker", "消息代理"), Text("Hub and back", "数据中心往返")
    if offline:
        none = Text("left out (--offline)", "未检查（--offline）")
        return [Result(name, ResultState.skipped, none) for name in names]
    radio, broker, hub = names
    results = [_radio(radio, seen, platform)]
    waits = Text("waits for the line above", "取决于上一项")
    if not seen.connected:
        results.append(Result(broker, ResultState.problem, same(seen.problem or "-"), _connection_remedy(seen.problem)))
        results.append(Result(hub, ResultState.skipped, waits))
        return results
    results.append(Result(broker, ResultState.ok, Text("connected", "已连接")))
    if seen.reached_hub:
        record = seen.oldest - 1
        results.append(Result(hub, ResultState.ok, Text(f"record {record} acknowledged", f"记录 {record} 已确认")))
    else:
        results.append(
            Result(
                hub,
                ResultState.problem,
                Text("no acknowledgement", "没有确认"),
                Text(
                    "does the hub run, and know this board and its key? fenceline board sync, then look at the hub: "
                    "fenceline quarantine list",
                    "数据中心是否在运行，并已登记该设备及密钥？执行 fenceline board sync，再在数据中心查看 "
                    "fenceline quarantine list",
                ),
            )
        )
    return results


def _radio(name: Text, seen: Seen, platform: str) -> Result:
    if seen.rssi is None:
        if platform != "esp32":
            return Result(name, ResultState.skipped, Text("this board has no radio", "该设备没有无线电"))
        return Result(
            name,
            ResultState.problem,
            Text("Wi-Fi not joined", "未连接 Wi-Fi"),
            Text(
                "check name and password (provision --force), that the router gives 2.4 GHz, and the antenna",
                "检查名称和密码（provision --force）、路由器是否提供 2.4 GHz，以及天线",
            ),
        )
    found = same(f"{seen.rssi} dBm")
    remedy = Text("move the antenna or the router; away from metal", "移动天线或路由器，远离金属")
    if seen.rssi < WEAKEST_DBM:
        return Result(name, ResultState.problem, found, remedy)
    return (
        Result(name, ResultState.warning, found, remedy)
        if seen.rssi < WEAK_DBM
        else Result(name, ResultState.ok, found)
    )


def _connection_remedy(problem: str) -> Text:
    if re.search(r"ECONNREFUSED|Errno 111", problem):
        return Text("nobody listens there: check the broker's address and port", "该地址无服务：检查消息代理地址和端口")
    if "not authorised" in problem or "user or password" in problem:
        return Text(
            "the broker refuses this board: its certificate, and the broker's list",
            "消息代理拒绝该设备：检查证书和授权列表",
        )
    if re.search(r"cert|TLS|SSL|MBEDTLS|handshake", problem, re.IGNORECASE):
        return Text(
            "the certificates do not fit: the clock, ca.crt, the broker's name",
            "证书不匹配：检查时钟、ca.crt 和服务器名称",
        )
    if re.search(r"-2\b|-202|gaierror|EAI", problem):
        return Text("its name is not found: check it, and the network's DNS", "无法解析服务器名称：检查名称和 DNS")
    return Text(
        "is there a network? try the broker from this laptop; a firewall may close its port",
        "网络是否可用？请用本机测试消息代理；防火墙可能封闭了端口",
    )
