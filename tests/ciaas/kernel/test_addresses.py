import pytest

from ciaas.kernel.address import (
    AddressError,
    check_endpoint,
    check_name,
    parse_point,
    parse_prefix,
)
from ciaas.limits import ADDRESS_CHARS_MAX, ADDRESS_LEVELS_MAX, NAME_CHARS_MAX
from tests.ciaas.kernel.city import DEVICE


@pytest.mark.parametrize("name", ["a", "with.dot", "ü", "°C", "@update", "100%", 'a"b', "x" * 255])
def test_names_that_topics_carry(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a\tb", "a\x00", "\x7f", "\u0085", "a/b", "*", ">", "+", "#", "\ud800"]
)
def test_names_that_no_topic_carries(name: str) -> None:
    with pytest.raises(AddressError):
        check_name(name)


@pytest.mark.parametrize(
    "text",
    ["", "x", "00000000-0000-0000-0000-000000000000", DEVICE.replace("-", ""), f"{{{DEVICE}}}"],
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(AddressError):
        check_endpoint(text)


def test_endpoints_are_lower_case() -> None:
    assert check_endpoint(DEVICE.upper()) == DEVICE
    assert parse_point(f"{DEVICE.upper()}/n/o/A") == f"{DEVICE}/n/o/A"


def test_a_prefix_may_end_in_a_wildcard() -> None:
    assert parse_prefix(f"{DEVICE}/n/#") == (DEVICE, "n")
    assert parse_prefix(DEVICE) == (DEVICE,)
    with pytest.raises(AddressError):
        parse_prefix(f"{DEVICE}/#/n")


def test_a_point_needs_four_levels() -> None:
    assert parse_point(f"{DEVICE}/n/o/a") == f"{DEVICE}/n/o/a"
    with pytest.raises(AddressError, match="endpoint/node/object/attribute"):
        parse_point(f"{DEVICE}/n/a")


def test_name_chars_max() -> None:
    check_name("x" * NAME_CHARS_MAX)
    with pytest.raises(AddressError, match=str(NAME_CHARS_MAX)):
        check_name("x" * (NAME_CHARS_MAX + 1))


def test_address_levels_max() -> None:
    parse_prefix("/".join([DEVICE] + ["n"] * (ADDRESS_LEVELS_MAX - 1)))
    with pytest.raises(AddressError, match="levels"):
        parse_prefix("/".join([DEVICE] + ["n"] * ADDRESS_LEVELS_MAX))


def test_address_chars_max() -> None:
    longest = f"{DEVICE}/{'/'.join(['n' * 250] * 3)}/".ljust(ADDRESS_CHARS_MAX - 1, "x")
    parse_point(longest)
    with pytest.raises(AddressError, match="characters"):
        parse_point(longest + "xx")
