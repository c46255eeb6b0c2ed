"""The bench ``rights``: one question, and filtering points, at a million grants.

Both are asked of one engine that holds all grants, for users picked at random, beside the same
number of look-ups in one dict of the very paths: about points that grants name, and, as ``sets``
and ``filter-sets``, about points that grants on classes, selections and endpoint groups reach.
Times are those of the thread's processor: what other processes of the machine do is not measured.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence

from borough.bench.limits import RIGHTS_CHECKS, RIGHTS_ENDPOINTS, RIGHTS_GRANTS, RIGHTS_POINTS
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.town import Town, town_of_sets
from borough.roles.lean import settle_heap
from borough.settings import Settings
from security.aaa.levels import Level
from security.aaa.rights import Path, Rights
from security.ports import Grant, GroupChanges, GroupGrant, Membership

CASES = ("check", "filter", "sets", "filter-sets")

CHECK_US = 8.0
FILTER_MS = 50.0
_PER_HOLDER = 1_000
_ENDPOINTS = 10_000
_GROUPS_OF_USER = 2
_SHARE_OF_GROUPS = 10
"""Each tenth grant is a group's."""
_SEED = 3


def bench(
    settings: Settings, cases: Sequence[str], pairs: int, say: Callable[[str], None]
) -> Result:
    """Measure the chosen cases; ``settings`` are for benches that start a platform."""
    say(f"granting {RIGHTS_GRANTS:,} times")
    town = _town(RIGHTS_GRANTS, RIGHTS_POINTS, RIGHTS_CHECKS)
    settle_heap()  # as core does once its rights are loaded
    shown = []
    for name in sorted(cases, key=CASES.index):
        if name in _OF_SETS and town.numbers is None:
            say("granting classes, selections and endpoint groups")
            town = town_of_sets(town, RIGHTS_ENDPOINTS, RIGHTS_POINTS, RIGHTS_CHECKS)
            settle_heap()
        say(f"measuring {name}")
        measure, unit, bar = _MEASURES[name]
        taken = [measure(town, number) for number in range(pairs)]
        dict_ = sorted(lookup for _, lookup in taken)[pairs // 2]
        # The bar is a time, not a ratio: held against 1, with the look-up's time beside it.
        found = [Pair(ours, 1.0) for ours, _ in taken]
        shown.append(Case(name, unit, found, bar, "lower", facts={"dict": round(dict_, 4)}))
    facts: dict[str, object] = {"grants": RIGHTS_GRANTS, "points": RIGHTS_POINTS}
    checks = [case.median.ours for case in shown if case.name in ("check", "sets")]
    if checks:
        facts["us_per_check"] = round(max(checks), 3)
    return Result("rights", shown, facts)


def _check(town: Town, number: int) -> tuple[float, float]:
    """Return microseconds of one question, and of one look-up."""
    level = town.rights.level
    known = {path: Level.READ for _, path in town.questions}
    began = time.thread_time()
    for user, path in town.questions:
        level(user, path)
    asked = time.thread_time()
    for _, path in town.questions:
        known.get(path)
    ended = time.thread_time()
    each = 1e6 / len(town.questions)
    return (asked - began) * each, (ended - asked) * each


def _filter(town: Town, number: int) -> tuple[float, float]:
    """Return milliseconds to filter all points for one user, and to look each one up."""
    known = dict.fromkeys(town.points, Level.READ)
    began = time.thread_time()
    town.rights.visible(number % town.users, town.points, Level.READ, town.numbers)
    asked = time.thread_time()
    for path in town.points:
        known.get(path)
    ended = time.thread_time()
    return (asked - began) * 1e3, (ended - asked) * 1e3


def _town(grants: int, points: int, checks: int) -> Town:
    """Return an engine with so many grants: endpoints and single points, of users and groups."""
    draw = random.Random(_SEED)  # noqa: S311 - the same town at each run
    endpoints = [sys.intern(f"{n:08x}-0000-4000-8000-{n:012x}") for n in range(_ENDPOINTS)]
    names = [sys.intern(f"value{n}") for n in range(max(1, points // _ENDPOINTS))]

    def somewhere() -> Path:
        endpoint = ("1", draw.choice(endpoints))
        return endpoint if draw.random() < 0.5 else (*endpoint, "lamp", "light", draw.choice(names))

    shared = grants // _SHARE_OF_GROUPS
    own = grants - shared
    users, groups = max(1, own // _PER_HOLDER), max(1, shared // _PER_HOLDER)
    rights = Rights()
    levels = list(Level)
    rights.apply(
        1,
        [Grant(n % users, somewhere(), draw.choice(levels)) for n in range(own)],
        [],
        groups=GroupChanges(
            1,
            [GroupGrant(n % groups, somewhere(), draw.choice(levels)) for n in range(shared)],
            [],
            [Membership((user + n) % groups, user) for user in range(users)
             for n in range(min(groups, _GROUPS_OF_USER))],
        ),
    )  # fmt: skip
    paths = [
        ("1", endpoints[n % _ENDPOINTS], "lamp", "light", names[n // _ENDPOINTS % len(names)])
        for n in range(points)
    ]
    questions = [(draw.randrange(users), draw.choice(paths)) for _ in range(checks)]
    return Town(rights, questions, paths, users)


_MEASURES: dict[str, tuple[Callable[[Town, int], tuple[float, float]], str, float]] = {
    "check": (_check, "us", CHECK_US),
    "filter": (_filter, "ms", FILTER_MS),
    "sets": (_check, "us", CHECK_US),
    "filter-sets": (_filter, "ms", FILTER_MS),
}
_OF_SETS = frozenset({"sets", "filter-sets"})
