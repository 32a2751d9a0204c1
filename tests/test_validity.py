"""The validity report: what is planted is found, and nothing is found in what is fair."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_corpus, small_recipe

from st_audioqa.cli import cli
from st_audioqa.conventions import ANCHORS
from st_audioqa.corpus.manifest import Manifest
from st_audioqa.corpus.reader import Corpus
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.pipeline.validity import VALIDITY, card_sections, measure_corpus
from st_audioqa.scene import Question
from st_audioqa.validity import measure, report_markdown, report_text
from st_audioqa.validity.attackers.counting import majority, memory
from st_audioqa.validity.attackers.linear import linear
from st_audioqa.validity.attackers.network import network
from st_audioqa.validity.blind import attack
from st_audioqa.validity.clues import clues
from st_audioqa.validity.duplicates import duplicates
from st_audioqa.validity.information import information, mutual_information
from st_audioqa.validity.margins import margin
from st_audioqa.validity.places import places
from st_audioqa.validity.posed import Posed, posed

NAMES = ("dog", "cat", "bell", "drum", "rain", "wind")


@pytest.fixture(scope="module")
def scenes(corpus_dir):
    """Scenes of two sources; they lend their tracks to questions that are made up here."""
    found = [s for split in ("train", "test") for s in Corpus(corpus_dir).scenes(split)]
    return [scene for scene in found if len(scene.sources) == 2]


@pytest.fixture(scope="module")
def make(scenes):
    def make(split, count, answer, seed):
        """Yes/no questions about made-up names; `answer` decides by names, wording and chance."""
        random = np.random.default_rng(seed)
        found = []
        for i in range(count):
            first, second = random.permutation(NAMES)[:2]
            wording = int(random.integers(4))
            said = (
                "Is {} above {}?",
                "Does {} lie above {}?",
                "{} above {}?",
                "Say: {} over {}?",
            )
            scene = replace(
                scenes[i % len(scenes)],
                scene_id=f"{split}-{i:06d}",
                split=split,
                configuration=("SS", "SD", "DD")[int(random.integers(3))],
            )
            yes = answer(first, second, wording, scene.configuration, random)
            question = Question(
                question_id=f"{split}-{i:06d}-q000",
                scene_id=scene.scene_id,
                split=split,
                configuration=scene.configuration,
                type="C",
                family="movement_conditioned_relation",
                attribute="elevation",
                anchor="end",
                question=said[wording].format(first, second),
                answer="yes" if yes else "no",
                answer_kind="yes_no",
                options=("yes", "no"),
                targets=(0, 1),
                template_id="x",
                paraphrase_id=wording,
            )
            found.append(Posed(question, scene))
        return found

    return make


def fair(first, second, wording, case, random):
    return random.random() < 0.5


def by_word(first, second, wording, case, random):
    return random.random() < (0.7 if first == "dog" or second == "dog" else 0.4)


def by_pair(first, second, wording, case, random):
    """Neither name tells anything alone; which comes first in the alphabet does."""
    return (first < second) ^ (random.random() < 0.1)


def by_case(first, second, wording, case, random):
    return (case == "SS") ^ (wording == 0) ^ (random.random() < 0.05)


def value(row, name):
    return row["attackers"][name]["value"]


def attacked(attackers, make, answer, train=1500, test=1500):
    found = attack(attackers, make("train", train, answer, 0), make("test", test, answer, 1))
    (row,) = found["parts"]
    return row


def test_fair_questions_are_fair(make):
    pytest.importorskip("sklearn")
    row = attacked({"majority": majority, "memory": memory, "words": linear}, make, fair)
    assert row["state"] != "won"
    assert row["chance"] == 50.0
    assert row["n"] == row["n_train"] == 1500
    for cell in row["attackers"].values():
        assert cell["low"] < cell["value"] < cell["high"]
        assert 3.0 < cell["high"] - cell["low"] < 7.0  # 4 sigma of 1500 coins are 5.2 points
        assert 45.0 < cell["value"] < 55.0


def test_a_word_that_tells_is_found_by_words_and_memory(make):
    pytest.importorskip("sklearn")
    row = attacked({"majority": majority, "memory": memory, "words": linear}, make, by_word)
    assert row["state"] == "won"
    assert value(row, "words") > value(row, "majority") + 5
    assert row["strongest"] in ("words", "memory")


def test_the_network_finds_what_only_words_together_tell(make):
    pytest.importorskip("torch")
    row = attacked({"majority": majority, "network": network}, make, by_pair, 1500, 300)
    assert value(row, "network") > 80
    assert row["state"] == "won"


def test_what_is_known_beside_is_found_together_with_words(make):
    pytest.importorskip("sklearn")
    known = {"words": linear, "configuration": lambda a, b: linear(a, b, "configuration")}
    row = attacked(known, make, by_case)
    assert value(row, "configuration") > 85
    assert value(row, "words") < 75


def test_an_uneven_answer_is_won_by_the_majority(make):
    row = attacked({"majority": majority}, make, lambda *given: given[-1].random() < 0.6)
    assert value(row, "majority") == pytest.approx(60, abs=4)
    assert row["state"] == "won"


def test_intervals_are_by_scenes(make):
    """Ten questions of each scene that all have one answer are as good as one."""
    train, test = make("train", 50, fair, 0), make("test", 100, fair, 1)
    wide = attack({"majority": majority}, train, [each for each in test for _ in range(10)])
    narrow = attack({"majority": majority}, train, test)
    spans = [
        cell["high"] - cell["low"]
        for found in (wide, narrow)
        for cell in (found["parts"][0]["attackers"]["majority"],)
    ]
    assert spans[0] == pytest.approx(spans[1], rel=0.01)


def test_an_attacker_without_its_package_is_named_and_left_out(make):
    def lacking(train, test):
        raise MissingPackageError("scikit-learn", "validity", "The words attacker")

    found = attack(
        {"words": lacking, "majority": majority},
        make("train", 9, fair, 0),
        make("test", 9, fair, 1),
    )
    assert "st_audioqa[validity]" in found["not_run"]["words"]
    assert list(found["parts"][0]["attackers"]) == ["majority"]


def test_attackers_repeat_themselves(make):
    pytest.importorskip("torch")
    train, test = make("train", 300, by_word, 0), make("test", 50, by_word, 1)
    assert network(train, test) == network(train, test)


def test_the_order_of_sources_in_a_scene_is_no_clue(make):
    (one,) = make("test", 1, fair, 0)
    turned = Posed(one.question, replace(one.scene, sources=one.scene.sources[::-1]))
    assert clues(one, "sounds") == clues(turned, "sounds")


def test_mutual_information_of_known_cases():
    random = np.random.default_rng(0)
    values = np.arange(400) % 4
    bits, null, p = mutual_information(values, values // 2, random)
    assert bits == pytest.approx(1.0)
    assert null < 0.02
    assert p == 1 / 200
    bits, null, p = mutual_information(values, random.permutation(values), random)
    assert bits == pytest.approx(null, abs=0.02)
    assert p > 0.01


def test_a_wording_that_tells_is_found_by_information(make):
    asked = make("train", 800, lambda *given: (given[2] < 2) ^ (given[-1].random() < 0.2), 0)
    rows = {row["factor"]: row for row in information(asked)}
    yes = [(p.question.answer == "yes") == (p.question.paraphrase_id < 2) for p in asked]
    share = np.mean(yes)
    told = 1 + share * np.log2(share) + (1 - share) * np.log2(1 - share)
    assert rows["wording"]["p"] == 0.005
    assert rows["wording"]["excess"] == pytest.approx(told, abs=0.02)
    assert rows["configuration"]["p"] > 0.01


def test_duplicates_of_each_sort_are_counted(make):
    asked = make("train", 20, fair, 0)
    first = asked[0]
    again = Posed(replace(first.question, question_id="a"), first.scene)
    words = first.question.question.rstrip("?").split()
    turned = " ".join(reversed(words)) + "?"
    reordered = Posed(replace(first.question, question=turned), first.scene)
    other = Posed(replace(first.question, question="Something else?"), first.scene)
    found = duplicates({"train": [*asked, again, reordered, other], "test": [first]})
    assert found["within"]["train"] == {"n": 23, "exact": 1, "reordered": 2, "same_matter": 3}
    assert found["within"]["test"]["exact"] == 0
    assert found["across"]["test in train"] == {"n": 1, "texts": 1, "scenes": 1}
    moved = replace(first.scene.sources[0], position=first.scene.sources[0].position + 0.2)
    scene = replace(first.scene, sources=(moved, *first.scene.sources[1:]))
    elsewhere = Posed(replace(first.question, question="Elsewhere?"), scene)
    found = duplicates({"train": [first], "test": [elsewhere]})
    assert found["across"]["test in train"] == {"n": 1, "texts": 0, "scenes": 0}


def margin_of(make, azimuth, distance, elevation=0.0, **changes):
    """The margin of a question about two sources on given tracks [shape=(2, 40)]."""
    (one,) = make("test", 1, fair, 0)
    sources = tuple(
        replace(
            source,
            azimuth_deg=np.broadcast_to(azimuth[i], 40),
            elevation_deg=np.broadcast_to(elevation, 40),
            distance_m=np.broadcast_to(distance[i], 40),
        )
        for i, source in enumerate(one.scene.sources)
    )
    question = replace(one.question, **changes)
    return margin(Posed(question, replace(one.scene, sources=sources)))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"family": "spatial_location", "attribute": "azimuth", "targets": (0,)}, 12.5),
        ({"family": "spatial_location", "attribute": "elevation", "targets": (0,)}, 7.0),
        ({"family": "spatial_location", "attribute": "distance", "targets": (0,)}, 0.2),
        ({"family": "spatial_location", "attribute": "distance", "targets": (1,)}, 0.1),
        ({"attribute": "azimuth"}, 25.0),
        ({"attribute": "distance"}, 2.1),
        (
            {
                "family": "cross_source_trajectory_relation",
                "attribute": "distance",
                "anchor": "",
            },
            0.0,
        ),
    ],
)
def test_margins_of_known_tracks(make, changes, wanted):
    # -170 and 35 degrees are 155 apart, 25 from being opposite; 0.3 m has no border at 0.
    found = margin_of(make, (35.0, -170.0), (0.3, 2.4), elevation=3.0, **changes)
    assert found == pytest.approx(wanted)


def test_margins_of_changes_count_sources_that_are_the_answer(make):
    climb = np.linspace(2.0, 3.0, 40)
    first, last = (climb[list(ANCHORS[name])].mean() for name in ("beginning", "end"))
    named = {
        "family": "source_grounding",
        "attribute": "change_distance",
        "answer_kind": "source",
        "options": ("dog", "cat", "both", "neither"),
    }
    tracks = ((0.0, 0.0), (climb, np.full(40, 1.0)))
    assert margin_of(make, *tracks, **named, answer="dog") == pytest.approx(last - first)
    assert margin_of(make, *tracks, **named, answer="both") == pytest.approx(0.0)
    assert margin_of(make, *tracks, **named, answer="neither") is None


def test_no_margin_of_a_real_corpus_is_within_the_guard_bands(corpus_dir):
    corpus = Corpus(corpus_dir)
    guards = corpus.manifest.recipe.questions
    least = {
        "spatial_location": {
            "azimuth": guards.azimuth_guard_deg,
            "distance": 0.1,
            "elevation": 3.0,
        },
        "spatial_change": {"azimuth": 20.0, "distance": 0.5, "elevation": 10.0},
    }
    seen = Counter()
    for each in posed(corpus.questions("train"), corpus.scenes("train")):
        q = each.question
        if q.family in least:
            assert margin(each) >= least[q.family][q.attribute] - 1e-4
            seen[q.family] += 1
    assert min(seen[family] for family in least) > 2


def test_places_are_shares_of_bins(scenes):
    found = places(scenes)
    for movement in ("static", "moving"):
        for attribute in ("azimuth", "elevation", "distance"):
            assert sum(found[movement][attribute].values()) == pytest.approx(100.0, abs=0.1)
    assert sum(rows["sources"] for rows in found.values()) == 2 * len(scenes)
    assert found["moving"]["speed_m_s"]["0"] >= 0.2


def test_a_question_without_its_scene_is_told(make):
    (one,) = make("test", 1, fair, 0)
    with pytest.raises(UserError, match="test-000000"):
        posed([one.question], [])


def test_a_corpus_without_training_questions_is_told(make):
    with pytest.raises(UserError, match="none in train"):
        measure({"test": make("test", 3, fair, 0)})


def test_the_command_keeps_the_report_for_the_card(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    folder = make_corpus(tmp_path / "corpus", small_recipe(), with_audio=False)
    card = folder / "README.md"
    assert "## Validity" not in card.read_text("utf-8")
    options = ["--json", "v.json", "--markdown", "v.md", "--plots", "p"]
    options = [str(tmp_path / each) if "-" not in each[:2] else each for each in options]
    run = CliRunner().invoke(cli, ["stats", str(folder), "--validity", *options])
    assert run.exit_code == 0, run.output
    report = json.loads((tmp_path / "v.json").read_text("utf-8"))
    assert report == json.loads((folder / VALIDITY).read_text("utf-8"))
    assert set(report["blind"]["parts"][0]["attackers"]) == {
        "majority",
        "memory",
        "words",
        "network",
    }
    assert {path.name for path in (tmp_path / "p").iterdir()} == {"blind.png", "margins.png"}
    assert (tmp_path / "v.md").read_text("utf-8").strip() in card.read_text("utf-8")
    assert report_text(report).strip() in run.output
    kept = (folder / VALIDITY).read_bytes()
    measure_corpus(Corpus(folder))
    assert (folder / VALIDITY).read_bytes() == kept
    # Kept while the questions stay, gone once they are others.
    assert CliRunner().invoke(cli, ["card", str(folder)]).exit_code == 0
    assert report_markdown(report).strip() in card.read_text("utf-8")
    manifest = Manifest.load(folder)
    others = [each.model_copy(update={"sha256": "0" * 64}) for each in manifest.qa]
    assert card_sections(folder, manifest)
    assert card_sections(folder, manifest.model_copy(update={"qa": others})) == []
    (folder / VALIDITY).write_text("{", encoding="utf-8")
    assert card_sections(folder, manifest) == []


def test_markdown_alone_is_refused(corpus_dir, tmp_path):
    run = CliRunner().invoke(cli, ["stats", str(corpus_dir), "--markdown", str(tmp_path / "x")])
    assert run.exit_code != 0
