"""What core makes at a first start: a project, local automation, a set-up code."""

from __future__ import annotations

import sys

from borough.roles.rights_feed import enrol_local
from ciaas.storage.registry import Registry
from security.aaa.accounts import Accounts


def first_steps(registry: Registry, accounts: Accounts, project: str, local_secret: str) -> None:
    """Make what is missing; prints a fresh set-up code as long as nobody has a password.

    Args:
        registry: Where all of it is kept.
        accounts: Gives the code.
        project: Name of the project of a city that has none.
        local_secret: By which the command line of this machine proves itself.
    """
    if not registry.resources.projects():
        registry.resources.create_project(project)
    enrol_local(registry, local_secret)
    if code := accounts.set_up_code():
        sys.stdout.write(f"One-time set-up code for the first administrator: {code}\n")
        sys.stdout.flush()
