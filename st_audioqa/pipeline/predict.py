"""Says beforehand what a corpus will hold and cost: `st-audioqa plan RECIPE --dry-run`.

Some scenes of every split are drawn without audio and asked about; their counts are scaled up. A
few are rendered, to time them. Where few scenes are drawn, kinds with many answers (distance, eight
sectors) come out low, because the scarcest answer limits them: the true counts lie above.
"""

from __future__ import annotations

import resource
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from st_audioqa.corpus.audio import encode_flac
from st_audioqa.errors import UserError
from st_audioqa.events.labels import noun, related
from st_audioqa.pipeline.plan import Plan, make_plan
from st_audioqa.pipeline.render import produce
from st_audioqa.pipeline.tools import Tools
from st_audioqa.scene import SceneSpec
from st_audioqa.scene_table import SceneTable
from st_audioqa.templates import QuestionEngine

__all__ = ["Prediction", "SplitPrediction", "predict"]

_QUESTION_BYTES = 40
"""Of a question in a compressed shard; audio makes up nearly all of a corpus."""


@dataclass(frozen=True)
class SplitPrediction:
    """What one split will hold."""

    split: str
    scenes: int
    drawn: int
    """Scenes that were drawn to know."""
    rooms: int
    questions: dict[str, int]
    """By type"""
    wanted: dict[str, int]
    """By type, where the recipe says so"""
    families: dict[tuple[str, str], int]
    """By type and family, before the limit of the type"""
    unevenness: float
    """By how much yes and no differ from one half, in the family where most"""


@dataclass(frozen=True)
class Prediction:
    """What a corpus will hold and cost."""

    splits: tuple[SplitPrediction, ...]
    timed: int
    """Scenes that were rendered to know; 0 where only questions are wanted."""
    scene_s: float
    """Seconds per scene and worker"""
    scene_bytes: float
    peak_mb: float
    """Memory of this process; a native engine has its own on top"""

    @property
    def n_scenes(self) -> int:
        """Of all splits."""
        return sum(each.scenes for each in self.splits)

    def hours(self, workers: int) -> float:
        """Of drawing and rendering with so many processes."""
        return self.n_scenes * self.scene_s / workers / 3600

    @property
    def gigabytes(self) -> float:
        """On disk."""
        questions = sum(sum(each.questions.values()) for each in self.splits)
        return (self.n_scenes * self.scene_bytes + questions * _QUESTION_BYTES) / 1e9


def predict(tools: Tools, *, sample: int = 600, with_audio: bool = True) -> Prediction:
    """Predicts the corpus of the tools' recipe.

    Parameters
    ----------
    tools : Tools
    sample : int
        Scenes of each split that are drawn at most.
    with_audio : bool
        Whether scenes will be rendered.

    Raises
    ------
    UserError
        The recipe wants more questions of a type than its scenes can be asked.
    """
    plan = make_plan(tools.recipe)
    drawing = time.perf_counter()
    splits = tuple(_split(plan, split, tools, sample) for split in sorted(tools.recipe.splits))
    draw_s = (time.perf_counter() - drawing) / sum(each.drawn for each in splits)
    timed, scene_s, scene_bytes = 0, draw_s, 1e4
    if with_audio:
        timed, scene_s, scene_bytes = _timed(plan, tools)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return Prediction(splits, timed, scene_s, scene_bytes, peak_mb)


def _split(plan: Plan, split: str, tools: Tools, sample: int) -> SplitPrediction:
    recipe = plan.recipe
    specs = [spec for shard in plan.shards if shard.split == split for spec in shard.scenes]
    some = specs[:sample]
    scenes = [produce(spec, tools, with_audio=False).scene for spec in some]
    guards = recipe.questions.model_copy(update={"most": {}})
    chosen = QuestionEngine(guards, noun, related).choose([SceneTable.of(scenes)], recipe.seed)
    scale = len(specs) / len(some)
    families: Counter[tuple[str, str]] = Counter()
    answers: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for batch in chosen.batches:
        families[batch.kind.type, batch.family] += round(len(batch.asked) * scale)
        if batch.kind.answer_kind == "yes_no":
            answers[batch.kind.type, batch.family].update(batch.asked.role.tolist())
    wanted = {str(each): most for each, most in recipe.questions.most.get(split, {}).items()}
    questions: dict[str, int] = {}
    for type_ in "ABC":
        supply = sum(count for (each, _), count in families.items() if each == type_)
        most = wanted.get(type_, supply)
        if supply == 0 and most > 0:
            raise UserError(
                f"The recipe wants {most} questions of type {type_} in {split}, and its scenes "
                "can be asked none: give it scenes that have such questions (A: S, D; B: SS, SD, "
                "DD; C: SD, DD), or leave the number out."
            )
        questions[type_] = min(supply, most)
    return SplitPrediction(
        split=split,
        scenes=len(specs),
        drawn=len(some),
        rooms=_rooms(specs, split, tools),
        questions=questions,
        wanted=wanted,
        families=dict(families),
        unevenness=max((abs(n[0] / n.total() - 0.5) for n in answers.values() if n), default=0),
    )


def _rooms(specs: list[SceneSpec], split: str, tools: Tools) -> int:
    """Rooms that are expected to come up: each place to listen draws one of the split's."""
    draws = len({spec.geometry or spec.scene_id for spec in specs})
    per_room = tools.recipe.rooms.scenes_per_room
    rooms = -(-sum(tools.recipe.splits[split].values()) // per_room)
    return round(rooms * (1.0 - (1.0 - 1.0 / rooms) ** draws))


def _timed(plan: Plan, tools: Tools) -> tuple[int, float, float]:
    """Renders the scenes of one geometry, or a few of their own, of the largest split."""
    sizes = Counter({split: sum(of.values()) for split, of in plan.recipe.splits.items()})
    split = sizes.most_common(1)[0][0]
    specs = next(shard.scenes for shard in plan.shards if shard.split == split)
    if specs[0].geometry is None:
        some = list(specs[:6])
    else:
        some = [spec for spec in specs if spec.geometry == specs[0].geometry]
    produce(plan.shards[0].scenes[-1], tools)  # starts the engine
    start = time.perf_counter()
    audio = [produce(spec, tools).audio for spec in some]
    n_bytes = sum(
        len(encode_flac(each, plan.recipe.corpus.flac_bits))
        for each in audio
        if each is not None
    )
    return len(some), (time.perf_counter() - start) / len(some), n_bytes / len(some)
