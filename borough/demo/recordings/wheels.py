"""The packages that carry the recordings: installed once, read as files, never imported."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import borough
from borough.demo.recordings.names import FILES

PACKAGES = tuple(sorted({package for package, _ in FILES.values()}))
"""Import names of the packages in ``requirements-demo.lock``."""
_LOCK = Path(borough.__file__).resolve().parent.parent / "requirements-demo.lock"
_INSTALL_S_MAX = 300.0


class RecordingsError(Exception):
    """The recordings cannot be had; the message says what to run."""


def recording_file(package: str, path: str) -> Path:
    """Return where a data file of an installed package lies; the package's code does not run.

    Raises:
        RecordingsError: the package or the file is absent.
    """
    # A top-level name: find_spec locates it without importing anything of it.
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        file = Path(folder, path)
        if file.is_file():
            return file
    raise RecordingsError(
        f"the recording {path} of the package {package} is not installed; "
        "`./run demo` installs it when a package index is reachable"
    )


def missing_packages() -> list[str]:
    """Return the names in `PACKAGES` that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def ensure_recordings(lock: Path = _LOCK) -> bool:
    """Install the data packages of the lock unless all are there; True when it installed.

    Their declared dependencies are left out: only the files are read.

    Raises:
        RecordingsError: they could not be installed, with the installer's last words.
    """
    if not missing_packages():
        return False
    uv = Path(sys.prefix, "bin", "uv")
    if not uv.is_file():
        raise RecordingsError(f"{uv} is absent; start the demo by `./run demo`, which installs it")
    if not lock.is_file():
        raise RecordingsError(f"{lock.name} is absent; the demo runs from a clone of the project")
    command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--no-deps", "--require-hashes", "-r", str(lock)]
    try:
        # Fixed words and paths of our own installation.
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_INSTALL_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RecordingsError(f"could not install the recordings: {error}") from error
    importlib.invalidate_caches()
    if done.returncode or missing_packages():
        said = done.stderr.strip().splitlines()
        raise RecordingsError(
            "could not install the recordings of requirements-demo.lock"
            f" ({said[-1].strip() if said else 'the installer said nothing'});"
            " is a package index reachable? Then run `./run demo` again"
        )
    return True
