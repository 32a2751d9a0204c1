"""Counts and balances of a corpus."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from st_audioqa.conventions import CONFIGURATIONS, PAPER_CONFIGURATIONS, Configuration
from st_audioqa.corpus.reader import Corpus
from st_audioqa.scene import Question, Scene

__all__ = ["corpus_stats", "stats_text"]


def corpus_stats(corpus: Corpus) -> dict[str, Any]:
    """Scenes per split and configuration, and answers per kind of question (JSON values).

    `spread` of a kind is the share of its commonest answer minus that of its scarcest, in
    percent, over the answers that can be given.
    """
    scenes = {split: list(corpus.scenes(split)) for split in corpus.splits}
    tables = ("qa", "extended")
    questions = {
        split: [question for table in tables for question in corpus.questions(split, table)]
        for split in corpus.splits
    }
    held = {scene.configuration for each in scenes.values() for scene in each}
    shown = [c for c in CONFIGURATIONS if c in PAPER_CONFIGURATIONS or c in held]
    return {
        "scenes": {split: _count_scenes(each, shown) for split, each in scenes.items()},
        "questions": {split: _count_questions(each) for split, each in questions.items()},
        "rejections": corpus.manifest.rejections,
        "labels": {split: _count_labels(each) for split, each in scenes.items()},
    }


def stats_text(stats: dict[str, Any]) -> str:
    """The statistics as a text table."""
    shown = list(next(iter(stats["scenes"].values())))
    lines = [f"{'split':<12}" + "".join(f"{each:>7}" for each in (*shown, "scenes"))]
    for split, counts in stats["scenes"].items():
        cells = [*counts.values(), sum(counts.values())]
        lines.append(f"{split:<12}" + "".join(f"{cell:>7}" for cell in cells))
    for split, kinds in stats["questions"].items():
        total = sum(kind["n"] for kind in kinds)
        lines += ["", f"{split}: {total} questions", ""]
        lines.append(
            f"{'type':<5}{'family':<34}{'attribute':<20}{'n':>7}{'spread':>8}  answers"
        )
        for kind in kinds:
            answers = ", ".join(f"{name} {count}" for name, count in kind["answers"].items())
            spread = "" if kind["spread"] is None else f"{kind['spread']:.1f}%"
            answers = answers if len(answers) <= 100 else answers[:97] + "..."
            lines.append(
                f"{kind['type']:<5}{kind['family']:<34}{kind['attribute']:<20}{kind['n']:>7}"
                f"{spread:>8}  {answers}"
            )
    rejected = ", ".join(f"{name} {count}" for name, count in stats["rejections"].items())
    lines += ["", f"draws rejected and drawn again: {rejected or 'none'}"]
    return "\n".join(lines)


def _count_scenes(scenes: Iterable[Scene], shown: Iterable[Configuration]) -> dict[str, int]:
    counts = Counter(scene.configuration for scene in scenes)
    return {configuration: counts[configuration] for configuration in shown}


def _count_labels(scenes: Iterable[Scene]) -> dict[str, int]:
    counts = Counter(source.event.name for scene in scenes for source in scene.sources)
    return dict(sorted(counts.items()))


def _count_questions(questions: Iterable[Question]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    possible: dict[tuple[str, str, str], int] = {}
    for question in questions:
        key = (question.type, question.family, question.attribute)
        groups[key][question.role] += 1
        possible[key] = len(question.options)
    return [
        {
            "type": key[0],
            "family": key[1],
            "attribute": key[2],
            "n": answers.total(),
            "spread": _spread(answers, possible[key]),
            "answers": dict(sorted(answers.items())),
        }
        for key, answers in sorted(groups.items())
    ]


def _spread(answers: Counter[str], possible: int) -> float | None:
    if possible == 0:
        return None
    scarcest = 0 if len(answers) < possible else min(answers.values())
    return 100.0 * (max(answers.values()) - scarcest) / answers.total()
