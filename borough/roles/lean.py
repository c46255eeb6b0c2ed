"""Keeps a role light: no library it has no use for, no search for garbage where there is none."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Absent(MetaPathFinder):
    """Says of some libraries that they are not installed."""

    def __init__(self, names: frozenset[str]):
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for a library that is to be left out, and leave the others to the next finder."""
        if fullname in self.names:
            raise ModuleNotFoundError(f"{fullname} is left out of this role", name=fullname)
        return None


def leave_out(*names: str) -> None:
    """Have the process do without libraries; call it before anything else is imported.

    pyarrow and DuckDB import pandas whenever it is there, to recognise its objects: a second of
    processor time and 40 MB at each start of core, which never makes one.
    """
    sys.meta_path.insert(0, _Absent(frozenset(names)))


def stay_without() -> None:
    """Answer at once whoever asks again for what was left out; call it when all is loaded.

    DuckDB asks for pandas some twenty times a commit. Not before pyarrow has asked once: it takes
    the quick answer for a library.
    """
    for finder in sys.meta_path:
        if isinstance(finder, _Absent):
            for name in finder.names:
                sys.modules[name] = None  # type: ignore[assignment] # as the import system defines


@contextmanager
def undisturbed() -> Iterator[None]:
    """Load libraries without a search for garbage: they bring none, and it takes a fifth longer."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_ALLOCATIONS_BETWEEN_LOOKS = 50_000
_TURN_S = 0.001


def take_short_turns() -> None:
    """Have a thread that computes let the next one go on after a millisecond in place of five.

    A request passes from thread to thread some six times, and each time waits for the uplink to
    let go of the interpreter: with 10,000 messages/s beside it the slowest tenth took 7 to 10 ms
    of six short queries, with shorter turns 5 to 8.
    """
    sys.setswitchinterval(_TURN_S)


def settle_heap() -> None:
    """Take what is alive now as alive for ever; call it once the role is up.

    A batch of messages is thousands of small objects without a cycle. By default each 700 of them
    have the interpreter look for cycles, through all modules and the whole catalogue in the end:
    a fifth of the uplink's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_LOOKS, 20, 20)
