"""What people are told of the network, as troubles: one sentence of what is wrong and what to do, in both languages."""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from hub.alerts.network import Trouble
from hub.wire.said import Moment
from schemas.catalogue import told_quantity
from schemas.language import Text

SENSOR = "sensor faulty: "
"""Beginning of the rule of a faulty sensor; the quantity follows."""
LAG = "hub lagging: "
"""Beginning of the rule of a consumer that is behind; its name follows."""
DEAF = "no board heard"
FRESH = 60.0
"""A position that is no older is where the badge is [s]."""
HUB_CLOCK = "hub clock in doubt"
CERTIFICATE_ENDS = "hub certificate ends soon"
CERTIFICATE_BAD = "hub certificate not good"

FLAGS = {
    "B": Text("no communication with the sensor", "与传感器无通信"),
    "D": Text("faulty, or stuck at one value", "故障或数值卡死"),
    "F": Text("stopped", "停运"),
    "T": Text("over range", "超量程"),
}
"""What the flags (HJ 212) of a faulty sensor mean."""
CLOCKS = {
    "future": Text("stamps its records with times in the future", "记录时间超前"),
    "past": Text("stamps its records with times long past", "记录时间严重滞后"),
    "none": Text("has never had its clock set", "时钟从未校准"),
    "unset": Text("has no time, and keeps what it measures until it has", "无法获取时间，测量数据暂存于设备"),
}


GIVEN_UP = {
    "overflow": Text("the outbox was full", "发件箱已满"),
    "medium": Text("the flash could not be written", "闪存无法写入"),
    "damaged": Text("the flash was damaged", "闪存数据损坏"),
}
"""Why a board gave records up (edge/outbox.py)."""
SOS = "SOS"
"""The rule of alerts about calls for help; of badges that are not in the registry their number follows."""
CONSUMERS = {
    "store": Text("store of readings", "监测数据存储"),
    "rollups": Text("means of hours and days", "小时与日均值统计"),
    "compliance": Text("judging of limits", "限值评价"),
    "rules": Text("judging of rules", "规则评价"),
    "emissions": Text("what outlets let out", "排放量计算"),
    "reports": Text("writing for dashboards", "看板数据写入"),
    "uplink": Text("adding up for platforms above", "上报数据汇总"),
}
"""What the log's consumers do, by the names that /readyz gives them."""


def silent(device: str, place: Text, since: float, now: float) -> Trouble:
    """Nothing comes from a board."""
    minutes = minutes_of(now - since)
    text = Text(
        f"{place.en}: nothing was heard for {minutes.en}. Check its power and its connection.",
        f"{place.zh}：已{minutes.zh}无数据。请检查供电和网络。",
    )
    return Trouble("silent", device, "board silent", "warning", since, text)


def call(device: str, place: Text, came: float, fix: Moment | None, doubt: Text, now: float) -> Trouble:
    """Somebody calls for help. `fix`: where the badge was last; None: that is not known. `doubt`: of the hub's time."""
    where, unsure = _spot(came, fix), _unsure(doubt)
    text = Text(
        f"{place.en}: SOS. {where.en} Call, and send somebody.{unsure.en}",
        f"{place.zh}：SOS 求救。{where.zh}请立即联系并派人前往。{unsure.zh}",
    )
    return Trouble("sos", device, SOS, "critical", now, text, urgent=True)


def strange_call(number: str, came: float, fix: Moment | None, doubt: Text, now: float) -> Trouble:
    """A badge calls for help that is not in the registry."""
    where, unsure = _spot(came, fix), _unsure(doubt)
    text = Text(
        f"Badge with the number {number}, which is not in the registry: SOS. {where.en} Find out whose it is, and send "
        f"somebody.{unsure.en}",
        f"工牌号码{number}（登记表中没有）：SOS 求救。{where.zh}请立即查明佩戴者并派人前往。{unsure.zh}",
    )
    return Trouble("sos", "", f"{SOS} {number}", "critical", now, text, urgent=True)


def strange_calls(most: int, doubt: Text, now: float) -> Trouble:
    """So many unknown badges call for help that a message for each would tell nobody anything."""
    unsure = _unsure(doubt)
    text = Text(
        f"SOS from more than {most} badges that are not in the registry. Somebody may be feigning them; see what they "
        f"say: fenceline quarantine.{unsure.en}",
        f"超过{most}个登记表中没有的工牌发出 SOS 求救，可能为伪造；请查看其内容：fenceline quarantine。{unsure.zh}",
    )
    return Trouble("sos", "", SOS, "critical", now, text, urgent=True)


def _spot(came: float, fix: Moment | None) -> Text:
    if fix is None:
        return Text("Where is not known.", "位置未知。")
    spot, age = f"{fix.lat:.6f}, {fix.lon:.6f}", minutes_of(max(0.0, came - fix.t))
    if came - fix.t < FRESH:
        return Text(f"At {spot} (WGS-84).", f"位置 {spot}（WGS-84）。")
    return Text(f"Last position {spot} (WGS-84), {age.en} old.", f"最近位置 {spot}（WGS-84），{age.zh}前。")


def _unsure(doubt: Text) -> Text:
    return Text(f" Times are doubtful: {doubt.en}.", f"时间存疑：{doubt.zh}。") if doubt.en else Text("", "")


def deaf(boards: int, since: float, now: float) -> Trouble:
    """Nothing comes from any board: that is the hub's own trouble, or the broker's."""
    minutes = minutes_of(now - since)
    text = Text(
        f"none of {boards} boards was heard for {minutes.en}: nothing is judged. Check the broker and the hub's "
        "connection to it: fenceline check.",
        f"{boards}台设备已{minutes.zh}均无数据，无法评价。请检查消息代理及其与数据中心的连接：fenceline check。",
    )
    return Trouble("silent", "", DEAF, "critical", since, text)


def sensor(device: str, place: Text, quantities: Sequence[str], flag: str, since: int, last: int) -> Trouble:
    """A sensor, or the bus of several, gives nothing usable; the first quantity names the alert."""
    minutes, meaning = minutes_of(last - since), FLAGS[flag]
    one = len(quantities) == 1
    have, it, what = ("has", "it", "the sensor") if one else ("have", "them", "the sensor and its line")
    called = [told_quantity(one) for one in quantities]
    names, kinds = ", ".join(one.en for one in called), "、".join(one.zh for one in called)
    text = Text(
        f"{place.en}: {names} {have} been flagged {flag} ({meaning.en}) for {minutes.en}; nothing of {it} counts. "
        f"Check {what}.",
        f"{place.zh}：{kinds}已被标记为{flag}（{meaning.zh}）达{minutes.zh}，不计入评价。"
        f"请检查传感器{'' if one else '及其线路'}。",
    )
    return Trouble("sensor", device, SENSOR + quantities[0], "warning", since, text)


def clock(device: str, place: Text, how: str, since: float) -> Trouble:
    """A board's times are wrong; `how`: a key of `CLOCKS`."""
    text = Text(
        f"{place.en}: the board {CLOCKS[how].en}; what it sends cannot be judged. Check its time server (NTP, "
        "UDP port 123).",
        f"{place.zh}：设备{CLOCKS[how].zh}，数据无法用于评价。请检查授时（NTP，UDP 123端口）。",
    )
    return Trouble("clock", device, "clock wrong", "warning", since, text)


def clock_off(device: str, place: Text, lag: float, since: float) -> Trouble:
    """A terminal's times are behind by `lag` s (below 0: ahead), always the same: no late data."""
    minutes = round(abs(lag) / 60)
    told = (
        Text(
            f"comes {minutes} min late, always by as much: its clock is behind",
            f"均固定滞后{minutes}分钟，应为终端时钟滞后",
        )
        if lag > 0
        else Text(
            f"is stamped {minutes} min ahead, always by as much: its clock is ahead",
            f"均固定超前{minutes}分钟，应为终端时钟超前",
        )
    )
    text = Text(
        f"{place.en}: all that it says {told.en}. What is judged of it by hours and documents is no more than a "
        "suspicion. Check its clock and its satellite time.",
        f"{place.zh}：所有数据{told.zh}。按时段和单证作出的评价最多为疑似。请检查终端时钟和卫星授时。",
    )
    return Trouble("clock", device, "clock wrong", "warning", since, text)


def outbox(device: str, place: Text, records: int, reason: str, since: float) -> Trouble:
    """A board gives up records."""
    why = GIVEN_UP.get(reason, Text(reason, reason))
    text = Text(
        f"{place.en}: the board gave up {records} records ({why.en}); they are lost, a gap is on record. Its flash "
        "holds no more: check the connection.",
        f"{place.zh}：设备丢弃了{records}条记录（{why.zh}），数据缺失已登记。存储已满，请检查网络。",
    )
    return Trouble("outbox", device, "outbox dropping", "warning", since, text)


def numbers(device: str, place: Text, stream: str, first: int, last: int, since: float) -> Trouble:
    """Records with other content came under numbers that the hub had."""
    stream = stream.partition("~")[0]
    text = Text(
        f"{place.en}: other content came under numbers {first} to {last} of stream {stream}, which the hub "
        "had already: the board was restored from a backup, or is a copy. All records are kept and judged. Make sure "
        "that only one board runs with this key, and give it an empty outbox.",
        f"{place.zh}：记录流{stream}的编号{first}至{last}已被使用，又收到内容不同的记录：设备可能由备份恢复或被复制。"
        "所有记录均已保存并参与评价。请确认使用该密钥的设备只有一台，并清空其存储。",
    )
    return Trouble("numbers", device, "numbers used twice", "warning", since, text)


def flood(device: str, place: Text, messages: int, since: float, now: float) -> Trouble:
    """A board sends so much that the others would have to wait for it."""
    minutes = minutes_of(max(60.0, now - since))
    text = Text(
        f"{place.en}: the board floods: {messages} messages were let go of within {minutes.en}. They were not "
        "acknowledged, it sends them again; its readings come late. Look at its configuration, and whether somebody "
        "else uses its key.",
        f"{place.zh}：设备发送过量，{minutes.zh}内有{messages}条消息未被接收。这些消息未予确认，设备会重发，数据将延迟到达。"
        "请检查其配置，并确认密钥未被他人使用。",
    )
    return Trouble("flood", device, "board floods", "warning", since, text)


def unheard(device: str, place: Text, told: int, oldest: int, since: float, now: float) -> Trouble:
    """A board does not hear what it may forget."""
    minutes = minutes_of(now - since)
    text = Text(
        f"{place.en}: the readings up to number {told} are stored and acknowledged, and for {minutes.en} the board has "
        f"gone on sending them from number {oldest}: it does not hear its acknowledgements, and its flash fills. See "
        "whether the broker lets it subscribe to its topic ack (rights, most subscriptions) and the hub publish there.",
        f"{place.zh}：编号{told}及以前的数据均已保存并确认，但{minutes.zh}以来设备仍从编号{oldest}起重发：设备收不到确认，"
        "其存储将被占满。请检查消息代理是否允许该设备订阅其ack主题（权限、订阅数上限）以及数据中心在该主题上发布。",
    )
    return Trouble("unheard", device, "board unacknowledged", "warning", since, text)


def calibration(device: str, place: Text, due: dt.date, zone: ZoneInfo) -> Trouble:
    """A board should have been calibrated."""
    text = Text(
        f"{place.en}: calibration was due on {due}. Calibrate it: what it measures can be contested.",
        f"{place.zh}：校准已于{due}到期，测量结果可能受到质疑，请尽快校准。",
    )
    since = dt.datetime.combine(due, dt.time(), zone).timestamp()
    return Trouble("calibration", device, "calibration overdue", "warning", since, text)


def lag(consumer: str, minutes: float, since: float) -> Trouble:
    """What the hub tells is old."""
    does = CONSUMERS[consumer]
    text = Text(
        f"the hub's {does.en} is more than {minutes:g} min behind the log: what it tells is old. See {consumer} at its "
        "/readyz.",
        f"数据中心的{does.zh}落后日志超过{minutes:g}分钟，所示内容已过时。请查看/readyz中的{consumer}。",
    )
    return Trouble("lag", "", LAG + consumer, "critical", since, text)


def certificate(said: Text, now: float, *, good: bool) -> Trouble:
    """The hub's own certificate ends soon (`good`), or the broker refuses it already."""
    if good:
        text = Text(
            f"{said.en}. From that day on the broker refuses the hub, and nothing is judged.",
            f"{said.zh}。到期后消息代理将拒绝数据中心的连接，无法评价。",
        )
        return Trouble("certificate", "", CERTIFICATE_ENDS, "warning", now, text)
    text = Text(
        f"{said.en}. The broker refuses a connection with it: nothing is judged, and boards keep what they measure.",
        f"{said.zh}。消息代理会拒绝使用该证书的连接，无法评价，设备保留其数据。",
    )
    return Trouble("certificate", "", CERTIFICATE_BAD, "critical", now, text)


def hub_clock(doubt: Text, since: float) -> Trouble:
    """The hub does not know what time it is."""
    text = Text(
        f"the hub's time is in doubt: {doubt.en}. Until then nothing is judged, and boards keep what they measure; the "
        "times of this message are doubtful, too.",
        f"数据中心时间存疑：{doubt.zh}。在此之前不作评价，设备保留其数据；本消息中的时间同样存疑。",
    )
    return Trouble("clock", "", HUB_CLOCK, "critical", since, text)


def minutes_of(seconds: float) -> Text:
    """Return a span as people say it."""
    return Text(f"{seconds / 60:.0f} min", f"{seconds / 60:.0f}分钟")
