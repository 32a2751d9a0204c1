"""AudioSet (Gemmeke et al. 2017): two million ten-second segments of YouTube videos, 527 labels.

The folder holds the official tables and the clips you have, in any of the layouts of
`st_audioqa.events.audioset_index`. It is indexed once; later runs read the index. Segments whose
clip is missing are counted, not fatal.

`eval` is test. `balanced_train` and `unbalanced_train` are train, but for 2 % of the videos,
chosen by a hash, which are validation. All labels of a clip are kept; the most specific one
within `label_set` names the source. Where a name has no `_<start>`, a file as long as the segment
is taken for it, a file as long as the video for the video.

The labels are Google's, CC BY 4.0. The licence of each video is its own and not known here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.compute as pc
from pydantic import validate_call

from st_audioqa.conventions import BIN_S
from st_audioqa.errors import UserError
from st_audioqa.events.audioset_index import open_index
from st_audioqa.events.catalogue import Catalogue, Clip
from st_audioqa.events.labels import label_set as find_label_set
from st_audioqa.events.libraries.folder import existing_folder
from st_audioqa.events.own_labels import LabelSet
from st_audioqa.events.recordings import RecordingLibrary

__all__ = ["Library"]


class Library(RecordingLibrary):
    """The clips of AudioSet; a clip id is "<video>_<start in milliseconds>".

    Parameters
    ----------
    path : str
        The folder.
    level_dbfs, level_spread_db, repeat, min_duration_s
        See `RecordingLibrary`.
    label_set : str, int or list of str
        "all", "355" or labels: those that may name a source.
    index : str, optional
        Where the index is kept, if not in the folder.

    Raises
    ------
    UserError
        If there is no such folder, it holds no table or no clip that can be used, or the index
        cannot be written.
    """

    name = "audioset"
    version = "1.0"
    _may_be_cut = True

    @validate_call
    def __init__(
        self,
        *,
        path: str | None = None,
        level_dbfs: float = -35.0,
        level_spread_db: float = 3.0,
        repeat: bool = False,
        min_duration_s: float = BIN_S,
        label_set: LabelSet = "all",
        index: str | None = None,
    ) -> None:
        root = existing_folder(self.name, path, "the folder of AudioSet's tables and clips")
        names = find_label_set(label_set)
        table = open_index(root, Path(index) if index else None)
        report = json.loads(table.schema.metadata[b"report"])
        table = table.filter(pc.is_valid(table["file"]))  # frees the segments without a clip
        catalogue = Catalogue(table, names)
        catalogue.report.update(report)
        if not len(catalogue):
            told = ", ".join(f"{n} {what}" for what, n in report.items())
            raise UserError(
                f"The folder {path} holds no clip of AudioSet that can be used ({told}): name "
                "files <video>.wav or <video>_<start>.wav, and delete the index once they are "
                "there."
            )
        super().__init__(
            catalogue,
            root,
            level_dbfs=level_dbfs,
            level_spread_db=level_spread_db,
            repeat=repeat,
            min_duration_s=min_duration_s,
        )

    def _attribution(self, clip: Clip) -> str:
        return f"YouTube video {clip.recording}; labels: AudioSet (Google), CC BY 4.0"
