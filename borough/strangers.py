"""Whether the packages found under our names are ours; asked before any of them is used."""

from __future__ import annotations

import sys
from pathlib import Path


def refuse_strangers() -> None:
    """End the process with one sentence when `security` or `adapters` is another package."""
    import adapters
    import security

    try:
        from security.provenance import ForeignPackage, check_packages
    except ImportError:
        sys.exit(
            f"borough: the package 'security' was loaded from {security.__file__} and is not ours; "
            "run Borough in an environment of its own, without the package of that name from PyPI"
        )
    try:
        check_packages(Path(__file__).parents[1], [security, adapters])
    except ForeignPackage as error:
        sys.exit(f"borough: {error}")
