"""A route that answers with bytes made before.

Run as ``python -m borough.bench.baseline.precomputed SPEC``. It asks its own copy of the history
the same question as the platform and throws the result away. No login, no rights, no record,
nothing to encode, nothing kept of what was asked before: what is left is the web framework and the
SQL.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from fastapi.responses import Response

from borough.bench.load.generator import answer
from borough.clock import MachineClock
from borough.roles.http import serving
from borough.settings import Listen
from ciaas.ports import Resample, Span
from ciaas.storage.history import Bounds, DuckHistory, open_history


def create_app(history: DuckHistory, asked: dict[str, dict[str, Any]]) -> FastAPI:
    """Return the application; ``asked`` names for each route its question and its answer's file."""
    app = FastAPI()
    for name, question in asked.items():
        body = Path(question["answer"]).read_bytes()
        app.add_api_route(f"/{name}", _route(history, span_of(question), body))
    return app


def _route(history: DuckHistory, span: Span, body: bytes) -> Callable[[], Response]:
    def route() -> Response:
        history.series(span)
        return Response(body, media_type="application/json")

    return route


def span_of(question: dict[str, Any]) -> Span:
    """Return the question as history takes it."""
    interval_ms = question["interval_ms"]
    return Span(
        points=np.array([question["point"]], np.uint32),
        start=question["start_ms"],
        end=question["end_ms"],
        limit=question["limit"],
        resample=None if interval_ms is None else Resample(interval_ms * 10**6, "MEAN", "NONE"),
    )


async def _serve(spec: dict[str, Any]) -> None:
    """Serve until standard input ends."""
    bounds = Bounds(partials_buckets=0)  # what core adds up is worked out from all samples here
    history = open_history(Path(spec["history"]), clock=MachineClock(), bounds=bounds)
    try:
        async with serving(create_app(history, spec["asked"]), Listen(spec["host"], spec["port"])):
            answer({"ready": True})
            await asyncio.to_thread(sys.stdin.readline)
    finally:
        history.close()


def main() -> None:
    """Serve what the argument, a JSON object, describes."""
    asyncio.run(_serve(json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
