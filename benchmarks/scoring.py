"""How fast predictions are scored, resampled and compared, and how much memory it takes.

    python benchmarks/scoring.py [--predictions 10000 100000] [--resamples 1000]

Prints Markdown. Questions are made from straight tracks as in benchmarks/questions.py. Responses
are of five sorts in turn: the answer text, a wrapped answer, a sentence, a paragraph with a
refusal, another option with an explanation. Each line is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from questions import table_of

from st_audioqa.evaluation import audioset_vocabulary, compare, read_predictions, score
from st_audioqa.events.labels import noun, related
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene import Question
from st_audioqa.templates import QuestionEngine

REFUSAL = (
    "I'm sorry, but I cannot determine that from the audio. The recording holds several sounds "
    "that come from different places, and without further information about the microphone it "
    "is not possible to say on which side, or how far away, any of them is."
)


def questions_of(count: int) -> list[Question]:
    """As many questions as asked for, about as many scenes as they need."""
    engine = QuestionEngine(QuestionsRecipe(), noun, related)
    n = max(count // 4, 200)
    while True:
        made = list(itertools.islice(engine.word(engine.choose([table_of(n)], seed=1)), count))
        if len(made) == count:
            return made
        n *= 2


def response_to(question: Question, sort: int, random: np.random.Generator) -> str:
    answer = question.answer
    if sort == 0:
        return answer
    if sort == 1:
        return f"**Answer:** {answer}\n\nThis is what I hear over the whole recording."
    if sort == 2:
        return f"Based on the audio, the sound is {answer}, as far as I can tell."
    if sort == 3:
        return REFUSAL
    other = (
        question.options[random.integers(len(question.options))] if question.options else "rain"
    )
    return f"It is {other}, because the left channel is somewhat louder than the right one."


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(what: str, count: int, resamples: int) -> dict[str, float]:
    random = np.random.default_rng(0)
    asked = questions_of(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.jsonl"
        rows = (
            {"question_id": q.question_id, "response": response_to(q, i % 5, random)}
            for i, q in enumerate(asked)
        )
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        before, wall = cpu_s(), time.perf_counter()
        found = read_predictions(path).predictions
        n = 0 if what == "score" else resamples
        result = score(asked, found, vocabulary=audioset_vocabulary(), resamples=n)
        if what == "compare":
            other = score(asked, found[::2], vocabulary=audioset_vocabulary(), resamples=n)
            compare(result, other)
    return {
        "cpu_s": cpu_s() - before,
        "wall_s": time.perf_counter() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "scenes": result.counts["scenes"],
        "read": 100.0 * result.statuses["ok"] / count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--measure", choices=("score", "bootstrap", "compare"))
    arguments = parser.parse_args()
    if arguments.measure:
        found = measure(arguments.measure, arguments.predictions[0], arguments.resamples)
        print(json.dumps(found))
        return
    labels = {
        "score": "read and score, no intervals",
        "bootstrap": f"the same with {arguments.resamples} resamples",
        "compare": f"two of these ({arguments.resamples} resamples) and their comparison",
    }
    print("| predictions | scenes | step | CPU s | wall s | peak MB | readable % |")
    print("|--:|--:|---|--:|--:|--:|--:|")
    for count in arguments.predictions:
        for what, label in labels.items():
            command = [sys.executable, __file__, "--measure", what, "--predictions", str(count)]
            command += ["--resamples", str(arguments.resamples)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            got = json.loads(done.stdout)
            print(
                f"| {count} | {got['scenes']} | {label} | {got['cpu_s']:.1f} | "
                f"{got['wall_s']:.1f} | {got['peak_mb']:.0f} | {got['read']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
