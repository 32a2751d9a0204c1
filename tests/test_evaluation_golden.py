"""Reading of answers written by hand, and of every rendering of every right answer."""

import itertools
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_audioqa.conventions import (
    DISTANCE_BINS,
    ELEVATION_CLASSES,
    SECTORS,
    distance_bin,
    elevation_class,
    sector,
)
from st_audioqa.evaluation.model import Prompt
from st_audioqa.evaluation.phrases import SYNONYMS
from st_audioqa.evaluation.reading import STATUSES, Reading, read_answer
from st_audioqa.evaluation.vocabulary import audioset_vocabulary

OPTIONS = {
    "yes_no": ("yes", "no"),
    "motion": ("moving", "stationary"),
    "sector": SECTORS,
    "elevation": ELEVATION_CLASSES,
    "distance": DISTANCE_BINS,
    "azimuth_change": ("clockwise", "counterclockwise"),
    "elevation_change": ("upward", "downward"),
    "distance_change": ("closer", "farther"),
    "source": ("bark", "violin", "both", "neither"),
    "events": (),
}
ASKED = {"yes_no": "Is there the sound of a bark in the scene?"}
VOCABULARY = audioset_vocabulary()
GOLDEN = Path(__file__).parent / "golden" / "answers.jsonl"
ROWS = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]


def reading_of(row) -> Reading:
    kind = row["kind"]
    text = row.get("question", ASKED.get(kind, "Which one is it?"))
    options = tuple(row.get("options", OPTIONS[kind]))
    return read_answer(row["response"], Prompt("q", "s", text, options, kind), VOCABULARY)


def expected(row):
    value = row.get("value")
    named = tuple(sorted(row.get("named", ())))
    return row["status"], tuple(value) if isinstance(value, list) else value, named


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']}-{row['response'][:50]}")
def test_golden_answers(row):
    found = reading_of(row)
    assert (found.status, found.value, found.named) == expected(row)


def test_golden_answers_cover_every_kind_and_status():
    assert len(ROWS) >= 400
    kinds = Counter(row["kind"] for row in ROWS)
    assert set(kinds) == set(OPTIONS)
    assert min(kinds.values()) >= 30
    for kind, options in OPTIONS.items():
        rows = [row for row in ROWS if row["kind"] == kind]
        assert {"ok", "ambiguous", "refusal"} <= {row["status"] for row in rows}
        assert set(options) <= {row["value"] for row in rows if options and "value" in row}
    assert {row["status"] for row in ROWS} == set(STATUSES) - {"error", "missing"}


# Every rendering of every right answer reads back right, and no other answer's does ----------

WRAPPERS = [
    "{}",
    "{}.",
    "**{}**",
    "Answer: {}",
    "**Answer:** {}\n\nThe rest of the scene is quiet.",
    "The answer is {}.",
    "The correct answer is: {}",
    "Final answer: {}!",
    "I choose {}.",
    '{{"answer": "{}"}}',
    '```json\n{{"answer": "{}", "confidence": 0.7}}\n```',
    '{{"answer": ["{}"]}}',
    "<think>yes, no, left, back, above, moving, 1 m, both, closer</think>\n{}",
    "I thought of left, both, up and 3 m. </think> {}",
    "<answer>{}</answer>",
    "so $\\boxed{{{}}}$",
    "It is {}.",
    "I think it is {}",
    "I'm not sure, but I would say it is {}.",
    "Which one is it? {}",
    "{}<|im_end|>",
]
CHANGES = [str, str.upper, lambda text: text.replace("-", "\u2013")]


def _turn(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0


def _side(degrees: float) -> str:
    return f"{abs(degrees):.0f} degrees to the {'left' if degrees > 0 else 'right'}"


def _sector_phrases(option: str) -> list[str]:
    centre = _turn(45.0 * SECTORS.index(option))
    clock = [f"{h} o'clock" for h in range(1, 13) if abs(_turn(-30.0 * h - centre)) <= 22.5]
    return [f"azimuth {centre:.0f} degrees", f"azimuth {centre:.0f}", _side(centre), *clock]


def _distance_phrases(option: str) -> list[str]:
    low, high = (float(edge) for edge in option.removesuffix(" m").split("-"))
    inner = (low + high) / 2
    return [
        f"{inner:.2f} m",
        f"about {inner:.2f} metres",
        f"{low:.1f}-{high:.1f}m",
        f"between {low:g} and {high:g} meters",
        f"{low:g} to {high:g} metres away",
        f"{100 * inner:.0f} cm",
        f"{inner / 0.3048:.2f} ft",
        f"{inner / 0.3048:.1f} feet",
    ]


def phrases_of(kind: str, option: str) -> list[str]:
    if kind == "sector":
        return [option, option.replace("-", " "), *_sector_phrases(option)]
    if kind == "distance":
        return [option, *_distance_phrases(option)]
    synonyms = SYNONYMS.get(kind, {}).get(option, ())
    return [option, *synonyms]


CLOSED = [(kind, option) for kind, options in OPTIONS.items() for option in options]


@pytest.mark.parametrize(("kind", "option"), CLOSED)
def test_every_rendering_reads_back_as_its_answer_and_no_other(kind, option):
    for phrase in phrases_of(kind, option):
        for wrapper in WRAPPERS:
            for change in CHANGES:
                response = wrapper.format(change(phrase))
                found = reading_of({"kind": kind, "response": response})
                assert (found.status, found.value) == ("ok", option), response


@pytest.mark.parametrize("kind", [kind for kind, options in OPTIONS.items() if options])
def test_two_different_answers_are_never_read_as_one(kind):
    for first, second in itertools.permutations(OPTIONS[kind], 2):
        for joined in (f"{first} or {second}", f"It is {first}. It is {second}.",
                       f"{first}/{second}", f"either {first} or {second}, I think"):  # fmt: skip
            found = reading_of({"kind": kind, "response": joined})
            assert found.status == "ambiguous", joined


@settings(max_examples=300, deadline=None)
@given(st.integers(-180, 180))
def test_azimuths_read_as_the_sector_that_holds_them(azimuth):
    wanted = SECTORS[int(sector(azimuth))]
    for text in (
        f"azimuth {azimuth}",
        f"azimuth: {azimuth}°",
        f"The azimuth is {azimuth} deg.",
    ):
        assert reading_of({"kind": "sector", "response": text}).value == wanted
    if azimuth:
        assert reading_of({"kind": "sector", "response": _side(azimuth)}).value == wanted


@settings(max_examples=200, deadline=None)
@given(st.integers(-90, 90))
def test_elevations_read_as_the_class_that_holds_them(elevation):
    wanted = ELEVATION_CLASSES[int(elevation_class(elevation))]
    for text in (f"elevation {elevation}", f"at an elevation of {elevation} degrees"):
        assert reading_of({"kind": "elevation", "response": text}).value == wanted


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 499))
def test_distances_read_as_the_bin_that_holds_them(centimetres):
    metres = centimetres / 100
    wanted = DISTANCE_BINS[int(distance_bin(metres))]
    for text in (f"{metres:.2f} m", f"{metres} metres", f"{centimetres} cm", f"{metres:.2f}"):
        assert reading_of({"kind": "distance", "response": text}).value == wanted


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(VOCABULARY.names)), min_size=2, max_size=2, unique=True))
def test_answers_of_grounding_read_back_for_any_two_sources(names):
    options = (*names, "both", "neither")
    for option in options:
        for wrapper in WRAPPERS:
            row = {"kind": "source", "options": options, "response": wrapper.format(option)}
            assert reading_of(row).value == option
    first, second = names
    for text, wanted in (
        (f"both the {first} and the {second}", "both"),
        (f"neither the {first} nor the {second}", "neither"),
        (f"the {first}, not the {second}", first),
    ):
        found = reading_of({"kind": "source", "options": options, "response": text})
        assert found.value == wanted


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize(
    "unit",
    ["left ", "2", "2 ", "2.", "-", ".", " ", "\n", "(", "'", "{", "[", "<think>", "</think>",
     "not ", "answer: ", "because ", "1 m or ", "azimuth ", "\\boxed{", "and a half ", "no rain, ",
     "5 o", "half a ", "the "],
)  # fmt: skip
def test_reading_a_megabyte_takes_no_longer_than_its_length_asks(kind, unit):
    text = unit * (1_000_000 // len(unit))
    begin = time.process_time()
    reading_of({"kind": kind, "response": text})
    assert time.process_time() - begin < 2.0
