"""Mounts the commands that work on a board at the fence under `fenceline board`."""

import typer

from firmware.calibrate import cli as calibrate_cli
from firmware.calibrate import cli_history as history_cli
from firmware.care import cli as care_cli
from firmware.check import cli as check_cli
from firmware.notebook import cli_repair_log as repair_cli
from firmware.provision import cli as provision_cli
from firmware.sync import cli as sync_cli

PROVISION = (
    "Examples: fenceline board provision --site station-pit --district nanhai --board station-pit-1 --sensor plantower "
    "--sensor noise-f --broker mqtt.city.example --ca ca.crt --certificate station-pit-1.crt --certificate-key "
    "station-pit-1.key --wifi fence | ... --sensor plantower,port=uart:1:9600:rx=4:tx=5"
)
CALIBRATE = (
    "Examples: fenceline board calibrate noise --level 94 --instrument 'Calibrator class 1' --serial 35021 "
    "--certificate L2026-118 --expires 2027-03-31 | ... calibrate zero --channel pm10 ... | ... calibrate collocation "
    "--channel pm10 --reference bam.csv ... | ... calibrate gas --channel no2 --span '0.5 ppm' ..."
)


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("provision", epilog=PROVISION)(provision_cli.provision_command)
    app.command("sync", epilog="Example: fenceline board sync --hub https://hub.city.example --token-file token")(
        sync_cli.sync_command
    )
    app.command("calibrate", epilog=CALIBRATE)(calibrate_cli.calibrate_command)
    app.add_typer(history_cli.app, name="calibration")
    app.command("check", epilog="Examples: fenceline board check | fenceline board check --offline --lang zh")(
        check_cli.check_command
    )
    app.command("console", epilog="Examples: fenceline board console | fenceline board console --for 10 --json")(
        care_cli.console_command
    )
    app.command("logs", epilog="Examples: fenceline board logs | fenceline board logs --follow")(care_cli.logs_command)
    app.command("shell")(care_cli.shell_command)
    app.command("backup", epilog="Example: fenceline board backup --out pit-1.tar.gz")(care_cli.backup_command)
    app.command("restore", epilog="Example: fenceline board restore pit-1.tar.gz")(care_cli.restore_command)
    app.command("rescue", epilog="Examples: fenceline board rescue | fenceline board rescue pit-1.tar.gz")(
        care_cli.rescue_command
    )
    app.add_typer(repair_cli.app, name="repair-log")
