"""The page that stands in for the console until it is built; plain HTML that comes again."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from cpaas.access.pages.folder import Progress

RELOAD_S = 2
_STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #18202c; --soft: #566173;
  --line: #dfe3ea; --accent: #1f5fd6 }
@media (prefers-color-scheme: dark) { :root { --ground: #10141b; --card: #181e27; --ink: #e8ecf3;
  --soft: #a3adbd; --line: #2a323f; --accent: #6ea0ff } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 32rem; margin: 16px; padding: 32px; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px }
h1 { font-size: 20px; margin: 0 0 8px }
p { margin: 8px 0; color: var(--soft) }
strong { color: var(--ink); font-weight: 600 }
code { font-size: 14px; color: var(--ink); overflow-wrap: anywhere }
a { color: var(--accent) }
"""
STYLE_HASH = "'sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode() + "'"
"""How the content security policy names the one style sheet that stands in the page."""


def waiting_page(progress: Progress) -> str:
    """Return a document that says how far the console is, or why there is none."""
    if progress.failed is not None:
        title = "The console could not be built"
        body = (
            f"<p><strong>{escape(progress.failed)}</strong></p>"
            "<p>The platform itself runs. This page looks again by itself.</p>"
        )
    elif progress.step:
        title = "The console is being built"
        body = (
            f"<p>Now: <strong>{escape(progress.step)}</strong></p>"
            "<p>This happens once, in the background, and takes a minute or two. The platform "
            "itself runs already. This page reloads itself.</p>"
        )
    else:
        title = "The console is not built"
        body = (
            "<p>Build it with <code>./run console</code>; this page then reloads itself. "
            "The platform itself runs.</p>"
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="refresh" content="{RELOAD_S}">'
        f"<title>{title} · Borough</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}"
        '<p>For programs: <a href="/api/v1/health">is the platform ready?</a> · '
        '<a href="/api/v1/openapi.json">the API</a></p></main></body></html>'
    )
