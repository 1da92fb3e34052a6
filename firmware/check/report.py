"""The commissioning report: one page of HTML in the technician's language, to be printed and signed.

It needs nothing from elsewhere (style and pictures within, no script) and holds no secret. Every value is escaped.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from firmware.channels import shown, symbol, unit
from firmware.check.curve import Course, curve, drawn
from firmware.check.letterhead import Letterhead
from firmware.check.results import Result, ResultState, passed
from firmware.notebook.boards import BoardRecord
from firmware.notebook.calibrations import STAYS, SUFFICES, CalibrationEntry
from firmware.provision.sensors import channels
from schemas.language import Lang, Text

STATES = {
    ResultState.ok: Text("✓ pass", "✓ 通过"),
    ResultState.warning: Text("! note", "! 注意"),
    ResultState.problem: Text("✗ FAIL", "✗ 不通过"),
    ResultState.skipped: Text("– not checked", "– 未检查"),
}

STYLE = """
@page { size: A4; margin: 12mm 14mm }
* { box-sizing: border-box }
body { font: 9.5pt/1.35 "Noto Sans", "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", Arial, sans-serif;
  color: #111; margin: 0 auto; max-width: 182mm; padding: 4mm 0 }
h1 { font-size: 15pt; margin: 0 }
h2 { break-after: avoid; font-size: 10.5pt; margin: 3.5mm 0 1mm; border-bottom: .3mm solid #111 }
header { display: flex; justify-content: space-between; align-items: flex-end; gap: 4mm;
  border-bottom: .6mm solid #111; padding-bottom: 1.5mm }
header img { max-height: 16mm; max-width: 40mm; align-self: center }
header div:first-of-type { flex: 1 }
.from { font-size: 9pt; color: #444 }
.top { display: flex; gap: 6mm; align-items: flex-start }
.top dl { flex: 1 }
.code { width: 24mm; margin: 2mm 0 0; font-size: 6.5pt; color: #444; text-align: center }
.code img { width: 24mm; height: 24mm; display: block }
.curves, .photos { display: grid; grid-template-columns: 1fr 1fr; gap: 2mm 6mm }
figure { margin: 0; break-inside: avoid }
figcaption { font-size: 8.5pt; font-weight: 600 }
.curve svg { width: 100%; display: block }
.curve text { font-size: 9px; fill: #444 }
.curve polyline { fill: none; stroke: #0b4f8a; stroke-width: 1.3 }
.curve .axis { fill: none; stroke: #888; stroke-width: .6 }
.photos img { width: 100%; max-height: 60mm; object-fit: contain; object-position: left top; display: block }
.verdict { font-weight: 700; font-size: 12pt; border: .5mm solid; padding: .5mm 3mm }
.pass { color: #14632b } .fail { color: #a01010 } .note { color: #7a4b00 } .none { color: #555 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .5mm 2mm .5mm 0; border-bottom: .15mm solid #ccc }
th { font-weight: 600; color: #444; font-size: 8.5pt }
.facts { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: .6mm 4mm; margin-top: 2mm }
.facts dt { color: #444 } .facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere }
td.state { white-space: nowrap; font-weight: 700 }
.remedy { color: #444 }
.d { white-space: nowrap }
.sign { display: grid; grid-template-columns: 1fr 1fr; gap: 10mm; margin-top: 12mm }
.sign div { border-top: .3mm solid #111; padding-top: 1mm; font-size: 8.5pt }
footer { margin-top: 3mm; font-size: 7.5pt; color: #555 }
"""
_CLASSES = {
    ResultState.ok: "pass",
    ResultState.warning: "note",
    ResultState.problem: "fail",
    ResultState.skipped: "none",
}


NO_HEAD = Letterhead()


@dataclass(frozen=True)
class Commissioned:
    """What a report tells."""

    record: BoardRecord
    version: str
    runtime: str
    results: Sequence[Result]
    values: dict[str, float]
    """By channel, as measured during the check."""
    entries: Sequence[CalibrationEntry]
    """The newest calibration of each channel."""
    calibration: int
    """Number of the board's calibration in force."""
    who: str
    at: dt.datetime
    remark: str = ""
    offline: bool = False
    """Network, broker and hub were left out."""
    courses: dict[str, Course] = field(default_factory=dict)
    """By channel, what came during the check."""
    photos: Sequence[str] = ()
    """Pictures as a page holds them within itself."""
    letterhead: Letterhead = NO_HEAD


def render(done: Commissioned, lang: Lang) -> str:
    """Return the report as an HTML document."""

    def say(text: Text) -> str:
        return escape(text.into(lang))

    record = done.record
    title = say(Text("Commissioning report", "设备调试验收报告"))
    well = passed(done.results)
    verdict = say(_verdict(well=well, offline=done.offline))
    local = done.at.astimezone()
    return f"""<!DOCTYPE html>
<html lang="{"zh-CN" if lang is Lang.zh else "en"}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width">
<title>{title}: {escape(record.board)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>{_head(done.letterhead, lang)}<h1>{title}</h1>
{say(Text("Fenceline monitoring board", "围界监测设备"))} {escape(record.board)}</div>
<div class="verdict {"pass" if well else "fail"}">{verdict}</div></header>
<div class="top"><dl class="facts">{_facts(done, local, lang)}</dl>
{_code(done, local, lang)}</div>
<h2>{say(Text("Sensors", "传感器"))}</h2>
{_table(_sensor_columns(), _sensors(record, done.values), lang)}
<h2>{say(Text("Calibrations", "校准"))}</h2>
{_calibrations(done, lang)}
<h2>{say(Text("Checks", "检查结果"))}</h2>
{_checks(done.results, lang)}
{_curves(done, lang)}
{_photos(done, lang)}
{f"<p>{say(Text('Remark', '备注'))}: {escape(done.remark)}</p>" if done.remark else ""}
<div class="sign"><div>{say(Text("Technician, date", "技术人员、日期"))}: {escape(done.who)}</div>
<div>{say(Text("For the site, date", "站点代表、日期"))}</div></div>
<footer>{say(_FOOTER)}</footer>
</body>
</html>
"""


def _head(head: Letterhead, lang: Lang) -> str:
    """Return the logo, and the beginning of what stands beside it."""
    logo = f'<img src="{head.logo}" alt="">' if head.logo else ""
    name = escape(head.name.into(lang))
    return f'{logo}<div><div class="from">{name}</div>' if name else f"{logo}<div>"


def _code(done: Commissioned, local: dt.datetime, lang: Lang) -> str:
    """Return the QR code: the site's page in the console; where that is not known, what the report says in short."""
    import segno

    record = done.record
    if console := done.letterhead.console.replace("{district}", record.district):
        content = f"{console}/console/sites/{record.site}"
        told = Text("The site in the console", "在管理台查看该站点")
    else:
        verdict = _verdict(well=passed(done.results), offline=done.offline).into(lang)
        at = f"{local:%Y-%m-%d %H:%M %z}"
        content = "\n".join((f"Fenceline {record.board}", record.site, at, verdict, f"№ {done.calibration}"))
        told = Text("Board, site, time, result", "设备、站点、时间、结果")
    # Error correction M: a crease or a drop of water on the paper still leaves it readable.
    made = segno.make(content, error="m", mode="byte", encoding="utf-8", micro=False)
    picture = escape(made.svg_data_uri(border=2, light="#fff"))
    return f'<figure class="code"><img src="{picture}" alt="{escape(content)}">{escape(told.into(lang))}</figure>'


def _curves(done: Commissioned, lang: Lang) -> str:
    figures = []
    for settings in done.record.sensors:
        channel = drawn(channels(settings), done.courses)
        if channel:
            figures.append(curve(str(settings["name"]), channel, done.courses[channel], lang))
    if not figures:
        return ""
    title = escape(Text("Measured during the check", "检查期间的读数").into(lang))
    return f'<h2>{title}</h2><div class="curves">{"".join(figures)}</div>'


def _photos(done: Commissioned, lang: Lang) -> str:
    if not done.photos:
        return ""
    title = escape(Text("Photos", "现场照片").into(lang))
    shown_ = "".join(f'<figure><img src="{one}" alt=""></figure>' for one in done.photos)
    return f'<h2>{title}</h2><div class="photos">{shown_}</div>'


def _verdict(*, well: bool, offline: bool) -> Text:
    if not well:
        return Text("NOT PASSED", "不合格")
    return Text("PASSED, without network", "合格（未检查网络）") if offline else Text("PASSED", "合格")


_FOOTER = Text(
    "Values are those of the moment of the check. Calibrations stand in the technician's ledger; the hub gets a copy.",
    "数值为检查当时的读数。每次校准均记入技术人员台账，并向数据中心报送副本。",
)


def _facts(done: Commissioned, local: dt.datetime, lang: Lang) -> str:
    record = done.record
    position = f"{record.position[0]:.5f}, {record.position[1]:.5f} (WGS-84)" if record.position else "-"
    facts = (
        (Text("Site", "站点"), f"{record.site_name} ({record.site})" if record.site_name else record.site),
        (Text("District", "区"), record.district),
        (Text("Position", "坐标"), position),
        (Text("Place", "安装位置"), record.place or "-"),
        (Text("Hardware address", "硬件地址"), record.mac or "-"),
        (Text("Software", "软件"), f"Fenceline {done.version}, {done.runtime}"),
        (Text("Broker", "消息代理"), record.broker),
        (Text("Record every", "记录间隔"), f"{record.interval} s"),
        (Text("Checked", "检查时间"), f"{local:%Y-%m-%d %H:%M %z}"),
        (Text("By", "检查人"), done.who),
    )
    return "".join(f"<dt>{escape(name.into(lang))}</dt><dd>{escape(value)}</dd>" for name, value in facts)


def _sensor_columns() -> Sequence[Text]:
    return (
        Text("Name", "名称"),
        Text("Type", "类型"),
        Text("Serial number", "出厂编号"),
        Text("Connected to", "接口"),
        Text("Measured", "当前读数"),
    )


def _sensors(record: BoardRecord, values: dict[str, float]) -> list[list[str]]:
    return [
        [
            str(settings["name"]),
            " ".join(filter(None, (str(settings["type"]), str(settings.get("model", ""))))),
            record.serials.get(str(settings["name"]), "-"),
            str(settings["port"]),
            ", ".join(
                shown(channel, values[channel]) if channel in values else f"{symbol(channel)} -"
                for channel in channels(settings)
            ),
        ]
        for settings in record.sensors
    ]


def _calibrations(done: Commissioned, lang: Lang) -> str:
    if not done.entries:
        none = Text("None from this laptop.", "本机没有校准记录。")
        number = f" (№ {done.calibration})" if done.calibration else ""
        return f"<p>{escape(none.into(lang))}{number}</p>"
    columns = (
        Text("Channel", "通道"),
        Text("Date", "日期"),
        Text("Reference, certificate (until)", "标准器、证书（有效期）"),
        Text("Before → after", "校准前 → 后"),
        Text("Drift", "漂移"),
        Text("Due", "到期"),
    )
    rows = []
    for entry in done.entries:
        reference, label = entry.reference, unit(entry.channel)
        result = "; ".join(f"{one.before:.1f} → {one.after:.1f} @ {one.true:g} {label}" for one in entry.readings[:2])
        if entry.fit:
            fit = entry.fit
            line = f"{fit['slope']:.3f} x {fit['offset']:+.1f}"
            result = f"{line}; R² {fit['r2']:.2f}, RMSE {fit['rmse']:.1f}, n {fit['n']:.0f}"
        if entry.trial:
            since, until = (f"{one:%Y-%m-%d}" if one else "?" for one in (entry.trial.since, entry.trial.until))
            result += f" ({since} .. {until}{(SUFFICES if entry.trial.suffices else STAYS).into(lang)})"
        rows.append(
            [
                f"{entry.sensor} {symbol(entry.channel)}",
                f"{entry.at:%Y-%m-%d}, {entry.who}",
                f"{reference.instrument} {reference.serial}; {reference.certificate} ({reference.expires})",
                result,
                "-" if entry.drift is None else f"{entry.drift:+.2f}",
                str(entry.due),
            ]
        )
    return _table(columns, rows, lang)


def _checks(results: Sequence[Result], lang: Lang) -> str:
    rows = "".join(
        f'<tr><td>{escape(result.name.into(lang))}</td><td class="state {_CLASSES[result.state]}">'
        f"{escape(STATES[result.state].into(lang))}</td><td>{escape(result.found.into(lang))}"
        + (f' <span class="remedy">→ {escape(result.remedy.into(lang))}</span>' if result.remedy.en else "")
        + "</td></tr>"
        for result in results
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _table(columns: Sequence[Text], rows: Sequence[Sequence[str]], lang: Lang) -> str:
    head = "".join(f"<th>{escape(column.into(lang))}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{_whole(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _whole(text: str) -> str:
    """Escape a text and keep its dates and values in one piece."""
    return re.sub(r"\d{4}-\d\d-\d\d|[\d.-]+ → [\d.-]+", r"<span class=d>\g<0></span>", escape(text))
