"""Questions read back, answered from tracks, and the listeners that do so."""

from collections import defaultdict

import numpy as np
import pytest

from st_audioqa import Corpus
from st_audioqa.baselines import intensity, noisy_oracle
from st_audioqa.conventions import angular_distance_deg, unit_vectors
from st_audioqa.evaluation import Prompt, RunContext
from st_audioqa.evaluation.model import Request, prompt_of
from st_audioqa.events.labels import all_labels, noun
from st_audioqa.foa import encode
from st_audioqa.noun import Noun
from st_audioqa.templates.answering import HeardSource, answer_from_tracks
from st_audioqa.templates.family import ANCHOR_WORDS, load_families
from st_audioqa.templates.rules import CHANGES, CLASSES, MOTION, RELATIONS
from st_audioqa.templates.understanding import understand

VALUES = {
    "grounding_location": CLASSES,
    "grounding_change": CHANGES,
    "temporal_relation": RELATIONS,
    "movement_relation": RELATIONS,
}


def spoken(kind, anchor, value, other, first, second):
    """Every wording of a kind, put into words without the engine."""
    a, b = noun(first), noun(second)
    subject = Noun("sound", "count") if kind.type == "A" else a
    said, opposite = (kind.phrases.get(v, v) for v in (value, other))
    for wording in (*kind.wordings, *kind.held_out):
        text = wording.format(
            name=subject.text,
            a_name=a.indefinite,
            first=a.text,
            second=b.text,
            value=said,
            relation=said,
            opposite=kind.opposite_phrases.get(other, opposite),
            anchor=ANCHOR_WORDS.get(anchor, ""),
            it=b.agrees("it", "them"),
            **{"is": subject.agrees("is", "are"), "does": subject.agrees("does", "do")},
        )
        yield text[0].upper() + text[1:]


@pytest.mark.parametrize(
    "kind", [kind for family in load_families() for kind in family.kind], ids=lambda k: k.id
)
def test_every_wording_is_read_back(kind):
    attribute = kind.rule_attribute or kind.attribute
    values = MOTION if kind.rule == "grounding_motion" else ("",)
    values = VALUES.get(kind.rule, {}).get(attribute, values)
    rng = np.random.default_rng(0)
    names = [label.name for label in all_labels()]
    for anchor in kind.anchors:
        for i, value in enumerate(values):
            first, second = rng.choice(names, 2, replace=False)
            other = values[(i + 1) % len(values)]
            for text in spoken(kind, anchor, value, other, first, second):
                query = understand(text)
                assert query is not None, text
                assert (query.rule, query.attribute) == (kind.rule, attribute), text
                assert (query.anchor, query.value) == (anchor, value), text
                if "first" in kind.wordings[0]:
                    named = (query.first.lower(), query.second.lower())
                    assert named == (noun(first).text.lower(), noun(second).text.lower()), text


@pytest.mark.parametrize("text", ["", "What?", "Is it raining in Spain?", "x" * 100_000])
def test_other_questions_are_not_read(text):
    assert understand(text) is None


def sources_of(scene):
    return [
        HeardSource(
            noun(source.event.labels[0]).text,
            float(source.moving),
            source.azimuth_deg,
            source.elevation_deg,
            source.distance_m,
        )
        for source in scene.sources
    ]


def questions_of(corpus):
    return [
        question
        for split in corpus.splits
        for table in ("qa", "robustness")
        for question in corpus.questions(split, table)
    ]


def test_true_tracks_answer_every_question_right(corpus_dir):
    corpus = Corpus(corpus_dir)
    questions = questions_of(corpus)
    assert len(questions) > 200
    for question in questions:
        query = understand(question.question)
        assert query is not None, question
        found = answer_from_tracks(query, sources_of(corpus.scene(question.scene_id)))
        assert found == question.answer, question


def test_nothing_heard_is_no_answer():
    assert answer_from_tracks(understand("What sound events are present?"), []) is None
    assert answer_from_tracks(understand("Is the sound of rain present?"), []) == "no"
    assert answer_from_tracks(understand("How far away is the rain at the end?"), []) is None


@pytest.mark.parametrize(("direction_deg", "distance_m"), [(10.0, 0.3), (30.0, 0.6)])
def test_errors_have_the_means_that_are_asked_for(corpus_dir, direction_deg, distance_m):
    corpus = Corpus(corpus_dir)
    rng = np.random.default_rng(0)
    angles, metres = [], []
    for scene in corpus.scenes("test"):
        for source in scene.sources:
            for _ in range(100):
                heard = noisy_oracle.heard(source, rng, direction_deg, distance_m)
                true, found = (
                    unit_vectors(each.azimuth_deg, each.elevation_deg)
                    for each in (source, heard)
                )
                angles.append(angular_distance_deg(true, found).mean())
                if source.distance_m.min() > 4 * distance_m:
                    metres.append(np.abs(heard.distance_m - source.distance_m).mean())
    np.testing.assert_allclose(np.mean(angles), direction_deg, rtol=0.05)
    np.testing.assert_allclose(np.mean(metres), distance_m, rtol=0.08)


def share_right(model, corpus):
    right = defaultdict(list)
    for question in questions_of(corpus):
        request = Request(prompt_of(question), None)
        right[question.family].append(model.answer([request]) == [question.answer])
    return {family: np.mean(each) for family, each in right.items()}


def test_a_noisy_oracle_without_noise_is_right_and_with_noise_is_not(corpus_dir):
    corpus = Corpus(corpus_dir)

    def model(**arguments):
        return noisy_oracle.Model(
            RunContext(lambda split: (), corpus.scene, seed=3, arguments=arguments)
        )

    none = share_right(model(direction_deg="0", distance_m="0"), corpus)
    assert set(none.values()) == {1.0}
    much = share_right(model(direction_deg="60", distance_m="1"), corpus)
    assert much["spatial_location"] < 0.7
    assert much["event_semantics"] == much["movement_status"] == 1.0
    again = share_right(model(direction_deg="60", distance_m="1"), corpus)
    assert much == again


@pytest.mark.parametrize("weighting", ["plain", "direct"])
def test_the_listener_follows_a_plane_wave(weighting):
    rng = np.random.default_rng(0)
    bursts = rng.standard_normal(320_000) * (np.arange(320_000) % 1600 < 400)
    left, right = encode(bursts, 70.0, 20.0), encode(bursts, 130.0, -5.0)
    found = intensity.track(
        np.concatenate([left[:, :160_000], right[:, 160_000:]], 1), weighting
    )
    wanted = unit_vectors(np.repeat([70.0, 130.0], 20), np.repeat([20.0, -5.0], 20))
    error = angular_distance_deg(found, wanted)
    assert error[np.r_[:17, 23:40]].max() < 1.0
    assert intensity.track(np.zeros((4, 320_000)), weighting) is None


def test_the_listener_answers_from_what_it_hears():
    rng = np.random.default_rng(1)
    audio = encode(rng.standard_normal(320_000) * 0.1, 90.0, 45.0)
    model = intensity.Model(RunContext(lambda split: (), lambda scene_id: None))
    asked = {
        "What is the azimuth of the sound at the end?": "left",
        "Is the sound above, level with or below the listener at the middle?": "above",
        "Is the sound moving or stationary?": "stationary",
        "What sound events are present?": None,
        "Who are you?": None,
    }

    requests = [Request(Prompt("q", "s", text, (), ""), audio) for text in asked]
    assert model.answer(requests) == list(asked.values())
