"""The report page: complete, well formed, nothing from anywhere else, no markup from names."""

from __future__ import annotations

from html.parser import HTMLParser

from security.dependability.report import Report, Row, bands, render
from security.dependability.states import Interval, Resource, State, clipped
from security.dependability.statistics import measure

START, END = 1_700_000_000_000, 1_700_086_400_000
VOID = {"meta", "br", "rect", "hr"}


def row(name: str, title: str, *states: tuple[State, int, int]) -> Row:
    resource = Resource.of(name)
    intervals = clipped([Interval(resource, s, a, b, "why <b>") for s, a, b in states], START, END)
    return Row(resource, title, intervals, measure(intervals))


class Page(HTMLParser):
    """Checks that every element is closed, and collects texts and references."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def page_of(*rows: Row) -> Page:
    return Page(render(Report(START, END, END, rows, ["A note."])))


def test_every_resource_stands_below_its_kind_with_its_figures() -> None:
    half = (START + END) // 2
    page = page_of(
        row("role:core", "core", (State.UP, START, half), (State.DOWN, half, END)),
        row("device:a", "Pump", (State.UP, START, END)),
    )
    assert [text for text in page.texts if text.endswith("(1)")] == ["Device (1)", "Role (1)"]
    assert {"core", "Pump", "50.000 %", "100 %", "A note."} <= set(page.texts)
    assert any(text.startswith("insufficient: n = 1, 95% interval") for text in page.texts)


def test_nothing_is_loaded_from_anywhere() -> None:
    page = page_of(row("host", "host", (State.UP, START, END)))
    assert page.references == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)


def test_names_and_causes_are_text_and_no_markup() -> None:
    text = render(
        Report(START, END, END, [row("device:a", "<script>x</script>", (State.UP, START, END))], [])
    )
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "why &lt;b&gt;" in text


def test_a_city_where_nothing_was_observed_says_so() -> None:
    assert "Nothing was observed in this time." in page_of().texts


def test_a_timeline_covers_what_was_observed() -> None:
    third = (END - START) // 4
    found = bands(
        row(
            "host",
            "host",
            (State.UP, START + third, START + 2 * third),
            (State.DOWN, START + 2 * third, END),
        ),
        START,
        END,
    )
    assert [(band.state, band.left, band.width) for band in found] == [
        (State.UP, 250.0, 250.0),
        (State.DOWN, 500.0, 500.0),
    ]
    assert "down from" in found[1].title and "why <b>" in found[1].title
