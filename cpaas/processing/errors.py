"""What processing refuses, each with what to do next.

::

    ProcessingError
    ├── BadQuery      the document is at fault
    ├── BadName       a key or a media type is none
    ├── TooMuch       a bound would be passed: ask for less
    ├── Crowded       too many at work; the same request may succeed later
    ├── Invisible     it does not exist, or is not the caller's to know
    └── NotAllowed    the caller may know it, and not do this with it
"""

from __future__ import annotations


class ProcessingError(Exception):
    """Refused; the message is one sentence for the caller."""


class BadQuery(ProcessingError):
    """The document asks for something that there is not."""


class BadName(ProcessingError):
    """A text is not of the form that it needs."""


class TooMuch(ProcessingError):
    """A bound would be passed."""


class Crowded(ProcessingError):
    """Too many at work already."""


class Invisible(ProcessingError):
    """What does not exist for the caller; never says more."""

    def __init__(self) -> None:
        super().__init__("nothing of that name is visible to you")


class NotAllowed(ProcessingError):
    """The level held is too low."""
