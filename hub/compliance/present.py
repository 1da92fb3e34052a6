"""Verdicts of packs' rules as people and programs are told of them."""

import sqlite3
from collections.abc import Callable
from datetime import datetime

from hub.alerts.book import Book
from hub.compliance import models
from hub.compliance.rule_table import KeptRuling, unheard
from hub.desk.listing import neat
from hub.judge.kinds import RuleError, params_of
from hub.judge.records import why
from hub.registry.live import Registry
from hub.things.samples import SITE
from schemas import domains
from schemas.language import Lang, Text


def present_ruling(one: KeptRuling, book: Book, registry: Registry, lang: Lang) -> models.RuleVerdict:
    """Return a verdict of a rule in one language, its times as local times of the registry."""
    alert = book.find_window(one.subject, one.rule, one.start)
    rule = domains.rules().get(one.rule)

    def time(t: float) -> datetime:
        return datetime.fromtimestamp(t, registry.zone)

    verdict = one.verdict()
    return models.RuleVerdict(
        id=one.id,
        district=one.district,
        site=one.site,
        subject_kind=one.subject_kind,
        subject=one.subject,
        rule=one.rule,
        rule_name=Text(rule.en, rule.zh).into(lang) if rule else one.rule,
        kind=one.kind,
        in_force=one.in_force,
        citation=one.citation,
        verified=one.verified,
        start=time(one.start),
        end=time(one.end),
        open=one.open,
        outcome=one.outcome,
        grade=one.grade,
        reason=why(one.reason).into(lang),
        value=neat(one.value),
        limit=one.limit_value,
        unit=one.unit,
        evidence=list(verdict.evidence),
        samples=one.samples,
        editions=[models.Edition(kind=it.kind, id=it.id, edition=it.edition) for it in verdict.editions],
        lat=one.lat,
        lon=one.lon,
        revision=one.revision,
        amends=None if one.amends is None else time(one.amends),
        judged=time(one.judged),
        proof=one.proof,
        alert=alert.alert if alert else None,
    )


def not_judged(
    db: sqlite3.Connection, lang: Lang, sees: Callable[[str], bool] = lambda _district: True
) -> list[models.NotJudged]:
    """Return of whom, and by which rules, nothing can be said, and why; `sees`: whether somebody may see a district."""
    found = [
        models.NotJudged(
            subject_kind=kind,
            subject=subject,
            rule="",
            why=Text(
                "nothing was ever heard of it: no source speaks for it", "从未收到其数据：没有对应的数据来源"
            ).into(lang),
        )
        for kind, subject, district in unheard(db)
        if sees(district)
    ]
    for rule in domains.rules().values():
        try:
            params_of(rule)
        except RuleError as error:
            why = Text(f"{error}; mend the pack", f"{error}；请修正领域包").into(lang)
            found.append(models.NotJudged(subject_kind=rule.of or SITE, subject="", rule=rule.id, why=why))
    return found
