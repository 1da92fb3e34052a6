"""Checks the city's own sign-on: that it answers, calls itself as `fenceline.toml` does, and can do what is needed."""

from hub.config.files import Config
from hub.console.signin.provider import Provider, ProviderError, is_safe
from hub.upkeep.checks.files import check_secret
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from schemas.language import Text

MEND = Text("Mend [oidc]; docs/sign-on.md explains it.", "请改正 [oidc]；说明见 docs/sign-on.zh.md。")


def check_sign_on(config: Config) -> list[Finding]:
    """Ask the sign-on what it can do, and read the console's secret. Where there is none, nothing is found."""
    settings = config.oidc
    if not settings.issuer:
        return []
    findings = []
    if file := settings.client_secret_file:
        findings += check_secret("sign-on", file, Text("the console's secret", "管理台的密钥"))
        try:
            empty = not file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            text = Text(f"{file}: cannot be read ({error})", f"{file}：无法读取（{error}）")
            return [*findings, problem("sign-on", text, MEND)]
        if empty:
            return [*findings, problem("sign-on", Text(f"{file}: is empty", f"{file}：为空"), MEND)]
    if not is_safe(config.console_address):
        text = Text(
            f"people reach the console at {config.console_address or 'no address'}: codes would come back in the clear",
            f"管理台地址为 {config.console_address or '无'}：授权码将以明文返回",
        )
        mend = Text("Name its https address as [console] address.", "请在 [console] address 中填写 https 地址。")
        findings.append(problem("sign-on", text, mend))
    provider = Provider(settings, "")
    try:
        known = provider.metadata()
        provider.keys()
    except ProviderError as error:
        return [*findings, problem("sign-on", Text(str(error), f"统一身份认证：{error}"), MEND)]
    if known.pkce is not None and "S256" not in known.pkce:
        text = Text(
            f"{settings.issuer} does not know PKCE with S256: a code that is caught on its way could be used",
            f"{settings.issuer} 不支持 PKCE（S256）：授权码若被截获可能被冒用",
        )
        findings.append(warning("sign-on", text, Text("Switch it on there.", "请在认证服务中启用。")))
    back = f"{config.console_address}/console/sign-on/back"
    return findings or [
        ok(
            "sign-on",
            f"{settings.issuer} answers; people come back to {back}, which must be registered there",
            f"{settings.issuer} 正常；回调地址 {back} 须已在该处登记",
        )
    ]
