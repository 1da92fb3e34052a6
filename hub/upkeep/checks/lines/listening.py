"""Checks what a server of frames needs, stations' or terminals': its certificate, and a port that is free."""

from hub.config.files import ConfigError
from hub.intake.frames.server import Settings, listen, tls_of
from hub.upkeep.checks.certificates import lasting
from hub.upkeep.checks.files import check_secret
from hub.upkeep.checks.finding import Finding, problem
from schemas.chinese import in_chinese
from schemas.language import Text


def check_listening(name: str, section: str, settings: Settings, *, hub_runs: bool) -> list[Finding]:
    """Check the certificate and the port of a section of `fenceline.toml`. `name`: of the findings."""
    findings: list[Finding] = []
    try:
        context = tls_of(section, settings)
    except ConfigError as error:
        findings.append(told(name, error, section))
    else:
        if context and settings.certificate and settings.key:
            findings += check_secret(name, settings.key, Text("the hub's key", "数据中心的私钥"))
            findings.append(lasting(name, settings.certificate))
    if not hub_runs:
        port = Text(
            f"Name another port under [{section}], or stop what listens there.",
            f"请在 [{section}] 中改用其他端口，或停止占用它的程序。",
        )
        try:
            listen(section, settings).close()
        except ConfigError as error:
            findings.append(problem(name, Text(str(error), in_chinese(str(error))), port))
    return findings


def told(name: str, error: ConfigError, section: str) -> Finding:
    """Return the finding that a file, which the section names, cannot be used."""
    mend = Text(
        f"Mend it, or the field under [{section}] that names it.", f"请改正该文件，或 [{section}] 中指定它的字段。"
    )
    return problem(name, Text(str(error), in_chinese(str(error))), mend)


def how_of(settings: Settings) -> Text:
    """Return where is listened, and how."""
    where = f"{settings.host}:{settings.port}"
    return Text(
        f"{where}, {'TLS' if settings.certificate else 'plain'}",
        f"{where}，{'TLS' if settings.certificate else '不加密'}",
    )
