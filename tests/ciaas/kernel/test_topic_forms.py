import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.kernel.wire import long_form, short_form, subject_of, topic_of

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="/*>+#"), min_size=1
)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("@update/u/n/o/a", b"@update.u.n.o.a"),
        ("@update/u/n/o/with.dot", b"@update.u.n.o.with//dot"),
        ("a/.b", b"a.//b"),
        ("a./b", b"a//.b"),
        ("..", b"////"),
        ("@online/ü", "@online.ü".encode()),
    ],
)
def test_topics_read_and_write_as_the_broker_does(topic: str, subject: bytes) -> None:
    assert subject_of(topic) == subject
    assert topic_of(subject) == topic


@pytest.mark.parametrize(
    ("subject", "topic"),
    [(b"/.foo", "/foo"), (b"foo./", "foo/"), (b"foo./.bar", "foo//bar"), (b"/", "")],
)
def test_empty_levels_of_a_subject_are_restored(subject: bytes, topic: str) -> None:
    assert topic_of(subject) == topic


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_every_topic_of_names_survives_the_broker(levels: list[str]) -> None:
    topic = "/".join(levels)
    assert topic_of(subject_of(topic)) == topic


@given(st.lists(NAMES, min_size=4, max_size=8))
def test_long_form_and_back(levels: list[str]) -> None:
    endpoint, *long = long_form("/".join(levels)).split("/")
    assert [endpoint, *short_form(long)] == levels


@pytest.mark.parametrize(
    "levels",
    [
        ["N", "O", "A"],
        ["nodes", "O", "A"],
        ["nodes", "N", "objects", "O"],
        ["nodes", "N", "things", "O", "attributes", "A"],
        ["nodes", "N", "objects", "O", "attributes"],
        [],
    ],
)
def test_a_path_that_is_not_all_in_the_long_form_stays_as_it_is(levels: list[str]) -> None:
    assert short_form(levels) == levels


def test_a_node_has_a_long_form_too() -> None:
    assert short_form(["nodes", "N"]) == ["N"]
