"""What can go wrong with the broker.

::

    BrokerError
    ├── ConfigurationRefused   nats-server does not accept the file
    ├── BrokerEnded            it ended instead of becoming ready
    │   └── PortBusy           because another program holds one of its ports
    ├── BrokerSlow             it did not become ready in time
    └── StreamMismatch         a stored stream or consumer contradicts what is asked for
"""

from __future__ import annotations


class BrokerError(Exception):
    """The broker cannot serve; the message says why and what to do."""


class ConfigurationRefused(BrokerError):
    """nats-server rejects the configuration; the message holds its own words."""


class BrokerEnded(BrokerError):
    """The process ended before it was ready; the message holds its last words."""


class PortBusy(BrokerEnded):
    """Another program listens where the broker should."""


class BrokerSlow(BrokerError):
    """The process runs but did not become ready in time."""


class StreamMismatch(BrokerError):
    """What is stored contradicts what is asked for, and changing it could lose data."""
