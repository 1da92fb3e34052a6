"""`fenceline grafana`: writes dashboards and alert rules, tells whether they are current, brings them to a Grafana."""

from pathlib import Path
from typing import Annotated

import typer

from dashboards import alerting, generate, grafana_cli
from dashboards.alerting import Wording
from dashboards.texts import Lang
from schemas.errors import UserError

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def grafana() -> None:
    """Dashboards and alert rules as code, in English and Chinese."""


app.command(help=grafana_cli.PUSH)(grafana_cli.push)
app.command(help=grafana_cli.CHECK)(grafana_cli.check)


@app.command()
def build(
    lang: Annotated[Lang | None, typer.Option(help="Only this language; without it, all.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that gets en/ and zh/.", show_default=False)] = generate.FOLDER,
    alert_rules: Annotated[
        Path, typer.Option(help="Folder that gets en/, zh/ and both/ with Grafana's alerting.", show_default=False)
    ] = alerting.FOLDER,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 names what is not current.")
    ] = False,
) -> None:
    """Write the dashboards and the alert rules as JSON files for Grafana's provisioning.

    Examples: fenceline grafana build | fenceline grafana build --lang zh --out city --alert-rules city-alerts
    """
    texts = {out / path: text for one in ([lang] if lang else Lang) for path, text in generate.files(one).items()}
    if out == generate.FOLDER or alert_rules != alerting.FOLDER:
        for wording in [Wording(lang)] if lang else Wording:
            texts |= {alert_rules / path: text for path, text in alerting.files(wording).items()}
    try:
        stale = [path for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text]
        if not check:
            for path in stale:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(texts[path], "utf-8")
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; give --out a folder that can be written.") from error
    for path in stale:
        if check:
            typer.echo(f"{path} is not what the code gives: run `fenceline grafana build`", err=True)
        else:
            typer.echo(f"{path} written")
    if check and stale:
        raise typer.Exit(1)
