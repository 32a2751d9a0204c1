"""What planned scenes can be asked about: counts of every answer, and what drawing costs.

    python benchmarks/planning.py [--recipe small] [--scenes 1500] [--reuse 8]

Prints Markdown. Scenes of all configurations alike are planned and drawn; in place of sounds there
is one that never stops, so that only geometry decides. Counted are well-posed questions before
they are balanced: the scarcest answer is what all of a kind, anchor and case are cut to.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from st_audioqa.conventions import ANCHORS, CONFIGURATIONS, SCENE_SAMPLES
from st_audioqa.events.labels import all_labels, noun, related
from st_audioqa.pipeline.draw import draw_scene
from st_audioqa.pipeline.plan import make_plan
from st_audioqa.pipeline.tools import open_tools, resolve
from st_audioqa.recipes import QuestionsRecipe, Recipe, load_recipe
from st_audioqa.scene import Event
from st_audioqa.scene_table import SceneTable
from st_audioqa.templates import QuestionEngine
from st_audioqa.templates.facts import Facts
from st_audioqa.templates.rules import RULES


class Steady:
    """An event library of one sound under all names."""

    name = "steady"
    version = "1.0"
    details: Mapping[str, str] = {}
    sound = np.full(SCENE_SAMPLES, 0.02, dtype=np.float32)

    def __init__(self, **options: object) -> None:
        self._labels = list(all_labels())

    def labels(self, split: str) -> list[str]:
        """All labels of AudioSet."""
        return sorted(label.name for label in self._labels)

    def draw(
        self,
        rng: np.random.Generator,
        split: str,
        label: str | None = None,
        avoid: Collection[str] = (),
    ) -> Event:
        """An event of any label, whatever is asked for."""
        found = self._labels[int(rng.integers(len(self._labels)))]
        clip = f"{rng.integers(2**63):016x}"
        return Event(
            library=self.name,
            library_version=self.version,
            clip_id=clip,
            offset_s=0.0,
            level_dbfs=-35.0,
            labels=(found.name,),
            mids=(found.mid,),
            licence="CC0-1.0",
        )

    def waveform(self, event: Event) -> np.ndarray:
        """Always the same [shape=(SCENE_SAMPLES,)]."""
        return self.sound


def recipe_of(name: str, scenes: int, reuse: int) -> Recipe:
    data = load_recipe(name).model_dump()
    data |= {
        "splits": {"test": dict.fromkeys(CONFIGURATIONS, scenes // 5)},
        "renderer": {**data["renderer"], "reuse": reuse},
        "events": {"library": "synth"},
        "questions": {**data["questions"], "most": {}},
    }
    return resolve(Recipe.model_validate(data))[0]


def drawn(recipe: Recipe) -> tuple[SceneTable, float, float]:
    """The table of all scenes; CPU seconds of planning and of drawing."""
    tools = replace(open_tools(recipe), library=Steady())
    start = time.process_time()
    plan = make_plan(recipe)
    planned = time.process_time()
    scenes = [
        draw_scene(spec, 0, tools).scene for shard in plan.shards for spec in shard.scenes
    ]
    return SceneTable.of(scenes), planned - start, time.process_time() - planned


def location_table(facts: Facts, attribute: str) -> None:
    names = RULES["location"](facts, attribute, "middle").roles
    print(f"\n| {attribute}: case, anchor | " + " | ".join(names) + " | scarcest of all |")
    print("|---|" + "--:|" * (len(names) + 1))
    for case, configuration in enumerate(CONFIGURATIONS):
        for anchor in ANCHORS:
            asked = RULES["location"](facts, attribute, anchor)
            mine = facts.configuration[asked.scene] == case
            count = np.bincount(asked.role[mine], minlength=len(names))
            share = count.min() * len(names) / max(count.sum(), 1)
            cells = " | ".join(map(str, count))
            print(f"| {configuration}, {anchor} | {cells} | {100 * share:.0f} % |")


def rare_table(facts: Facts) -> None:
    """Answers of source grounding."""
    roles = ("first", "second", "both", "neither")
    print("\n| grounding | value | " + " | ".join(roles) + " |\n|---|---|--:|--:|--:|--:|")
    for rule, attribute in [
        *(("grounding_location", each) for each in ("azimuth", "elevation", "distance")),
        *(("grounding_change", each) for each in ("azimuth", "elevation", "distance")),
    ]:
        asked = RULES[rule](facts, attribute, "middle")
        for value, name in enumerate(asked.values):
            count = np.bincount(asked.role[asked.column("value") == value], minlength=4)
            cells = " | ".join(map(str, count))
            print(f"| {rule.split('_')[1]} {attribute} | {name} | {cells} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--scenes", type=int, default=1500)
    parser.add_argument("--reuse", type=int, default=8)
    given = parser.parse_args()
    recipe = recipe_of(given.recipe, given.scenes, given.reuse)
    table, plan_s, draw_s = drawn(recipe)
    facts = Facts.of([table], QuestionsRecipe())
    print(
        f"{len(table)} scenes of {given.recipe}, reuse {given.reuse}: planned in {plan_s:.2f}"
    )
    print(
        f"CPU seconds, drawn in {draw_s / len(table) * 1e3:.1f} ms of CPU time each; peak memory"
    )
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB.")
    chosen = QuestionEngine(QuestionsRecipe(), noun, related).choose([table], seed=1)
    by_kind: dict[str, int] = {}
    for batch in chosen.batches:
        by_kind[batch.kind.id] = by_kind.get(batch.kind.id, 0) + len(batch.asked)
    print("\n| kind | questions, balanced |\n|---|--:|")
    for kind, count in sorted(by_kind.items()):
        print(f"| {kind} | {count} |")
    print(f"| all | {len(chosen)} |")
    location_table(facts, "distance")
    location_table(facts, "elevation")
    rare_table(facts)
