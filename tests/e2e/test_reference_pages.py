"""The reference pages name every route, setting, level and reason of the code, and no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic_core import PydanticUndefined

from borough.home import Home
from borough.settings import Settings, default_home
from ciaas import limits as ciaas
from ciaas.interoperability.judge import PRECEDENCE, VERDICTS
from ciaas.kernel.decode import Why
from ciaas.kernel.sample import Reason
from ciaas.kernel.wire import Verb
from ciaas.management.directory.filter import Filter, FilterParameters
from ciaas.management.monitoring.platform_points import ISSUING_LEFT_S
from ciaas.ports import Resample
from cpaas import limits as cpaas
from cpaas.access.app import PREFIX, create_app
from cpaas.access.city import City
from security import limits as security
from security.aaa.levels import Level
from security.aaa.tokens import Scope
from tests.e2e.pages import DOCS, blocks


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _first_cells(text: str) -> list[str]:
    return re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE)


def _section(page: str, title: str) -> str:
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def _routes() -> Mapping[str, Mapping[str, Any]]:
    """Return what the application says of each route, by ``GET /path``."""
    # Routes are known before there is a city behind them; none is asked here.
    app = create_app(cast(City, _Nothing()))
    return {
        f"{verb.upper()} {path.removeprefix(PREFIX)}": operation
        for path, operations in app.openapi()["paths"].items()
        for verb, operation in operations.items()
    }


def test_the_api_page_has_every_route_and_no_other() -> None:
    cells = "\n".join(_first_cells(_section(_page("api.md"), "Routes")))
    assert sorted(re.findall(r"`([A-Z]+ /[^`]*)`", cells)) == sorted(_routes())


def test_the_api_page_has_every_parameter_of_a_query_and_no_other() -> None:
    page = _page("api.md")
    rows = _section(page, "Routes").splitlines()
    of_history = {cell.strip("`") for cell in re.findall(r"`\w+`", _parameters(page))}
    for route, operation in _routes().items():
        [row] = [row for row in rows if f"`{route}`" in row.split(" | ")[0]]
        named = set(re.findall(r"[?&](\w+)", row))
        if route.startswith("GET /history"):
            named |= of_history - {"address"}
        real = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        assert named == real - ({"address"} if "{address}" in route else set()), route


def _parameters(page: str) -> str:
    return " ".join(_first_cells(_section(page, "History")))


def test_the_api_page_has_every_scope_and_level_in_order() -> None:
    tables = _section(_page("api.md"), "Signing in")
    named = [cell.strip("`") for cell in _first_cells(tables) if cell.startswith("`")]
    assert named == [*(scope.value for scope in Scope), *Level.__members__]


@pytest.mark.parametrize(
    ("page", "bound"),
    [
        ("api.md", f"up to {cpaas.OBSERVATIONS_MAX:,}"),
        ("api.md", f"1 to {cpaas.HISTORY_ROWS_MAX}, default {cpaas.HISTORY_ROWS_DEFAULT}"),
        ("api.md", f"series of up to {cpaas.HISTORY_ADDRESSES_MAX} points"),
        ("api.md", f"above {cpaas.BODY_BYTES_MAX // 10**6} MB"),
        ("api.md", f"more than {cpaas.SUBTREE_POINTS_MAX:,} points"),
        ("api.md", f"The newest {ciaas.COMMANDS_KEPT_MAX:,} commands are kept"),
        ("api.md", f"as it stands after 10 s; up to {cpaas.COMMAND_WAIT_S_MAX:.0f}."),
        ("api.md", f"a Parameter within {ciaas.COMMAND_PARAMETER_TTL_S / 86_400:.0f} days"),
        ("api.md", f"a SetPoint within {ciaas.COMMAND_TTL_S:.0f} s"),
        ("reference-overlay.md", f"up to {ciaas.COMMAND_SENDS_MAX} times"),
        ("reference-overlay.md", f"may take (default {ciaas.COMMAND_VERIFY_S:.0f})"),
        ("reference-overlay.md", f"`max_age_s` (default {ciaas.INTERLOCK_AGE_S:.0f})"),
        ("api.md", f"A key has up to {cpaas.IDEMPOTENCY_KEY_CHARS_MAX} characters"),
        ("api.md", f"lasts {security.SIGN_IN_LIFE_S // 3600} hours"),
        ("api.md", f"array of up to {ciaas.FEED_EVENT_ROWS_MAX:,} samples"),
        ("api.md", f"in seconds from 0 to {cpaas.LIVE_EVERY_S_MAX:g}"),
        ("api.md", f"newest id each {ciaas.FEED_ALIVE_S:g} seconds"),
        ("api.md", f"takes nothing for {ciaas.FEED_STALL_S:g} seconds"),
        (
            "api.md",
            f"up to {ciaas.FEEDS_PER_USER_MAX} feeds open, all users together {ciaas.FEEDS_MAX};",
        ),
        ("api.md", f"has up to {ciaas.FILTER_TERMS_MAX} entries"),
        ("api.md", f"of up to {ciaas.FILTER_TEXT_CHARS_MAX} characters"),
        ("api.md", f"in up to {ciaas.FILTER_DEPTH_MAX} levels"),
        ("api.md", f"`limit` is 1 to {cpaas.LIST_MAX}, default {cpaas.LIST_DEFAULT}"),
        ("api.md", f"has up to {ciaas.OBJECT_KEY_CHARS_MAX} characters and"),
        ("api.md", f"and {cpaas.OBJECT_KEY_LEVELS_MAX} levels parted"),
        ("api.md", f"object has up to {ciaas.OBJECT_BYTES_MAX // 10**6:,} MB"),
        ("api.md", f"its last {ciaas.JOB_RUNS_KEPT_MAX} runs"),
        ("api.md", f"up to {security.PURPOSE_CHARS_MAX})"),
        ("rights.md", f"the last {ciaas.SELECTION_REVISIONS_MAX} are kept"),
        ("rights.md", f"up to {ciaas.SELECTIONS_PER_PROJECT_MAX:,} selections"),
        ("rights.md", f"{ciaas.ENDPOINT_GROUPS_PER_PROJECT_MAX:,} groups of up to"),
        ("rights.md", f"of up to {ciaas.ENDPOINTS_PER_GROUP_MAX:,} endpoints"),
        ("rights.md", f"up to {ciaas.SET_PERMITS_PER_SUBJECT_MAX} grants on sets"),
        ("howto-query.md", f"at most {cpaas.QUERY_POINTS_MAX:,} points"),
        ("howto-query.md", f"At most {cpaas.QUERY_WINDOWS_MAX:,}"),
        ("howto-query.md", f"hold {cpaas.QUERY_FIGURES_HELD_MAX:,} figures"),
        ("howto-query.md", f"broken off after {cpaas.QUERY_S_MAX:g} s"),
        ("architecture.md", f"up to {ciaas.UPLINK_BATCH_MESSAGES:,} messages or"),
        ("architecture.md", f"or {ciaas.UPLINK_BATCH_BYTES // 10**6} MB"),
        ("cloudio.md", f"newest {ciaas.HISTORY_JOURNAL_ROWS_KEPT:,} lines"),
        ("auditor.md", f"beyond {ciaas.RECORD_FILE_BYTES_MAX // 2**20} MiB"),
        ("auditor.md", f"more than {ciaas.REFUSALS_PER_MINUTE_MAX} forbidden"),
        ("auditor.md", f"newest {ciaas.HISTORY_ASIDE_ROWS_KEPT:,} parts"),
        ("auditor.md", f"up to {ciaas.HISTORY_ASIDE_BYTES_KEPT // 2**20} MiB"),
        ("cloudio.md", f"above {ciaas.PAYLOAD_BYTES_MAX // 2**20} MiB"),
        ("cloudio.md", f"nested deeper than {ciaas.WIRE_DEPTH_MAX}"),
        ("howto-connect-modbus.md", f"up to {ciaas.SPOOL_BYTES_MAX // 2**20} MiB"),
        ("howto-enrol-device.md", f"good for {security.DEVICE_CERTIFICATE_DAYS} days"),
        (
            "howto-certificates.md",
            f"{security.DEVICE_CERTIFICATE_DAYS} days (`device_certificate_days`, "
            f"{security.DEVICE_CERTIFICATE_DAYS_MIN} to {security.DEVICE_CERTIFICATE_DAYS_MAX})",
        ),
        ("howto-certificates.md", f"{security.EXPIRY_GRACE_S} seconds after the certificate's end"),
        (
            "howto-certificates.md",
            f"| {security.AUTHORITY_DAYS // 365} years | by `borough ca rotate",
        ),
        ("howto-certificates.md", f"| {security.ISSUING_DAYS // 365} years | by `borough ca issue"),
        ("howto-certificates.md", f"| {security.SERVER_CERTIFICATE_DAYS} days | by the platform"),
        ("howto-certificates.md", f"has less than {ISSUING_LEFT_S // 86_400} days left"),
        ("decisions/0004-tails-and-sorted-segments.md", f"({ciaas.HISTORY_SEGMENT_ROWS:,} rows)"),
        ("decisions/0007-unknown-attributes-are-learned.md", f"{ciaas.POINTS_PER_ENDPOINT_MAX:,}"),
    ],
)
def test_the_bounds_on_the_pages_are_those_of_the_code(page: str, bound: str) -> None:
    assert bound in " ".join(_page(page).split())


def test_the_filters_keys_are_on_the_api_page_and_no_others() -> None:
    cells = _first_cells(_section(_page("api.md"), "Filter"))
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {field.alias or name for name, field in Filter.model_fields.items()}
    assert named > {f.alias or name for name, f in FilterParameters.model_fields.items()}


def test_the_words_of_resampling_are_on_the_api_page() -> None:
    history = _section(_page("api.md"), "History")
    words = re.findall(r"[A-Z]{3,}", (Resample.__doc__ or "") + "COUNT NONE NULL LINEAR")
    assert words
    for word in words:
        assert word in history


def test_the_settings_page_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", _page("settings.md"), re.MULTILINE)
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert [name for name, _ in rows] == list(defaults)
    for name, shown in rows:
        if defaults[name] is PydanticUndefined:
            assert name == "home"
            assert str(default_home()).endswith(shown.rpartition("`~/")[2].strip("`"))
        else:
            assert shown == f"`{_as_written(defaults[name])}`", name


def test_the_example_of_the_settings_page_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [toml] = [block.text for block in blocks("settings.md") if block.language == "toml"]
    (tmp_path / "borough.toml").write_text(toml)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"BOROUGH_{name.upper()}", raising=False)
    monkeypatch.setenv("BOROUGH_HOME", str(tmp_path))
    monkeypatch.setenv("BOROUGH_CERTIFICATE_NAMES", '["devices.city.example"]')
    settings = Settings()
    assert str(settings.mqtts) == "0.0.0.0:8883"
    assert settings.sync_interval == "always"
    assert settings.certificate_names == ("devices.city.example",)


def test_the_settings_page_names_what_lies_in_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    parts = {
        getattr(home, name).relative_to(tmp_path).parts[0]
        for name, member in vars(Home).items()
        if isinstance(member, property)
    }
    assert len(parts) > 5
    cells = " ".join(_first_cells(_section(_page("settings.md"), "What lies in the home")))
    assert parts | {"demo"} == {name.strip("/") for name in re.findall(r"`([^`]+)`", cells)}


def test_the_auditors_page_has_every_reason_for_setting_aside() -> None:
    cells = _first_cells(_section(_page("auditor.md"), "What was set aside"))
    assert {cell.strip("`") for cell in cells if cell.startswith("`")} == set(Why) | {"internal"}


def test_the_cloudio_page_has_every_verb() -> None:
    cells = _first_cells(_section(_page("cloudio.md"), "Topics"))
    assert {cell.strip("`").partition("/")[0] for cell in cells if cell.startswith("`")} == set(
        Verb
    )


def test_the_modbus_page_has_every_reason_with_its_verdict_the_strongest_first() -> None:
    section = _section(_page("howto-connect-modbus.md"), "What the verdicts mean")
    named = re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", section, re.MULTILINE)
    assert named == [
        (reason.name.lower().replace("_", "-"), VERDICTS[reason].name.lower())
        for reason in reversed(PRECEDENCE)
        if reason is not Reason.NONE
    ]


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#][^)]*)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve()
            assert found.exists(), f"{page.name}: {target}"
            if anchor:
                titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {_anchor(title) for title in titles}, f"{page.name}: {target}"


class _Nothing:
    """Stands for the city while only the list of routes is read."""

    record = None
    pages = None


def _as_written(value: object) -> str:
    return (
        "[]"
        if value == ()
        else f"{value:g}"
        if isinstance(value, float) and value < 1e5
        else str(value)
    )


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
