"""Draws the plots of a report as PNG, with matplotlib where it is installed (the `bench` extra)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.report import Plot


def missing() -> str:
    """Return why nothing can be drawn, "" if it can."""
    found = importlib.util.find_spec("matplotlib") is not None
    return "" if found else "matplotlib is not installed, so no plot was drawn"


def draw(plots: Iterable[Plot], folder: Path) -> None:
    """Write each plot to `folder`."""
    importlib.import_module("matplotlib").use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    folder.mkdir(parents=True, exist_ok=True)
    for plot in plots:
        figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
        if plot.lines:
            for name, values in plot.series.items():
                axes.plot(list(values), list(values.values()), marker="o", label=name)
            axes.set_xscale("log")
        else:
            _bars(axes, plot)
        axes.set_yscale("log")
        axes.set_title(plot.title)
        axes.set_ylabel(plot.unit)
        axes.grid(axis="y", alpha=0.3)
        if len(plot.series) > 1:
            axes.legend(fontsize=8)
        figure.savefig(folder / f"{plot.name}.png", dpi=110)
        pyplot.close(figure)


def _bars(axes: Any, plot: Plot) -> None:
    """Draw bars side by side, a group for each label."""
    labels = list(dict.fromkeys(label for values in plot.series.values() for label in values))
    width = 0.8 / max(1, len(plot.series))
    for number, (name, values) in enumerate(plot.series.items()):
        at = [labels.index(label) + (number + 0.5) * width - 0.4 for label in values]
        axes.bar(at, list(values.values()), width, label=name)
    axes.set_xticks(range(len(labels)), [str(label) for label in labels], rotation=30, ha="right")
