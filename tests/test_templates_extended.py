"""Extended questions against an oracle written from docs/extended.md, without the engine's code."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from st_audioqa.conventions import BIN_TIMES_S, CONFIGURATIONS
from st_audioqa.events.labels import label as find_label
from st_audioqa.events.labels import noun, related, spoken_name
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene import (
    Event,
    Listener,
    RenderInfo,
    RoomInfo,
    Scene,
    SourceTrack,
    track_directions,
)
from st_audioqa.scene_table import SceneTable
from st_audioqa.templates import QuestionEngine, load_families

WINDOW = {"beginning": range(4), "middle": range(18, 22), "end": range(36, 40)}
LABELS = ("Bark", "Rain", "Walk, footsteps", "Clapping", "Engine", "Speech", "Piano", "Owl")
FAMILIES = {"counting", "order", "course", "extremes", "same_label", "crowd"}


def way(kind, rng):
    """Share of the way that is behind at each bin's centre."""
    t = BIN_TIMES_S / 10.0
    if kind == "back":
        gone = (2.0 - rng.uniform(0.0, 0.4)) * t
        return np.minimum(gone, 2.0 - gone)
    if kind == "pause":
        start, length = rng.uniform(0.2, 0.45), rng.uniform(0.15, 0.35)
        return (np.minimum(t, start) + np.maximum(t - start - length, 0.0)) / (1.0 - length)
    if kind == "pace":
        ratio = rng.uniform(2.5, 6.0)
        return (2.0 * t + (ratio - 1.0) * t**2) / (1.0 + ratio)
    return t


def source_of(index, label, moving, rng):
    start, end = rng.uniform((-3.0, 0.3, -3.0), (3.0, 2.5, 3.0), size=(2, 3))
    position = np.tile(start, (40, 1))
    if moving:
        end = end if np.linalg.norm(end - start) > 2.2 else start + np.array([2.3, 0.1, 0.0])
        share = way(("straight", "back", "pause", "pace")[rng.integers(4)], rng)
        share = share[:: -1 if rng.random() < 0.5 else 1]
        position = start + share[:, None] * (end - start)
    activity = np.ones(40, dtype=bool)
    if rng.random() < 0.5:
        activity[: rng.integers(0, 20)] = False
        activity[rng.integers(28, 41) :] = False
    if rng.random() < 0.2:
        activity &= rng.random(40) < 0.5
    position = np.float32(position).astype(float)
    azimuth, elevation, distance = track_directions(position, LISTENER)
    event = Event("none", str(index), 0.0, -35.0, (label,), (find_label(label).mid,), "CC0-1.0")
    motion = {"kind": "linear" if moving else "static", "speed_m_s": 0.3}
    seen = np.ones(40, dtype=bool)
    tracks = (position, azimuth, elevation, distance, activity, seen)
    return SourceTrack(index, event, moving, motion, *tracks)


LISTENER = Listener(np.array([0.0, 1.5, 0.0]), 0.0)
ROOM = RoomInfo("none", "none", "", {})
RENDER = RenderInfo("none", "0", "", "plain", 1.0, "")


def scene_of(number, rng):
    configuration = CONFIGURATIONS[number % len(CONFIGURATIONS)]
    names = list(rng.permutation(LABELS)[: len(configuration)])
    if len(names) > 1 and rng.random() < 0.5:
        one, other = rng.permutation(len(names))[:2]
        names[one] = names[other]
    sources = tuple(
        source_of(i, str(names[i]), each == "D", rng) for i, each in enumerate(configuration)
    )
    head = (f"test-{number:06d}", "test", configuration, 0, 0, "")
    return Scene(*head, ROOM, LISTENER, sources, 32_000, 0.0, RENDER)


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(7)
    return [scene_of(number, rng) for number in range(2100)]


def engine_of(letters="xy"):
    return QuestionEngine(QuestionsRecipe(), noun, related, load_families("extended"), letters)


@pytest.fixture(scope="module")
def asked(scenes):
    by_id = {scene.scene_id: scene for scene in scenes}
    return [(question, by_id[question.scene_id]) for question in engine_of().ask(scenes, 1)]


def active_bins(source):
    return [k for k in range(40) if source.activity[k]]


def is_heard(source):
    windows = sum(sum(source.activity[k] for k in bins) >= 2 for bins in WINDOW.values())
    return windows >= 2 or len(active_bins(source)) >= 4


def is_heard_at(source, anchor):
    return sum(source.activity[k] for k in WINDOW[anchor]) >= 2


def assert_motion_is_heard(source):
    heard = [source.position[k] for k in active_bins(source)]
    if source.moving:
        assert max(np.linalg.norm(each - heard[0]) for each in heard) >= 0.49


def name_of(source):
    return spoken_name(source.event.name)


def steps_of(source):
    return [
        float(np.linalg.norm(source.position[k + 1] - source.position[k])) for k in range(39)
    ]


def turns_back(source):
    """It gets half a metre back towards its start from its farthest point, or never any."""
    away = [float(np.linalg.norm(each - source.position[0])) for each in source.position]
    farthest = int(np.argmax(away))
    back = away[farthest] - min(away[farthest:])
    assert back >= 0.49 or back <= 0.06
    return back > 0.3


def pauses(source):
    steps = steps_of(source)
    for k in range(36):
        if all(step <= 0.0051 for step in steps[k : k + 4]):
            assert sum(steps[:k]) >= 0.49
            return True
    assert not any(max(steps[k], steps[k + 1]) < 0.0249 for k in range(38))
    return False


def pace(source):
    steps = steps_of(source)
    early, late = sum(steps[:8]), sum(steps[-8:])
    if max(steps) <= 1.16 * min(steps):
        return "keeps its speed"
    assert max(early, late) > 1.79 * min(early, late)
    return "speeds up" if late > early else "slows down"


def oracle(question, scene):
    """The right answer from the scene's tracks and the question's words alone."""
    sources = [scene.sources[i] for i in question.targets]
    text, kind = question.question.lower(), question.template_id
    assert all(is_heard(source) for source in sources) or question.anchor
    if kind == "counting.sounding":
        return str(len(scene.sources))
    if kind == "counting.moving":
        for source in scene.sources:
            assert is_heard(source)
            assert_motion_is_heard(source)
        return str(sum(np.ptp(each.position, axis=0).max() > 0 for each in scene.sources))
    if kind == "counting.same_label":
        names = [name_of(source) for source in scene.sources]
        return ("one", "two")[names.count(name_of(sources[0])) - 1]
    if kind in ("order.starts_first", "order.stops_first"):
        edge = 0 if kind == "order.starts_first" else -1
        first, second = (active_bins(source)[edge] for source in sources)
        assert abs(first - second) >= 4
        assert question.options == tuple(map(name_of, sources))
        return name_of(sources[0] if first < second else sources[1])
    if kind in ("order.comes_in_late", "order.ends_early"):
        bins = active_bins(sources[0])
        silent = bins[0] if kind == "order.comes_in_late" else 39 - bins[-1]
        assert silent == 0 or silent >= 6
        return "yes" if silent >= 6 else "no"
    if question.family == "course":
        assert all(sources[0].activity[k : k + 4].any() for k in range(0, 40, 4))
        assert sources[0].moving
        if kind == "course.pace":
            return pace(sources[0])
        found = turns_back(sources[0]) if kind == "course.turns_back" else pauses(sources[0])
        return "yes" if found else "no"
    if question.family == "extremes":
        return extreme(question, scene, sources, text)
    if question.family == "same_label":
        return twin(question, scene, sources, text)
    return crowd(question, sources[0])


def extreme(question, scene, sources, text):
    assert sorted(question.targets) == list(range(len(scene.sources)))
    assert len(scene.sources) >= 3
    assert question.options == tuple(map(name_of, sources))
    assert all(is_heard_at(source, question.anchor) for source in sources)
    sign = 1 if re.search("nearest|lowest", text) else -1
    assert (sign == 1) != bool(re.search("farthest|highest", text))
    bins = WINDOW[question.anchor]
    winners = []
    for source in sources:
        others = [each for each in sources if each is not source]
        if question.attribute == "distance":
            fits = all(
                sign * (other.distance_m[i] - source.distance_m[k]) >= 0.25 - 1e-9
                for other in others
                for k in bins
                for i in bins
            )
        else:
            fits = all(
                sign * (other.elevation_deg[i] - source.elevation_deg[k]) >= 5.0 - 1e-9
                and sign * (other.position[i, 1] - source.position[k, 1]) >= 0.1 - 1e-9
                for other in others
                for k in bins
                for i in bins
            )
        if fits:
            winners.append(name_of(source))
    assert len(winners) == 1
    return winners[0]


def twin(question, scene, sources, text):
    """The twin that the words mean, found from the scene and not from the targets."""
    name = name_of(sources[0])
    twins = [source for source in scene.sources if name_of(source) == name]
    assert len(twins) == 2
    assert re.search(rf"\b{re.escape(name.lower())}\b", text)
    side = re.search(r"on the (left|right)", text)
    if side:
        inside = [
            {
                "left" if azimuth > 0 else "right"
                for azimuth in twin.azimuth_deg[list(WINDOW[question.anchor])]
                if 19.9 <= abs(azimuth) <= 160.1
            }
            for twin in twins
        ]
        assert sorted(map(len, inside)) == [1, 1]
        meant = [each for each, sides in zip(twins, inside, strict=True) if side[1] in sides]
    else:
        twins.sort(key=lambda each: active_bins(each)[0])
        assert active_bins(twins[1])[0] - active_bins(twins[0])[0] >= 4
        order = re.findall(r"(?:starts|heard|begins|comes in|sets in) (first|second)", text)
        meant = [twins[("first", "second").index(order[0])]]
    assert len(meant) == 1
    if question.attribute == "motion":
        for each in twins:
            assert_motion_is_heard(each)
        return "moving" if meant[0].moving else "stationary"
    assert is_heard_at(meant[0], question.anchor)
    return sector_of(meant[0], question.anchor)


def sector_of(source, anchor):
    names = ("front", "front-left", "left", "back-left", "back", "back-right", "right")
    names += ("front-right",)
    found = {names[round(source.azimuth_deg[k] / 45.0) % 8] for k in WINDOW[anchor]}
    assert len(found) == 1
    return found.pop()


def crowd(question, source):
    kind, anchor = question.template_id.removeprefix("crowd."), question.anchor
    if kind == "motion":
        return "moving" if source.moving else "stationary"
    if anchor:
        assert is_heard_at(source, anchor)
    bins = list(WINDOW[anchor]) if anchor else []
    if kind == "azimuth":
        return sector_of(source, anchor)
    if kind == "elevation":
        angle = source.elevation_deg[bins]
        return "above" if angle.min() > 10 else "below" if angle.max() < -10 else "level"
    if kind == "distance":
        low = int(source.distance_m[bins].mean() / 0.5) * 0.5
        return f"{low:.1f}-{low + 0.5:.1f} m"
    track = {
        "change_azimuth": np.unwrap(source.azimuth_deg, period=360.0),
        "change_elevation": source.elevation_deg,
        "change_distance": source.distance_m,
    }[kind]
    words = {
        "change_azimuth": ("clockwise", "counterclockwise"),
        "change_elevation": ("downward", "upward"),
        "change_distance": ("closer", "farther"),
    }[kind]
    change = track[36:].mean() - track[:4].mean()
    if kind == "change_azimuth":  # who circles both ways has no one direction
        against = -np.sign(change) * np.diff(track)
        assert against[against > 0].sum() <= 5.001
    return words[int(change > 0)]


def test_every_extended_answer_is_the_oracles(asked):
    assert len(asked) > 5000
    assert {question.family for question, _ in asked} == FAMILIES
    for question, scene in asked:
        assert question.type == "E"
        assert question.answer in question.options
        assert question.answer == oracle(question, scene), question


def test_all_extended_kinds_come_up_with_eight_wordings(scenes, asked):
    kinds = {kind.id: kind for family in load_families("extended") for kind in family.kind}
    assert {question.template_id for question, _ in asked} == set(kinds)
    for kind in kinds.values():
        assert len(kind.wordings) == 6
        assert len(kind.held_out) == 2
    engine = engine_of()
    chosen = engine.choose([SceneTable.of(scenes)], 1)
    usual, held_out = list(engine.word(chosen)), list(engine.word(chosen, held_out=True))
    assert [each.answer for each in usual] == [each.answer for each in held_out]
    assert not {each.question for each in usual} & {each.question for each in held_out}
    ids = {each.question_id for each in (*usual, *held_out)}
    assert len(ids) == 2 * len(usual)
    assert not any("{" in each.question for each in (*usual, *held_out))


def test_a_name_that_two_sources_share_is_used_only_where_words_tell_them_apart(asked):
    seen = 0
    for question, scene in asked:
        names = [source.event.name for source in scene.sources]
        shared = [i for i in question.targets if names.count(names[i]) > 1]
        seen += bool(shared)
        if shared:
            assert question.family == "same_label" or question.attribute == "label"
    assert seen > 50


def test_extended_answers_are_even(asked):
    groups = defaultdict(Counter)
    for question, _ in asked:
        role = question.answer
        if question.answer_kind == "one_of":
            role = str(question.options.index(question.answer))
        key = (question.template_id, question.anchor, len(question.options))
        groups[key][role] += 1
    for key, counts in groups.items():
        if key[0] not in ("crowd.azimuth", "crowd.distance", "same_label.ordered_azimuth"):
            slack = 6 if key[0].startswith("extremes") else 3
            assert max(counts.values()) - min(counts.values()) <= slack, (key, counts)


@pytest.mark.parametrize("kind", ["order.", "counting.same_label"])
def test_the_name_said_first_does_not_tell_who_starts_or_how_many(asked, kind):
    groups = defaultdict(Counter)
    for question, scene in asked:
        if question.template_id.startswith(kind):
            role = question.options.index(question.answer)
            name = scene.sources[question.targets[0]].event.name
            groups[question.template_id, name][role] += 1
    assert len(groups) > 7
    for key, counts in groups.items():
        assert counts[0] == counts[1], (key, counts)


def test_what_the_other_twin_does_tells_nothing(asked):
    groups = defaultdict(Counter)
    for question, scene in asked:
        if question.family == "same_label" and question.attribute == "motion":
            other = scene.sources[question.targets[1]].moving
            groups[question.template_id, question.anchor, other][question.answer] += 1
    assert len(groups) == 8
    assert all(counts["moving"] == counts["stationary"] for counts in groups.values())


def test_paper_questions_keep_to_two_sources_with_names_of_their_own(scenes):
    by_id = {scene.scene_id: scene for scene in scenes}
    questions = QuestionEngine(QuestionsRecipe(), noun, related).ask(scenes, 1)
    assert questions
    for question in questions:
        sources = by_id[question.scene_id].sources
        assert len(sources) <= 2
        if question.targets:
            names = [sources[i].event.name for i in question.targets]
            assert len(set(names)) == len(names)
            if len(sources) == 2:
                assert sources[0].event.name != sources[1].event.name


def test_who_circles_both_ways_is_not_asked_which_way(scenes):
    by_id = {scene.scene_id: scene for scene in scenes}
    questions = QuestionEngine(QuestionsRecipe(), noun, related).ask(scenes, 1)
    changes = [q for q in questions if (q.family, q.attribute) == ("spatial_change", "azimuth")]
    assert changes
    for question in changes:
        source = by_id[question.scene_id].sources[question.targets[0]]
        steps = np.diff(np.unwrap(source.azimuth_deg, period=360.0))
        assert min(steps[steps > 0].sum(), -steps[steps < 0].sum()) <= 5.001
