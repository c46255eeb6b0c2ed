"""What the overlay key ``confidential`` may be set on: points of apps without samples."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import numpy as np

from ciaas.interoperability.overlay import CONFIDENTIAL, check_overlay
from ciaas.ports import Feed
from cpaas.access.caller import Caller
from cpaas.access.problems import Problem

_ALARM = "alarm"
_CLASS = "class:"


def prepare_confidential(caller: Caller, scope: str, merge: Mapping[str, Any]) -> None:
    """Make ready what a change of an overlay asks for, when it makes points confidential.

    The data subject gets a key before the overlay names it, so that no sample is stored in clear
    afterwards.

    Raises:
        Problem: 422, the key cannot be set there, changed or taken away; the sentence says why.
        OverlayError: what it says is no data subject.
        Conflict: the data subject was erased.
    """
    city = caller.city
    own = city.registry.overlay(scope).get(CONFIDENTIAL)
    name = merge.get(CONFIDENTIAL, own)
    if name != own and own is not None:
        raise _refused("points stay confidential: what lies encrypted belongs to this data subject")
    if name is None or name == own:
        _refuse_alarm(caller, scope, merge)
        return
    check_overlay({CONFIDENTIAL: name})
    if scope.startswith(_CLASS):
        raise _refused("say it of an endpoint or of what lies below, not of a class")
    levels = scope.split("/")
    endpoint = caller.owner_of(levels[0])
    if endpoint.feed not in (None, Feed.APP):
        raise _refused(
            f"the endpoint is fed by its {endpoint.feed}, whose values lie in streams on their way;"
            " only what apps write can be confidential"
        )
    points = city.catalogue.under(levels)
    if len(city.history.latest(np.array([point.id for point in points], np.uint32))):
        raise _refused(
            "there are samples already, which would stay as they are; say it before the first one,"
            " of a new endpoint"
        )
    if _ALARM in merge or any(_ALARM in city.catalogue.overlay(point.id) for point in points):
        raise _refused("a confidential point raises no alarm, which would keep its value")
    if endpoint.feed is None:
        city.registry.change_endpoint(endpoint.uuid, feed=Feed.APP)
    city.keys.subjects.declare(endpoint.project, name)


def _refuse_alarm(caller: Caller, scope: str, merge: Mapping[str, Any]) -> None:
    if merge.get(_ALARM) is None or scope.startswith(_CLASS):
        return
    catalogue = caller.city.catalogue
    levels = scope.split("/")
    prefixes = ("/".join(levels[: depth + 1]) for depth in range(len(levels)))
    above = any(CONFIDENTIAL in caller.city.registry.overlay(prefix) for prefix in prefixes)
    if above or any(
        CONFIDENTIAL in catalogue.overlay(point.id) for point in catalogue.under(levels)
    ):
        raise _refused("a confidential point raises no alarm, which would keep its value")


def _refused(why: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{CONFIDENTIAL}: {why}")
