"""Questions against an oracle written from the definitions, bin by bin, without the engine."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_corpus, small_recipe

from st_audioqa import Corpus
from st_audioqa.errors import UserError
from st_audioqa.events.labels import all_labels, noun, related, spoken_name
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene_table import SceneTable
from st_audioqa.templates import QuestionEngine, load_families
from st_audioqa.templates.balance import balanced, fair_shares
from st_audioqa.templates.family import check_ids, parse_family
from st_audioqa.templates.pairing import absent_in

WINDOW = {"beginning": range(4), "middle": range(18, 22), "end": range(36, 40)}
SECTOR_CENTRES = {
    "front": 0,
    "front-left": 45,
    "left": 90,
    "back-left": 135,
    "back": 180,
    "back-right": -135,
    "right": -90,
    "front-right": -45,
}
GUARD = {"azimuth": 5.0, "elevation": 3.0, "distance": 0.1}
LEAST = {"azimuth": 20.0, "elevation": 10.0, "distance": 0.5}
MARGIN = {"azimuth": 10.0, "elevation": 5.0, "distance": 0.25}
WORDS = {
    "azimuth": ("clockwise", "counterclockwise"),
    "elevation": ("lower", "higher"),
    "distance": ("closer", "farther"),
}
CHANGE_WORDS = {**WORDS, "elevation": ("downward", "upward")}
FAMILIES = {
    "event_semantics",
    "movement_status",
    "spatial_location",
    "spatial_change",
    "source_grounding",
    "temporal_relation_change",
    "movement_conditioned_relation",
    "cross_source_trajectory_relation",
}


def turn(angle):
    return (angle + 180.0) % 360.0 - 180.0


def place_of(attribute, value):
    if attribute == "azimuth":
        return min(SECTOR_CENTRES, key=lambda name: abs(turn(value - SECTOR_CENTRES[name])))
    if attribute == "elevation":
        return "above" if value > 10 else "below" if value < -10 else "level"
    low = int(value / 0.5) * 0.5
    return f"{low:.1f}-{low + 0.5:.1f} m"


def track(source, attribute):
    return getattr(source, "distance_m" if attribute == "distance" else f"{attribute}_deg")


def clear_place(source, attribute, anchor):
    """The place that holds in every bin of the window, moved by the guard either way."""
    found = set()
    for b in WINDOW[anchor]:
        for shift in (-GUARD[attribute] * 0.999, 0.0, GUARD[attribute] * 0.999):
            value = track(source, attribute)[b] + shift
            found.add(
                place_of(attribute, max(value, 0.0) if attribute == "distance" else value)
            )
    return found.pop() if len(found) == 1 else None


def change_of(source, attribute):
    values = [float(v) for v in track(source, attribute)]
    if attribute == "azimuth":
        for b in range(1, 40):
            values[b] = values[b - 1] + turn(values[b] - values[b - 1])
    return sum(values[36:]) / 4 - sum(values[:4]) / 4


def assert_not_overhead(source, bins):
    for k in bins:
        assert abs(source.elevation_deg[k]) <= 60.0
        assert source.distance_m[k] * np.cos(np.radians(source.elevation_deg[k])) >= 0.3


def relation_of(a, b, attribute, anchor):
    signs = set()
    for k in WINDOW[anchor]:
        gap = float(track(a, attribute)[k] - track(b, attribute)[k])
        if attribute == "elevation":  # what is said to be higher is so in metres too
            assert (a.position[k, 1] - b.position[k, 1]) * np.sign(gap) >= 0.1
        if attribute == "azimuth":
            assert_not_overhead(a, [k])
            assert_not_overhead(b, [k])
        if attribute == "azimuth":
            gap = turn(gap)
            assert abs(gap) <= 180.0 - MARGIN["azimuth"]
        assert abs(gap) >= MARGIN[attribute]
        signs.add(gap > 0)
    assert len(signs) == 1
    return WORDS[attribute][signs.pop()]


def heard(source, anchor):
    return sum(bool(source.activity[b]) for b in WINDOW[anchor]) >= 2


def wording_of(question):
    family = next(f for f in load_families() if f.family == question.family)
    kind = next(kind for kind in family.kind if kind.id == question.template_id)
    return (*kind.wordings, *kind.held_out)[question.paraphrase_id]


NAME_OF = {noun(each.name).indefinite: spoken_name(each.name) for each in all_labels()}


def verified_name(question):
    """The name that a verification asks about."""
    before, after = wording_of(question).split("{a_name}")
    start, end = len(before), len(question.question) - len(after)
    assert question.question[:start].lower() == before.lower()
    assert question.question[end:] == after
    return NAME_OF[question.question[start:end]]


def first_word(text, words):
    """Which of two words stands first in a question."""
    found = re.findall("|".join(sorted(words, key=len, reverse=True)), text)
    return found[0]


def oracle(question, scene):
    """The right answer from the scene's tracks and the question's words alone."""
    sources = [scene.sources[i] for i in question.targets]
    attribute = question.attribute
    if question.family == "event_semantics":
        names = [spoken_name(source.event.name) for source in scene.sources]
        if attribute == "detection":
            return "; ".join(names)
        return "yes" if verified_name(question) in names else "no"
    if question.family == "movement_status":
        still = np.ptp(sources[0].position, axis=0).max() == 0
        return "stationary" if still else "moving"
    if question.family == "spatial_location":
        assert heard(sources[0], question.anchor)
        if attribute == "azimuth":
            assert_not_overhead(sources[0], WINDOW[question.anchor])
        return clear_place(sources[0], attribute, question.anchor)
    if question.family == "spatial_change":
        change = change_of(sources[0], attribute)
        assert abs(change) >= LEAST[attribute]
        height = sources[0].position[:, 1]
        if attribute == "elevation":
            assert (height[36:].mean() - height[:4].mean()) * np.sign(change) >= 0.1
        if attribute == "azimuth":
            assert_not_overhead(sources[0], range(40))
        assert heard(sources[0], "beginning")
        assert heard(sources[0], "end")
        return CHANGE_WORDS[attribute][change > 0]
    if question.family == "source_grounding":
        return grounded(question, sources)
    text = question.question.lower()
    if question.family == "cross_source_trajectory_relation":
        gap = abs(change_of(sources[0], attribute)) - abs(change_of(sources[1], attribute))
        assert abs(gap) >= LEAST[attribute]
        ways = [way_of(source, attribute) for source in sources]
        assert (ways[0] - ways[1]) * gap > 0
        return "yes" if gap > 0 else "no"
    asked = first_word(text, WORDS[attribute])
    if question.family == "movement_conditioned_relation":
        assert [source.moving for source in sources] == [True, False]
        return "yes" if relation_of(*sources, attribute, question.anchor) == asked else "no"
    start = relation_of(*sources, attribute, "beginning")
    end = relation_of(*sources, attribute, "end")
    other = WORDS[attribute][1 - WORDS[attribute].index(asked)]
    return "yes" if (start, end) == (asked, other) else "no"


def way_of(source, attribute):
    """All that a source changes on its way, whatever the direction."""
    steps = np.diff(track(source, attribute))
    return sum(abs(turn(step) if attribute == "azimuth" else step) for step in steps)


def grounded(question, sources):
    text = question.question.lower()
    what, _, attribute = question.attribute.partition("_")
    if what == "motion":
        wanted = first_word(text, ("moving", "stationary"))
        fits = [("moving" if source.moving else "stationary") == wanted for source in sources]
    elif what == "change":
        wanted = first_word(text, CHANGE_WORDS[attribute])
        changes = [change_of(source, attribute) for source in sources]
        assert all(
            abs(c) >= LEAST[attribute] or abs(c) <= LEAST[attribute] / 4 for c in changes
        )
        sign = 1 if wanted == CHANGE_WORDS[attribute][1] else -1
        fits = [c * sign >= LEAST[attribute] for c in changes]
    else:
        places = [clear_place(source, attribute, question.anchor) for source in sources]
        assert None not in places
        fits = [re.search(spoken_place(place), text) is not None for place in places]
    names = [spoken_name(source.event.name) for source in sources]
    assert question.options == (*names, "both", "neither")
    if fits[0] and fits[1]:
        return "both"
    return names[0] if fits[0] else names[1] if fits[1] else "neither"


def spoken_place(place):
    if place.endswith(" m"):
        return re.escape(place) + " away"
    exact = {
        "front": "in front",
        "back": "at the back",
        "above": "above the",
        "below": "below the",
    }
    if place in exact:
        return exact[place]
    return "level with" if place == "level" else rf"to the {place}\b"


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Three hundred scenes without audio."""
    counts = dict.fromkeys(("S", "D", "SS", "SD", "DD"), 40)
    recipe = small_recipe(
        splits={"train": counts, "test": dict.fromkeys(counts, 20)},
    )
    folder = tmp_path_factory.mktemp("planned") / "corpus"
    return Corpus(make_corpus(folder, recipe, with_audio=False))


@pytest.fixture(scope="module")
def asked(planned):
    scenes = {
        scene.scene_id: scene for split in planned.splits for scene in planned.scenes(split)
    }
    return [
        (q, scenes[q.scene_id]) for split in planned.splits for q in planned.questions(split)
    ]


def test_every_answer_is_the_oracles(asked):
    assert len(asked) > 4000
    for question, scene in asked:
        assert question.answer == oracle(question, scene), question


def test_all_families_types_and_cases_of_table_1_come_up(asked):
    cases = defaultdict(set)
    for question, _ in asked:
        cases[question.type, question.family].add(question.configuration)
    single, double, moving = {"S", "D"}, {"SS", "SD", "DD"}, {"SD", "DD"}
    assert cases == {
        ("A", "event_semantics"): single,
        ("A", "movement_status"): single,
        ("A", "spatial_location"): single,
        ("A", "spatial_change"): {"D"},
        ("B", "event_semantics"): double,
        ("B", "movement_status"): double,
        ("B", "spatial_location"): double,
        ("B", "spatial_change"): moving,
        ("B", "source_grounding"): double,
        ("C", "temporal_relation_change"): moving,
        ("C", "movement_conditioned_relation"): {"SD"},
        ("C", "cross_source_trajectory_relation"): moving,
    }


def test_the_examples_of_table_1_are_wordings():
    slots = {
        "name": "sound",
        "first": "dog bark",
        "second": "clapping",
        "is": "is",
        "does": "does",
        "it": "it",
        "a_name": "a dog bark",
    }
    said = defaultdict(set)
    for family in load_families():
        for kind in family.kind:
            for name in ("sound", "clapping") if kind.type == "B" else ("sound",):
                for value in ("closer", "higher", "clockwise", ""):
                    opposite = kind.opposite_phrases.get("farther", "")
                    for anchor in ("At the middle", "at the end"):
                        text = kind.wordings[0].format_map(
                            {
                                **slots,
                                "name": name,
                                "value": value,
                                "relation": value,
                                "opposite": opposite,
                                "anchor": anchor,
                            }
                        )
                        said[text[0].upper() + text[1:]].add(kind.type)
    for type_, example in (
        ("A", "What sound events are present?"),
        ("A", "Is the sound moving or stationary?"),
        ("B", "Is the clapping moving or stationary?"),
        ("A", "What is the azimuth of the sound at the end?"),
        ("B", "What is the distance of the clapping at the end?"),
        ("A", "Does the sound get closer or farther overall?"),
        ("B", "Does the clapping move clockwise or counterclockwise?"),
        ("B", "Which sound moves clockwise, dog bark or clapping?"),
        ("C", "Does dog bark start closer than clapping and end farther away?"),
        ("C", "At the middle, is the moving sound higher than the stationary sound?"),
        ("C", "Does dog bark change distance more than clapping?"),
    ):
        assert type_ in said[example], example


def test_every_kind_has_eight_wordings_and_two_that_training_never_sees(planned):
    for family in load_families():
        for kind in family.kind:
            assert len(kind.wordings) >= 6
            assert len(kind.held_out) >= 2
    engine = QuestionEngine(QuestionsRecipe(), noun, related)
    chosen = engine.choose([SceneTable.of(planned.scenes("test"))], 1)
    usual, held_out = list(engine.word(chosen)), list(engine.word(chosen, held_out=True))
    assert len(usual) == len(held_out)
    assert not {each.question_id for each in usual} & {each.question_id for each in held_out}
    for one, other in zip(usual, held_out, strict=True):
        same = ("scene_id", "answer", "options", "targets", "template_id", "anchor")
        assert all(getattr(one, name) == getattr(other, name) for name in same)
        assert one.question != other.question
        assert wording_of(one) != wording_of(other)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("Walk, footsteps", "Are the footsteps moving or stationary?"),
        ("Rain", "Is the rain moving or stationary?"),
        ("Christmas music", "Is the Christmas music moving or stationary?"),
        ("Waves, surf", "Are the waves moving or stationary?"),
    ],
)
def test_verbs_agree_with_names(label, said, planned):
    scenes = [
        replace(
            scene,
            sources=tuple(named(source, label) for source in scene.sources),
        )
        for scene in planned.scenes("train")
        if len(scene.sources) == 2
    ]
    engine = QuestionEngine(QuestionsRecipe(), noun, related)
    assert said in {question.question for question in engine.ask(scenes, 0)}


def named(source, label):
    name = label if source.index == 0 else "Clapping"
    return replace(source, event=replace(source.event, labels=(name,)))


def test_articles_and_numbers_of_all_labels():
    forms = {each.name: noun(each.name) for each in all_labels()}
    assert forms["Engine"].indefinite == "an engine"
    assert forms["Ukulele"].indefinite == "a ukulele"
    assert forms["Effects unit"].indefinite == "an effects unit"
    assert forms["Speech"].indefinite == "speech"
    assert forms["Bagpipes"].indefinite == "bagpipes"
    for each in forms.values():
        assert each.indefinite.endswith(each.text)
        assert "," not in each.text
        assert each.number in ("count", "mass", "plural")
    assert len({each.indefinite for each in forms.values()}) == 527


def test_yes_and_no_are_even_and_every_label_is_as_often_absent_as_present(asked):
    answers = defaultdict(Counter)
    for question, _ in asked:
        if question.attribute == "verification":
            key = (
                question.split,
                question.type,
                question.configuration,
                verified_name(question),
            )
            answers[key][question.answer] += 1
    for key, counts in answers.items():
        assert abs(counts["yes"] - counts["no"]) <= 2, (key, counts)
    total = sum(answers.values(), Counter())
    assert total["yes"] == total["no"]


def test_a_label_asked_about_and_absent_is_no_relative_of_what_sounds(asked):
    for question, scene in asked:
        if question.attribute == "verification" and question.answer == "no":
            assert question.targets == ()
            asked_name = set(verified_name(question).split())
            for source in scene.sources:
                present = set(spoken_name(source.event.name).split())
                assert not present <= asked_name
                assert not asked_name <= present


def test_binary_answers_are_even_within_one_per_group(asked):
    groups = defaultdict(Counter)
    for question, _ in asked:
        if len(question.options) == 2:
            pooled = question.family == "movement_status"
            case = "" if pooled else question.configuration
            key = (
                question.split,
                question.family,
                question.type,
                question.attribute,
                question.anchor,
                case,
            )
            groups[key][question.answer] += 1
    for key, counts in groups.items():
        assert max(counts.values()) - min(counts.values()) <= 1, (key, counts)


def test_questions_are_unique_numbered_by_scene_and_reproducible(planned, asked):
    ids = [question.question_id for question, _ in asked]
    assert len(set(ids)) == len(ids)
    assert all(question.question_id.startswith(question.scene_id) for question, _ in asked)
    engine = QuestionEngine(QuestionsRecipe(), noun, related)
    again = engine.ask(planned.scenes("test"), planned.manifest.seed)
    assert again == planned.questions("test")


def test_names_in_a_question_are_those_of_its_scene(asked):
    for question, scene in asked:
        names = [spoken_name(source.event.name) for source in scene.sources]
        unnamed = question.attribute in ("detection", "verification")
        unnamed = unnamed or question.family == "movement_conditioned_relation"
        if question.type != "A" and not unnamed:
            assert all(names[i] in question.question.lower() for i in question.targets), (
                question
            )
        assert "{" not in question.question
        assert question.question.endswith("?") or question.question.endswith(".")


def test_what_a_question_names_does_not_tell_its_answer(asked):
    """Within each place, change or relation asked about, every answer comes as often."""
    groups = defaultdict(Counter)
    for question, _ in asked:
        named = "grounding" in question.family or question.family.endswith("_relation")
        if not named or question.attribute == "motion":
            continue
        place = re.search(r"\d\.\d-\d\.\d m", question.question)
        words = place.group() if place else spoken_value(question.question.lower())
        role = question.answer
        if question.answer_kind == "source":
            role = ("first", "second", "both", "neither")[question.options.index(role)]
        groups[question.split, question.template_id, question.anchor, words][role] += 1
    uneven = [
        key for key, roles in groups.items() if max(roles.values()) - min(roles.values()) > 2
    ]
    assert len(groups) > 50
    assert len(uneven) <= 0.15 * len(groups), uneven


def test_no_wording_tells_the_answer_to_what_is_asked_in_it(asked):
    """Relations in the same words have as many yes as no, within one."""
    groups = defaultdict(Counter)
    for question, _ in asked:
        if question.family in ("movement_conditioned_relation", "temporal_relation_change"):
            word = first_word(question.question.lower(), WORDS[question.attribute])
            kind = (question.split, question.template_id, question.anchor)
            key = (*kind, question.configuration, question.paraphrase_id, word)
            groups[key][question.answer] += 1
    assert len(groups) > 50
    assert max(abs(counts["yes"] - counts["no"]) for counts in groups.values()) <= 1


def spoken_value(text):
    words = "counterclockwise|clockwise|higher|lower|closer|farther|upward|downward"
    places = "front-left|front-right|back-left|back-right|to the left|to the right|in front|"
    found = re.search(f"{words}|{places}at the back|above|level|below", text)
    return found.group() if found else ""


def test_opposite_words_are_asked_equally_often(asked):
    groups = defaultdict(Counter)
    for question, _ in asked:
        if question.family.endswith("_relation") or question.family.endswith("_change"):
            if question.type == "C" and "trajectory" not in question.family:
                word = first_word(question.question.lower(), WORDS[question.attribute])
                groups[question.family, question.attribute][word] += 1
        elif question.attribute == "motion" and question.answer_kind == "source":
            word = first_word(question.question.lower(), ("moving", "stationary"))
            groups[question.family, "motion"][word] += 1
    assert len(groups) == 7
    for key, words in groups.items():
        assert max(words.values()) < 1.3 * min(words.values()) + 4, (key, words)


def test_pooled_cases_share_every_answer_they_can_give(asked):
    answers = defaultdict(Counter)
    for question, _ in asked:
        if question.template_id == "movement_status.B":
            answers[question.answer][question.configuration] += 1
    for answer, cases in (("moving", ("SD", "DD")), ("stationary", ("SS", "SD"))):
        assert set(answers[answer]) == set(cases)
        assert max(answers[answer].values()) < 2.5 * min(answers[answer].values())


def test_distance_does_not_tell_movement(asked):
    counts = defaultdict(Counter)
    for question, scene in asked:
        if question.family == "movement_status":
            mean = scene.sources[question.targets[0]].distance_m.mean()
            counts[question.split, question.type, mean < 1, mean < 3][question.answer] += 1
    assert len(counts) > 8
    assert all(each["moving"] == each["stationary"] for each in counts.values())


def test_movement_is_even_where_one_source_moves_and_the_other_stays(asked):
    """The case tells movement in all others, and must not in these."""
    counts = defaultdict(Counter)
    for question, _ in asked:
        if question.template_id == "movement_status.B" and question.configuration == "SD":
            counts[question.split][question.answer] += 1
    assert len(counts) == 2
    assert all(each["moving"] == each["stationary"] > 4 for each in counts.values())


def test_no_relation_is_asked_again_the_other_way_round(asked):
    """ "A starts higher than B and ends lower" is "B starts lower than A and ends higher"."""
    seen = Counter()
    for question, _ in asked:
        if question.family == "temporal_relation_change":
            word = first_word(question.question.lower(), WORDS[question.attribute])
            turned = WORDS[question.attribute].index(word) ^ (question.targets == (1, 0))
            seen[question.scene_id, question.attribute, turned] += 1
    assert len(seen) > 100
    assert max(seen.values()) == 1


def test_a_number_within_a_scene_tells_nothing(asked):
    answers = defaultdict(Counter)
    for question, _ in asked:
        if question.attribute == "verification":
            answers[question.question_id[-3:] < "010"][question.answer] += 1
    for counts in answers.values():
        assert abs(counts["yes"] - counts["no"]) < 4 * np.sqrt(counts.total())


def test_a_relation_that_turns_is_as_often_denied_in_each_way(asked):
    """Neither "they change places" nor the start alone gives the answer away."""
    ways = Counter()
    for question, scene in asked:
        if question.family == "temporal_relation_change" and question.answer == "no":
            sources = [scene.sources[i] for i in question.targets]
            asked_for = first_word(question.question.lower(), WORDS[question.attribute])
            starts = relation_of(*sources, question.attribute, "beginning") == asked_for
            ends = relation_of(*sources, question.attribute, "end") != asked_for
            ways[starts, ends] += 1
    assert set(ways) == {(True, False), (False, True), (False, False)}
    assert max(ways.values()) < 2.5 * min(ways.values())


def rows(scenes, role, stratum=0, variety=0):
    return [(scene, role, stratum, variety) for scene in scenes]


def kept_of(candidates, per_scene=1, n_roles=2, most=None):
    """Kept rows as (scene, role, stratum, variety)."""
    columns = np.array(candidates, dtype=np.int64).reshape(-1, 4).T
    rng = np.random.default_rng(0)
    kept = balanced(*columns, n_roles=n_roles, per_scene=per_scene, rng=rng, most=most)
    assert (np.diff(kept) > 0).all()
    return [tuple(map(int, columns[:, i])) for i in kept]


def test_balance_keeps_equal_numbers_and_respects_the_limit_per_scene():
    kept = kept_of([*rows(range(20), 0), *rows(range(20), 1)])
    assert Counter(role for _, role, _, _ in kept) == {0: 10, 1: 10}
    assert len({scene for scene, *_ in kept}) == 20
    kept = kept_of([*rows(range(50), 0), *rows(range(3), 1)])
    assert Counter(role for _, role, _, _ in kept) == {0: 3, 1: 3}
    assert kept_of([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_balance_never_breaks_its_rules(seed):
    rng = np.random.default_rng(seed)
    n_roles, per_scene = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    candidates = [
        (int(rng.integers(60)), int(role), int(rng.integers(4)), int(rng.integers(3)))
        for role in rng.choice(n_roles, size=400, p=rng.dirichlet(np.ones(n_roles)))
    ]
    kept = kept_of(candidates, per_scene, n_roles)
    assert max(Counter(scene for scene, *_ in kept).values()) <= per_scene
    cells = Counter((stratum, role) for _, role, stratum, _ in kept)
    if len(kept) > n_roles:
        for stratum in {stratum for stratum, _ in cells}:
            assert len({cells[stratum, role] for role in range(n_roles)}) == 1


def test_balance_holds_in_every_stratum_and_drops_those_without_an_answer():
    near = [*rows(range(9), 0, 1), *rows(range(9, 12), 1, 1)]
    kept = kept_of(near + rows(range(20, 29), 0, 2))
    assert Counter(role for _, role, _, _ in kept) == {0: 3, 1: 3}
    assert all(scene < 20 for scene, *_ in kept)


def test_balance_keeps_one_of_each_where_nothing_is_complete():
    near, far = rows(range(5), 0, 1), rows(range(5, 9), 1, 2)
    assert Counter(role for _, role, _, _ in kept_of(near + far)) == {0: 1, 1: 1}
    assert len(kept_of(near[:3])) == 1
    assert len(kept_of(near[:3], n_roles=1)) == 3


def test_strata_that_offer_the_same_get_the_same():
    both = [(s, role, stratum, 0) for s in range(40) for stratum in (0, 1) for role in (0, 1)]
    kept = Counter((stratum, role) for _, role, stratum, _ in kept_of(both))
    assert set(kept.values()) == {10}


def test_balance_spreads_varieties():
    ways = [
        each for k in range(3) for each in rows(range(40 * k, 40 * k + 40 // (k + 1)), 0, 0, k)
    ]
    kept = kept_of([*ways, *rows(range(200, 230), 1)])
    counts = Counter(scene // 40 for scene, role, _, _ in kept if role == 0)
    assert counts == {0: 10, 1: 10, 2: 10}


def test_balance_keeps_no_more_than_wanted_and_shares_it_among_strata():
    both = [(s, s % 2, stratum, 0) for stratum in (0, 1, 2) for s in range(40 * stratum + 40)]
    kept = Counter((stratum, role) for _, role, stratum, _ in kept_of(both, 3, most=36))
    assert set(kept.values()) == {6}
    assert len(kept) == 6


def test_fair_shares_fill_up_the_small_and_even_out_the_rest():
    assert fair_shares(np.array([3, 100, 50]), 63).tolist() == [3, 30, 30]
    assert fair_shares(np.array([3, 4]), 63).tolist() == [3, 4]
    assert fair_shares(np.array([5, 5, 5]), 4).sum() == 4
    assert fair_shares(np.array([0, 0]), 9).tolist() == [0, 0]


def test_every_event_is_given_a_scene_without_it_and_every_scene_as_many_events_as_it_has():
    rng = np.random.default_rng(0)
    present = np.sort(rng.integers(0, 40, size=(500, 2)), axis=1)
    scene, event = np.repeat(np.arange(500), 2), present.ravel()
    conflict = np.abs(np.subtract.outer(np.arange(40), np.arange(40))) <= 2
    given = absent_in(scene, event, present, conflict, np.random.default_rng(1))
    assert (given >= 0).all()
    assert not conflict[event[:, None], present[given]].any()
    np.testing.assert_array_equal(np.bincount(given), np.bincount(scene))
    assert len(set(zip(event.tolist(), given.tolist(), strict=True))) == len(event)


def test_an_event_that_is_everywhere_is_given_no_scene():
    everywhere = np.zeros((6, 1), dtype=np.int64)
    given = absent_in(
        np.arange(6),
        np.zeros(6, np.int64),
        everywhere,
        np.ones((1, 1), bool),
        np.random.default_rng(0),
    )
    assert (given == -1).all()


def test_no_more_questions_than_wanted_and_answers_stay_even(planned):
    scenes = list(planned.scenes("train"))
    free = QuestionEngine(QuestionsRecipe(), noun, related).ask(scenes, 3)
    wanted = {"A": 300, "B": 500, "C": 10_000}
    guards = QuestionsRecipe(most={"train": wanted, "test": {"A": 1}})
    asked = QuestionEngine(guards, noun, related).ask(scenes, 3)
    had, have = (Counter(each.type for each in questions) for questions in (free, asked))
    assert have["C"] == had["C"] < 10_000
    for type_ in "AB":
        # One is left where only groups of even answers have room.
        assert wanted[type_] - 1 <= have[type_] <= wanted[type_] < had[type_]
    groups = defaultdict(Counter)
    for question in asked:
        if question.answer_kind == "yes_no":
            groups[question.template_id, question.anchor, question.configuration][
                question.answer
            ] += 1
    assert all(each["yes"] == each["no"] for each in groups.values())


def test_one_id_is_not_given_to_two_kinds():
    one, other = parse_family(GOOD, "a.toml"), parse_family(GOOD.replace("_location", ""), "b")
    with pytest.raises(UserError, match="in the families spatial_location and spatial"):
        check_ids([one, other])


GOOD = """
family = "spatial_location"
version = 1
min_wordings = 1
min_held_out = 0
[[kind]]
id = "x1"
type = "A"
attribute = "azimuth"
rule = "location"
answer_kind = "sector"
cases = ["S"]
anchors = ["end"]
wordings = ["Where is the sound {anchor}?"]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{anchor}", "{anker}", "anker"),
        ('rule = "location"', 'rule = "lokation"', "lokation"),
        ('["S"]', '["SXS"]', "cases"),
        ('["end"]', '["finish"]', "finish"),
        ('type = "A"', 'type = "Z"', "type"),
        ('["Where is the sound {anchor}?"]', "[]", "wordings"),
        ("version = 1", "version = ", "TOML"),
        ("version = 1", "version = 1\nextra = 2", "extra"),
        ('attribute = "azimuth"', 'attribute = "azimut"', "unknown attribute 'azimut'"),
        ('attribute = "azimuth"', 'attribute = "detection"', "unknown attribute 'detection'"),
        ('answer_kind = "sector"', 'answer_kind = "sectr"', "unknown answer_kind 'sectr'"),
        ('id = "x1"', 'id = "x1"\nrule_attribute = "height"', "rule_attribute 'height'"),
        ('id = "x1"', 'id = "x1"\nphrases = { "nowhere" = "x" }', "phrases 'nowhere'"),
        ('id = "x1"', 'id = ""', "id"),
        ("Where is the sound", "Where is {second}", "location does not fill {second}"),
        ("Where is the sound", "Where is {opposite}", "location does not fill {opposite}"),
        ('anchors = ["end"]', "", "needs anchors"),
    ],
)
def test_a_broken_family_is_refused_with_file_and_key(old, new, message):
    assert parse_family(GOOD, "good.toml").family == "spatial_location"
    with pytest.raises(UserError, match=message) as error:
        parse_family(GOOD.replace(old, new), "broken.toml")
    assert "broken.toml" in str(error.value)
