"""What keeps a person from using a page: axe's findings, what is cut off, too small, or unseen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (390, 768, 1440)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TARGET_PX_MIN = 24


def without_barriers(page: Page, name: str, shots: Path, widths: Sequence[int] = WIDTHS) -> None:
    """Look at the page on every screen in both themes."""
    from axe_playwright_python.sync_playwright import Axe

    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_timeout(150)  # charts are drawn anew
            page.screenshot(path=shots / f"{name}-{width}-{scheme}.png", full_page=True)
            found = Axe().run(page)
            assert found.violations_count == 0, f"{width} px, {scheme}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert cut_off(page) == []
        assert small_targets(page) == []


def cut_off(page: Page) -> list[str]:
    """Return what is wider than its place and has to be scrolled sideways."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
          .filter(one => ["auto", "scroll"].includes(getComputedStyle(one).overflowX))
          .filter(one => one.scrollWidth > one.clientWidth + 1)
          .map(one => `${one.className}: ${one.scrollWidth} in ${one.clientWidth}`)"""
    )
    return found


def small_targets(page: Page) -> list[str]:
    """Return what can be pressed and is smaller than a fingertip, but for links within a text."""
    found: list[str] = page.evaluate(
        """least => [...document.querySelectorAll("button, a, input, select, summary")]
          .filter(one => !one.closest("p, .uplot") && !one.textContent.startsWith("Skip to"))
          .map(one => [one.textContent || one.ariaLabel || one.name, one.closest("label") ?? one])
          .map(([name, one]) => [name, one.getBoundingClientRect()])
          .filter(([, box]) => box.width > 1 && (box.width < least || box.height < least))
          .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)""",
        TARGET_PX_MIN,
    )
    return found


def tabbed_through(page: Page, most: int = 80) -> list[str]:
    """Press Tab through the page once; returns what was reached, by its words.

    Each must show that it has the focus and must not lie under a bar that stays in its place.
    """
    reached: list[str] = []
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")  # the way begins anew
    for _ in range(most):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
              const one = document.activeElement;
              if (one === document.body || one.dataset.tabbed) return null;
              one.dataset.tabbed = "yes";
              const marked = [one, one.closest("label"), one.parentElement].some(part => {
                const style = part && getComputedStyle(part);
                return style && (style.outlineStyle !== "none" || style.boxShadow !== "none");
              });
              const box = (one.closest("label") ?? one).getBoundingClientRect();
              const x = Math.min(Math.max(box.left + box.width / 2, 1), innerWidth - 1);
              const top = document.elementFromPoint(x, box.top + Math.min(box.height, 600) / 2);
              const place = one.closest("label") ?? one;
              return {
                name: (one.ariaLabel || one.textContent || one.name || one.tagName).trim(),
                marked,
                seen: top !== null && (place.contains(top) || top.contains(place)),
              };
            }"""
        )
        if told is None:
            break
        assert told["marked"], f"{told['name']} does not show its focus"
        assert told["seen"], f"{told['name']} has the focus and is hidden"
        reached.append(told["name"])
    return reached
