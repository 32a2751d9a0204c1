"""The data card: README.md of a corpus, generated from its manifest and never kept by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from st_audioqa.conventions import CONFIGURATIONS, PAPER_CONFIGURATIONS
from st_audioqa.corpus.attribution import ATTRIBUTION, Sounds
from st_audioqa.corpus.balance import BALANCE_COLUMNS, balance_text
from st_audioqa.corpus.croissant import write_croissant
from st_audioqa.corpus.front_matter import front_matter
from st_audioqa.corpus.manifest import Manifest, ShardEntry
from st_audioqa.corpus.shards import read_rows
from st_audioqa.files import write_text
from st_audioqa.scene import RECORDED

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIGURES", "card_text", "write_card"]

ENGINE_LICENCES = {
    "rlr": (
        "The impulse responses come from RLRAudioPropagation, the engine of SoundSpaces 2.0, "
        "licensed CC BY-NC 4.0: use this corpus for non-commercial purposes and name the engine."
    ),
    "habitat": (
        "The impulse responses come from habitat-sim (MIT) and RLRAudioPropagation, the engine of "
        "SoundSpaces 2.0, licensed CC BY-NC 4.0: use this corpus for non-commercial purposes, name "
        "both, and keep to the terms of the scanned buildings. Their reflections repeat only as "
        "far as that build of habitat-sim does, so the audio may differ where it is made again; "
        "`rir_hash` of every scene tells."
    ),
    "image-source": (
        "The impulse responses come from this toolkit's own image-source engine (Apache-2.0), "
        "which puts no condition on the corpus."
    ),
}

FIGURES = "figures"
"""Folder of a corpus with the pictures that its card shows."""
_VERIFY = "`st-audioqa verify` checks the files and the labels."


def write_card(
    folder: Path,
    manifest: Manifest,
    sections: Sequence[str] = (),
    *,
    gated: bool = False,
    published: tuple[Path, Manifest] | None = None,
) -> None:
    """Writes README.md, croissant.json and ATTRIBUTION.csv from the manifest and the shards.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    sections : sequence of str
        Put before what is said of provenance, such as a report on validity.
    gated : bool
        Whether the card asks who wants access to agree to something.
    published : tuple, optional
        Folder and manifest of what is published of the corpus, where answers are held back: the
        card counts the whole corpus and is written there.
    """
    shown_in, shown = published or (folder, manifest)
    sounds = _sounds(folder, manifest, shown.held)
    sounds.write(shown_in)
    text = _text(folder, manifest, (shown_in, shown), sounds, sections, gated)
    write_text(shown_in / "README.md", text)
    write_croissant(shown_in, shown, sounds)


def card_text(folder: Path, manifest: Manifest, sections: Sequence[str] = ()) -> str:
    """The text of the card."""
    shown = (folder, manifest)
    return _text(folder, manifest, shown, _sounds(folder, manifest), sections)


def _sounds(folder: Path, manifest: Manifest, held: Sequence[str] = ()) -> Sounds:
    rows = _rows(folder, manifest.scenes, ["sources"])
    return Sounds.of(((entry.split, row) for entry, row in rows), held)


def _text(
    folder: Path,
    manifest: Manifest,
    published: tuple[Path, Manifest],
    sounds: Sounds,
    sections: Sequence[str],
    gated: bool = False,
) -> str:
    recipe = manifest.recipe
    shown_in, shown = published
    parts = [
        front_matter(shown, sounds, gated=gated),
        f"# {recipe.name}: a spatio-temporal audio question answering corpus",
        recipe.description,
        (_WHAT_RECORDED if _recorded(manifest) else _WHAT)
        + (_EXTENDED if manifest.extended else ""),
        _HELD.format(splits=", ".join(shown.held)) if shown.held else "",
        _USE,
        _counts(folder, manifest),
        _question_counts(folder, manifest),
        balance_text(read_rows(folder / e.path, BALANCE_COLUMNS) for e in manifest.qa),
        _figures(shown_in),
        _LOAD + (_LOAD_BENCH if shown.bench else ""),
        _sources(manifest, sounds),
        *sections,
        _provenance(manifest, shown),
        _limits(manifest),
        _BIASES,
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


_WHAT = """
Ten-second, 32 kHz, first-order ambisonic scenes of one or two sound sources that stay or move,
with the exact state of every source in 40 bins of 0.25 s, and questions whose one right answer
follows from those states.

**Sound field.** AmbiX: channels W, Y, Z, X (ACN order), SN3D normalisation. X front, Y left, Z up.
**Angles.** Degrees. Azimuth in (-180, 180], 0 front, +90 left; elevation up positive; "clockwise"
is seen from above. **Distance.** Metres from listener to source. **Level.** One gain per scene,
stored as `gain_db` (undo it with `load_audio(row, physical=True)`); nothing else is normalised, so
level is a cue of distance. **Configurations.** S one static source, D one moving source, SS, SD, DD
two sources.
"""

_WHAT_RECORDED = """
Ten-second, 32 kHz, first-order ambisonic windows of real recordings with one or two annotated
sound sources that stay or move, with the annotated state of every source in 40 bins of 0.25 s, and
questions whose one right answer follows from those states.

**Sound field.** AmbiX: channels W, Y, Z, X (ACN order), SN3D normalisation. X front, Y left, Z up.
**Angles.** Degrees. Azimuth in (-180, 180], 0 front, +90 left; elevation up positive; "clockwise"
is seen from above. **Distance.** Metres from microphone to source, where `distance_known` in the
room's `parameters` is true; elsewhere it is 1 m throughout, which stands for nothing, and nothing
is asked that needs it. **Level.** As recorded; a scene that would clip has a `gain_db` below 0.
**Configurations.** S one static source, D one moving source, SS, SD, DD two sources.
"""

_EXTENDED = """
**Beyond the paper.** There are scenes of three and four sources too (SSS to DDDD), and sources that
turn, pause, change their speed, come in late or end early, or share their label with another. The
configuration `extended` asks about that (type E); `extended_robustness` asks the same of every
split but `train` in other words.
"""

_LOAD = """
## How to load it

> **Do not read `row["audio"]["array"]`:** `datasets` averages the four ambisonic channels to one.
> Use `st_audioqa.load_audio(row)`, which gives `(4, n)` float32.

```python
from datasets import Audio, load_dataset
from st_audioqa import load_audio

questions = load_dataset("PATH", "qa", split="test")
scenes = load_dataset("PATH", "scenes", split="test").cast_column("audio", Audio(decode=False))
audio = load_audio(scenes[0])          # (4, 320000): W, Y, Z, X
```

Questions name their scene by `scene_id`; audio is stored once per scene. The configuration
`robustness` asks the questions of every split but `train` in words that `qa` never uses.
"""

_LOAD_BENCH = """
The configuration `bench` has some test questions in one table with their audio, one row per scene:
`load_dataset("PATH", "bench", split="test")`, with the same `cast_column`.
"""

_HELD = """
> **Answers are held back.** The splits {splits} have audio and questions only: no answers, tracks,
> rooms or configurations, and ids that tell nothing. Counts below are of the whole corpus. Give
> your predictions to those who publish it; they score them with the answers.
"""

_USE = """
## Intended use

Training models that hear where things are and how they move, and measuring them on the test split:
`st-audioqa eval run` and `eval score`. Not meant for surveillance or for finding out who speaks,
and no proof that a model is fit for use in the world.
"""

_BIASES = """
## Biases

Labels carry what those who chose and named the sounds took for granted: which sounds count, how
they are called, whose speech and music is among them. Some classes have few clips, so a model may
know the clips instead of the class. Rooms, paths and speeds are those of the recipe; listeners do
not turn or walk, and sources are points. Speech and other human sounds can tell of age, sex or
origin; nothing here is labelled so, and no speaker is to be identified.
"""

_LIMITS = """
## Limits

Scenes are simulated: no microphone, no noise, no outdoor acoustics. Moving sources {paths} \
and are rendered with one stationary impulse response per bin, crossfaded:
{crossfade}. Scattering between two bins is not continuous. Questions of change compare the
beginning with the end. A good score here is not evidence of robustness on real recordings.
"""

_LIMITS_RECORDED = """
## Limits

Places and times are those of the annotation, which people and trackers made every 0.1 s; between
its frames, and while a source is silent, places are interpolated. Sounds that the data set does
not annotate can be heard and are not asked about. Windows were chosen by the rules in
docs/real_recordings.md, so clear cases are commoner here than in the recordings. The importer was
tested on miniatures made in this format, not on the published recordings: look at what
`st-audioqa verify` says before you trust a number.
"""

_CROSSFADES = {
    "plain": "there is no Doppler shift, and some level is lost between bins",
    "aligned": "reflections have the Doppler shift of the direct sound",
}


def _recorded(manifest: Manifest) -> bool:
    return manifest.recipe.rooms.provider == RECORDED


def _limits(manifest: Manifest) -> str:
    if _recorded(manifest):
        return _LIMITS_RECORDED
    motions = manifest.recipe.placement.motions
    return _LIMITS.format(
        paths="go straight at\nconstant speed"
        if motions == ("linear",)
        else f"have paths of these kinds: {', '.join(motions)},",
        crossfade=_CROSSFADES[manifest.recipe.renderer.crossfade],
    )


def _counts(folder: Path, manifest: Manifest) -> str:
    import pandas as pd

    scenes = _frame(folder, manifest.scenes, ["configuration"])
    table = pd.crosstab(scenes["split"], scenes["configuration"])
    shown = [c for c in CONFIGURATIONS if c in PAPER_CONFIGURATIONS or c in table.columns]
    table = table.reindex(columns=shown, fill_value=0)
    table["all"] = table.sum(axis=1)
    return "## Scenes\n\n" + _markdown(table)


def _question_counts(folder: Path, manifest: Manifest) -> str:
    import pandas as pd

    kinds = ["type", "family", "attribute"]
    questions = _frame(folder, [*manifest.qa, *manifest.extended], kinds)
    table = pd.crosstab([questions[kind] for kind in kinds], questions["split"])
    table.loc[("all", "", ""), :] = table.sum()
    return "## Questions\n\n" + _markdown(table.astype(int))


def _markdown(table: pd.DataFrame) -> str:
    """A table of counts in Markdown, index first."""
    names = [str(name) for name in table.index.names]
    lines = ["| " + " | ".join([*names, *map(str, table.columns)]) + " |"]
    lines.append("|" + "---|" * len(names) + "--:|" * len(table.columns))
    for index, *counts in table.itertuples(name=None):
        cells = index if isinstance(index, tuple) else (index,)
        lines.append("| " + " | ".join(map(str, (*cells, *counts))) + " |")
    return "\n".join(lines)


def _frame(folder: Path, entries: list[ShardEntry], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    rows = [{"split": e.split, **row} for e, row in _rows(folder, entries, columns)]
    return pd.DataFrame(rows, columns=["split", *columns])


def _sources(manifest: Manifest, sounds: Sounds) -> str:
    named = ", ".join(f"{label} ({count})" for label, count in sorted(sounds.labels.items()))
    parts = ["## Sounds and rooms", sounds.table()]
    if sounds.owed:
        parts.append(
            f"[{ATTRIBUTION}]({ATTRIBUTION}) names the source of each of the {len(sounds.owed)} "
            "clips that has one; keep it with the corpus."
        )
    parts.append(f"{len(sounds.labels)} classes: {named}.")
    left_out = ", ".join(
        f"{what} {count}"
        for what, count in manifest.events.items()
        if count.isdigit()
        and count != "0"
        and not what.endswith("digest")
        and not what.startswith("version")
    )
    if left_out and not _recorded(manifest):
        parts.append(f"Clips of the library: {left_out}.")
    parts.append(_leakage(manifest))
    parts.append(ENGINE_LICENCES.get(manifest.engine["name"], ""))
    return "\n\n".join(part for part in parts if part)


def _leakage(manifest: Manifest) -> str:
    splits = sorted({entry.split for entry in manifest.scenes})
    lines = [
        "What serves each split, and what serves several:",
        "",
        "| | " + " | ".join([*splits, "shared"]) + " |",
        "|---|" + "--:|" * (len(splits) + 1),
    ]
    for kind, counts in manifest.leakage.items():
        cells = [str(counts.get(column, 0)) for column in (*splits, "shared")]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _figures(folder: Path) -> str:
    """The pictures that lie in the folder."""
    found = sorted((folder / FIGURES).glob("*.png"))
    shown = [f"![{path.stem}]({FIGURES}/{path.name})" for path in found]
    return "\n\n".join(["## Pictures", *shown]) if shown else ""


def _provenance(manifest: Manifest, shown: Manifest) -> str:
    engine = manifest.engine
    versions = ", ".join(
        f"{name} {version}" for name, version in sorted(manifest.versions.items())
    )
    seed = "held back" if shown.seed is None else shown.seed
    repeats = "; the same recipe, seed\nand versions give the same bytes"
    if engine["name"] == "habitat":
        repeats = ""  # what ENGINE_LICENCES says of it
    rejected = ", ".join(f"{reason} {count}" for reason, count in manifest.rejections.items())
    if _recorded(manifest):
        return f"""
## How it was made

`st-audioqa import` of {manifest.events["recordings"]} recordings
({manifest.events["recordings_left_out"]} were left out as broken), questions by seed
{seed}. Versions: {versions}. Whole seconds that begin no window: {rejected or "none"}.
The SHA-256 of every file stands in `manifest.json`. {_VERIFY}
"""
    return f"""
## How it was made

`st-audioqa generate` with recipe `{manifest.recipe.name}` (hash `{manifest.recipe_hash[:12]}`) and
seed {seed}; engine {engine["name"]} {engine["version"]}, preset {engine["preset"]}.
Versions: {versions}. Draws rejected by the checks and drawn again: {rejected or "none"}. The whole
recipe, the versions and the SHA-256 of every file stand in `manifest.json`{repeats}. {_VERIFY}
"""


def _rows(
    folder: Path, entries: list[ShardEntry], columns: list[str]
) -> Iterator[tuple[ShardEntry, dict[str, Any]]]:
    for entry in entries:
        for row in read_rows(folder / entry.path, columns):
            yield entry, row
