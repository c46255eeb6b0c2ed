"""Bundles: what the stock Python client reads is what was meant."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.kernel.address import EndpointId
from ciaas.limits import PROPERTIES_PER_BUNDLE_MAX, PROPERTY_CHARS_MAX
from ciaas.management.bundle import PREFIX, Bundle, ProvisioningError, check_properties

UUID = EndpointId("0b6e2f14-6a52-4a3b-9d55-0f5f3c1f7a10")


def bundle_of(properties: dict[str, str], *, key: str | None = "KEY") -> Bundle:
    return Bundle(
        endpoint=UUID,
        name="lamp",
        properties=properties,
        authority_pem="CA",
        chain_pem="",
        certificate_pem="CERT",
        serial="1",
        key_pem=key,
        notes=("read this", "and this"),
    )


def unpacked(bundle: Bundle) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(bundle.as_zip())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_archive_has_clouds_names_and_is_for_its_owner() -> None:
    bundle = bundle_of({"uuid": UUID})
    assert unpacked(bundle) == {
        "lamp.properties": f"# read this\n# and this\n{PREFIX}uuid = {UUID}\n",
        "ca-cert.pem": "CA",
        f"{UUID}-client-cert.pem": "CERT",
        f"{UUID}-private-key.pem": "KEY",
    }
    with zipfile.ZipFile(io.BytesIO(bundle.as_zip())) as archive:
        modes = {stat.S_IMODE(entry.external_attr >> 16) for entry in archive.infolist()}
    assert modes == {0o600}


def test_a_key_that_never_was_here_is_in_no_form() -> None:
    bundle = bundle_of({}, key=None)
    assert len(unpacked(bundle)) == 3
    assert "clientPrivateKey" not in bundle.as_dict()


def test_the_json_form_is_clouds() -> None:
    assert bundle_of({"uuid": UUID}).as_dict() == {
        "endpoint": UUID,
        "properties": {"ch.hevs.cloudio.endpoint.uuid": UUID},
        "caCertificate": "CA",
        "clientCertificate": "CERT",
        "clientPrivateKey": "KEY",
        "notes": ["read this", "and this"],
    }


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"keepAliveInterval": "60"}, "keeps stock Python devices"),
        ({PREFIX + "connectRetryInterval": "10"}, "keeps stock Python devices"),
        ({"uuid": "other"}, "the endpoint's own"),
        ({"hostUri": "ssl://city.example:8884"}, "without|leave the port out"),
        ({"a b": "x"}, "no name"),
        ({"": "x"}, "no name"),
        ({"x" * (PROPERTY_CHARS_MAX + 1): "x"}, "no name"),
        ({"a=b": "x"}, "no name"),
        ({"a": "one\ntwo"}, "one line"),
        ({"a": 'with "quotes"'}, "one line"),
        ({"a": " padded "}, "one line"),
        ({"a": "%(uuid)s"}, "one line"),
        ({"a": "x" * (PROPERTY_CHARS_MAX + 1)}, "one line"),
        ({f"a{i}": "x" for i in range(PROPERTIES_PER_BUNDLE_MAX + 1)}, "at most 64"),
    ],
)
def test_what_breaks_a_device_is_refused(properties: dict[str, str], words: str) -> None:
    with pytest.raises(ProvisioningError, match=words):
        check_properties(properties)


def test_the_prefix_may_be_written_or_left_out() -> None:
    given_keys = {PREFIX + "messageFormat": "json", "hostUri": "ssl://city.example"}
    assert check_properties(given_keys) == {
        "messageFormat": "json",
        "hostUri": "ssl://city.example",
    }


@pytest.mark.peer
@given(
    values=st.dictionaries(
        st.from_regex(r"[A-Za-z][A-Za-z.]{0,8}", fullmatch=True), st.text(max_size=20), max_size=4
    )
)
def test_the_stock_client_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    from configobj import ConfigObj

    try:
        checked = check_properties(values)
    except ProvisioningError:
        return
    path: Path = tmp_path_factory.mktemp("device") / "lamp.properties"
    path.write_text(unpacked(bundle_of(checked))["lamp.properties"], encoding="utf-8")
    read = ConfigObj(str(path), encoding="utf-8")
    assert {key.removeprefix(PREFIX): read[key] for key in read} == checked
