"""Control models: oracle at the top, chance at chance, majority by counting."""

import dataclasses

import pytest

from st_audioqa.baselines import chance, majority, oracle
from st_audioqa.errors import UserError
from st_audioqa.evaluation import MODELS, RunContext, load_model, run, score
from st_audioqa.evaluation.columns import AVERAGE, COLUMNS
from st_audioqa.evaluation.model import Request, prompt_of
from st_audioqa.evaluation.predictions import read_predictions
from tests.test_evaluation_questions import VOCABULARY, make_questions

TEST = make_questions(400)
TRAIN = make_questions(100, "train", seed=1)


def context(seed=0, **splits):
    splits = splits or {"train": TRAIN, "test": TEST}
    return RunContext(
        questions=lambda split: splits.get(split, ()), scene=lambda scene_id: None, seed=seed
    )


def requests(questions):
    return [Request(prompt_of(q), None) for q in questions]


def cells(name, path, seed=0):
    model = load_model(name, context(seed))
    report = run(model, TEST, pytest.fail, path, progress=False)
    assert report.failed == 0
    predictions = read_predictions(path).predictions
    result = score(TEST, predictions, vocabulary=VOCABULARY, resamples=100)
    found = {}
    for column_path in [*(column.path for column in COLUMNS), AVERAGE]:
        cell = result.tables
        for key in column_path:
            cell = cell[key]
        found[column_path] = cell
    return found


@pytest.mark.parametrize("name", ["oracle", "chance", "majority"])
def test_every_baseline_answers_readably(name, tmp_path):
    for cell in cells(name, tmp_path / "p.jsonl").values():
        assert cell["parse_rate"] == 100.0
        assert cell["strict"] == pytest.approx(cell["value"])


def test_oracle_scores_100_in_every_column(tmp_path):
    for cell in cells("oracle", tmp_path / "p.jsonl").values():
        assert cell["value"] == cell["low"] == cell["high"] == 100.0


def test_chance_scores_near_chance(tmp_path):
    for path, cell in cells("chance", tmp_path / "p.jsonl").items():
        assert abs(cell["value"] - cell["chance"]) < 9.0, path
        if path[-1] == "mAP":
            assert abs(cell["value"] - cell["chance"]) < 3.0


def test_chance_depends_on_seed_and_question_only():
    first = chance.Model(context()).answer(requests(TEST))
    assert chance.Model(context()).answer(requests(TEST[::-1]))[::-1] == first
    assert chance.Model(context(seed=1)).answer(requests(TEST)) != first


def test_chance_guesses_as_many_names_as_sources():
    lists = [q for q in TEST if q.answer_kind == "events"]
    for q, guess in zip(lists, chance.Model(context()).answer(requests(lists)), strict=True):
        assert len(set(guess.split("; "))) == (1 if q.type == "A" else 2)


def test_majority_counts_the_training_split(tmp_path):
    def only(questions, **same):
        return [q for q in questions if all(getattr(q, k) == v for k, v in same.items())]

    kind = {"type": "A", "family": "spatial_location", "attribute": "elevation"}
    answers = [q.answer for q in only(TRAIN, **kind)]
    common = max(sorted(set(answers)), key=answers.count)
    model = majority.Model(context())
    assert set(model.answer(requests(only(TEST, **kind)))) == {common}


def test_majority_names_sources_by_role():
    kind = "source_grounding"
    asked = [q for q in TRAIN if q.family == kind]
    second = [dataclasses.replace(q, answer=q.options[1]) for q in asked]
    model = majority.Model(context(train=second, test=TEST))
    grounded = [q for q in TEST if q.family == kind]
    assert model.answer(requests(grounded)) == [q.options[1] for q in grounded]


def test_majority_answers_kinds_that_training_lacks():
    model = majority.Model(context(train=TRAIN[:1], test=TEST))
    answers = model.answer(requests(TEST))
    for q, answer in zip(TEST, answers, strict=True):
        assert answer in q.options or q.answer_kind == "events"


def test_majority_needs_a_training_split():
    with pytest.raises(UserError, match="split 'train'"):
        load_model("majority", context(test=TEST))


def test_one_file_each():
    assert MODELS.get("oracle") is oracle.Model
    assert MODELS.get("chance") is chance.Model
    assert MODELS.get("majority") is majority.Model
