"""Reading answers: golden cases by hand, then properties over every option and rendering."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_audioqa.conventions import DISTANCE_BINS, ELEVATION_CLASSES, SECTORS
from st_audioqa.evaluation.model import Prompt
from st_audioqa.evaluation.reading import Reading, read_answer
from st_audioqa.evaluation.vocabulary import Vocabulary, audioset_vocabulary
from st_audioqa.events.labels import all_labels, spoken_name

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
VOCABULARY = audioset_vocabulary()


def read(kind: str, response: str | None, options: tuple[str, ...] | None = None) -> Reading:
    text = "Is there the sound of a bark in the scene?" if kind == "yes_no" else "?"
    asked = Prompt("q", "s", text, OPTIONS[kind] if options is None else options, kind)
    return read_answer(response, asked, VOCABULARY)


GOOD = [
    # sector
    ("sector", "front-left", "front-left"),
    ("sector", "Front-Left.", "front-left"),
    ("sector", "FRONT LEFT", "front-left"),
    ("sector", "front‑left", "front-left"),
    ("sector", "It is at the front left of the listener.", "front-left"),
    ("sector", "in front and to the left", "front-left"),
    ("sector", "In front of me, slightly to the left", "front-left"),
    ("sector", "to the left and slightly ahead", "front-left"),
    ("sector", "the left front", "front-left"),
    ("sector", "ahead and to my right", "front-right"),
    ("sector", "behind", "back"),
    ("sector", "The sound comes from behind you.", "back"),
    ("sector", "right behind me", "back"),
    ("sector", "right in front of the listener", "front"),
    ("sector", "straight ahead", "front"),
    ("sector", "rear-right", "back-right"),
    ("sector", "right rear", "back-right"),
    ("sector", "behind me and to the right", "back-right"),
    ("sector", "rear", "back"),
    ("sector", "**Right**", "right"),
    ("sector", '"left"', "left"),
    ("sector", "on your left-hand side", "left"),
    ("sector", "not on the left but on the right", "right"),
    ("sector", "right, not left", "right"),
    ("sector", "The answer is: back-left", "back-left"),
    ("sector", "Answer: left\nThe sound starts in front and moves on.", "left"),
    ("sector", "First left, then front. Final answer: back", "back"),
    ("sector", "<think>left? no, front</think>right", "right"),
    ("sector", "left or right... </think>\n\nback", "back"),
    ("sector", '{"answer": "front-right"}', "front-right"),
    ("sector", '```json\n{"Answer": "front right", "confidence": 0.3}\n```', "front-right"),
    ("sector", "<answer>left</answer>", "left"),
    ("sector", "so \\boxed{\\text{back-left}}", "back-left"),
    ("sector", "left<|im_end|>", "left"),
    ("sector", "Is it left or right? It is on the right.", "right"),
    ("sector", "I'm not sure, but I think it is on the left.", "left"),
    ("sector", "left left left", "left"),
    ("sector", "\x00left\x07", "left"),
    # elevation
    ("elevation", "above", "above"),
    ("elevation", "The sound is higher up than me", "above"),
    ("elevation", "overhead", "above"),
    ("elevation", "above ear level", "above"),
    ("elevation", "below the listener's ear level", "below"),
    ("elevation", "lower", "below"),
    ("elevation", "at ear level", "level"),
    ("elevation", "Level with the listener.", "level"),
    ("elevation", "at the same height", "level"),
    ("elevation", "neither above nor below", "level"),
    ("elevation", "not above but below", "below"),
    ("elevation", "level, not above", "level"),
    ("elevation", "beneath", "below"),
    ("elevation", "How high is it: above, level or below? below", "below"),
    ("elevation", "The answer to 'How high is it: above, level or below?' is level", "level"),
    # distance
    ("distance", "2.0-2.5 m", "2.0-2.5 m"),
    ("distance", "2.0--2.5 m", "2.0-2.5 m"),
    ("distance", "2.0–2.5m", "2.0-2.5 m"),
    ("distance", "2.0 – 2.5", "2.0-2.5 m"),
    ("distance", "2 to 2.5 metres", "2.0-2.5 m"),
    ("distance", "between 2 and 2.5 meters", "2.0-2.5 m"),
    ("distance", "2.0 m - 2.5 m", "2.0-2.5 m"),
    ("distance", "2.3 m", "2.0-2.5 m"),
    ("distance", "about 2.3 metres", "2.0-2.5 m"),
    ("distance", "2,3 m", "2.0-2.5 m"),
    ("distance", "2.5 m", "2.5-3.0 m"),
    ("distance", "230 cm", "2.0-2.5 m"),
    ("distance", "7 feet", "2.0-2.5 m"),
    ("distance", "2.3 metres (about 7.5 feet)", "2.0-2.5 m"),
    ("distance", "two metres", "2.0-2.5 m"),
    ("distance", "Two and a half meters.", "2.5-3.0 m"),
    ("distance", "one point five metres", "1.5-2.0 m"),
    ("distance", "half a metre", "0.5-1.0 m"),
    ("distance", "a meter away", "1.0-1.5 m"),
    ("distance", "less than 0.5 m", "0.0-0.5 m"),
    ("distance", "5 m", "4.5-5.0 m"),
    ("distance", "At 10 s it is 1.2 m away", "1.0-1.5 m"),
    ("distance", "At the end (9-10 seconds), 3.6 m.", "3.5-4.0 m"),
    ("distance", "not 2.0-2.5 m but 2.5-3.0 m", "2.5-3.0 m"),
    ("distance", "The answer is 0.7", "0.5-1.0 m"),
    ("distance", "2.1-2.4 m", "2.0-2.5 m"),
    ("distance", "Is it 2.0-2.5 m? It is 3.2 m.", "3.0-3.5 m"),
    ("distance", '{"answer": 1.25}', "1.0-1.5 m"),
    # motion
    ("motion", "moving", "moving"),
    ("motion", "The sound moves.", "moving"),
    ("motion", "It is static", "stationary"),
    ("motion", "It stays still.", "stationary"),
    ("motion", "not moving", "stationary"),
    ("motion", "It isn't moving at all", "stationary"),
    ("motion", "It doesn't move", "stationary"),
    ("motion", "it is no longer moving", "stationary"),
    ("motion", "It is not stationary.", "moving"),
    ("motion", "still moving", "moving"),
    ("motion", "it does not stay still", "moving"),
    ("motion", "in motion", "moving"),
    ("motion", "no movement", "stationary"),
    # changes
    ("azimuth_change", "counterclockwise", "counterclockwise"),
    ("azimuth_change", "counter-clockwise", "counterclockwise"),
    ("azimuth_change", "Anti-clockwise", "counterclockwise"),
    ("azimuth_change", "It moves anticlockwise around you.", "counterclockwise"),
    ("azimuth_change", "CCW", "counterclockwise"),
    ("azimuth_change", "cw", "clockwise"),
    ("azimuth_change", "clockwise rather than counterclockwise", "clockwise"),
    ("azimuth_change", "clockwise, not counterclockwise", "clockwise"),
    ("azimuth_change", "Clockwise or counterclockwise? Clockwise!", "clockwise"),
    ("elevation_change", "upwards", "upward"),
    ("elevation_change", "It rises", "upward"),
    ("elevation_change", "descending", "downward"),
    ("elevation_change", "it goes down", "downward"),
    ("distance_change", "nearer", "closer"),
    ("distance_change", "It approaches the listener", "closer"),
    ("distance_change", "moves toward you", "closer"),
    ("distance_change", "further away", "farther"),
    ("distance_change", "The distance increases.", "farther"),
    ("distance_change", "it's receding", "farther"),
    # yes and no
    ("yes_no", "yes", "yes"),
    ("yes_no", "Yes.", "yes"),
    ("yes_no", "The answer is yes", "yes"),
    ("yes_no", "Yes, a dog barks, no doubt.", "yes"),
    ("yes_no", "No, it does not.", "no"),
    ("yes_no", "No, there is a dog instead.", "no"),
    ("yes_no", "it does not", "no"),
    ("yes_no", "It doesn't.", "no"),
    ("yes_no", "it does", "yes"),
    ("yes_no", "There is no bark in the audio.", "no"),
    ("yes_no", "There is a bark.", "yes"),
    ("yes_no", "I can hear it", "yes"),
    ("yes_no", "I cannot hear a dog", "no"),
    ("yes_no", "I would say yes", "yes"),
    ("yes_no", "True", "yes"),
    ("yes_no", "nope", "no"),
    ("yes_no", '{"answer": false}', "no"),
    ("yes_no", "Yes, I know.", "yes"),
    ("yes_no", "It is not audible", "no"),
    ("yes_no", "Based on the audio, no is correct.", "no"),
    # sources
    ("source", "bark", "bark"),
    ("source", "The bark.", "bark"),
    ("source", "the barking", "bark"),
    ("source", "fiddle", "violin"),
    ("source", "Violin, fiddle", "violin"),
    ("source", "bark, not violin", "bark"),
    ("source", "both", "both"),
    ("source", "Both of them", "both"),
    ("source", "both the bark and the violin", "both"),
    ("source", "the bark and the violin", "both"),
    ("source", "neither", "neither"),
    ("source", "neither the bark nor the violin", "neither"),
    ("source", "None of them.", "neither"),
    ("source", "Answer: neither", "neither"),
    ("source", "Bark or violin: which one gets closer? violin", "violin"),
]

BAD = [
    ("sector", "left or right", "ambiguous"),
    ("sector", "left, front", "ambiguous"),
    ("sector", "front-left or left", "ambiguous"),
    ("sector", "left/right", "ambiguous"),
    ("sector", "The answer is left. The answer is right.", "ambiguous"),
    ("sector", "front, front-left, left, back-left, back", "ambiguous"),
    ("sector", "I cannot determine whether it is on the left.", "refusal"),
    ("sector", "As an AI, I have no ears to the left.", "refusal"),
    ("sector", "Sorry.", "refusal"),
    ("sector", "unknown", "refusal"),
    ("sector", "N/A", "refusal"),
    ("sector", "banana", "ambiguous"),
    ("sector", "leftover", "ambiguous"),
    ("sector", "frontal", "ambiguous"),
    ("sector", "not left", "ambiguous"),
    ("sector", "", "empty"),
    ("sector", " .\n", "empty"),
    ("sector", "<think>left", "empty"),
    ("sector", "<think>left</think>", "empty"),
    ("sector", '{"answer": null}', "empty"),
    ("sector", None, "missing"),
    ("elevation", "above or below", "ambiguous"),
    ("elevation", "yes", "ambiguous"),
    ("distance", "2-3 m", "ambiguous"),
    ("distance", "2.0-2.5 m or 2.5-3.0 m", "ambiguous"),
    ("distance", "1.2 m and 3.4 m", "ambiguous"),
    ("distance", "7 m", "ambiguous"),
    ("distance", "close", "ambiguous"),
    ("distance", "90 degrees", "ambiguous"),
    ("distance", "10 seconds", "ambiguous"),
    ("distance", "the near one", "ambiguous"),
    ("distance", "more than 2 m", "ambiguous"),
    ("motion", "moving or stationary", "ambiguous"),
    ("motion", "I can't tell if it is moving", "refusal"),
    ("motion", "removing", "ambiguous"),
    ("azimuth_change", "clockwise or counterclockwise", "ambiguous"),
    ("azimuth_change", "not clockwise", "ambiguous"),
    ("azimuth_change", "to the left", "ambiguous"),
    ("distance_change", "closer, then farther", "ambiguous"),
    ("yes_no", "yes and no", "ambiguous"),
    ("yes_no", "Yes/No", "ambiguous"),
    ("yes_no", "yes or no", "ambiguous"),
    ("yes_no", "Yes. Actually, no.", "ambiguous"),
    ("yes_no", "yesterday", "ambiguous"),
    ("yes_no", "I know", "ambiguous"),
    ("yes_no", "I don't know", "refusal"),
    ("source", "bark or violin", "ambiguous"),
    ("source", "either the bark or the violin", "ambiguous"),
    ("source", "both or neither", "ambiguous"),
    ("source", "both, but mostly the bark", "ambiguous"),
    ("source", "piano", "ambiguous"),
    ("source", "embark", "ambiguous"),
    ("events", "qwertz", "ambiguous"),
    ("events", "I am unable to listen to speech.", "refusal"),
]

LISTS = [
    ("bark", ("bark",), True),
    ("Bark.", ("bark",), True),
    ("bark; violin", ("bark", "violin"), True),
    ("violin;bark", ("bark", "violin"), True),
    ("bark, violin", ("bark", "violin"), False),
    ("bark and violin", ("bark", "violin"), False),
    ("I hear a bark and a violin.", ("bark", "violin"), False),
    ("Bird vocalization, bird call, bird song", ("bird vocalization",), False),
    ("bird vocalization; bird song", ("bird vocalization",), False),
    ("bird vocalization, bark", ("bark", "bird vocalization"), False),
    ("Accelerating, revving, vroom; Bark", ("accelerating", "bark"), False),
    ("bass guitar", ("bass guitar",), True),
    ("bass guitar, guitar", ("bass guitar", "guitar"), False),
    ("electric guitars", ("electric guitar",), False),
    ("a bark, no violin", ("bark",), False),
    ('{"answer": ["bark", "violin"]}', ("bark", "violin"), False),
    ("- bark\n- violin", ("bark", "violin"), False),
    ("<think>speech?</think>bark", ("bark",), False),
    ("tick-tock", ("tick-tock",), True),
    ("tick tock", ("tick-tock",), True),
    ("bark; bark", ("bark",), True),
    ("The answer is bark; violin.", ("bark", "violin"), False),
    ("Answer:\n- bark\n- violin\n\nI heard no rain, nor speech.", ("bark", "violin"), False),
    ("What can be heard: a dog or speech? bark", ("bark",), False),
]


@pytest.mark.parametrize(("kind", "response", "value"), GOOD)
def test_readable_answers(kind, response, value):
    found = read(kind, response)
    assert (found.status, found.value) == ("ok", value)


@pytest.mark.parametrize(("kind", "response", "status"), BAD)
def test_answers_that_cannot_be_read(kind, response, status):
    found = read(kind, response)
    assert (found.status, found.value) == (status, None)


@pytest.mark.parametrize(("response", "names", "exact"), LISTS)
def test_event_lists(response, names, exact):
    assert read("events", response) == Reading("ok", names, exact)


def test_there_are_enough_golden_cases():
    assert len(GOOD) + len(BAD) + len(LISTS) >= 120
    assert len({(kind, response) for kind, response, _ in [*GOOD, *BAD]}) == len(GOOD) + len(
        BAD
    )


@pytest.mark.parametrize(
    ("kind", "response", "exact"),
    [
        ("sector", " Front-Left. ", True),
        ("sector", "front left", True),
        ("sector", "It is front-left", False),
        ("distance", "2.0–2.5 M", True),
        ("distance", "2.0-2.5", False),
        ("yes_no", "YES!", True),
        ("yes_no", "yes, it does", False),
        ("source", "the bark", False),
    ],
)
def test_exactness(kind, response, exact):
    assert read(kind, response).exact is exact


def test_longer_names_win():
    options = ("guitar", "bass guitar", "both", "neither")
    assert read("source", "the bass guitar", options).value == "bass guitar"
    assert read("source", "the guitar", options).value == "guitar"
    assert read("source", "guitar and bass guitar", options).value == "both"
    assert read("source", "guitar or bass guitar", options).status == "ambiguous"


def test_alias_of_both_sources_names_neither():
    vocabulary = Vocabulary(("bark", "howl"), {"dog sound": "bark"})
    asked = Prompt("q", "s", "?", ("bark", "howl", "both", "neither"), "source")
    assert read_answer("dog sound", asked, vocabulary).value == "bark"


def test_kinds_that_nobody_knows_are_read_by_their_options():
    found = read_answer("It is the red one.", Prompt("q", "s", "?", ("red", "blue"), "colour"),
                        VOCABULARY)  # fmt: skip
    assert found.value == "red"


def test_only_options_of_the_question_count():
    assert read("sector", "back-left", ("front", "back")).status == "ambiguous"


CLOSED = [(kind, option) for kind, options in OPTIONS.items() for option in options]
RENDERINGS = [
    "{}",
    " {}\n",
    "{}.",
    "**{}**",
    '"{}"',
    "`{}`",
    "Answer: {}",
    "The answer is {}.",
    "The correct answer is: {}",
    "Final answer: {}!",
    '{{"answer": "{}"}}',
    "<think>yes, left, moving, 1 m</think>\n{}",
    "<answer>{}</answer>",
    "\\boxed{{{}}}",
    "It is {}.",
    "I think it is {}",
]
CHANGES = [str, str.upper, str.title, lambda text: text.replace("-", "\u2013"),
           lambda text: text.replace("-", " - ")]  # fmt: skip


@pytest.mark.parametrize(("kind", "option"), CLOSED)
@pytest.mark.parametrize("rendering", RENDERINGS)
def test_every_rendering_of_every_option_reads_back(kind, option, rendering):
    for change in CHANGES:
        found = read(kind, rendering.format(change(option)))
        assert (found.status, found.value) == ("ok", option)


@pytest.mark.parametrize("known", all_labels(), ids=lambda known: known.name)
def test_every_label_reads_back(known):
    spoken = spoken_name(known.name)
    assert read("events", spoken) == Reading("ok", (spoken,), exact=True)
    for rendering in (known.name, f"I hear {spoken}.", spoken.upper(), f"Answer: {spoken}"):
        assert read("events", rendering).value == (spoken,)


NAMES = sorted(VOCABULARY.names)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
def test_lists_of_labels_read_back(names):
    expected = tuple(sorted(names))
    assert read("events", "; ".join(names)) == Reading("ok", expected, exact=True)
    assert read("events", "\n".join(names)).value == expected
    assert read("events", "The answer is " + "; ".join(names[:1])).value == (names[0],)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(OPTIONS)), st.text(max_size=200))
def test_any_text_gets_a_status(kind, text):
    found = read(kind, text)
    assert (found.value is None) == (found.status != "ok")


@pytest.mark.parametrize(
    "unit", ["{", "<think>", "left ", "2.0-", "answer is ", "yes, ", "?", "a"]
)
def test_long_responses_are_bounded(unit):
    text = unit * (10_000_000 // len(unit))
    for kind in OPTIONS:
        read(kind, text)
    assert read("sector", f"{text} <think></think> Final answer: back").value in ("back", None)


def test_answer_at_the_end_of_long_thinking_is_read():
    assert read("sector", f"<think>{'left or front. ' * 100_000}</think>back").value == "back"
