"""Shows limits to people, in English or Chinese; and to programs, as plain values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from hub.limits.coverage import Covered
from hub.terminal.tables import Cell, say, table, width
from schemas import JURISDICTIONS, Averaging, Binding, Limit, Quantity, Standard, Step, site_properties
from schemas.chinese import source_text
from schemas.domains import kind_name
from schemas.language import Lang, Text, spoken
from schemas.no_limits import Unmeasured

WIDE = 120
"""Terminal width from which the column "averaging" is shown [columns]."""
TEXTS = {
    "standard": Text("Standard", "标准"),
    "limit": Text("Limit", "限值编号"),
    "what": Text("What", "项目"),
    "value": Text("Value", "限值"),
    "averaging": Text("Averaging", "平均方式"),
    "applies": Text("Applies to", "适用于"),
    "in_force": Text("In force", "施行"),
    "verified": Text("Verified", "核实"),
    "hours": Text("Hours", "时段"),
    "always": Text("always", "全天"),
    "zone": Text("zone class {}", "{}类声环境功能区"),
    "day": Text("at most {} above it a day", "每日超过不多于{}次"),
    "year": Text("at most {} above it a year", "每年超过不多于{}次"),
    "oxygen": Text("at {:g} % O2", "按含氧量{:g} %折算"),
    "background": Text("above the background", "扣除背景值"),
    "cap": Text("of which at most {:g} {} is taken off", "最多扣除{:g} {}"),
    "screening": Text("screened: above it is a suspicion", "筛查：超过仅作疑似"),
    "corrected": Text("the background taken off where it is above", "超过时扣除背景噪声"),
    "rounded": Text("rounded to {} decimals", "修约至{}位小数"),
    "everywhere": Text("everyone", "所有站点"),
    "emission": Text("emission: binds whoever emits", "排放标准：约束排放者"),
    "ambient": Text("quality of the air or sound around: for information", "环境质量标准：仅供参考"),
    "guideline": Text("guideline: advice", "指南：建议值"),
    "replaces": Text("replaces {}", "代替{}"),
    "displaces": Text("goes before {}", "优先于{}"),
    "source": Text("Source", "来源"),
    "wind": Text("void in wind of {:g} m/s or more", "风速≥{:g} m/s时测量无效"),
    "dry": Text("void in rain, snow or thunder", "雨雪、雷电天气测量无效"),
    "from": Text("from {}", "自{}起"),
    "until": Text("{} until before {}", "{}起，至{}止（不含）"),
    "binds": Text("Bind the site: above them it violates the law", "有约束力：超过即违法"),
    "informs": Text("For information: never a violation by the site", "仅供参考：超过不等于该站点违法"),
    "open": Text("Open: something must be known first", "待定：须先明确有关情况"),
    "no": Text("Do not apply", "不适用"),
    "none": Text("none", "无"),
    "limits": Text("limits: {}", "限值{}项"),
    "answer": Text("The law has", "法定"),
    "answer_limit": Text("a limit", "有限值"),
    "answer_open": Text("open", "待定"),
    "answer_none": Text("no limit", "无限值"),
    "unmeasured": Text("Limited, and not measured by any pack: {}", "有限值而领域包未测：{}"),
    "answer_unanswered": Text("not answered", "未收录"),
    "missing": Text("To be known", "须明确"),
    "legend": Text(
        "Verified (value / averaging): P read in the standard's own text, S secondary source, U unverified. "
        "Windows are laid from local midnight.",
        "核实程度（限值/平均方式）：P 查阅过标准原文，S 二手来源，U 未核实。统计时段从当地零时起划分。",
    ),
}
_STATISTICS = {
    "energy_mean": Text("energy mean", "能量平均"),
    "mean": Text("mean", "平均"),
    "max": Text("maximum", "最大值"),
    "p90": Text("90th percentile", "第90百分位数"),
    "p95": Text("95th percentile", "第95百分位数"),
    "p98": Text("98th percentile", "第98百分位数"),
}
_WINDOWS = {
    "period": Text("whole period", "整个时段"),
    "day": Text("day", "日"),
    "month": Text("month", "月"),
    "quarter": Text("quarter", "季"),
    "year": Text("year", "年"),
    "h": Text("h", "小时"),
    "min": Text("min", "分钟"),
    "s": Text("s", "秒"),
}


_ANSWERS = {"limit": "green", "open": "magenta", "none": "dim", "unanswered": "bold red"}


class LimitsView:
    """Prints in the language of the command line."""

    def __init__(self) -> None:
        self._lang = spoken()

    def catalogue(self, limits: Iterable[tuple[Standard, Limit]]) -> None:
        """Print limits as one table, under the heading of their standard."""
        rows: list[tuple[str | Cell, ...]] = []
        before = None
        for s, n in limits:
            if s.id != before:
                before = s.id
                rows.append((Cell(s.id, "bold"), Cell(self._dates(s), "dim")))
            rows.append((f"  {n.id}", *self._row(s, n)))
        self._table(rows)
        self._legend()

    def show(self, standard: Standard, limits: Sequence[Limit]) -> None:
        """Print a standard with its limits, their sources and notes."""
        say(Cell(standard.id, "bold"), f" {standard.zh if self._lang is Lang.zh else standard.en}", wrap=True)
        for line in self._facts(standard):
            say(f"  {line}", wrap=True)
        self._table([(n.id, *self._row(standard, n)) for n in limits])
        if not self._wide:
            for averaging, ids in _averagings(limits, self._lang).items():
                say(f"  {self._text('averaging')}: {averaging}: {', '.join(ids)}", wrap=True)
        for about, told in _remarks(limits, self._lang).items():
            say(f"  {about}: {told}", wrap=True)
        self._legend()

    def explain(self, found: Sequence[Binding]) -> None:
        """Print what binds a site and why; of what does not, or may, only how many limits of a standard, and why."""
        for status in ("binds", "informs", "open", "no"):
            groups: dict[tuple[str, str], list[Limit]] = {}
            for one, limits in _merged(one for one in found if one.status == status):
                groups.setdefault((one.standard.id, one.why(self._lang)), []).extend(limits)
            say(Cell(self._text(status), "bold"), "" if groups else f": {self._text('none')}", wrap=True)
            for (id_, why), limits in groups.items():
                judged = status in ("binds", "informs")
                count = "" if judged else f" ({self._text('limits').format(len(limits))})"
                say("  ", Cell(id_, "bold"), f": {why}{count}", wrap=True)
                if judged:
                    self._limits(limits)
                    say("")
        self._legend()

    def coverage(
        self, found: Sequence[Covered], quantities: Mapping[str, Quantity], unmeasured: Iterable[Unmeasured]
    ) -> None:
        """Print what the law says of each kind of site and quantity, and what it limits that nothing here measures."""
        zh = self._lang is Lang.zh
        rows: list[list[str | Cell]] = []
        before, reasons = None, dict[str, int]()
        for one in found:
            if (one.kind, one.properties) != before:
                before = one.kind, one.properties
                at = [site_properties()[name].values[value][zh] for name, value in one.properties.items()]
                rows.append([Cell(": ".join((kind_name(one.kind).into(self._lang), *at)), "bold")])
            quantity = quantities[one.quantity]
            values = ", ".join(dict.fromkeys(b.limit.stated for b in one.bindings)) or "-"
            none = "-"
            if one.none is not None:  # a few reasons, each for many quantities: they stand below the table
                none = f"({reasons.setdefault(one.none.zh if zh else one.none.en, len(reasons) + 1)})"
            rows.append(
                [
                    f"  {quantity.zh if zh else quantity.en}",
                    Cell(self._text(f"answer_{one.answer}"), _ANSWERS[one.answer]),
                    *(values, ", ".join(one.standards) or none, ", ".join(one.missing) or "-", one.verified),
                ]
            )
        table(self._heads("what", "answer", "value", "standard", "missing", "verified"), rows, whole=(1, 5))
        for reason, number in reasons.items():
            say(f"({number}) {reason}", wrap=True)
        for other in unmeasured:
            told = f"{other.standard} [{other.verified}]: {other.zh if zh else other.en}"
            say(self._text("unmeasured").format(told), wrap=True)
        self._legend()

    def _limits(self, limits: Sequence[Limit]) -> None:
        rows = []
        for n in limits:
            hours = self._text("always") if n.whole_day else f"{n.from_}-{n.to}"
            rows.append((n.id, self._name(n), self._value(n), hours, _letters(n)))
        table(self._heads("limit", "what", "value", "hours", "verified"), rows, whole=(0, 3, 4), indent=4)

    @property
    def _wide(self) -> bool:
        return (width() or WIDE) >= WIDE

    def _table(self, rows: Iterable[Sequence[str | Cell]]) -> None:
        columns = self._columns()
        table(self._heads(*columns), rows, whole=(0, len(columns) - 1))

    def _heads(self, *columns: str) -> list[str]:
        return [self._text(column) for column in columns]

    def _columns(self) -> tuple[str, ...]:
        return ("limit", "what", "value", *(["averaging"] if self._wide else []), "applies", "verified")

    def _row(self, s: Standard, n: Limit) -> tuple[str, ...]:
        averaging = [averaging_text(n.averaging, self._lang)] if self._wide else []
        return self._name(n), self._value(n), *averaging, self._applies(s, n), _letters(n)

    def _text(self, key: str) -> str:
        return TEXTS[key].into(self._lang)

    def _legend(self) -> None:
        say(Cell(self._text("legend"), "dim"), wrap=True)

    def _name(self, n: Limit) -> str:
        return n.zh if self._lang is Lang.zh else n.en

    def _value(self, n: Limit) -> str:
        parts = [n.stated]
        if n.reference_o2 is not None:
            parts.append(self._text("oxygen").format(n.reference_o2))
        if n.above_background:
            parts.append(self._text("background"))
        if n.background_cap is not None:
            parts.append(self._text("cap").format(n.background_cap, n.stated.partition(" ")[2]))
        if n.screening:
            parts.append(self._text("screening"))
        if n.correction:
            parts.append(self._text("corrected"))
        if n.decimals is not None:
            parts.append(f"{self._text('rounded').format(n.decimals)} [{n.rounding}]")
        if n.permitted:
            parts.append(self._text(n.permitted.per).format(n.permitted.count))
        return ", ".join(parts)

    def _applies(self, s: Standard, n: Limit) -> str:
        """Return to what a limit applies, and since when where the standard as a whole does not say it."""
        applies = [kind_name(kind).into(self._lang) for kind in n.site_kinds]
        applies += [JURISDICTIONS[place][self._lang is Lang.zh] for place in n.places]
        if n.zone_classes:
            applies.append(self._text("zone").format("/".join(n.zone_classes)))
        applies += [f"{name} = {'/'.join(values)}" for name, values in n.where.items()]
        if not n.whole_day:
            applies.append(f"{n.from_}-{n.to}")
        if (n.in_force, n.ends) != (s.in_force, s.ends):
            applies.append(self._dates(n))
        return ", ".join(applies) or self._text("everywhere")

    def _dates(self, of: Standard | Limit) -> str:
        return self._text("until" if of.ends else "from").format(of.in_force, of.ends)

    def _facts(self, s: Standard) -> list[str]:
        lines = [f"{JURISDICTIONS[s.jurisdiction][self._lang is Lang.zh]} ({s.jurisdiction}); {self._text(s.nature)}"]
        lines.append(self._dates(s) + (f"; {self._text('replaces').format(s.replaces)}" if s.replaces else ""))
        if s.displaces:
            lines.append(self._text("displaces").format(", ".join(s.displaces)))
        if s.weather:
            void = [self._text("wind").format(s.weather.wind_below)] + [self._text("dry")] * s.weather.dry
            clause = f" ({s.weather.clause})" if s.weather.clause else ""
            lines.append(f"{'; '.join(void)}{clause} [{s.weather.verified}]")
        lines.append(f"{self._text('source')}: {source_text(s.source).into(self._lang)} [{s.verified}]")
        return lines + ([s.note] if s.note else [])


def _merged(found: Iterable[Binding]) -> Iterable[tuple[Binding, list[Limit]]]:
    """Return bindings with their limits; those for other classes, or other values of one property, as one."""
    merged: dict[object, tuple[Binding, list[Limit]]] = {}
    for one in found:
        several = {"zone": "classes", "property": "values"}.get(one.reason)
        key = (one.standard.id, one.reason, str(one.facts.get("name"))) if several else (one.standard.id, one.limit.id)
        if key in merged and several:
            first, limits = merged[key]
            together = {several: tuple(dict.fromkeys((*_many(first.facts[several]), *_many(one.facts[several]))))}
            merged[key] = (replace(first, facts={**first.facts, **together}), [*limits, one.limit])
        else:
            merged[key] = (one, [one.limit])
    return merged.values()


def _many(values: object) -> tuple[object, ...]:
    return tuple(values) if isinstance(values, list | tuple) else (values,)


def _averagings(limits: Iterable[Limit], lang: Lang) -> dict[str, list[str]]:
    """Return the ids of limits by how they are averaged."""
    found: dict[str, list[str]] = {}
    for n in limits:
        found.setdefault(averaging_text(n.averaging, lang), []).append(n.id)
    return found


def averaging_text(averaging: Averaging, lang: Lang) -> str:
    """Return the steps of an averaging as people write them."""
    return " → ".join(_step_text(step, lang) for step in averaging.steps)


def _step_text(step: Step, lang: Lang) -> str:
    zh = lang is Lang.zh
    gap = "" if zh else " "
    text = f"{_span_text(step.window, lang)}{gap}{_STATISTICS[step.statistic].into(lang)}"
    if step.slide:
        every = _span_text(step.slide, lang)
        text += f"（每{every}滑动）" if zh else f", running, every {every}"
    enough = f"{step.least_valid * 100:g} %" if step.least_valid else str(step.least)
    return f"{text}{gap}(≥ {enough})"


def _span_text(span: str, lang: Lang) -> str:
    number, _, unit = span.partition(" ")
    if not unit:
        return _WINDOWS[span].into(lang)
    return f"{number}{'' if lang is Lang.zh else ' '}{_WINDOWS[unit].into(lang)}"


def _letters(n: Limit) -> str:
    return f"{n.verified}/{n.averaging.verified}"


def _remarks(limits: Iterable[Limit], lang: Lang) -> dict[str, str]:
    """Return clauses, sources and notes, each once, by what they are about."""
    remarks: dict[str, list[str]] = {}
    for n in limits:
        own = "; ".join(part for part in (n.clause or "", source_text(n.source).into(lang), n.note) if part)
        a = n.averaging
        averaging = "; ".join(part for part in (a.clause or "", source_text(a.source).into(lang), a.note) if part)
        if own:
            remarks.setdefault(own, []).append(n.id)
        if averaging:
            about = averaging_text(a, Lang.en)
            remarks.setdefault(averaging, [])
            if about not in remarks[averaging]:
                remarks[averaging].append(about)
    return {", ".join(about): told for told, about in remarks.items()}


def plain(standard: Standard, limit: Limit) -> dict[str, Any]:
    """Return a limit as JSON tells it."""
    told: dict[str, Any] = msgspec.to_builtins(limit)
    return {"standard": standard.id, "jurisdiction": standard.jurisdiction, "nature": standard.nature} | told


def plain_covered(one: Covered, lang: Lang) -> dict[str, Any]:
    """Return what the law says of a kind of site and quantity as JSON tells it."""
    told: dict[str, Any] = {"kind": one.kind, "properties": one.properties, "quantity": one.quantity}
    told |= {"answer": one.answer, "standards": one.standards, "missing": one.missing, "verified": one.verified}
    limits = [
        {
            "standard": b.standard.id,
            "limit": b.limit.id,
            "stated": b.limit.stated,
            "status": b.status,
            "why": b.why(lang),
        }
        for b in one.bindings
    ]
    none = one.none and {"why": one.none.zh if lang is Lang.zh else one.none.en, "source": one.none.source}
    return told | {"limits": limits, "none": none}


def plain_unmeasured(one: Unmeasured, lang: Lang) -> dict[str, str]:
    """Return what is limited and not measured as JSON tells it."""
    what = one.zh if lang is Lang.zh else one.en
    return {"standard": one.standard, "what": what, "verified": one.verified, "source": one.source}


def plain_binding(one: Binding, lang: Lang) -> dict[str, Any]:
    """Return whether a limit binds as JSON tells it."""
    told: dict[str, Any] = {"standard": one.standard.id, "limit": one.limit.id}
    told |= {"status": one.status, "reason": one.reason}
    told |= {"missing": one.missing, "assumed": dict(one.assumed)}
    value = {"quantity": one.limit.quantity, "value": one.limit.value, "stated": one.limit.stated}
    letters = {"verified": one.limit.verified, "averaging_verified": one.limit.averaging.verified}
    return told | {"why": one.why(lang)} | value | letters
