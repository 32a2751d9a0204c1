"""What answers are called besides their own names: data for `st_audioqa.evaluation.reading`.

Phrases are folded before use, so hyphens, case and punctuation do not matter here. A negated
phrase need not be listed; `reading` sees "not" and its like in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ABSENCE",
    "ELLIPSES",
    "FILLERS",
    "HARD_REFUSALS",
    "HEDGES",
    "IDIOMS",
    "INTERJECTIONS",
    "JOINERS",
    "MAKERS",
    "NEGATIONS",
    "NEGATION_GAP",
    "OF_LEVEL",
    "PART_STOPWORDS",
    "PRESENCE",
    "REPEALS",
    "SOFT_REFUSALS",
    "SYNONYMS",
    "TURNS",
    "VERDICTS",
]


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


SYNONYMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sector": {
        "front": (
            *("in front", "ahead", "straight ahead", "dead ahead", "forward", "forwards"),
            *("right in front", "right ahead", "directly in front", "in the front", "north"),
            *("due north", "frontal direction", "facing me", "facing you"),
        ),
        "front-left": (
            *("frontleft", "left front", "forward left", "front and left", "northwest"),
            *("north west", "nw", "left forward", "ahead left"),
        ),
        "left": (
            *("leftward", "leftwards", "left side", "left hand side", "lefthand side", "west"),
            *("due west",),
        ),
        "back-left": (
            *("backleft", "left back", "rear left", "left rear", "behind left", "southwest"),
            *("south west", "sw", "left behind", "back and left"),
        ),
        "back": (
            *("behind", "rear", "backward", "backwards", "in back", "in the back"),
            *("right behind", "directly behind", "at the back", "south", "due south"),
        ),
        "back-right": (
            *("backright", "right back", "rear right", "right rear", "behind right"),
            *("southeast", "south east", "se"),
        ),
        "right": (
            *("rightward", "rightwards", "right side", "right hand side", "righthand side"),
            *("east", "due east"),
        ),
        "front-right": (
            *("frontright", "right front", "forward right", "northeast", "north east", "ne"),
            *("right forward", "ahead right"),
        ),
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
            *("neither below nor above", "neither higher nor lower", "neither up nor down"),
            *("not below or above", "same elevation", "ear line", "shoulder height"),
            *("at my height", "at your height", "on my level", "on your level"),
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
            *("changes its position", "change its position", "changing its position"),
            *("changes location", "change location", "changing location", "circling"),
            *("changes its location", "change its location", "changing its location"),
            *("shifts position", "shifting position", "drifting", "drifts", "approaching"),
            *("receding", "orbiting", "passing by", "passes by", "panning", "travelled"),
        ),
        "stationary": (
            *("static", "still", "motionless", "immobile", "fixed", "unmoving", "immovable"),
            *("stays still", "stay still", "remains still", "remain still", "stands still"),
            *("standing still", "stays put", "stay put", "stays in place", "stay in place"),
            *("remains in place", "remain in place", "stationery", "non moving", "nonmoving"),
            *("same place", "same position", "same location", "same spot", "one place"),
            *("one spot", "one position", "one location", "in place", "completely still"),
            *("perfectly still", "at rest", "not mobile", "no longer in motion"),
        ),
    },
    "azimuth_change": {
        "clockwise": ("cw", "clock wise", "azimuth decreases", "azimuth is decreasing"),
        "counterclockwise": (
            *("counter clockwise", "anticlockwise", "anti clockwise", "ccw", "acw"),
            *("contraclockwise", "contra clockwise", "counter clock wise"),
            *("anti clock wise", "counterclock wise", "azimuth increases"),
            *("azimuth is increasing",),
        ),
    },
    "elevation_change": {
        "upward": (
            *("upwards", "up", "rise", "rises", "rising", "rose", "ascend", "ascends"),
            *("ascending", "higher", "climb", "climbs", "climbing", "risen", "elevates"),
            *("upper", "rises up", "lifts", "elevation increases"),
            *("elevation is increasing",),
        ),
        "downward": (
            *("downwards", "down", "fall", "falls", "falling", "descend", "descends"),
            *("descending", "lower", "sink", "sinks", "sinking", "drop", "drops", "dropping"),
            *("lowers", "elevation decreases", "elevation is decreasing"),
        ),
    },
    "distance_change": {
        "closer": (
            *("nearer", "approach", "approaches", "approaching", "toward", "towards"),
            *("approached", "distance decreases", "distance is decreasing", "less distant"),
            *("less far", "comes in", "coming in", "decreasing distance", "comes near"),
        ),
        "farther": (
            *("further", "away", "farther away", "further away", "recede", "recedes"),
            *("receding", "more distant", "distance increases", "distance is increasing"),
            *("less close", "less near", "increasing distance", "farther off", "further off"),
        ),
    },
    "source": {
        "both": (
            *("both of them", "the two of them", "each of them", "all of them", "each one"),
            *("the both", "each of the two", "both sounds", "both sources"),
        ),
        "neither": (
            *("none", "neither of them", "none of them", "neither one", "nor", "no one"),
            *("not either", "neither sound", "neither source", "no source", "no sound"),
            *("neither of the two", "none of the two", "not one of them"),
        ),
    },
}
"""Answer kind -> answer -> further phrases for it (the answer itself need not be repeated)."""

NEGATIONS = _words(
    "not no never isnt doesnt arent dont didnt wasnt cannot cant nor without than unlike neither",
    "werent hasnt havent wont wouldnt couldnt excluding versus opposed",
)
"""A mention behind one of these is taken back."""

NEGATION_GAP = _words(
    "a an the to on in at from of it its is be been being really actually my your longer any",
    "clearly exactly directly just move moving go going get getting seem appear come coming",
    "show stay staying remain remaining do does did have has significant noticeable apparent",
    "obvious perceptible clear located coming sound sounds quite entirely fully sign signs",
    "far hear heard contain detect notice perceive",
)
"""Words that may stand between a negation and what it takes back."""

HEDGES = _words("slightly somewhat little bit")
"""Words that make a side narrower: "slightly to the left"."""

REPEALS = _words(
    "actually wait correction rather alternatively maybe perhaps possibly or might could however",
    "though although but no unsure second sorry mean reconsidering",
)
"""Words after which what was said first may no longer hold."""

IDIOMS: Mapping[str, tuple[str, ...]] = {
    "sector": (
        *(
            "right now",
            "all right",
            "right away",
            "thats right",
            "that is right",
            "youre right",
        ),
        *("what is left", "left the room", "right answer", "right at the", "right next to"),
        *("right before", "right after", "right at", "as is right", "right option"),
        *("back and forth", "come back", "comes back", "coming back", "looking forward"),
        *("back of the clip", "move forward", "put forward", "straightforward", "back then"),
        *("audio played back", "get back", "go back", "in the background"),
    ),
    "elevation": (
        *("high pitched", "high pitch", "high frequency", "high frequencies", "low frequency"),
        *("low pitched", "low pitch", "low frequencies", "high quality", "low quality"),
        *("low volume", "high volume", "sound level", "noise level", "volume level"),
        *("high confidence", "low confidence", "high level", "low level", "up to", "end up"),
        *(
            "slow down",
            "slows down",
            "made up",
            "break down",
            "sound pressure level",
            "up close",
        ),
        *("highly likely", "low intensity", "high intensity", "confidence level"),
        *("higher pitched", "lower pitched", "higher pitch", "lower pitch", "level of detail"),
        *("higher frequencies", "lower frequencies", "loudness level", "db level"),
        *("listed above", "mentioned above", "as above", "listed below", "mentioned below"),
        *("higher volume", "lower volume", "high likelihood", "picked up", "volume is high"),
        *("volume is low", "pitch is high", "pitch is low", "level is constant", "low end"),
    ),
    "elevation_change": (
        *("up to", "end up", "ends up", "slow down", "slows down", "drop in volume"),
        *("falls silent", "fall silent", "drops in volume", "high pitched", "pick up"),
        *("higher pitch", "lower pitch", "higher pitched", "lower pitched", "rises in pitch"),
        *("falls in pitch", "rising pitch", "falling pitch", "lower volume", "higher volume"),
        *(
            "rises in volume",
            "falls in volume",
            "picks up",
            "sum up",
            "falls into",
            "speeds up",
        ),
    ),
    "motion": (
        *("moving on", "moving forward with", "motion picture", "static noise", "still image"),
        *("moving average", "fixed option", "static electricity", "radio static"),
    ),
    "distance_change": (
        *("towards the end", "toward the end", "towards the beginning", "towards the middle"),
        *("toward the beginning", "toward the middle", "towards the start", "fades away"),
        *("right away", "straight away", "fade away", "fading away", "toward the start"),
        *("approach to", "my approach", "this approach", "the approach is", "closer look"),
        *("metres away", "meters away", "m away", "upon closer inspection", "listening closer"),
    ),
    "source": ("none of the above", "no sound source", "both channels", "both ears"),
}
"""Phrases that hold the word of an answer and do not mean it, per kind."""

PART_STOPWORDS = _words(
    "the and for with sound sounds noise music instrument vehicle light medium heavy musical other",
    "etc open close passing general one two both not none both neither that this from left right",
)
"""Words of a label that do not tell a source by themselves."""

MAKERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("bark", "bow-wow", "yip", "howl", "growling"), ("dog", "puppy")),
    "dog whimper": ("dog", "puppy", "whimper"),
    **dict.fromkeys(("meow", "purr", "caterwaul"), ("cat", "kitten")),
    **dict.fromkeys(("neigh", "clip-clop"), ("horse",)),
    "moo": ("cow", "cattle"),
    "oink": ("pig",),
    "bleat": ("sheep", "goat", "lamb"),
    "cluck": ("chicken", "hen"),
    "crowing": ("rooster", "cockerel", "cock"),
    "gobble": ("turkey",),
    "quack": ("duck",),
    "honk": ("goose", "geese"),
    **dict.fromkeys(("roar", "roaring cats"), ("lion", "tiger")),
    **dict.fromkeys(("bird vocalization", "chirp", "squawk"), ("bird",)),
    "coo": ("pigeon", "dove"),
    "caw": ("crow", "raven"),
    "hoot": ("owl",),
    "croak": ("frog",),
    "male speech": ("man", "male voice", "male speaker", "man talking", "men"),
    "female speech": ("woman", "female voice", "female speaker", "lady", "women"),
    "child speech": ("child", "kid", "childs voice"),
    "speech": ("talking", "speaker", "voice", "person speaking", "person talking"),
    "male singing": ("man", "male singer", "male voice"),
    "female singing": ("woman", "female singer", "female voice"),
    "baby cry": ("baby", "infant"),
    "baby laughter": ("baby", "infant"),
    "footsteps": ("steps", "walking", "person walking", "walk"),
    "laughter": ("laugh", "person laughing", "laughing"),
    "telephone bell ringing": ("phone", "telephone", "ringing phone"),
    "gunshot": ("gun", "shot", "gunfire"),
    "water tap": ("tap", "faucet", "running water"),
    "waves": ("sea", "ocean", "surf"),
    "tick-tock": ("clock",),
    "tick": ("clock",),
    "fixed-wing aircraft": ("plane", "airplane", "aeroplane"),
    "jet engine": ("jet",),
    "sawing": ("saw",),
    "computer keyboard": ("keyboard", "typing"),
    "vacuum cleaner": ("vacuum", "hoover"),
    "lawn mower": ("mower", "lawnmower"),
    "motorcycle": ("motorbike",),
    "police car siren": ("police siren", "police car", "siren"),
    "ambulance siren": ("ambulance", "siren"),
    "fire engine siren": ("fire truck", "fire engine", "siren"),
}
"""Spoken name of a source -> what people call its maker."""

INTERJECTIONS: Mapping[str, str] = {
    **dict.fromkeys(("yes", "yeah", "yep", "yup", "true", "correct", "affirmative"), "yes"),
    **dict.fromkeys(("no", "nope", "nah", "false", "incorrect", "negative"), "no"),
}
"""Words that answer a yes/no question by themselves."""

ELLIPSES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("it does", "it is", "it did", "they do", "they are", "there is", "there are"),
            *("i do", "it can", "i can", "it was", "they did", "that is so"),
            *("think so", "believe so", "of course", "most certainly"),
        ),
        "yes",
    ),
    **dict.fromkeys(
        (
            *("it doesnt", "it isnt", "it didnt", "they dont", "they arent", "there isnt"),
            *("does not", "is not", "did not", "do not", "are not", "i dont", "there arent"),
            *("i cant", "can not", "it cant", "it cannot", "was not", "it wasnt"),
            *("definitely not", "absolutely not", "certainly not", "probably not"),
            *("of course not", "think not", "dont think so", "not think so"),
            *("dont believe so", "not believe so"),
        ),
        "no",
    ),
}
"""Ends of a clause that answer by themselves."""

VERDICTS: Mapping[str, str] = {
    **dict.fromkeys(
        ("that is correct", "thats correct", "that is true", "thats true", "this is correct"),
        "yes",
    ),
    **dict.fromkeys(("this is true", "yes is correct", "statement is true"), "yes"),
    **dict.fromkeys(
        ("not the case", "not correct", "not true", "no is correct", "that is false"), "no"
    ),
    **dict.fromkeys(
        (
            "this is false",
            "that is incorrect",
            "statement is false",
            "isnt true",
            "isnt correct",
        ),
        "no",
    ),
}
"""Phrases that answer any yes/no question."""

PRESENCE = (
    *("i hear", "i do hear", "i heard", "can be heard", "can hear", "could hear", "is present"),
    *("are present", "is audible", "are audible", "is heard", "there is a", "there is an"),
    *("there is some", "there is the", "audio contains", "recording contains", "clip contains"),
    *(
        "scene contains",
        "it contains",
        "recording includes",
        "audio includes",
        "is clearly heard",
    ),
    *("is clearly audible", "is definitely present", "is indeed present", "audio features"),
    *("is clearly present", "can clearly be heard", "can clearly hear", "was heard"),
    *("there are some", "is in the recording", "is in the audio", "does occur"),
)
"""Statements that a sound can be heard."""

ABSENCE = (
    *("there is no", "there is not", "there are no", "there isnt", "i hear no", "can hear no"),
    *("do not hear", "dont hear", "did not hear", "didnt hear", "cannot hear", "cant hear"),
    *("can not hear", "is not present", "isnt present", "is not audible", "isnt audible"),
    *("cannot be heard", "cant be heard", "can not be heard", "is absent", "inaudible"),
    *("is not heard", "isnt heard", "does not contain", "doesnt contain", "not in the audio"),
    *("does not include", "doesnt include", "not in the recording", "does not occur"),
    *("doesnt occur", "are not present", "was not heard", "couldnt hear", "could not hear"),
    *("not contain", "is not among", "isnt among", "are not audible", "never heard"),
)
"""Statements that a sound cannot be heard."""

HARD_REFUSALS = (
    *("cannot determine", "cant determine", "can not determine", "cannot be determined"),
    *("cannot tell", "cant tell", "can not tell", "cannot answer", "cant answer"),
    *("cannot say", "cant say", "cannot identify", "cant identify", "cannot process"),
    *("cant process", "cannot listen", "cant listen", "cannot access", "cant access"),
    *("unable to", "not able to", "do not know", "dont know", "not sure", "unsure"),
    *("no audio", "as an ai", "impossible to", "not possible to", "not enough information"),
    *("hard to tell", "hard to say", "difficult to tell", "difficult to say"),
    *("difficult to determine", "cannot provide", "cant provide", "cannot hear any audio"),
    *("cannot assist", "cant assist", "cannot help", "cant help", "cannot be identified"),
    *("cant be determined", "can not be determined", "not clear", "isnt clear", "unclear"),
    *("uncertain", "cannot analyze", "cannot analyse", "cant analyze", "cant analyse"),
    *("could not determine", "couldnt determine", "could not tell", "couldnt tell"),
    *("do not have access", "dont have access", "do not have the ability", "not specified"),
    *("dont have the ability", "do not have enough", "dont have enough", "as a text"),
    *("as a language model", "insufficient information", "cannot be answered", "not certain"),
    *("cannot play", "cannot directly", "cant directly", "please provide", "please upload"),
    *("without the audio", "without access", "without hearing", "without more information"),
    *("difficult to discern", "cannot discern", "cant discern", "cannot determined"),
    *("difficult to identify", "difficult to ascertain", "cannot ascertain", "have no idea"),
    *(
        "doesnt provide",
        "does not provide",
        "no way to tell",
        "no way to know",
        "i have no way",
    ),
    *("can not answer", "can not say", "hard to determine", "cannot hear the audio", "no idea"),
    *("cannot confirm", "cant confirm", "cannot conclude", "cannot specify", "dont have ears"),
    *(
        "cannot perceive",
        "cant perceive",
        "not determinable",
        "cannot reliably",
        "cannot infer",
    ),
    *("dont think i can", "do not think i can", "dont believe i can", "language model"),
    *("cant hear the audio", "cannot hear audio", "cant hear audio", "not discernible"),
)
"""A part of a response with one of these refuses, whatever options it names on the way."""

SOFT_REFUSALS = (
    *("sorry", "unknown", "n / a", "na", "i cannot", "i cant", "undetermined", "apologize"),
    *("indeterminate", "unanswerable", "not applicable", "ambiguous", "apologise"),
    *("not available", "undefined", "undeterminable", "no answer", "not given", "idk"),
)
"""A response with one of these is a refusal where no answer is found in it."""

TURNS = _words("but however though although guess nevertheless nonetheless believe think")
"""Words that part a refusal from an answer that is given all the same."""

JOINERS = _words(
    "and but also slightly somewhat a bit little to the my your its on in at of me you us off",
    "listener listeners side hand toward towards from very just more",
)
"""Words that may join "front" and "left" to one sector."""

OF_LEVEL = _words("the my your our their listener listeners ear ears eye of s head heads")
"""Words that may stand between "above" and "level" in "above ear level"."""

FILLERS = _words(
    "actually wait oh well hmm so or and but maybe perhaps probably rather i think would say",
    "guess id it its is the answer therefore thus hence then based on audio believe ok okay",
    "assistant sure definitely most likely",
)
"""Words that may stand before an interjection."""
