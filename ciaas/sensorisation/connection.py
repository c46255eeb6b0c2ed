"""The connection document: one link of an adapter, its profiles and the devices behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid5

from pydantic import Field, ValidationError

from ciaas.interoperability.overlay import OverlayError, check_overlay
from ciaas.kernel.address import AddressError, EndpointId, PointAddress, check_endpoint
from ciaas.limits import (
    DEVICES_PER_CONNECTION_MAX,
    FRIENDLY_NAME_CHARS_MAX,
    PROFILES_PER_CONNECTION_MAX,
)
from ciaas.sensorisation.contract import AnyAdapter, Checked, Poll, Subscribe, Target
from ciaas.sensorisation.profile import (
    Fault,
    PointProfile,
    Profile,
    profile_faults,
    target_fault,
    write_fault,
)
from ciaas.sensorisation.profile.device_profile import Name

_NAMESPACE = UUID("6f0d7c7e-4f0e-5b39-9c0f-3a2f7f3f1c55")
"""Of the endpoints made from documents: never change it, or every device gets a new endpoint."""


class Place(Checked):
    """Where a device stands, in degrees, WGS 84."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class Device(Checked):
    """One device of the document. ``config`` overrides keys of the connection's."""

    id: Name
    friendly_name: str = Field(min_length=1, max_length=FRIENDLY_NAME_CHARS_MAX)
    profile: Name
    uuid: str | None = None
    config: Mapping[str, Any] = {}
    place: Place | None = None
    metadata: Mapping[str, Any] = {}
    """Free, kept with the endpoint."""
    tags: tuple[str, ...] = ()
    overlay: Mapping[str, Any] = {}
    """Further keys of the endpoint's overlay, such as ``origin`` or ``licence``."""

    def endpoint_overlay(self) -> dict[str, Any]:
        """Return what holds for every point of the device."""
        told: dict[str, Any] = dict(self.overlay)
        if self.place is not None:
            told["place"] = self.place.model_dump()
        if self.tags:
            told["tags"] = list(self.tags)
        return told


class Document(Checked):
    """The document as written, its parts not yet checked against each other."""

    name: Name
    adapter: Name
    config: Mapping[str, Any] = {}
    profiles: tuple[Profile, ...] = Field(min_length=1, max_length=PROFILES_PER_CONNECTION_MAX)
    devices: tuple[Device, ...] = Field(min_length=1, max_length=DEVICES_PER_CONNECTION_MAX)


class DocumentError(ValueError):
    """The document is refused; ``faults`` names each place in it and the remedy."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(f"{fault.path}: {fault.remedy}" for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """One point of one device, ready to be read."""

    address: PointAddress
    target: Target
    profile: PointProfile


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """One device with everything resolved. Equal ``digest`` means: nothing to be done anew."""

    id: str
    endpoint: EndpointId
    friendly_name: str
    metadata: Mapping[str, Any]
    overlay: Mapping[str, Any]
    """Of the endpoint as a whole: place, tags and what else the document says."""
    profile: Profile
    config: Checked
    points: tuple[PlannedPoint, ...]
    digest: str

    @property
    def read(self) -> Sequence[PlannedPoint]:
        """The points that are not only set."""
        return tuple(point for point in self.points if point.profile.direction != "w")


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """A checked document. ``digest`` is over its content, whatever the order of its keys."""

    name: str
    adapter: str
    document: Mapping[str, Any]
    devices: tuple[PlannedDevice, ...]
    digest: str


def check_document(
    document: Mapping[str, Any], adapters: Mapping[str, type[AnyAdapter]]
) -> ConnectionPlan:
    """Return the plan of a document; no driver is needed for it.

    Raises:
        DocumentError: names every fault found, with its path in the document and a remedy.
    """
    checked = _validate(Document, document, "")
    if (kind := adapters.get(checked.adapter)) is None:
        known = ", ".join(sorted(adapters))
        raise DocumentError([Fault("adapter", f"{checked.adapter!r} is unknown; known: {known}")])
    faults = [*_document_faults(checked), *_sampling_faults(checked, kind)]
    if faults:
        raise DocumentError(faults)
    profiles = {profile.id: profile for profile in checked.profiles}
    addresses = _addresses(checked, kind)
    devices = tuple(
        _plan_device(checked, number, profiles[device.profile], addresses[device.profile], kind)
        for number, device in enumerate(checked.devices)
    )
    plain = checked.model_dump(mode="json", exclude_unset=True)
    return ConnectionPlan(checked.name, checked.adapter, plain, devices, _digest(plain))


def endpoint_of(connection: str, device: str) -> EndpointId:
    """Return the endpoint that a device without a uuid of its own always gets."""
    return EndpointId(str(uuid5(_NAMESPACE, f"{connection}/{device}")))


def _document_faults(document: Document) -> Iterator[Fault]:
    profiles: set[str] = set()
    for number, profile in enumerate(document.profiles):
        here = f"profiles[{number}]"
        if profile.id in profiles:
            yield Fault(f"{here}.id", f"{profile.id!r} is given twice: rename one")
        profiles.add(profile.id)
        if profile.adapter != document.adapter:
            yield Fault(
                f"{here}.adapter",
                f"written for {profile.adapter!r}, the connection uses {document.adapter!r}",
            )
        yield from profile_faults(profile, here)
    seen: dict[str, str] = {}
    for number, device in enumerate(document.devices):
        here = f"devices[{number}]"
        if device.profile not in profiles:
            known = ", ".join(sorted(profiles))
            yield Fault(f"{here}.profile", f"{device.profile!r} is not among: {known}")
        if doubled := sorted({"place", "tags"} & device.overlay.keys()):
            yield Fault(f"{here}.overlay", f"{doubled} are keys of the device itself: move them up")
        try:
            check_overlay(device.endpoint_overlay())
        except OverlayError as error:
            yield Fault(f"{here}.overlay", str(error))
        try:
            keys = {
                "id": device.id,
                "uuid": check_endpoint(device.uuid or endpoint_of(document.name, device.id)),
            }
        except AddressError as error:
            yield Fault(f"{here}.uuid", f"{error}: leave it out to have one made")
            continue
        for key, text in keys.items():
            if (other := seen.setdefault(f"{key} {text}", here)) != here:
                yield Fault(f"{here}.{key}", f"{text!r} is also that of {other}: change one")


def _sampling_faults(document: Document, kind: type[AnyAdapter]) -> Iterator[Fault]:
    for number, profile in enumerate(document.profiles):
        for index, point in enumerate(profile.points):
            here = f"profiles[{number}].points[{index}].sampling"
            if issubclass(kind, Poll) and point.sampling is None and point.direction != "w":
                yield Fault(here, "is missing: add it, such as {interval_s: 10}")
            elif issubclass(kind, Subscribe) and point.sampling is not None:
                yield Fault(here, "values come when the device sends them: leave it out")


def _addresses(
    document: Document, kind: type[AnyAdapter]
) -> Mapping[str, tuple[tuple[PointProfile, Target], ...]]:
    return {
        profile.id: tuple(
            (
                point,
                Target(
                    _validate(
                        kind.Address,
                        point.address,
                        f"profiles[{number}].points[{index}].address",
                    ),
                    point.raw.size,
                ),
            )
            for index, point in enumerate(profile.points)
        )
        for number, profile in enumerate(document.profiles)
    }


def _plan_device(
    document: Document,
    number: int,
    profile: Profile,
    targets: tuple[tuple[PointProfile, Target], ...],
    kind: type[AnyAdapter],
) -> PlannedDevice:
    device = document.devices[number]
    place = f"devices[{number}].config" if device.config else "config"
    config = _validate(kind.Config, {**document.config, **device.config}, place)
    adapter = kind()
    faults = [
        Fault(f"profiles[{document.profiles.index(profile)}].points[{index}].address", remedy)
        for index, (_, target) in enumerate(targets)
        if (remedy := target_fault(adapter, config, target))
    ]
    faults += [
        Fault(f"profiles[{document.profiles.index(profile)}].points[{index}].direction", remedy)
        for index, (point, target) in enumerate(targets)
        if point.direction != "r" and (remedy := write_fault(adapter, config, target))
    ]
    if faults:
        raise DocumentError(faults)
    endpoint = check_endpoint(device.uuid or endpoint_of(document.name, device.id))
    points = tuple(
        PlannedPoint(PointAddress(f"{endpoint}/{point.id}"), target, point)
        for point, target in targets
    )
    parts = [endpoint, config.model_dump(mode="json"), profile.model_dump(mode="json")]
    return PlannedDevice(
        device.id,
        endpoint,
        device.friendly_name,
        device.metadata,
        device.endpoint_overlay(),
        profile,
        config,
        points,
        _digest(parts),
    )


_ModelT = TypeVar("_ModelT", bound=Checked)


def _validate(model: type[_ModelT], content: Mapping[str, Any], path: str) -> _ModelT:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise DocumentError([_fault(entry, path) for entry in error.errors()]) from None


def _fault(entry: Mapping[str, Any], path: str) -> Fault:
    for step in entry["loc"]:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else str(step)
    remedy = entry["msg"].removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        remedy = "unknown key: correct its spelling or take it out"
    elif entry["type"] == "missing":
        remedy = "is missing: add it"
    return Fault(path or "document", remedy)


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
