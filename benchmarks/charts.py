"""Charts: one small SVG for each curve, the same bytes for the same numbers."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.measurement import Curve

_SIZE = (7.5, 4.2)


def draw(curve: Curve, folder: Path) -> Path:
    """Draw a curve into a folder, and return its file."""
    mpl.rcParams |= {"svg.hashsalt": "swarmgate", "svg.fonttype": "none"}  # text as text: small files
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    for name, points in curve.lines.items():
        axes.plot(*zip(*sorted(points), strict=True), marker="o", markersize=4, linewidth=1.5, label=name)
    axes.set_title(curve.title)
    axes.set_xlabel(curve.x)
    axes.set_ylabel(curve.y)
    if curve.logarithmic:
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    if len(curve.lines) > 1:
        axes.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{curve.name}.svg"
    figure.savefig(target, metadata={"Date": None})
    return target
