"""ST-AudioLM: what `st-audioqa train lm` made, behind the evaluation's protocol.

``--model-arg weights=OUT/stage-3``. Questions with options take the likeliest of them
(``answers=score``, the default) or are answered in free text, greedily (``answers=generate``);
lists of events are always free text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from st_audioqa.evaluation.arguments import ModelArguments, read_arguments
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext

__all__ = ["LmArguments", "Model"]


class LmArguments(ModelArguments):
    """What can be said with ``--model-arg``."""

    weights: str
    """Folder of the adapters."""
    base: str = ""
    """Another base than the one that the folder names."""
    answers: Literal["score", "generate"] = "score"
    device: str = ""


class Model:
    """Answers of an ST-AudioLM."""

    def __init__(self, context: RunContext) -> None:
        from st_audioqa.models import STAudioLM

        wanted = read_arguments("st-audiolm", LmArguments, context.arguments)
        self._score = wanted.answers == "score"
        self._model = STAudioLM.from_pretrained(
            wanted.weights, base=wanted.base or None, device=wanted.device or None
        )
        described = self._model.describe()
        self._heard: tuple[str, Any] = ("", None)
        kind = described["interface"]["kind"]
        self.spec = ModelSpec(
            f"st-audiolm-{kind}",
            revision=adapters_sha256(wanted.weights),
            audio="foa",
            settings={"answers": wanted.answers, **described},
        )

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """The response to each request; those of one scene are asked together."""
        from st_audioqa.models.lm import Inquiry

        answers: list[Response] = [None] * len(batch)
        by_scene: dict[str, list[int]] = {}
        for i, request in enumerate(batch):
            by_scene.setdefault(request.prompt.scene_id, []).append(i)
        for scene, members in by_scene.items():
            if self._heard[0] != scene:
                first = batch[members[0]]
                assert first.audio is not None
                self._heard = scene, self._model.hear(first.audio, first.sample_rate)
            inquiries = [
                Inquiry(batch[i].prompt.text, tuple(batch[i].prompt.options)) for i in members
            ]
            said = self._model.answer_all(self._heard[1], inquiries, score=self._score)
            for i, text in zip(members, said, strict=True):
                answers[i] = text
        return answers


def adapters_sha256(folder: str) -> str:
    """What the adapters in a folder are known by."""
    from pathlib import Path

    from st_audioqa.files import file_sha256

    return file_sha256(Path(folder) / "adapters.safetensors")[:16]
