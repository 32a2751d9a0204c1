"""What answers are called besides their own names: data for `st_audioqa.evaluation.reading`.

Phrases are folded before use, so hyphens, case and punctuation do not matter here. A negated
phrase need not be listed; `reading` sees "not" and its like in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ELLIPSES",
    "FILLERS",
    "HARD_REFUSALS",
    "INTERJECTIONS",
    "JOINERS",
    "NEGATIONS",
    "NEGATION_GAP",
    "OF_LEVEL",
    "SOFT_REFUSALS",
    "SYNONYMS",
    "TURNS",
]


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


SYNONYMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sector": {
        "front": (
            *("in front", "ahead", "straight ahead", "dead ahead", "forward", "forwards"),
            *("right in front", "right ahead", "directly in front", "in the front"),
        ),
        "front-left": ("frontleft", "left front", "forward left"),
        "left": ("leftward", "leftwards", "left side", "left hand side"),
        "back-left": ("backleft", "left back", "rear left", "left rear", "behind left"),
        "back": (
            *("behind", "rear", "backward", "backwards", "in back", "in the back"),
            *("right behind", "directly behind", "at the back"),
        ),
        "back-right": ("backright", "right back", "rear right", "right rear", "behind right"),
        "right": ("rightward", "rightwards", "right side", "right hand side"),
        "front-right": ("frontright", "right front", "forward right"),
    },
    "elevation": {
        "above": (
            *("higher", "high", "higher up", "up", "overhead", "upper", "top", "elevated"),
            *("over my head", "over your head", "over the listener", "upward", "upwards"),
        ),
        "level": (
            *("ear level", "eye level", "head level", "ear height", "eye height", "horizontal"),
            *("head height", "same height", "same level", "horizontal plane", "horizontally"),
            *("neither above nor below", "neither high nor low", "not above or below"),
        ),
        "below": (
            *("lower", "low", "lower down", "down", "beneath", "under", "underneath", "bottom"),
            *("downward", "downwards"),
        ),
    },
    "count": {
        "0": ("zero", "none", "no source", "no sources"),
        "1": ("one",),
        "2": ("two",),
        "3": ("three",),
        "4": ("four",),
    },
    "one_two": {"one": ("1", "single"), "two": ("2", "both")},
    "pace": {
        "speeds up": ("speed up", "speeding up", "faster", "accelerates", "accelerating"),
        "slows down": ("slow down", "slowing down", "slower", "decelerates", "decelerating"),
        "keeps its speed": ("keep its speed", "constant speed", "same speed", "steady speed"),
    },
    "motion": {
        "moving": (
            *("move", "moves", "moved", "in motion", "movement", "motion", "mobile", "dynamic"),
            *("travel", "travels", "travelling", "traveling", "still moving", "still moves"),
            *("still in motion", "changes position", "change position", "changing position"),
        ),
        "stationary": (
            *("static", "still", "motionless", "immobile", "fixed", "unmoving", "immovable"),
            *("stays still", "stay still", "remains still", "remain still", "stands still"),
            *("standing still", "stays put", "stay put", "stays in place", "stay in place"),
            *("remains in place", "remain in place", "stationery", "non moving", "nonmoving"),
        ),
    },
    "azimuth_change": {
        "clockwise": ("cw", "clock wise"),
        "counterclockwise": (
            *("counter clockwise", "anticlockwise", "anti clockwise", "ccw", "acw"),
            *("contraclockwise", "contra clockwise", "counter clock wise"),
            *("anti clock wise", "counterclock wise"),
        ),
    },
    "elevation_change": {
        "upward": (
            *("upwards", "up", "rise", "rises", "rising", "rose", "ascend", "ascends"),
            *("ascending", "higher", "climb", "climbs", "climbing"),
        ),
        "downward": (
            *("downwards", "down", "fall", "falls", "falling", "descend", "descends"),
            *("descending", "lower", "sink", "sinks", "sinking", "drop", "drops", "dropping"),
        ),
    },
    "distance_change": {
        "closer": (
            *("close", "near", "nearer", "approach", "approaches", "approaching", "toward"),
            *("towards", "distance decreases", "distance is decreasing", "less distant"),
            *("less far", "comes in"),
        ),
        "farther": (
            *("further", "far", "away", "farther away", "further away", "recede", "recedes"),
            *("receding", "more distant", "distance increases", "distance is increasing"),
            *("less close", "less near"),
        ),
    },
    "yes_no": {
        "yes": (
            *("yeah", "yep", "yup", "true", "correct", "affirmative", "i hear", "i do hear"),
            *("can be heard", "can hear", "is present", "are present", "is audible"),
            *("are audible", "is heard", "there is a", "there is an", "there is some"),
        ),
        "no": (
            *("nope", "nah", "false", "incorrect", "not", "never", "absent", "inaudible"),
            *("it does not", "it is not", "there is no", "there is not", "there are no"),
            *("doesnt", "isnt", "arent", "dont", "didnt", "wasnt", "cannot", "cant"),
            *("i hear no", "can hear no", "can not", "is not", "not the case"),
            *("is not present", "is not audible", "cannot be heard", "cant be heard"),
            *("not correct", "not true", "cannot hear", "cant hear", "no is correct"),
        ),
    },
    "source": {
        "both": ("both of them", "the two of them", "each of them"),
        "neither": ("none", "neither of them", "none of them", "neither one", "nor"),
    },
}
"""Answer kind -> answer -> further phrases for it (the answer itself need not be repeated)."""

NEGATIONS = _words(
    "not no never isnt doesnt arent dont didnt wasnt cannot cant nor without than"
)
"""A mention behind one of these is taken back."""

NEGATION_GAP = _words(
    "a an the to on in at from of it its is be been being really actually my your longer any",
    "clearly exactly directly just move moving go going get getting seem appear come coming",
    "show stay staying remain remaining do does did have has",
)
"""Words that may stand between a negation and what it takes back."""

INTERJECTIONS: Mapping[str, str] = {
    **dict.fromkeys(("yes", "yeah", "yep", "yup", "true", "correct", "affirmative"), "yes"),
    **dict.fromkeys(("no", "nope", "nah", "false", "incorrect", "negative"), "no"),
}
"""Words that answer a yes/no question by themselves."""

ELLIPSES = frozenset(
    [
        *[("it", "does"), ("it", "is"), ("it", "did"), ("they", "do"), ("they", "are")],
        *[("there", "is"), ("there", "are"), ("i", "do"), ("it", "can")],
    ]
)
"""Ends of a clause that mean yes."""

HARD_REFUSALS = (
    *("cannot determine", "cant determine", "can not determine", "cannot be determined"),
    *("cannot tell", "cant tell", "can not tell", "cannot answer", "cant answer"),
    *("cannot say", "cant say", "cannot identify", "cant identify", "cannot process"),
    *("cant process", "cannot listen", "cant listen", "cannot access", "cant access"),
    *("unable to", "not able to", "do not know", "dont know", "not sure", "unsure"),
    *("no audio", "as an ai", "impossible to", "not possible to", "not enough information"),
    *("hard to tell", "hard to say", "difficult to tell", "difficult to say"),
    *("difficult to determine", "cannot provide", "cant provide", "cannot hear any audio"),
    *("cannot assist", "cant assist", "cannot help", "cant help"),
)
"""A response with one of these is a refusal, whatever options it names on the way."""

SOFT_REFUSALS = (
    *("sorry", "unclear", "uncertain", "unknown", "n / a", "na", "insufficient information"),
    *("i cannot", "i cant", "undetermined", "indeterminate", "unanswerable", "not applicable"),
    *("not clear", "no idea", "ambiguous"),
)
"""A response with one of these is a refusal where no answer is found in it."""

TURNS = _words("but however though guess")
"""Words after which a refusal may still give an answer."""

JOINERS = _words(
    "and but also slightly somewhat a bit little to the my your its on in at of me you us",
    "listener listeners side hand toward towards from",
)
"""Words that may join "front" and "left" to one sector."""

OF_LEVEL = _words("the my your our their listener listeners ear ears eye of s")
"""Words that may stand between "above" and "level" in "above ear level"."""

FILLERS = _words(
    "actually wait oh well hmm so or and but maybe perhaps probably rather i think would say",
    "guess id it its is the answer therefore thus hence then",
)
"""Words that may stand before an interjection."""
