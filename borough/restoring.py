"""Brings a backup back into an empty home, and makes sure that all of it is sound."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from borough import archive
from borough.clock import MachineClock
from borough.home import Home, HomeError, Lock
from borough.roles.schema import migrate
from borough.wiring import open_keys
from ciaas.ports import HistoryError, RegistryError
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError
from security.encryption.envelope import SealingError, version_of
from security.encryption.keyring import KeyRing
from security.encryption.private_file import PrivateFileError
from security.encryption.rewrap import SealedStore
from security.encryption.subjects import copy_keys
from security.limits import REWRAP_STEP

if TYPE_CHECKING:
    from ciaas.storage.registry import Registry

_VERIFIER = Path(__file__).with_name("audit_verify.py")


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back."""

    made_at: int
    """When the backup was made, milliseconds since 1970 UTC."""
    samples: int
    commits: int
    endpoints: int
    grants: int
    record: str
    """What the verifier said last."""


def restore(home: Home, path: Path, keys: Path | None, subjects: Path | None = None) -> Restored:
    """Unpack a backup into a home that holds nothing yet, and check what came back.

    A home that is not sound in the end is left empty again.

    Args:
        home: Empty, or with a key file alone.
        path: The archive.
        keys: The key file of the home that was backed up; None when it lies in the home already.
        subjects: A copy of its folder of keys of data subjects; None when there is none, or it
            lies in the home already. Keys that its list of erasures names stay out, and the next
            start destroys those that the backup itself knows as erased.

    Raises:
        HomeError: one sentence that says what is wrong and what to do.
    """
    _refuse_used(home)
    content = archive.check(path)
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(home.path).free < content.size:
        raise HomeError(f"{home.path} has no room for {content.size // 10**6} MB; free some first")
    brought, ring = _bring_keys(home, keys)
    had_subjects = home.subjects.exists()
    folder = home.path / "restore"
    shutil.rmtree(folder, ignore_errors=True)
    moved: list[Path] = []
    try:
        folder.mkdir(mode=0o700)
        archive.unpack(path, folder)
        if subjects is not None:
            _bring_subjects(home, subjects)
        _check_authority(ring, folder / "authority")
        for part in sorted(folder.iterdir()):
            target = home.path / part.name
            if target.is_dir():
                target.rmdir()
            moved.append(part.rename(target))
        return _examined(home, content.at, ring)
    except BaseException:
        for part in moved:
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        if brought:
            home.keys.unlink()
        if not had_subjects:
            shutil.rmtree(home.subjects, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_used(home: Home) -> None:
    for part in (home.registry, home.history, home.audit, home.authority, home.objects):
        if part.exists() and not (part.is_dir() and not any(part.iterdir())):
            raise HomeError(
                f"the home {home.path} holds {part.name} already and a restore never overwrites; "
                "name an empty one with BOROUGH_HOME"
            )


def _bring_keys(home: Home, keys: Path | None) -> tuple[bool, KeyRing]:
    """Put the key file into the home and open it; True when it was not there before."""
    if home.keys.exists():
        if keys is not None:
            raise HomeError(f"{home.keys} is there already; leave --keys out, or move it away")
        return False, open_keys(home)
    if keys is None:
        raise HomeError(
            "a backup never holds the key file: name the one of the home that was backed up with "
            "--keys keys.json"
        )
    try:
        data = keys.read_bytes()
    except OSError as error:
        raise HomeError(f"the key file {keys} cannot be read: {error.strerror}") from error
    home.keys.touch(0o600, exist_ok=False)
    home.keys.write_bytes(data)
    try:
        return True, open_keys(home)
    except HomeError:
        home.keys.unlink()
        raise


def _bring_subjects(home: Home, folder: Path) -> None:
    """Copy the keys of data subjects, but for those that were erased."""
    if home.subjects.exists():
        raise HomeError(f"{home.subjects} is there already; leave --subjects out, or move it away")
    if not folder.is_dir():
        raise HomeError(f"{folder} is no folder of keys of data subjects")
    home.subjects.mkdir(mode=0o700)
    try:
        copy_keys(folder, home.subjects)
    except (PrivateFileError, OSError) as error:
        raise HomeError(f"the keys of data subjects cannot be copied: {error}") from error


def _check_authority(ring: KeyRing, folder: Path) -> None:
    try:
        Authority.open(folder, ring.ca_passphrase, MachineClock().now_ms)
    except AuthorityError as error:
        raise HomeError(f"this key file is not of the home that was backed up: {error}") from error


def _check_versions(home: Home, ring: KeyRing, registry: Registry) -> None:
    """Make sure that the key file is not older than what is sealed under the ring."""
    from borough.roles.adapter_means import SealedSecrets

    stores: list[SealedStore] = [SealedSecrets(home.secrets, ring), *registry.sealed]
    for store in stores:
        after = ""
        while page := store.page(after, REWRAP_STEP):
            after = page[-1].key
            for sealed in page:
                if (version := _version(sealed.text)) > ring.version:
                    raise HomeError(
                        f"this key file is older than the backup: it ends with version "
                        f"{ring.version} of the key ring, and secrets lie under {version}; bring "
                        "the copy that was made after the last rotation"
                    )


def _version(text: str) -> int:
    try:
        return version_of(text)
    except SealingError:  # what was damaged before the backup is told by the re-wrap
        return 0


def _examined(home: Home, made_at: int, ring: KeyRing) -> Restored:
    """Open everything as the platform does, and count."""
    from ciaas.storage.history import open_history
    from ciaas.storage.registry import open_registry

    home.prepare()
    lock = Lock(home, "watch")
    lock.take()
    try:
        migrate(home)
        with open_history(home.history, clock=MachineClock()) as history:
            counts = history.counts()
        with open_registry(home.registry, read_only=True) as registry:
            _check_versions(home, ring, registry)
            endpoints = len(registry.resources.endpoints())
            grants = len(registry.grants.grants()) + len(registry.groups.group_grants())
            grants += len(registry.permits.permits())
    except (HistoryError, RegistryError) as error:
        raise HomeError(f"what came back is not sound: {error}") from error
    finally:
        lock.release()
    verified = subprocess.run(  # noqa: S603 - a program of ours, on files of ours
        [sys.executable, "-I", str(_VERIFIER), str(home.audit)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = (verified.stdout.splitlines() or [verified.stderr])[-1]
    if verified.returncode:
        raise HomeError(f"the record that came back is not in order: {said}")
    return Restored(made_at, counts["samples"], counts["commits"], endpoints, grants, said)
