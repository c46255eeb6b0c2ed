"""Device profiles: their shape, their checks, and what they say of an endpoint's points."""

from ciaas.sensorisation.profile.checks import Fault, profile_faults, target_fault, write_fault
from ciaas.sensorisation.profile.device_profile import (
    PointProfile,
    Profile,
    Report,
    ReportMode,
    Sampling,
    Write,
)
from ciaas.sensorisation.profile.overlays import declared_model, overlays
from ciaas.sensorisation.profile.raw import Raw, RawType

__all__ = [
    "Fault",
    "PointProfile",
    "Profile",
    "Raw",
    "RawType",
    "Report",
    "ReportMode",
    "Sampling",
    "Write",
    "declared_model",
    "overlays",
    "profile_faults",
    "target_fault",
    "write_fault",
]
