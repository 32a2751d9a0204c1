"""Where sources are and how fast they move: shares of classes, percentiles of speeds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from st_audioqa.conventions import (
    DISTANCE_BINS,
    ELEVATION_CLASSES,
    SECTORS,
    distance_bin,
    elevation_class,
    sector,
)
from st_audioqa.scene import Scene

__all__ = ["places"]


def places(scenes: Iterable[Scene]) -> dict[str, Any]:
    """Percent of bins per class of azimuth, elevation and distance, for static and moving
    sources apart; percentiles of the speeds (m/s) of those that move."""
    sources = [source for scene in scenes for source in scene.sources]
    found: dict[str, Any] = {}
    for name, moving in (("static", False), ("moving", True)):
        some = [source for source in sources if source.moving == moving]
        if not some:
            continue
        classes = {
            "azimuth": (SECTORS, sector(np.stack([s.azimuth_deg for s in some]))),
            "elevation": (
                ELEVATION_CLASSES,
                elevation_class(np.stack([s.elevation_deg for s in some])),
            ),
            "distance": (DISTANCE_BINS, distance_bin(np.stack([s.distance_m for s in some]))),
        }
        found[name] = {"sources": len(some)}
        for attribute, (names, where) in classes.items():
            counts = np.bincount(where.ravel(), minlength=len(names))[: len(names)]
            shares = 100.0 * counts / where.size
            found[name][attribute] = {
                each: round(float(share), 2) for each, share in zip(names, shares, strict=True)
            }
        if moving:
            speeds = [float(source.motion["speed_m_s"]) for source in some]
            found[name]["speed_m_s"] = {
                str(which): round(float(np.percentile(speeds, which)), 3)
                for which in (0, 5, 25, 50, 75, 95, 100)
            }
    return found
