"""Keeps the rights engine level with the registry's grants."""

from __future__ import annotations

import threading

from ciaas.storage.registry import Registry
from security.aaa.rights import Rights, monotonic_ms
from security.aaa.tokens import Scope, digest

POLL_S = 0.5
"""How late a change is seen by another role when its notice was lost."""
STALE_AFTER_MS = 1_000
"""A role that could not ask the registry for so long denies everything."""
LOCAL_USER = "local-automation"
"""The user that the command line of this machine acts as."""


class RightsFeed:
    """Loads what changed of grants, groups and administrators into the engine.

    Args:
        registry: Where the grants are kept; everything is loaded at once.
        stale_after_ms: For a role that only reads the registry: deny everything when the last
            `refresh` is longer ago. None where the grants are written.
    """

    def __init__(self, registry: Registry, stale_after_ms: int | None = None):
        self._registry = registry
        self._lock = threading.Lock()
        self.rights = Rights(stale_after_ms=stale_after_ms)
        self.refresh()

    def refresh(self) -> None:
        """Take over what changed since the last time; from any thread.

        A role that follows another's registry calls it on each notice and each POLL_S.
        """
        with self._lock:
            asked_ms = monotonic_ms()
            if self._registry.version() == self.rights.version:
                self.rights.confirm(asked_ms)
                return
            groups = self._registry.groups.groups_changed(self.rights.version)
            admins = {
                user.id
                for user in self._registry.accounts.users()
                if user.admin and not user.disabled
            }
            version, put, removed = self._registry.grants.grants_changed(self.rights.version)
            # Each answer may be newer than the one before it. The oldest is what all of them are
            # level with; what is newer comes again at the next refresh and changes nothing.
            self.rights.apply(min(version, groups.version), put, removed, admins, groups)
            self.rights.confirm(asked_ms)


def enrol_local(registry: Registry, secret: str) -> None:
    """Make sure that the command line's secret of the key file is a token of an administrator."""
    if registry.accounts.token(digest(secret)) is not None:
        return
    user = registry.accounts.user(LOCAL_USER)
    if user is None:
        user = registry.accounts.add_user(LOCAL_USER, None, admin=True)
    scopes = frozenset(scope.value for scope in Scope)
    registry.accounts.add_token(user.id, digest(secret), "key file", scopes, None)
