"""Pictures of a corpus: where sources are, what they are, and what is asked and answered.

Shards are gone through one by one, so that a corpus of any size can be drawn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import MAX_DISTANCE_M
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.shards import read_rows
from st_audioqa.errors import MissingPackageError

__all__ = ["plot_stats"]

_COLOUR = "#3b6ea5"
_MOST_LABELS = 40
_PANELS = {
    "azimuth_deg": (np.arange(-180, 181, 22.5), "azimuth (deg, + left)", "share of bins"),
    "elevation_deg": (np.arange(-90, 91, 10), "elevation (deg, + up)", "share of bins"),
    "distance_m": (np.arange(0, MAX_DISTANCE_M + 0.1, 0.5), "distance (m)", "share of bins"),
    "speed_m_s": (np.arange(0, 2.05, 0.1), "speed of moving sources (m/s)", "share of sources"),
}
_SOURCE = ("labels", "moving", "motion", "azimuth_deg", "elevation_deg", "distance_m")


def plot_stats(corpus: Corpus, folder: Path) -> list[Path]:
    """Draws pictures into a folder; returns their paths.

    `places.png`: azimuth, elevation, distance and speed by split; `labels.png`: the commonest
    names of sources; `families.png`: questions by family; `answers.png`: shares of the answers of
    every kind of closed question, which are even where nothing can be won by guessing.

    Raises
    ------
    MissingPackageError
        matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("matplotlib", "plots", "Plotting") from error
    folder.mkdir(parents=True, exist_ok=True)
    counts, labels = _sources(corpus)
    families, answers = _questions(corpus)
    return [
        _places(counts, folder / "places.png"),
        _bars(labels.most_common(_MOST_LABELS), "sources", folder / "labels.png"),
        _bars(families.most_common(), "questions", folder / "families.png"),
        _shares(answers, folder / "answers.png"),
    ]


def _sources(
    corpus: Corpus,
) -> tuple[dict[str, dict[str, NDArray[np.int64]]], Counter[str]]:
    """Histograms by split and quantity, and how often each label names a source."""
    counts: dict[str, dict[str, NDArray[np.int64]]] = {}
    labels: Counter[str] = Counter()
    columns = [f"sources.list.element.{name}" for name in _SOURCE]
    for entry in corpus.manifest.scenes:
        of_split = counts.setdefault(
            entry.split,
            {name: np.zeros(len(edges) - 1, np.int64) for name, (edges, *_) in _PANELS.items()},
        )
        for row in read_rows(corpus.folder / entry.path, columns):
            for source in row["sources"] or ():
                labels[source["labels"][0]] += 1
                if source["moving"]:
                    source["speed_m_s"] = source["motion"]["speed_m_s"]
                for name, (edges, *_) in _PANELS.items():
                    if source.get(name) is not None:
                        of_split[name] += np.histogram(source[name], edges)[0]
    return counts, labels


def _questions(
    corpus: Corpus,
) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Questions by family, and answers by kind of answer (sources by their place)."""
    families: Counter[str] = Counter()
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for split in corpus.splits:
        for question in corpus.questions(split):
            families[f"{question.type}: {question.family.replace('_', ' ')}"] += 1
            if question.options and question.answer:
                answers[question.answer_kind][question.role] += 1
    return families, dict(answers)


def _places(counts: dict[str, dict[str, NDArray[np.int64]]], path: Path) -> Path:
    figure, axes = _figure(13, 3.6, 4)
    for axis, (name, (edges, label, unit)) in zip(axes, _PANELS.items(), strict=True):
        for split, of_split in sorted(counts.items()):
            total = max(int(of_split[name].sum()), 1)
            axis.stairs(of_split[name] / total, edges, label=split, linewidth=1.6)
        axis.set_xlabel(label)
        axis.set_ylabel(unit)
        axis.set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    return _saved(figure, path)


def _bars(pairs: Iterable[tuple[str, int]], unit: str, path: Path) -> Path:
    names, values = [], []
    for name, value in pairs:
        names.append(name)
        values.append(value)
    figure, (axis,) = _figure(8, 1.0 + 0.22 * len(names), 1)
    axis.barh(names[::-1], values[::-1], color=_COLOUR)
    axis.set_xlabel(unit)
    axis.margins(y=0.01)
    return _saved(figure, path)


def _shares(answers: dict[str, Counter[str]], path: Path) -> Path:
    """One bar for each kind of answer, cut into the shares of its answers."""
    figure, (axis,) = _figure(9, 1.0 + 0.42 * len(answers), 1)
    for row, (_, counts) in enumerate(sorted(answers.items(), reverse=True)):
        start, total = 0.0, counts.total()
        for i, (name, count) in enumerate(sorted(counts.items())):
            share = count / total
            axis.barh(row, share, left=start, color=_COLOUR, alpha=0.45 + 0.3 * (i % 2))
            if share > 0.07:
                axis.text(start + share / 2, row, name, ha="center", va="center", fontsize=7)
            start += share
    axis.set_yticks(range(len(answers)), sorted(answers, reverse=True))
    axis.set_xlabel("share of the questions of this kind")
    axis.set_xlim(0, 1)
    return _saved(figure, path)


def _figure(width: float, height: float, n_axes: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, n_axes, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _saved(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path
