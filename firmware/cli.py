"""`fenceline board`: what a technician does with a laptop at the fence."""

from firmware.calibrate import cli as calibrate_cli
from firmware.calibrate import cli_history as history_cli
from firmware.care import cli as care_cli
from firmware.check import cli as check_cli
from firmware.notebook import cli_repair_log as repair_cli
from firmware.provision import cli as provision_cli
from firmware.software import cli as software_cli
from firmware.sync import cli as sync_cli
from hub.terminal.commands import group
from schemas.language import Text

app = group(
    Text(
        "The technician's toolkit: from a bare board to a calibrated one at the fence.",
        "技术员工具：从空白设备到现场校准完成。",
    ),
    "fenceline board list",
    "fenceline board install",
    "fenceline board check",
)
for part in (software_cli, provision_cli, sync_cli, calibrate_cli, check_cli, care_cli):
    app.registered_commands += part.app.registered_commands
app.add_typer(history_cli.app, name="calibration")
app.add_typer(repair_cli.app, name="repair-log")
