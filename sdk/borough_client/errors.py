"""What a call may raise.

::

    BoroughError
    ├── Unreachable       nobody answers, or only with "later", after all tries
    ├── NotTrusted        who answers shows a certificate of no authority that is trusted
    ├── NotVerified       a command whose device did not confirm it; `command` says how far it came
    └── Refused           the platform said no; `status` and `detail` say why
        ├── NotSignedIn   the token is none, or no longer
        ├── NotAllowed    the token or its user may not
        ├── NotFound      it does not exist, or is not yours to know
        └── Rejected      a command that ended without being sent
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from borough_client.commands import Command


class BoroughError(Exception):
    """The platform did not do what was asked."""


class Unreachable(BoroughError):
    """No answer, or none that helps, after all tries."""


class NotTrusted(BoroughError):
    """The certificate is of no authority that is trusted; nothing was sent, the token neither."""


class NotVerified(BoroughError):
    """A command that was not confirmed: it ended otherwise, or is still under way."""

    def __init__(self, command: Command):
        why = str(command.rungs[-1].get("why") or "") if command.rungs else ""
        how = "ended as" if command.ended else "is still"
        super().__init__(f"the command {how} {command.state}" + (f": {why}" if why else ""))
        self.command = command
        """As it was told last; `Client.command_of` tells how it goes on."""


class Refused(BoroughError):
    """The platform answered with a problem."""

    def __init__(self, status: int, detail: str, problem: Mapping[str, Any]):
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        """One sentence that says what to do."""
        self.problem = problem
        """The whole problem document of RFC 9457; empty when the answer was none."""


class NotSignedIn(Refused):
    """The token is none, or no longer."""


class NotAllowed(Refused):
    """The token lacks a scope, or its user a level."""


class NotFound(Refused):
    """It does not exist, or is not the caller's to know: both read the same."""


class Rejected(Refused):
    """A command that was refused; ``problem["command"]`` holds it."""


def refused(status: int, problem: Mapping[str, Any]) -> Refused:
    """Return the error of an answer."""
    detail = str(problem.get("detail") or "the platform gave no reason")
    kind: type[Refused] = {401: NotSignedIn, 403: NotAllowed, 404: NotFound}.get(status, Refused)
    if status == 409 and "command" in problem:
        kind = Rejected
    return kind(status, detail, problem)
