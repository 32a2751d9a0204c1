"""ESC-50 and ESC-10 (Piczak 2015): environmental sounds of five seconds in five folds.

The folder holds `audio/<fold>-<Freesound clip>-<take>-<class>.wav` (ESC-50, from
github.com/karolpiczak/ESC-50), or class folders such as `001 - Dog bark/1-100032-A.ogg` (ESC-10).
The file name says the fold and the recording; folds never share a recording. Folds 1 to 3 are
train, 4 is validation, 5 is test.

ESC-50 is CC BY-NC 3.0, its ten classes of ESC-10 CC BY 3.0. The clips come from Freesound, whose
number is in the file name; the collection's `LICENSE` names the uploader and licence of each, and
is read where it is there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from st_audioqa.events.catalogue import Catalogue, Clip
from st_audioqa.events.own_labels import Reader
from st_audioqa.events.recordings import LibraryOptions, RecordingLibrary
from st_audioqa.events.storage import audio_files

__all__ = ["CLASSES", "Library", "Options"]

CLASSES = (
    "Bark",
    "Crowing, cock-a-doodle-doo",
    "Oink",
    "Moo",
    "Croak",
    "Meow",
    "Cluck",
    "Insect",
    "Sheep",
    "Caw",
    "Rain",
    "Waves, surf",
    "Crackle",
    "Cricket",
    "Chirp, tweet",
    "Drip",
    "Wind",
    "Pour",
    "Toilet flush",
    "Thunderstorm",
    "Baby cry, infant cry",
    "Sneeze",
    "Clapping",
    "Breathing",
    "Cough",
    "Walk, footsteps",
    "Laughter",
    "Toothbrush",
    "Snoring",
    "drinking",
    "Knock",
    "Clicking",
    "Typing",
    "Creak",
    "can opening",
    "washing machine",
    "Vacuum cleaner",
    "Alarm clock",
    "Tick-tock",
    "Shatter",
    "Helicopter",
    "Chainsaw",
    "Siren",
    "Vehicle horn, car horn, honking",
    "Engine",
    "Train",
    "Church bell",
    "Fixed-wing aircraft, airplane",
    "Fireworks",
    "Sawing",
)
"""Labels of the targets 0 to 49; the three in lower case are none of AudioSet's."""
_SPLITS = {"1": "train", "2": "train", "3": "train", "4": "validation", "5": "test"}
_ESC10 = {0: 0, 1: 10, 2: 11, 3: 20, 4: 38, 5: 21, 6: 40, 7: 41, 8: 1, 9: 12}
"""ESC-10's folder, less one -> target of ESC-50."""
_OF_CLIP = re.compile(r"- \[([\d-]+-[A-Z])\.\w+\]:.*\((http\S+)\) by (.+) \[(.+)\]\s*$")
"""A line of the collection's `LICENSE`: clip, address, uploader, licence."""
_NAME = re.compile(r"([1-5])-(\d+)-([A-Z])(?:-(\d{1,2}))?")


class Options(LibraryOptions):
    """What the library can be told."""

    own_labels: Literal["drop", "keep"] = "drop"
    """What is done with the three classes that AudioSet has no label for."""


class Library(RecordingLibrary):
    """The clips of ESC-50 or ESC-10; a clip id is the file's name without its suffix.

    Takes `Options`.

    Raises
    ------
    UserError
        If there is no such folder, or it holds no clip of the collection.
    """

    name = "esc50"
    version = "1.0"
    takes = Options
    options: Options
    _wanted = "the folder of ESC-50"
    _remedy = "unpack the collection there, so that it has files such as audio/1-100032-A-0.wav"

    def _read(self, root: Path) -> Catalogue:
        reader = Reader(own_labels=self.options.own_labels)
        left_out: Counter[str] = Counter()
        clips: dict[str, Clip] = {}
        places = (root, *sorted(each for each in root.iterdir() if each.is_dir()))
        uploaders = _uploaders([place / "LICENSE" for place in places])
        for file in audio_files(root):
            clip = _clip(file, uploaders)
            if clip is None:
                left_out["not named as in ESC-50"] += 1
            elif reader.read(clip.labels[0]) is None:
                left_out["without a label"] += 1
            elif clip.clip_id in clips:
                left_out["another copy"] += 1
                if not (root / clips[clip.clip_id].file).stat().st_size:
                    clips[clip.clip_id] = clip
            else:
                clips[clip.clip_id] = clip
        names = reader.names(self.options.label_set, CLASSES)
        catalogue = Catalogue.of(clips.values(), names)
        catalogue.report.update(left_out)
        return catalogue


def _uploaders(paths: Iterable[Path]) -> dict[str, str]:
    """Who uploaded each clip, where, and under which licence, as far as a file says."""
    texts = (path.read_text("utf-8", errors="replace") for path in paths if path.is_file())
    found = (_OF_CLIP.match(line) for text in texts for line in text.splitlines())
    return {each[1]: f"{each[3]}, {each[2]}, {each[4]}" for each in found if each}


def _clip(file: str, uploaders: Mapping[str, str]) -> Clip | None:
    folder, _, name = file.rpartition("/")
    stem = name.rpartition(".")[0]
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    fold, source, take, target = match.groups()
    name_of_take = f"{fold}-{source}-{take}"
    if target is None:  # ESC-10
        number = re.match(r"0(\d\d) - ", folder.rpartition("/")[2])
        target = _ESC10.get(int(number[1]) - 1) if number else None
    if target is None or int(target) >= len(CLASSES):
        return None
    free = int(target) in _ESC10.values()
    return Clip(
        clip_id=stem,
        labels=(CLASSES[int(target)],),
        split=_SPLITS[fold],
        recording=f"freesound:{source}",
        file=file,
        licence="CC-BY-3.0" if free else "CC-BY-NC-3.0",
        attribution=f"{uploaders.get(name_of_take, f'Freesound clip {source}')}; "
        "ESC-50 (K. J. Piczak)",
    )
