"""The command line: ``borough WORD``. Heavy parts are imported by the word that needs them."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import click

from borough.bench.limits import PAIRS_MAX
from borough.commands.adapter import adapter
from borough.commands.application import application
from borough.commands.audit import audit
from borough.commands.backup import backup, restore
from borough.commands.ca import ca
from borough.commands.endpoint import endpoint
from borough.commands.keys import keys
from borough.commands.project import project
from borough.commands.report import report
from borough.commands.user import user
from borough.home import Home, HomeError
from borough.settings import Settings, SettingsError, load_settings
from ciaas.computing.supervision import EXIT_HOPELESS

LOG_BYTES_MAX = 10_000_000
LOG_FILES = 3

_OWNER_ALONE = 0o077
"""Mask of new files: what lies in the home concerns nobody else on the machine."""

as_json = click.option("--json", "json_", is_flag=True, help="One JSON object on the last line.")

_BENCHES = ("uplink", "latency", "query", "modbus", "live", "rights", "mashup", "audit", "enrol")
"""Named here too: importing them takes a second."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def borough() -> None:
    """Borough, an open city platform."""


borough.add_command(adapter)
borough.add_command(application)
borough.add_command(audit)
borough.add_command(ca)
borough.add_command(backup)
borough.add_command(restore)
borough.add_command(endpoint)
borough.add_command(keys)
borough.add_command(project)
borough.add_command(report)
borough.add_command(user)


def main() -> None:
    """Run one word; a refusal is one sentence on standard error and exit code 1."""
    try:
        borough(prog_name="borough")
    except (HomeError, SettingsError) as error:
        sys.stderr.write(f"borough: {error}\n")
        sys.exit(1)


@borough.command()
def up() -> None:
    """Start the platform and watch over it until Ctrl-C or SIGTERM."""
    home, settings = _home()
    os.umask(_OWNER_ALONE)
    home.prepare()
    _log_to(home, "watch")
    from borough.roles.up import up as run_up

    def ready() -> None:
        click.echo(f"Borough is ready: {settings.base_url}/api/v1, devices at {settings.mqtts}")

    sys.exit(run_up(home, settings, ready))


@borough.command()
@click.option("--seconds", type=click.FloatRange(min=1.0), help="Run so long, then end.")
@as_json
def demo(seconds: float | None, json_: bool) -> None:
    """Bring up a city quarter of 86 endpoints on this machine and account for every sample."""
    home, settings = _home()
    from borough.demo.command import demo as run_demo

    sys.exit(run_demo(home, settings, seconds, json_))


@borough.command()
@click.argument("name", type=click.Choice(_BENCHES))
@click.option("--case", "cases", multiple=True, help="Only this case; may be given several times.")
@click.option(
    "--pairs",
    type=click.IntRange(1, PAIRS_MAX),
    default=3,
    show_default=True,
    help="Measurements of each case, each beside one of its baseline; the median counts.",
)
@as_json
def bench(name: str, cases: tuple[str, ...], pairs: int, json_: bool) -> None:
    """Measure a platform of its own beside a baseline. Exit code 1 when a bar is not met."""
    _, settings = _home()
    from borough.bench.command import bench as run_bench

    sys.exit(run_bench(settings, name, cases, pairs, json_))


@borough.command()
@click.argument("role", type=click.Choice(["core", "field", "compose"]))
@click.option("--told", is_flag=True, help="Load everything, then wait for a line on stdin.")
def run(role: str, told: bool) -> None:
    """Run one role; `up` does this for each."""
    home, settings = _home()
    _log_to(home, role)
    try:
        from borough.roles.lean import undisturbed

        with undisturbed():
            run_role = _runners()[role](home, settings)
        if told and not sys.stdin.readline():
            return  # who was to tell ended instead
        run_role(home, settings)
    except HomeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_HOPELESS)


@borough.command()
@as_json
def status(json_: bool) -> None:
    """Show each role: state, pid, uptime, last error. Exit code 1 when Borough is not running."""
    home, _ = _home()
    from borough.roles.watch import describe

    found = describe(home)
    if json_:
        click.echo(json.dumps(found))
    else:
        for line in _status_lines(found):
            click.echo(line)
    sys.exit(0 if found["running"] else 1)


@borough.command()
def console() -> None:
    """Build the web console now; `up` does it in the background."""
    from borough.console.build import build
    from borough.console.checkout import CONSOLE
    from borough.console.node import BuildError

    try:
        built = build(CONSOLE, lambda step: click.echo(f"{step} …", err=True))
    except BuildError as error:
        raise click.ClickException(str(error)) from error
    click.echo("The console is built." if built else "The console is up to date.")


@borough.command()
@click.option("--admin", is_flag=True, help="A token with every scope, for local automation.")
def token(admin: bool) -> None:
    """Print a fresh token for automation on this machine; it is valid for a day."""
    if not admin:
        raise click.UsageError("say for whom: borough token --admin")
    from borough.client import local_client

    home, settings = _home()
    with local_client(home, settings) as client:
        click.echo(client.issue_token())


def _home() -> tuple[Home, Settings]:
    settings = load_settings()
    return Home(settings.home), settings


_Run: TypeAlias = "Callable[[Home, Settings], None]"


def _runners() -> dict[str, Callable[[Home, Settings], _Run]]:
    """Return how to load each role, which gives how to run it: loading core takes seconds."""
    from borough.roles.lean import leave_out
    from borough.roles.turn import let_core_go_first

    leave_out("pandas")

    def core(_home: Home, _settings: Settings) -> _Run:
        from borough.roles.core import run_core

        return run_core

    def field(home: Home, settings: Settings) -> _Run:
        let_core_go_first(home, settings)
        from borough.roles.field import run_field

        return run_field

    def compose(home: Home, settings: Settings) -> _Run:
        let_core_go_first(home, settings)
        from borough.roles.compose import run_compose

        return run_compose

    return {"core": core, "field": field, "compose": compose}


def _status_lines(found: dict[str, Any]) -> list[str]:
    if not found["roles"]:
        return ["Borough was never started on this home; run: borough up"]
    lines = [f"{'role':8} {'state':10} {'pid':>8} {'uptime':>10}  last error"]
    for name, role in found["roles"].items():
        pid = role["pid"] or "-"
        lines.append(
            f"{name:8} {role['state']:10} {pid:>8} {role['uptime_s']:>8.0f} s  {role['last_error']}"
        )
    if not found["running"]:
        lines.append("Borough is not running; run: borough up")
    return lines


def _log_to(home: Home, role: str) -> None:
    handler = logging.handlers.RotatingFileHandler(
        home.logs / f"{role}.log", maxBytes=LOG_BYTES_MAX, backupCount=LOG_FILES
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
