"""Shows what a backtest found: to programs as JSON lines, to people as a table in English or Chinese."""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from hub.backtest.judging import Result
from hub.judge import Judgement, Rule
from hub.judge.verdicts import ABOVE
from hub.sheets.cells import csv_text
from hub.terminal.tables import Cell, say, table, width
from schemas import Binding
from schemas.language import Lang, Text, spoken, tell

HEADS = (
    Text("Limit", "限值项"),
    Text("Value", "限值"),
    Text("Windows", "判定数"),
    Text("Exceeded", "超标"),
    Text("Suspected", "疑似"),
    Text("Open", "待定"),
    Text("Invalid", "无效"),
    Text("Highest", "最高"),
    Text("Verified", "核实"),
)
WORST_HEADS = (
    Text("Worst, from", "最严重时段起"),
    Text("Value", "结果"),
    Text("Limit", "限值"),
    Text("Standard", "标准"),
    Text("Limit's name", "限值项"),
)
CSV_HEADS = (
    *("standard", "limit", "quantity", "start", "end", "value", "limit_value", "unit", "capture", "outcome"),
    *("grade", "compared"),
)
WHEN = Text("in the window from", "所在时段起")
WIDE = 110
"""Terminal width from which the column "time of maximum" is shown [columns]."""
VERIFIED = Text(
    "Verified: P read in the standard's own text, S secondary source, U unverified (value or averaging).",
    "核实程度：P 查阅过标准原文，S 二手来源，U 未核实（限值或平均方式）。",
)
OPEN = Text("Not judged, since something is not known of the site:", "因站点情况不明而未判定：")
NOTHING = Text(
    "No limit of these standards is about these quantities at such a site on these days; "
    "see: fenceline limits explain --help",
    "所选标准在这些日期对此类站点的这些指标没有限值；参见：fenceline limits explain --help",
)
_BOOL = ("false", "true")
INFORMS = Text("* for information: above it nobody violates the law", "* 仅供参考：超过不等于违法")


def json_lines(
    judgements: list[Judgement], zone: ZoneInfo, counted: list[Judgement], open_: Iterable[Binding] = ()
) -> Iterator[str]:
    """Yield one JSON object for each verdict and, as the last, the summary of those in `counted`.

    It has the limits that were left open, too.
    """
    iso = lru_cache(4096)(lambda t: datetime.fromtimestamp(t, zone).isoformat())
    parts: dict[str, tuple[str, str]] = {}
    for one in judgements:
        if one.rule.id not in parts:
            parts[one.rule.id] = _constant(one.rule)
        head, middle = parts[one.rule.id]
        yield (
            f'{head}"start":"{iso(one.start)}","end":"{iso(one.end)}","value":{_number(one.told)},'
            f'"compared":{_number(one.compared)},{middle}'
            f'"capture":{round(one.capture, 4)},"outcome":"{one.outcome}","grade":"{one.grade}",'
            f'"instrument":"{one.instrument}","uncertainty":{_number(one.uncertainty)},"decision":"{one.decision}",'
            f'"reason":"{one.reason}","missing":"{one.missing}","assumed":"{one.assumed}",'
            f'"valid":{_BOOL[one.outcome != "invalid"]},"exceeded":{_BOOL[one.outcome == "exceeded"]}}}'
        )
    left_open = [
        {
            "standard": one.standard.id,
            "limit": one.limit.id,
            "quantity": one.limit.quantity,
            "missing": one.missing,
            "why": one.why(spoken()),
        }
        for one in open_
    ]
    yield msgspec.json.encode({"summary": True, **counts_of(counted), "left_open": left_open}).decode()


def csv_lines(judgements: Iterable[Judgement], zone: ZoneInfo) -> Iterator[str]:
    """Yield the verdicts as lines of CSV with a byte order mark, by which spreadsheets know UTF-8."""
    yield "\ufeff" + ",".join(CSV_HEADS)
    iso = lru_cache(4096)(lambda t: datetime.fromtimestamp(t, zone).isoformat())
    for one in judgements:
        rule = one.rule
        value = None if one.told is None else _plain(one.told)
        limit = None if rule.limit.value is None else _plain(rule.limit.value)
        cells = (
            *(rule.standard.id, rule.limit.id, rule.limit.quantity, iso(one.start), iso(one.end)),
            *(value, limit, rule.unit, round(one.capture, 4), one.outcome),
            *(one.grade, None if one.compared is None else _plain(one.compared)),
        )
        yield csv_text([cells]).rstrip("\r\n")


def worst_of(judgements: Iterable[Judgement], count: int) -> list[Judgement]:
    """Return the windows farthest above their limits, the worst first."""
    over = [one for one in judgements if one.outcome in ABOVE]
    return heapq.nsmallest(count, over, key=lambda one: (-_excess(one), one.start, one.rule.id))


def _excess(one: Judgement) -> float:
    """Return how many times its limit a value is; of levels, as sound energy: 10 dB more are ten times."""
    value, limit = one.compared or 0.0, one.rule.compared_with[0]
    if one.rule.unit.startswith("dB"):
        return float(10 ** ((value - limit) / 10))
    return value / limit if limit > 0 else math.inf


def show_worst(judgements: Iterable[Judgement], zone: ZoneInfo) -> None:
    """Print a table with a row for each window, the worst first."""
    rows = [
        (
            f"{datetime.fromtimestamp(one.start, zone):%Y-%m-%d %H:%M}",
            f"{one.compared or 0.0:.{one.rule.compared_with[1]}f}",
            f"{one.rule.limit.value:g} {one.rule.unit}",
            one.rule.standard.id,
            one.rule.limit.zh if spoken() is Lang.zh else one.rule.limit.en,
        )
        for one in judgements
    ]
    if rows:
        say()
        table([tell(head) for head in WORST_HEADS], rows, numbers=(1, 2), whole=(0, 1, 2))


def _constant(rule: Rule) -> tuple[str, str]:
    """Return what is the same in every line of a rule: a file may have a million."""
    head = {"standard": rule.standard.id, "limit": rule.limit.id, "quantity": rule.limit.quantity}
    value, limit = rule.limit.value, rule.limit
    middle = {"limit_value": None if value is None else _plain(value), "unit": rule.unit}
    middle |= {"verified": limit.weakest, "rounding": limit.rounding}
    texts = [msgspec.json.encode(part).decode() for part in (head, middle)]
    return f"{texts[0][:-1]},", f"{texts[1][1:-1]},"


def _number(value: float | None) -> str:
    return "null" if value is None else str(_plain(value))


def _plain(number: float) -> float:
    return int(number) if math.isfinite(number) and number == int(number) else number


def counts_of(judgements: list[Judgement]) -> dict[str, int]:
    """Return how many verdicts there are, and of which kind; of those exceeded how many are suspicions, if any."""
    found = Counter(one.outcome for one in judgements)
    suspected = sum(_suspected(one) for one in judgements)
    counts = {outcome: found[outcome] for outcome in ("exceeded", "above_uncorrected", "open", "invalid")}
    return {"verdicts": len(judgements)} | counts | ({"suspected": suspected} if suspected else {})


def _suspected(one: Judgement) -> bool:
    """Tell whether a value is above its limit and the instrument is not good enough to say so for certain."""
    return one.outcome == "exceeded" and one.grade == "suspicion"


def show(result: Result, zone: ZoneInfo, worst: int | None = None) -> None:
    """Print a table with a row for each limit, what was left open, and so many of the worst windows."""
    wide = (width() or WIDE) >= WIDE
    by_rule: dict[str, list[Judgement]] = {}
    for one in sorted(result.judgements, key=lambda one: (one.binding, one.rule.standard.id)):
        by_rule.setdefault(one.rule.id, []).append(one)
    standard = ""
    rows: list[list[str | Cell]] = []
    for found in by_rule.values():
        if found[0].rule.standard.id != standard:
            standard = found[0].rule.standard.id
            rows.append([Cell(standard + "*" * (found[0].binding == "informs"), "bold")])
        rows.append(_row(found, zone)[: None if wide else -1])
    if by_rule:
        heads = [tell(head) for head in ((*HEADS, WHEN) if wide else HEADS)]
        table(heads, rows, numbers=range(1, 8), whole=range(1, len(heads)))
        if any(one.binding == "informs" for one in result.judgements):
            say(Cell(tell(INFORMS), "dim"), wrap=True)
        say(Cell(tell(VERIFIED), "dim"))
    counts = counts_of(result.judgements)
    doubtful = counts.get("suspected", 0)
    end = Text(
        f"{result.rows} rows, {counts['verdicts']} verdicts: "
        f"{counts['exceeded'] - doubtful} exceeded, {f'{doubtful} suspected, ' if doubtful else ''}"
        f"{counts['above_uncorrected']} above the limit without a background, "
        f"{counts['open']} open, {counts['invalid']} invalid.",
        f"{result.rows}行数据，{counts['verdicts']}项判定：{counts['exceeded'] - doubtful}项超标，"
        f"{f'{doubtful}项疑似超标，' if doubtful else ''}"
        f"{counts['above_uncorrected']}项超过限值但未扣除背景，{counts['open']}项待定，{counts['invalid']}项无效。",
    )
    say(Cell(tell(end), "bold"), wrap=True)
    if result.left_open or not by_rule:
        for line in open_lines(result):
            say(line, wrap=True)
    if worst is not None:
        show_worst(worst_of(result.judgements, worst), zone)


def open_lines(result: Result) -> list[str]:
    """Return what was not judged, and why; of a file that no limit is about, that."""
    if result.left_open:
        whys = dict.fromkeys((one.standard.id, one.why(spoken())) for one in result.left_open)
        return [tell(OPEN), *(f"  {standard}: {why}" for standard, why in whys)]
    return [tell(NOTHING)] if result.rows and not result.judgements else []


def _row(found: list[Judgement], zone: ZoneInfo) -> list[str | Cell]:
    rule, counts = found[0].rule, counts_of(found)
    valid = [one for one in found if one.value is not None and one.outcome != "invalid"]
    highest, when = "-", ""
    if valid:
        top = max(valid, key=lambda one: one.value or 0.0)
        highest = f"{top.told or 0.0:.{rule.decimals}f}"
        when = f"{datetime.fromtimestamp(top.start, zone):%Y-%m-%d %H:%M}"
    limit = rule.limit.zh if spoken() is Lang.zh else rule.limit.en
    sure = counts["exceeded"] - counts.get("suspected", 0)
    exceeded = Cell(str(sure), "bold red" if sure else "")
    doubtful = counts["above_uncorrected"] + counts.get("suspected", 0)
    suspected = Cell(str(doubtful), "yellow" if doubtful else "")
    value = "?" if rule.limit.value is None else f"{rule.limit.value:g}"
    return [
        *(f"  {limit}", f"{value} {rule.unit}"),
        *(str(counts["verdicts"]), exceeded, suspected, str(counts["open"]), str(counts["invalid"])),
        *(highest, rule.limit.weakest, when),
    ]
