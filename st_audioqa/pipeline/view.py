"""A corpus to be looked at, joined with what models answered and with the rooms' geometry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import Corpus
from st_audioqa.errors import UserError
from st_audioqa.evaluation import audioset_vocabulary, read_predictions, score
from st_audioqa.evaluation.predictions import PredictionFile, first_few
from st_audioqa.files import file_sha256
from st_audioqa.pipeline.places import with_places
from st_audioqa.pipeline.tools import open_rooms
from st_audioqa.scene import Room, Scene
from st_audioqa.viewer.detail import FindRoom
from st_audioqa.viewer.listing import Listing
from st_audioqa.viewer.site import Site, Verdict

__all__ = ["open_site"]

_SELF_CONTAINED = "procedural"
"""The provider whose stored parameters are the whole room."""


def open_site(
    folder: Path,
    predictions: Sequence[Path] = (),
    splits: Sequence[str] = (),
    rooms: Path | None = None,
) -> Site:
    """The site of a corpus.

    Parameters
    ----------
    folder : Path
    predictions : sequence of Path
        Predictions files, one a model.
    splits : sequence of str
        Splits to show; all where empty.
    rooms : Path, optional
        Where the meshes or buildings of the rooms lie; without it, rooms made from files are
        shown without their outline.

    Raises
    ------
    UserError
        No corpus, no such split, or predictions that are not about it.
    """
    corpus = Corpus(folder)
    listing = Listing(corpus, splits)
    answers: dict[str, dict[str, Verdict]] = {}
    for path in predictions:
        found = read_predictions(path)
        name = found.header.model if found.header else path.stem
        name = name if name not in answers else f"{name} ({path})"
        answers[name] = _verdicts(corpus, listing, found, path)
    return Site(corpus, listing, answers=answers, find_room=_room_finder(corpus, rooms))


def _verdicts(
    corpus: Corpus, listing: Listing, found: PredictionFile, path: Path
) -> dict[str, Verdict]:
    """What the scorer makes of every question that the file is about.

    Those are the questions of each split and table that it answers anything of; the ones it
    leaves out count as wrong there.
    """
    header = found.header
    wanted = file_sha256(corpus.folder / MANIFEST)
    if header and header.manifest_sha256 not in ("", wanted):
        raise UserError(
            f"{path} answers another corpus ({header.manifest_sha256[:16]}) than the one in "
            f"{corpus.folder} ({wanted[:16]}): give the corpus it was made with."
        )
    left = {prediction.question_id for prediction in found.predictions}
    verdicts: dict[str, Verdict] = {}
    for table in listing.tables:
        for split in listing.splits:
            if not left:
                break
            asked = corpus.questions(split, table)
            known = {question.question_id for question in asked}
            mine = [each for each in found.predictions if each.question_id in known]
            if not mine:
                continue
            left -= known
            result = score(asked, mine, vocabulary=audioset_vocabulary(), resamples=0)
            for row in result.rows:
                verdicts[row.question_id] = Verdict(row.response, row.status, row.correct)
    if left:
        raise UserError(
            f"{path} must answer questions of {corpus.folder} in the splits that are shown, but "
            f"{len(left)} of its lines are about others ({first_few(sorted(left))}): give the "
            "corpus and the splits it was made with."
        )
    return verdicts


def _room_finder(corpus: Corpus, rooms: Path | None) -> FindRoom:
    recipe = corpus.manifest.recipe
    if rooms is None and recipe.rooms.provider != _SELF_CONTAINED:
        return lambda scene: None
    provider = open_rooms(with_places(recipe, rooms=rooms))

    def find(scene: Scene) -> Room | None:
        if scene.room.provider != provider.name:
            return None
        try:
            return provider.build(scene.room)
        except (UserError, LookupError, TypeError, ValueError):
            # A room that cannot be built is a fault for `verify`; the scene is still shown.
            return None

    return find
