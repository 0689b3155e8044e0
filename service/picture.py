"""The report as a PNG image: the same figures as the drawing, for where SVG is not shown. Needs matplotlib."""

from importlib.util import find_spec
from io import BytesIO
from typing import Final

from service.drawing import LEGEND, LONGEST, head
from service.report import Section

DOTS: Final = 150  # per inch
ROW: Final = 0.24  # inches
FIGURES: Final = (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def picture(section: Section) -> bytes:
    """Draw a section of the report: a row per output, estimates between their bounds; always the same bytes for it."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra of the installation

    outputs = sorted(section.outputs, key=lambda output: -output.positive)
    rows = range(len(outputs))
    high = ROW * len(outputs) + 1.8
    figure = Figure(figsize=(11, high), dpi=DOTS, facecolor="white")
    panels = figure.subplots(1, 3, sharey=True, squeeze=False)[0]
    for panel, (name, title) in zip(panels, FIGURES, strict=True):
        bounded = [getattr(output, name) for output in outputs]
        panel.barh(
            rows, [100 * (b.upper - b.lower) for b in bounded], 0.4, [100 * b.lower for b in bounded], color="#9ec5f4"
        )
        known = [(100 * b.estimate, row) for row, b in zip(rows, bounded, strict=True) if b.estimate is not None]
        panel.plot([x for x, _ in known], [y for _, y in known], "o", color="#0b5cad", markersize=4, clip_on=False)
        panel.set(xlim=(0, 100), xticks=range(0, 101, 25), ylim=(len(outputs) - 0.4, -0.6))
        panel.set_xticklabels([f"{tick} %" for tick in range(0, 101, 25)])
        panel.set_title(title, loc="left", fontsize=10, fontweight="bold")
        panel.grid(axis="x", color="#d8dee4")
        panel.set_axisbelow(True)
        panel.spines[:].set_visible(False)
        panel.tick_params(length=0, labelsize=8)
    panels[0].set_yticks(rows, [_short(output.output) for output in outputs])
    for row, output in zip(rows, outputs, strict=True):
        panels[2].annotate(f"{output.labels:,}", (104, row), annotation_clip=False, va="center", fontsize=8)
    panels[2].annotate("labels", (104, -0.9), annotation_clip=False, fontsize=8, fontweight="bold")
    title, below = head(section)
    figure.text(0.02, 1 - 0.25 / high, title, fontsize=13, fontweight="bold", va="center", parse_math=False)
    figure.text(0.02, 1 - 0.52 / high, below, fontsize=8.5, color="#57606a", va="center", parse_math=False)
    figure.text(0.02, 0.15 / high, LEGEND, fontsize=7.5, color="#57606a", va="center")
    figure.subplots_adjust(left=0.2, right=0.93, top=1 - 0.95 / high, bottom=0.6 / high, wspace=0.2)
    image = BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def _short(name: str) -> str:
    # A dollar sign begins a formula in matplotlib.
    return (name if len(name) <= LONGEST else name[: LONGEST - 1] + "…").replace("$", r"\$")
