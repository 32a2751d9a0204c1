"""A corpus's audio in another layout, one file per scene, for training code that reads files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import Corpus
from st_audioqa.decoding import Decoder, write_wav
from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256, write_text

__all__ = ["DESCRIPTION", "export_audio"]

DESCRIPTION = "audio.json"

Place = tuple[str, str]
"""Split and scene id."""


def export_audio(
    corpus: Corpus,
    folder: Path,
    decoder: Decoder,
    splits: Sequence[str] = (),
    progress: Callable[[Sequence[Place]], Iterable[Place]] = iter,
) -> int:
    """Write ``<split>/<scene_id>.wav`` for every scene, and ``audio.json``.

    `audio.json` holds what was done (`Decoder.describe`) and the hash of the corpus's manifest.
    Files that are there are kept, so that a cut export goes on. Levels of scenes compare as in
    the corpus: nothing is normalised or clipped.

    Parameters
    ----------
    splits : sequence of str
        All where empty.
    progress : callable
        Wraps the list of scenes to be gone through, as tqdm does.

    Returns
    -------
    int
        Files written now.

    Raises
    ------
    UserError
        If the folder holds an export of something else, or the corpus has no audio.
    """
    places = [
        (split, scene_id)
        for split in splits or corpus.splits
        for scene_id in corpus.frame("scenes", split, ["scene_id"])["scene_id"]
    ]
    told = {
        "audio": decoder.describe(),
        "manifest_sha256": file_sha256(corpus.folder / MANIFEST),
        "engine": corpus.manifest.engine["name"],
    }
    path = folder / DESCRIPTION
    text = json.dumps(told, indent=2, sort_keys=True) + "\n"
    if path.exists() and path.read_text("utf-8") != text:
        raise UserError(
            f"{folder} must be empty or hold this export, but its {DESCRIPTION} tells of another "
            "corpus or other audio: choose another output folder."
        )
    write_text(path, text)
    written = 0
    for split, scene_id in progress(places):
        if Path(split).name != split:
            raise UserError(f"A split is the name of a folder, and {split!r} is none.")
        (folder / split).mkdir(exist_ok=True)
        if not (folder / split / f"{scene_id}.wav").exists():
            audio = decoder(corpus.audio(scene_id))
            write_wav(folder / split, scene_id, audio, decoder.sample_rate)
            written += 1
    return written
