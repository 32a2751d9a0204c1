"""Makes a corpus ready to be published: pictures, card, bench file, and answers held back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from st_audioqa.corpus.bench import write_bench
from st_audioqa.corpus.card import FIGURES, write_card
from st_audioqa.corpus.holding import hold
from st_audioqa.corpus.manifest import MANIFEST, Manifest
from st_audioqa.corpus.pictures import plot_stats
from st_audioqa.corpus.reader import Corpus
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.pipeline.validity import card_sections

__all__ = ["add_bench", "hold_answers", "refresh"]


def add_bench(folder: Path, most: int) -> Manifest:
    """Writes (again) the bench file of a corpus, its card and its manifest.

    Raises
    ------
    UserError
        The corpus has no audio, or its answers are held back.
    """
    before = Manifest.load(folder)
    entries = write_bench(folder, before, most)
    manifest = before.model_copy(update={"bench": entries})
    write_card(folder, manifest, card_sections(folder, manifest))
    manifest.save(folder)
    for entry in before.bench:
        if entry.path not in {each.path for each in entries}:
            (folder / entry.path).unlink(missing_ok=True)
    return manifest


def refresh(folder: Path, *, gated: bool) -> bool:
    """Draws the pictures and writes the card of a corpus anew.

    A corpus whose answers are held back has what it was made with. Returns whether pictures could
    be drawn: they need matplotlib.
    """
    manifest = Manifest.load(folder)
    if manifest.held:
        return True
    drawn = _drawn(folder, folder)
    write_card(folder, manifest, card_sections(folder, manifest), gated=gated)
    return drawn


def _drawn(folder: Path, into: Path) -> bool:
    try:
        plot_stats(Corpus(folder), into / FIGURES)
    except MissingPackageError:
        return False
    return True


def hold_answers(folder: Path, out: Path, splits: Sequence[str], *, gated: bool) -> Manifest:
    """Makes `out/public` and `out/private` of a corpus, or finds them made.

    Raises
    ------
    UserError
        `out` holds another corpus, or part of one; or see `st_audioqa.corpus.holding.hold`.
    """
    whole = Manifest.load(folder)
    public = out / "public"
    if (public / MANIFEST).is_file():
        made = Manifest.load(public)
        if (made.recipe_hash, made.held) != (whole.recipe_hash, sorted(splits)):
            raise UserError(f"{public} holds another corpus: choose another folder for --out.")
        return made
    manifest = hold(folder, public, out / "private", splits)
    _drawn(folder, public)
    write_card(
        folder,
        whole,
        card_sections(folder, whole),
        gated=gated,
        published=(public, manifest),
    )
    manifest.save(public)
    return manifest
