"""Keeps the rights engine level with the registry's grants."""

from __future__ import annotations

import threading

from ciaas.storage.registry import Registry
from security.aaa.rights import Rights
from security.aaa.tokens import Scope, digest

LOCAL_USER = "local-automation"
"""The user that the command line of this machine acts as."""


class RightsFeed:
    """Loads what changed of grants and administrators into the engine."""

    def __init__(self, registry: Registry):
        """Load everything."""
        self._registry = registry
        self._lock = threading.Lock()
        self.rights = Rights()
        self.refresh()

    def refresh(self) -> None:
        """Take over what changed since the last time; from any thread."""
        with self._lock:
            admins = {
                user.id
                for user in self._registry.accounts.users()
                if user.admin and not user.disabled
            }
            changed = self._registry.grants.grants_changed(self.rights.version)
            self.rights.apply(*changed, admins)


def enrol_local(registry: Registry, secret: str) -> None:
    """Make sure that the command line's secret of the key file is a token of an administrator."""
    if registry.accounts.token(digest(secret)) is not None:
        return
    user = registry.accounts.user(LOCAL_USER)
    if user is None:
        user = registry.accounts.add_user(LOCAL_USER, None, admin=True)
    scopes = frozenset(scope.value for scope in Scope)
    registry.accounts.add_token(user.id, digest(secret), "key file", scopes, None)
