"""Documents come out as they went in, and merge as RFC 7396 says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.kernel.address import EndpointId
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.storage.registry.document import decode, encode, merged
from ciaas.storage.registry.model import decode_model, encode_model, flatten, joined

LAMP = EndpointId("00000001-0000-4000-8000-000000000000")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
documents = st.dictionaries(texts, values, max_size=4)


@given(documents)
def test_a_document_comes_out_as_it_went_in(document: dict[str, Any]) -> None:
    text = encode(document, 1_000_000, "it")
    assert repr(decode(text)) == repr(json.loads(text))
    assert decode(text) == document


@given(documents)
def test_the_order_of_keys_makes_no_other_document(document: dict[str, Any]) -> None:
    turned = dict(reversed(document.items()))
    assert encode(turned, 1_000_000, "it") == encode(document, 1_000_000, "it")


# Source: RFC 7396, appendix A, those whose target and patch are objects.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_follows_the_examples_of_the_rfc(
    target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    before = repr(target)
    assert merged(target, patch) == result
    assert repr(target) == before, "what is stored is not altered in place"


names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=3)
attributes = st.builds(
    Attribute,
    st.sampled_from(Constraint),
    st.sampled_from(ValueType),
    st.one_of(st.none(), st.floats(0, 2e9)),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        texts,
    ),
)
things: st.SearchStrategy[Thing] = st.deferred(
    lambda: st.builds(
        Thing,
        st.one_of(st.none(), texts),
        st.one_of(st.just({}), st.dictionaries(names, things, max_size=2)),
        st.dictionaries(names, attributes, max_size=3),
    )
)
models = st.builds(
    EndpointModel,
    texts,
    st.sampled_from([1, 2]),
    st.lists(texts, max_size=2).map(tuple),
    st.dictionaries(
        names,
        st.builds(
            Node, st.lists(texts, max_size=2).map(tuple), st.dictionaries(names, things, max_size=2)
        ),
        max_size=2,
    ),
)


@given(models)
def test_a_model_keeps_all_but_times_and_changing_values(model: EndpointModel) -> None:
    kept = decode_model(encode_model(LAMP, model))
    assert (kept.version, kept.message_format_version) == (
        model.version,
        model.message_format_version,
    )
    assert kept.supported_formats == model.supported_formats
    assert kept.nodes.keys() == model.nodes.keys()
    for name, node in model.nodes.items():
        assert kept.nodes[name].implements == node.implements
        declared = {path: (attribute, conforms) for path, attribute, conforms in node.attributes()}
        found = {path: rest for path, *rest in kept.nodes[name].attributes()}
        assert found.keys() == declared.keys()
        for path, (attribute, conforms) in declared.items():
            value = attribute.value if attribute.constraint is Constraint.STATIC else None
            if isinstance(value, float) and value in (float("inf"), float("-inf")):
                value = None
            assert found[path] == [
                Attribute(attribute.constraint, attribute.type, None, value),
                conforms,
            ]
    assert encode_model(LAMP, kept) == encode_model(LAMP, model)


@given(models)
def test_a_model_is_the_join_of_its_points(model: EndpointModel) -> None:
    declared = list(flatten(LAMP, model))
    rebuilt = list(flatten(LAMP, joined(EndpointModel(), declared)))
    assert sorted(rebuilt, key=lambda new: new.address) == sorted(
        declared, key=lambda new: new.address
    )
