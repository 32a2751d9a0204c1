"""Questions made by hand for the tests of the evaluation: every attribute of every family."""

import numpy as np

from st_audioqa.conventions import DISTANCE_BINS, ELEVATION_CLASSES, SECTORS
from st_audioqa.evaluation.columns import COLUMNS
from st_audioqa.evaluation.vocabulary import Vocabulary
from st_audioqa.scene import Question

NAMES = ("bark", "violin", "bass guitar", "guitar", "bird vocalization", "rain")
VOCABULARY = Vocabulary(
    (*NAMES, "siren", "speech"),
    {"Bird vocalization, bird call, bird song": "bird vocalization", "fiddle": "violin"},
)
LOCATIONS = {
    "azimuth": ("sector", SECTORS),
    "elevation": ("elevation", ELEVATION_CLASSES),
    "distance": ("distance", DISTANCE_BINS),
}
CHANGES = {
    "azimuth": ("azimuth_change", ("clockwise", "counterclockwise")),
    "elevation": ("elevation_change", ("upward", "downward")),
    "distance": ("distance_change", ("closer", "farther")),
}
YES_NO = ("yes_no", ("yes", "no"))


def _kind(family: str, attribute: str, names: list[str]) -> tuple[str, tuple[str, ...]]:
    if attribute == "detection":
        return "events", ()
    if family == "movement_status":
        return "motion", ("moving", "stationary")
    if family == "spatial_location":
        return LOCATIONS[attribute]
    if family == "spatial_change":
        return CHANGES[attribute]
    if family == "source_grounding":
        return "source", (*names, "both", "neither")
    return YES_NO


def make_questions(n_scenes: int, split: str = "test", seed: int = 0) -> list[Question]:
    """One question per attribute that fits, about each of the scenes."""
    random = np.random.default_rng(seed)
    questions = []
    for s in range(n_scenes):
        configuration = ("D", "SD")[s % 2]
        names = [NAMES[i] for i in random.choice(len(NAMES), 1 + s % 2, replace=False)]
        for part in dict.fromkeys(part for column in COLUMNS for part in column.parts):
            kind, family, attribute = part
            if (kind == "A") != (configuration == "D"):
                continue
            answer_kind, options = _kind(family, attribute, names)
            answer = options[random.integers(len(options))] if options else "; ".join(names)
            questions.append(
                Question(
                    question_id=f"{split}-{s:05d}-{kind}-{family}-{attribute}",
                    scene_id=f"{split}-{s:05d}",
                    split=split,
                    configuration=configuration,
                    type=kind,
                    family=family,
                    attribute=attribute,
                    anchor="end" if family == "spatial_location" else "",
                    question=f"What about the {' and the '.join(names)}?",
                    answer=answer,
                    answer_kind=answer_kind,
                    options=options,
                    targets=tuple(range(len(names))),
                    template_id="test",
                    paraphrase_id=0,
                )
            )
    return questions


def test_every_column_has_questions():
    made = {(q.type, q.family, q.attribute) for q in make_questions(2)}
    assert made == {part for column in COLUMNS for part in column.parts}
    assert len(made) == 34
