"""Kinds of motion: how a source may move through a room in 10 s, one file each.

A file defines `paths(room, ears, rng, limits, count) -> Paths`: up to `count` valid paths, drawn
from the generator alone. Every path is given to sources forwards and backwards, so a kind that
speeds up serves for one that slows down as well.
"""

from st_audioqa.registry import Registry

__all__ = ["MOTIONS"]

MOTIONS = Registry("motion kind", "st_audioqa.pipeline.motions", "paths", "st_audioqa.motions")
