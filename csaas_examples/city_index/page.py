"""The public page: plain HTML and CSS, readable from across a street and by a screen reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from html import escape

from csaas_examples.city_index.city import State
from csaas_examples.city_index.indices import INDICES, MEASURANDS, Index, word

STALE_S = 600.0
"""After this the page says that its figures are old."""

_WIDTH, _HEIGHT = 240, 56


def page(state: State, name: str, refresh_s: int, now: datetime, zone: tzinfo = UTC) -> str:
    """Return the whole page; its script asks for it anew each ``refresh_s`` seconds.

    Only what changed is replaced: a page that loads itself anew would take from readers where they
    are in it (WCAG 2.2.1).

    Args:
        state: What is shown.
        name: Of the city.
        refresh_s: Seconds until it is fetched again.
        now: Aware.
        zone: In which times are written.
    """
    cards = "\n".join(_card(index, state) for index in INDICES)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}: how the city is</title>
<link rel="stylesheet" href="style.css">
<link rel="icon" href="data:,">
<script src="renew.js" defer data-every="{refresh_s}"></script>
</head>
<body>
<p id="lost" class="notice" role="status" hidden>This page does not reach its server; what it shows
may be old.</p>
<main>
<header><h1>{escape(name)}</h1><p>How the city is: three figures from what it measured in the last
hour. 100 is best, 0 is worst.</p></header>
{_notice(state, now)}<div class="cards">
{cards}
</div>
<section class="measured" aria-labelledby="measured"><h2 id="measured">Measured</h2>
<p>Means over the city in the last hour.</p>
<dl>{"".join(_readings(state))}</dl>
</section>
<footer><p>{_stamp(state, zone)} The lines show the last 24 hours.</p></footer>
</main>
</body>
</html>
"""


def _card(index: Index, state: State) -> str:
    score = state.scores()[index.name]
    if score is None:
        body = '<p class="score none">no data</p>'
        kind = "unknown"
    else:
        kind = word(score).replace(" ", "-")
        body = f'<p class="score">{score:.0f}<span class="word">{word(score)}</span></p>'
    line = _line(index, state.course.get(index.name, ()))
    return (
        f'<section class="card {kind}" aria-labelledby="{index.name}">'
        f'<h2 id="{index.name}">{index.title}</h2><p class="says">{index.says}</p>'
        f"{body}{line}<p>{index.how}</p>{_missing(index, state)}</section>"
    )


def _missing(index: Index, state: State) -> str:
    """Return what the index would take and does not have; nothing before the first answer."""
    lacks = index.lacks(state.readings)
    if state.at is None or not lacks:
        return ""
    names = " and ".join(lacks)
    verb = "are" if len(lacks) > 1 else "is"
    count = "" if any(name in index.needs for name in lacks) else ", and not counted"
    return f'<p class="missing">{names.capitalize()} {verb} not measured now{count}.</p>'


def _line(index: Index, course: Sequence[float | None]) -> str:
    """Return the course as a line, broken where there is nothing; no picture for one point."""
    known = [score for score in course if score is not None]
    if len(known) < 2:
        return ""
    step = _WIDTH / (len(course) - 1)
    parts, pen = [], "M"
    for hour, score in enumerate(course):
        if score is None:
            pen = "M"
            continue
        parts.append(f"{pen}{hour * step:.1f} {_HEIGHT - score / 100 * _HEIGHT:.1f}")
        pen = "L"
    told = f"{index.title}, last 24 hours: from {min(known):.0f} to {max(known):.0f}"
    return (
        f'<svg viewBox="0 -3 {_WIDTH} {_HEIGHT + 6}" role="img" aria-label="{escape(told)}">'
        f'<path class="rule" d="M0 {_HEIGHT}H{_WIDTH}"/><path d="{" ".join(parts)}"/></svg>'
        '<p class="span" aria-hidden="true"><span>24 h ago</span><span>now</span></p>'
    )


def _readings(state: State) -> Iterator[str]:
    for name, unit in MEASURANDS.items():
        value, age_min = state.readings.get(name), state.age_min.get(name)
        shown = "–" if value is None else f"{value:.1f} {unit}"
        aged = "no value in the last hour" if age_min is None else f"at most {age_min} min old"
        about = f'<dd class="age">{aged}</dd>' if state.at is not None else ""
        yield f"<div><dt>{name.capitalize()}</dt><dd>{shown}</dd>{about}</div>"


def _notice(state: State, now: datetime) -> str:
    if state.at is None:
        return '<p class="notice" role="status">Waiting for the first figures.</p>\n'
    age_s = (now - state.at).total_seconds()
    if age_s < STALE_S and not state.fault:
        return ""
    return (
        '<p class="notice" role="status">The platform does not answer; these figures are '
        f"{_age(age_s)} old.</p>\n"
    )


def _age(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{minutes // 60} hours"


def _stamp(state: State, zone: tzinfo) -> str:
    if state.at is None:
        return ""
    time = state.at.astimezone(zone)
    return f'As of <time datetime="{time.isoformat(timespec="seconds")}">{time:%H:%M %Z}</time>.'


SCRIPT = """"use strict";
const everyMs = Number(document.currentScript.dataset.every) * 1000;
const lost = document.getElementById("lost");

async function renew() {
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [shown, fresh] = [document, page].map((one) => one.querySelector("main"));
    if (answer.ok && fresh.innerHTML !== shown.innerHTML) shown.replaceWith(fresh);
    lost.hidden = answer.ok;
  } catch {
    lost.hidden = false;
  }
  setTimeout(renew, everyMs);
}

setTimeout(renew, everyMs);
"""

STYLE = """
:root { color-scheme: light dark; --ink: #16212b; --paper: #f6f4ef; --card: #fff; --quiet: #4b5863;
  --good: #0b6b43; --fair: #7a5800; --poor: #a32b12; }
@media (prefers-color-scheme: dark) { :root { --ink: #eef2f5; --paper: #10181f; --card: #1b2630;
  --quiet: #b3c0cb; --good: #6fd6a4; --fair: #f0c75e; --poor: #ff9d85; } }
* { box-sizing: border-box; margin: 0; }
body { background: var(--paper); color: var(--ink); line-height: 1.4;
  font: 1.125rem/1.4 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: clamp(1rem, 4vw, 3rem); }
header { margin-bottom: 1.5rem; }
h1 { font-size: clamp(2rem, 6vw, 3.5rem); line-height: 1.1; }
h2 { font-size: 1.25rem; }
header p, .card p, .measured p, .age, footer, dt { color: var(--quiet); }
header p { max-width: 44rem; margin-top: .5rem; }
.cards { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }
.card { background: var(--card); border-radius: .75rem; padding: 1.5rem; border-top: .5rem solid; }
.very-good, .good { border-color: var(--good); } .fair { border-color: var(--fair); }
.poor, .very-poor { border-color: var(--poor); } .unknown { border-color: var(--quiet); }
.card { display: flex; flex-direction: column; }
.card .span { display: flex; justify-content: space-between; font-size: .8125rem;
  margin-bottom: 1rem; }
.rule { stroke-width: 1; opacity: .5; }
.card .missing { margin-top: .75rem; color: var(--fair); font-weight: 600; }
.card .score { margin-top: .5rem; color: var(--ink); font-size: clamp(4rem, 12vw, 6rem);
  font-weight: 700; line-height: 1.1; font-variant-numeric: tabular-nums; }
.card .none { font-size: 2rem; }
.word { display: block; font-size: 1.5rem; font-weight: 600; }
svg { display: block; width: 100%; margin-top: 1rem; }
path { fill: none; stroke: var(--quiet); stroke-width: 2.5; stroke-linejoin: round;
  stroke-linecap: round; }
.measured { margin-top: 2rem; }
dl { display: grid; gap: 1rem 1.5rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); }
dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.age { font-size: .9375rem; font-weight: 400; }
#lost { margin: 1rem; }
.notice { background: var(--card); border-left: .4rem solid var(--fair); padding: .75rem 1rem;
  margin-bottom: 1.25rem; }
footer { margin-top: 2rem; font-size: 1rem; }
"""
