"""Templates of mashups."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from cpaas.access.answers.described import answers
from cpaas.access.answers.documents import as_json
from cpaas.access.answers.mashups import TemplateEntry
from cpaas.access.caller import Reader
from cpaas.access.problems import not_found
from cpaas.composition.document import Document, parse_document
from cpaas.composition.templates import TEMPLATES

router = APIRouter(prefix="/mashups/templates", tags=["mashups"])


@router.get("", responses=answers(list[TemplateEntry]))
def listed(caller: Reader) -> Response:
    """List the templates, with the schemas of what is filled in."""
    return as_json([template.describe() for template in TEMPLATES.values()])


@router.post("/{template}", responses=answers(Document))
def fill(template: str, blanks: dict[str, Any], caller: Reader) -> Response:
    """Return the document of a filled template; nothing is stored. Create a mashup with it."""
    if template not in TEMPLATES:
        raise not_found()
    return as_json(parse_document(TEMPLATES[template].fill(blanks)).document())
