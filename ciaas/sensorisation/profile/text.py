"""Reading a document's YAML or JSON text without YAML's surprises."""

from __future__ import annotations

from typing import Any

import yaml

from ciaas.limits import CONNECTION_BYTES_MAX


class TextError(ValueError):
    """The text is no document; the message says where and what to change."""


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, which can blow a small file up, and keys given twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise TextError(f"line {self.line + 1}: aliases (*name) are not read: write it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise TextError(f"line {line}: {key.value!r} is given twice: keep one of them")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_text(text: str) -> dict[str, Any]:
    """Return the mapping that a YAML or JSON text holds.

    Raises:
        TextError: too long, not YAML, an alias, a key given twice, or no mapping.
    """
    if len(text.encode()) > CONNECTION_BYTES_MAX:
        raise TextError(f"the document is longer than {CONNECTION_BYTES_MAX} bytes")
    try:
        document = yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.YAMLError as error:
        raise TextError(f"not readable as YAML or JSON: {error}") from None
    except RecursionError:
        raise TextError("nested too deeply: a document has fewer than ten levels") from None
    if not isinstance(document, dict):
        raise TextError("the document must be a mapping that starts with 'name:'")
    return document
