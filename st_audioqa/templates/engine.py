"""Asks all questions of a split: every well-posed one, balanced, worded and numbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene import Question, Scene
from st_audioqa.seeding import generator
from st_audioqa.templates.balance import Candidate, balanced
from st_audioqa.templates.facts import SceneFacts, SourceFacts
from st_audioqa.templates.family import ANCHOR_WORDS, Family, Kind, load_families
from st_audioqa.templates.rules import CHANGES, MOTION, RULES, SOURCE_ROLES, YES_NO, Asked

__all__ = ["QuestionEngine"]


@dataclass(frozen=True)
class _Chosen:
    """A question that was kept, before it has its number."""

    scene: int
    family: str
    kind: Kind
    anchor: str
    asked: Asked
    paraphrase: int = 0


class QuestionEngine:
    """Makes the questions of scenes from their metadata.

    Parameters
    ----------
    guards : QuestionsRecipe
        Guard bands: what makes an answer clear.
    spoken_name : callable
        Display name of a label -> how it is spoken in a question.
    related : callable
        Whether two labels are the same or one contains the other.
    families : sequence of Family, optional
        All that come with the package if left out.
    """

    def __init__(
        self,
        guards: QuestionsRecipe,
        spoken_name: Callable[[str], str],
        related: Callable[[str, str], bool],
        families: Sequence[Family] | None = None,
    ) -> None:
        self._guards = guards
        self._spoken_name = spoken_name
        self._related = related
        self._families = tuple(load_families() if families is None else families)

    def ask(self, scenes: Iterable[Scene], seed: int) -> list[Question]:
        """Questions of one split, sorted by scene.

        Everything random comes from `seed` and the names of kind, anchor, case and scene. The
        numbers within a scene are in random order, so that none tells its answer.
        """
        facts = [self._facts(scene) for scene in scenes]
        chosen: list[_Chosen] = []
        for family in self._families:
            for kind in family.kind:
                for anchor in kind.anchors:
                    chosen += self._ask_kind(facts, family.family, kind, anchor, seed)
        by_scene: dict[int, list[_Chosen]] = defaultdict(list)
        for each in chosen:
            by_scene[each.scene].append(each)
        questions: list[Question] = []
        for index in sorted(by_scene):
            scene, asked = facts[index].scene, by_scene[index]
            order = generator(seed, "numbers", scene.scene_id).permutation(len(asked))
            for number, which in enumerate(order):
                questions.append(self._word(scene, asked[which], number))
        return questions

    def _facts(self, scene: Scene) -> SceneFacts:
        sources = tuple(
            SourceFacts(source, self._spoken_name(source.event.name), self._guards)
            for source in scene.sources
        )
        return SceneFacts(scene, sources, self._guards)

    def _ask_kind(
        self, facts: Sequence[SceneFacts], family: str, kind: Kind, anchor: str, seed: int
    ) -> list[_Chosen]:
        rule = RULES[kind.rule]
        attribute = kind.rule_attribute or kind.attribute
        groups: dict[str, list[Candidate[_Chosen]]] = defaultdict(list)
        for index, each in enumerate(facts):
            configuration = each.scene.configuration
            if configuration not in kind.cases:
                continue
            case: str = "" if kind.pool_cases else configuration
            for asked in rule(each, attribute, anchor):
                chosen = _Chosen(index, family, kind, anchor, asked)
                variety = (asked.variety, configuration if kind.pool_cases else "")
                groups[case].append(
                    Candidate(chosen, asked.role, index, asked.stratum, variety)
                )
        kept: list[_Chosen] = []
        for case in sorted(groups):
            split = facts[0].scene.split
            rng = generator(seed, "questions", split, kind.id, anchor, case)
            if kind.paired:
                kept += self._paired([each.item for each in groups[case]], facts, rng)
            else:
                kept += balanced(groups[case], kind.per_scene, rng, _few_roles(kind))
        return _paraphrased(kept, generator(seed, "wordings", kind.id, anchor))

    def _paired(
        self, present: list[_Chosen], facts: Sequence[SceneFacts], rng: np.random.Generator
    ) -> list[_Chosen]:
        """Every yes, and the same label asked once of a scene that does not hold it.

        So each label is as often present as absent. A label that fits no other scene is left
        out with its yes.
        """
        pairs: list[_Chosen] = []
        asked_already: set[tuple[int, str]] = set()
        hosts = sorted({each.scene for each in present})
        load = dict.fromkeys(hosts, 0)
        for which in rng.permutation(len(present)):
            yes = present[which]
            label = facts[yes.scene].scene.sources[yes.asked.targets[0]].event.name
            name = yes.asked.slots["name"]
            free = [
                host
                for host in hosts
                if (host, name) not in asked_already
                and not self._holds_relative(facts[host].scene, label)
            ]
            if not free:
                continue
            least = min(load[host] for host in free)
            quiet = [host for host in free if load[host] == least]
            host = quiet[rng.integers(len(quiet))]
            load[host] += 1
            asked_already.add((host, name))
            no = Asked("no", (), "no", yes.asked.options, yes.asked.slots)
            pairs += [yes, _Chosen(host, yes.family, yes.kind, yes.anchor, no)]
        return pairs

    def _holds_relative(self, scene: Scene, label: str) -> bool:
        """Whether a scene holds the label, or one so near that "no" would be in doubt."""
        words = set(self._spoken_name(label).split())
        for present in (each for source in scene.sources for each in source.event.labels):
            named = set(self._spoken_name(present).split())
            if self._related(label, present) or words <= named or named <= words:
                return True
        return False

    def _word(self, scene: Scene, chosen: _Chosen, number: int) -> Question:
        kind, asked = chosen.kind, chosen.asked
        slots = dict(asked.slots)
        for slot in ("value", "relation", "opposite"):
            if slot in slots:
                slots[slot] = kind.phrases.get(slots[slot], slots[slot])
        if chosen.anchor:
            slots["anchor"] = ANCHOR_WORDS[chosen.anchor]
        text = kind.wordings[chosen.paraphrase].format(**slots)
        return Question(
            question_id=f"{scene.scene_id}-q{number:03d}",
            scene_id=scene.scene_id,
            split=scene.split,
            configuration=scene.configuration,
            type=kind.type,
            family=chosen.family,
            attribute=kind.attribute,
            anchor=chosen.anchor,
            question=text[0].upper() + text[1:],
            answer=asked.answer,
            answer_kind=kind.answer_kind,
            options=asked.options,
            targets=asked.targets,
            template_id=kind.id,
            paraphrase_id=chosen.paraphrase,
        )


def _few_roles(kind: Kind) -> tuple[str, ...]:
    """All answers of a kind that has few, so that one that never comes up is missed.

    Of sectors and distances some may be out of reach in a small corpus; the others still count.
    """
    return {
        "yes_no": YES_NO,
        "motion": MOTION,
        "source": SOURCE_ROLES,
        "azimuth_change": CHANGES["azimuth"],
        "elevation_change": CHANGES["elevation"],
        "distance_change": CHANGES["distance"],
    }.get(kind.answer_kind, ())


def _paraphrased(kept: list[_Chosen], rng: np.random.Generator) -> list[_Chosen]:
    """Deals the wordings of a kind evenly within every answer, so that none tells it."""
    by_role: dict[str, list[int]] = defaultdict(list)
    for i, each in enumerate(kept):
        by_role[each.asked.role].append(i)
    worded = list(kept)
    if not kept:
        return worded
    n = len(kept[0].kind.wordings)
    offset = int(rng.integers(n))
    for role in sorted(by_role):
        members = by_role[role]
        for rank, i in enumerate(rng.permutation(members)):
            each = kept[i]
            worded[i] = _Chosen(
                each.scene, each.family, each.kind, each.anchor, each.asked, (rank + offset) % n
            )
    return worded
