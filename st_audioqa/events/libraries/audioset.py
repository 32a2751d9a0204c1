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

from st_audioqa.events.audioset_index import open_index
from st_audioqa.events.catalogue import Catalogue, Clip
from st_audioqa.events.labels import label_set as find_label_set
from st_audioqa.events.recordings import LibraryOptions, RecordingLibrary

__all__ = ["Library", "Options"]


class Options(LibraryOptions):
    """What the library can be told."""

    index: str | None = None
    """Where the index is kept, if not in the folder."""


class Library(RecordingLibrary):
    """The clips of AudioSet; a clip id is "<video>_<start in milliseconds>".

    Takes `Options`.

    Raises
    ------
    UserError
        If there is no such folder, it holds no table or no clip that can be used, or the index
        cannot be written.
    """

    name = "audioset"
    version = "1.0"
    takes = Options
    options: Options
    _wanted = "the folder of AudioSet's tables and clips"
    _remedy = "name files <video>.wav or <video>_<start>.wav, then delete the index"
    _may_be_cut = True

    def _read(self, root: Path) -> Catalogue:
        index = self.options.index
        names = find_label_set(self.options.label_set)
        table = open_index(root, Path(index) if index else None)
        report = json.loads(table.schema.metadata[b"report"])
        table = table.filter(pc.is_valid(table["file"]))  # frees the segments without a clip
        catalogue = Catalogue(table, names)
        catalogue.report.update(report)
        return catalogue

    def _attribution(self, clip: Clip) -> str:
        return f"YouTube video {clip.recording}; labels: AudioSet (Google), CC BY 4.0"
