"""The description of the API as TypeScript: what the console's compiler holds each call to."""

from __future__ import annotations

from typing import Any

import pytest

from borough.console.typescript import describe_api, typescript


def written(schema: dict[str, Any], **more: Any) -> str:
    """Return the type that a schema of the name ``A`` is written as."""
    document = {"paths": {}, "components": {"schemas": {"A": schema, **more}}}
    [line] = [
        one for one in typescript(document, "").splitlines() if one.startswith("export type A")
    ]
    return line.removeprefix("export type A = ").removesuffix(";")


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "string", "maxLength": 3}, "string"),
        ({"type": "integer"}, "number"),
        ({"type": ["number", "null"]}, "(number | null)"),
        ({"enum": ["a", "ä"]}, '("a" | "ä")'),
        ({"const": 1}, "1"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "(string | null)"),
        ({"allOf": [{"$ref": "#/components/schemas/B-1"}]}, "B_1"),
        ({"type": "array", "items": {"type": "boolean"}}, "Array<boolean>"),
        ({"type": "array"}, "Array<unknown>"),
        ({"type": "object"}, "Record<string, unknown>"),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            "Record<string, number>",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b-c": {"type": "null"}},
                "required": ["a"],
            },
            '{ a: string; "b-c"?: null }',
        ),
        ({"type": "object", "properties": {}}, "{}"),
        ({}, "unknown"),
    ],
)
def test_a_schema_is_written_as_the_type_that_holds_the_same(
    schema: dict[str, Any], type_: str
) -> None:
    assert written(schema) == type_


def test_an_operation_names_what_goes_in_and_what_comes_out() -> None:
    operation = {
        "parameters": [
            {"in": "path", "name": "uuid", "schema": {"type": "string"}},
            {"in": "query", "name": "limit", "schema": {"type": "integer"}},
            {"in": "query", "name": "to", "required": True, "schema": {"type": "string"}},
            {"in": "header", "name": "If-Match", "schema": {"type": "string"}},
        ],
        "requestBody": {"content": {"application/json": {"schema": {"type": "number"}}}},
        "responses": {
            "200": {"content": {"application/json": {"schema": {"type": "boolean"}}}},
            "204": {"description": "nothing"},
            "default": {"content": {"application/problem+json": {"schema": {"type": "string"}}}},
        },
    }
    text = typescript({"paths": {"/api/things/{uuid}": {"put": operation}}}, "/api")
    assert (
        '"PUT /things/{uuid}": { path: { uuid: string }; query: { limit?: number; to: string }; '
        "body: number; answer: boolean | null };"
    ) in text


def test_what_the_console_reads_is_described_by_the_api() -> None:
    text = typescript(describe_api(), "/api/v1")
    answers = dict(
        line.strip().removesuffix(" };").split(": { path: ", 1)
        for line in text.splitlines()
        if line.startswith('  "')
    )
    for route in (
        "GET /session", "GET /status", "GET /endpoints/{uuid}", "GET /search", "GET /alarms",
        "GET /history/{address}", "GET /metadata/{address}", "GET /commands", "GET /mashups",
        "PUT /data/{address}", "POST /mashups/{uuid}/dry-run", "GET /dependability",
    ):  # fmt: skip
        assert not answers[f'"{route}"'].endswith("answer: unknown"), route
