"""Where the sources of the console lie, and what was built from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cpaas.access.pages.folder import LOCK, STAMP, STATE

_ROOT = Path(__file__).parents[2]
_NOT_SOURCES = frozenset({"node_modules", "dist", ".build", "_generated"})


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with the sources of Borough in it."""

    root: Path

    @property
    def sources(self) -> Path:
        """The console's own folder."""
        return self.root / "console"

    @property
    def work(self) -> Path:
        """What builds keep and leave, outside the repository; core serves from it."""
        return self.sources / ".build"

    @property
    def built(self) -> Path:
        """The finished console, replaced whole."""
        return self.work / "dist"

    @property
    def state(self) -> Path:
        """How far a build is."""
        return self.work / STATE

    @property
    def lock(self) -> Path:
        """Held by the one build that runs."""
        return self.work / LOCK

    @property
    def generated(self) -> Path:
        """Types of the API, written from its description."""
        return self.sources / "src" / "api" / "_generated" / "schema.ts"

    @property
    def node_lock(self) -> Path:
        """Hashes of the package that brings Node."""
        return self.root / "requirements-console.lock"

    @property
    def present(self) -> bool:
        """False where Borough was installed without the sources of its console."""
        return (self.sources / "package-lock.json").is_file()

    def digest(self) -> str:
        """Return one text for everything that a build depends on."""
        found = hashlib.sha256()
        for path in sorted(self._inputs()):
            found.update(path.relative_to(self.root).as_posix().encode() + b"\0")
            found.update(hashlib.sha256(path.read_bytes()).digest())
        return found.hexdigest()

    def fresh(self) -> bool:
        """Return True when what is built was built from these very sources."""
        try:
            return (self.built / STAMP).read_text("utf-8") == self.digest()
        except FileNotFoundError:
            return False

    def _inputs(self) -> Iterator[Path]:
        """Yield the files of the console, and those that the description of the API comes from."""
        for top in self.sources.iterdir():
            if top.name in _NOT_SOURCES:
                continue
            for path in (top,) if top.is_file() else top.rglob("*"):
                if path.is_file() and not _NOT_SOURCES & set(path.relative_to(top).parts):
                    yield path
        for folder in ("cpaas/access", "borough/console"):
            yield from (self.root / folder).rglob("*.py")


CONSOLE = Checkout(_ROOT)
"""The checkout that this process runs from."""
