"""A local web page to look through a corpus: rooms, paths, audio, questions, answers.

`Site` turns a corpus into the files of a web page, each made when it is asked for; `server`
serves them to this machine, and `export` writes those of chosen scenes to a folder.
"""

from st_audioqa.viewer.export import choose, export
from st_audioqa.viewer.server import open_server
from st_audioqa.viewer.site import Site, Verdict

__all__ = ["Site", "Verdict", "choose", "export", "open_server"]
