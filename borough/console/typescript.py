"""Writes the API's description as TypeScript types, so that the compiler checks every call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

_Schema: TypeAlias = Mapping[str, Any]

_HEAD = "// Written from the description of the API at each build. Not to be edited.\n"
_WORDS = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_REFERENCE = "#/components/schemas/"
_VERBS = ("get", "put", "post", "patch", "delete")


def describe_api() -> dict[str, Any]:
    """Return the description of the API; its routes are known before there is a city."""
    from cpaas.access.app import create_app
    from cpaas.access.city import City
    from cpaas.access.openapi import describe

    class Nobody:
        record = pages = None

    return describe(create_app(cast(City, Nobody())))


def typescript(document: Mapping[str, Any], prefix: str) -> str:
    """Return a module with one type a schema, and `Operations` by ``VERB /path``.

    Args:
        document: OpenAPI 3.1.
        prefix: What every path begins with; it is left out.
    """
    schemas = document.get("components", {}).get("schemas", {})
    named = [
        f"export type {_identifier(name)} = {_type(schema)};" for name, schema in schemas.items()
    ]
    operations = [
        _operation(f"{verb.upper()} {path.removeprefix(prefix)}", path, operation)
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb in _VERBS
    ]
    body = "\n".join(operations)
    return _HEAD + "\n".join(named) + f"\nexport interface Operations {{\n{body}\n}}\n"


def _operation(key: str, path: str, operation: _Schema) -> str:
    parameters = operation.get("parameters", [])
    in_path = {name: "string" for name in re.findall(r"{(\w+)}", path)}
    query = [p for p in parameters if p["in"] == "query"]
    parts = [
        f"path: {_members(in_path, in_path)}",
        "query: "
        + _members(
            {p["name"]: _type(p["schema"]) for p in query},
            {p["name"] for p in query if p.get("required")},
        ),
        f"body: {_body(operation)}",
        f"answer: {_answer(operation)}",
    ]
    return f"  {json.dumps(key)}: {{ {'; '.join(parts)} }};"


def _body(operation: _Schema) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return _type(content["application/json"]["schema"]) if "application/json" in content else "null"


def _answer(operation: _Schema) -> str:
    """Return the type of the answer when all goes well, ``unknown`` where nothing is said of it."""
    found = []
    for status, response in operation["responses"].items():
        if not status.startswith("2"):
            continue
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        found.append("null" if status == "204" else _type(schema or {}))
    return " | ".join(dict.fromkeys(found)) or "unknown"


def _type(schema: _Schema) -> str:
    """Return a schema as a type; what OpenAPI says of lengths and ranges has no type."""
    if "$ref" in schema:
        return _identifier(schema["$ref"].removeprefix(_REFERENCE))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return _union(_type(one) for one in schema[several])
    if "allOf" in schema:
        return " & ".join(_type(one) for one in schema["allOf"])
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return _union(json.dumps(one, ensure_ascii=False) for one in schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union(_type({**schema, "type": one}) for one in kind)
    if kind == "array":
        return f"Array<{_type(schema.get('items', {}))}>"
    if kind == "object":
        return _object(schema)
    return _WORDS.get(kind, "unknown") if isinstance(kind, str) else "unknown"


def _object(schema: _Schema) -> str:
    properties = schema.get("properties")
    if properties is None:
        values = schema.get("additionalProperties", True)
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    return _members(
        {name: _type(one) for name, one in properties.items()}, schema.get("required", ())
    )


def _members(types: Mapping[str, str], required: Iterable[str]) -> str:
    needed = set(required)
    written = (
        f"{_key(name)}{'' if name in needed else '?'}: {type_}" for name, type_ in types.items()
    )
    return "{ " + "; ".join(written) + " }" if types else "{}"


def _union(types: Iterable[str]) -> str:
    return "(" + " | ".join(dict.fromkeys(types)) + ")"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _identifier(name: str) -> str:
    """Return the name of a schema as TypeScript may have it."""
    return re.sub(r"\W", "_", name)
