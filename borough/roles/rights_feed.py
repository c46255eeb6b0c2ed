"""Keeps the rights engine level with the registry's grants."""

from __future__ import annotations

import threading

from ciaas.kernel.catalogue import Catalogue
from ciaas.management.directory.index import Index
from ciaas.management.sets.membership import Membership, SetBook
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
    """Loads what changed of grants, permits, groups, sets and administrators into the engine.

    Args:
        registry: Where the grants are kept; everything is loaded at once.
        stale_after_ms: For a role that only reads the registry: deny everything when the last
            `refresh` is longer ago. None where the grants are written.
    """

    def __init__(self, registry: Registry, stale_after_ms: int | None = None):
        self._registry = registry
        self._lock = threading.Lock()
        self._sets = SetBook()
        self._admins: set[int] = set()
        self.rights = Rights(stale_after_ms=stale_after_ms)
        self.refresh()

    def refresh(self) -> None:
        """Take over what changed since the last time; from any thread.

        A role that follows another's registry calls it on each notice and each POLL_S.
        """
        with self._lock:
            asked_ms = monotonic_ms()
            after = self.rights.version
            if self._registry.version() == after:
                self.rights.confirm(asked_ms)
                return
            groups = self._registry.groups.groups_changed(after)
            permits = self._registry.permits.permits_changed(after)
            sets = self._registry.sets.sets_changed(after)
            for user in self._registry.accounts.users_changed(after):
                in_charge = user.admin and not user.disabled
                (self._admins.add if in_charge else self._admins.discard)(user.id)
            version, put, removed = self._registry.grants.grants_changed(after)
            self._sets.take_over(sets)
            # Each answer may be newer than the one before it. The oldest is what all of them are
            # level with; what is newer comes again at the next refresh and changes nothing.
            version = min(version, groups.version, permits.version, sets.version)
            self.rights.apply(version, put, removed, self._admins, groups, permits)
            self.rights.confirm(asked_ms)

    def tell_sets(self, index: Index, catalogue: Catalogue) -> Membership:
        """Let the engine know who is in a class, a selection or an endpoint group.

        The catalogue has to be kept current by the caller.
        """
        membership = Membership(self._sets, index, catalogue)
        self.rights.bind(membership)
        return membership


def enrol_local(registry: Registry, secret: str) -> None:
    """Make sure that the command line's secret of the key file is a token of an administrator."""
    if registry.accounts.token(digest(secret)) is not None:
        return
    user = registry.accounts.user(LOCAL_USER)
    if user is None:
        user = registry.accounts.add_user(LOCAL_USER, None, admin=True)
    scopes = frozenset(scope.value for scope in Scope)
    registry.accounts.add_token(user.id, digest(secret), "key file", scopes, None)
