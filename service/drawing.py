"""The report drawn: precision, recall and F1 of every output between their bounds, as SVG, without any library."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from typing import Final

from service.report import Bounded, OutputReport, Section

NAMES: Final = 230  # width of the outputs' names
PANEL: Final = 210  # width of a panel
GAP: Final = 46
ROW: Final = 19
TOP: Final = 84
LABELS: Final = 70  # width of the column of labels
WIDTH: Final = NAMES + 3 * (PANEL + GAP) + LABELS
LONGEST: Final = 30  # characters of a name
LEGEND: Final = "dot: estimate; bar: bounds that hold at 95 %, at all times together, for each figure by itself"

STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.faint { fill: #6e7781; font-size: 11px }
.panel { font-weight: 600 }
.grid { stroke: #d8dee4 }
.band { fill: #f6f8fa }
.span { stroke: #9ec5f4; stroke-width: 7 }
.dot { fill: #0b5cad }
"""


def draw(section: Section, *, html: bool) -> str:
    """Draw a section of the report as one SVG image, or as an HTML page that shows it."""
    outputs = sorted(section.outputs, key=lambda output: -output.positive)
    height = TOP + ROW * len(outputs) + 44
    title, below = head(section)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="quality by output">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _text(8, 24, title, "title"),
        _text(8, 43, below, "faint"),
        _text(NAMES + 3 * (PANEL + GAP) + LABELS - 12, TOP - 12, "labels", "panel", anchor="end"),
        *_panels(len(outputs)),
        *(part for row, output in enumerate(outputs) for part in _row(output, TOP + ROW * row)),
        _text(8, height - 12, LEGEND, "faint"),
        "</svg>",
    ]
    image = "\n".join(parts)
    if not html:
        return image + "\n"
    page = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Quality as served</title>'
    return f"{page}<body style='margin:1.5rem'>{image}</body></html>\n"


def head(section: Section) -> tuple[str, str]:
    """What is shown, and of which arrivals."""
    what = f"epoch {section.epoch}, {section.reason}" if section.epoch else "since launch"
    since = "" if section.since is None else f" since {datetime.fromtimestamp(section.since, UTC):%Y-%m-%d %H:%M} UTC"
    return "Quality as served", f"{section.arrivals:,} arrivals{since} ({what}), {section.asked:,} asked about"


def _panels(rows: int) -> Iterator[str]:
    bottom = TOP + ROW * rows
    for row in range(0, rows, 2):
        yield f'<rect class="band" x="0" y="{TOP + ROW * row}" width="{WIDTH}" height="{ROW}"/>'
    for panel, name in enumerate(("precision", "recall", "F1")):
        left = NAMES + panel * (PANEL + GAP)
        yield _text(left, TOP - 12, name, "panel")
        for tick in range(0, 101, 25):
            x = left + PANEL * tick / 100
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
            yield _text(x, bottom + 14, f"{tick} %", "faint", anchor="middle")


def _row(output: OutputReport, top: int) -> Iterator[str]:
    middle = top + ROW / 2
    name = output.output if len(output.output) <= LONGEST else output.output[: LONGEST - 1] + "…"
    yield _text(8, middle + 4, name)
    for panel, (figure, bounded) in enumerate(
        {"precision": output.precision, "recall": output.recall, "f1": output.f1}.items()
    ):
        yield f"<g><title>{escape(output.output)}: {figure} {_said(bounded)}</title>"
        left = NAMES + panel * (PANEL + GAP)
        low, high = left + PANEL * bounded.lower, left + PANEL * bounded.upper
        yield f'<line class="span" x1="{low:.1f}" x2="{max(high, low + 1):.1f}" y1="{middle}" y2="{middle}"/>'
        if bounded.estimate is not None:
            yield f'<circle class="dot" cx="{left + PANEL * bounded.estimate:.1f}" cy="{middle}" r="3.5"/>'
        yield "</g>"
    yield _text(NAMES + 3 * (PANEL + GAP) + LABELS - 12, middle + 4, f"{output.labels:,}", anchor="end")


def _said(bounded: Bounded) -> str:
    estimate = "unknown" if bounded.estimate is None else f"{100 * bounded.estimate:.1f} %"
    return f"{estimate}, {100 * bounded.lower:.1f} to {100 * bounded.upper:.1f} %"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
