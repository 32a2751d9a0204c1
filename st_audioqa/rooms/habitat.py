"""What habitat-sim is asked for about rooms: its module, its PathFinder, its regions.

Nothing here needs a build with audio, or a simulator: PathFinder and the reader of `.house` files
stand on their own. Where the two interfaces of habitat-sim differ, both are known.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from st_audioqa.errors import UserError
from st_audioqa.rooms.geometry import triangle_areas
from st_audioqa.rooms.matterport.house import Region
from st_audioqa.rooms.matterport.navmesh import NavMesh

__all__ = [
    "has_audio",
    "load_habitat_sim",
    "navmesh_triangles",
    "read_regions",
    "version",
    "walkable",
]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

Z_UP_TO_Y_UP = np.array([-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)], dtype=np.float32)
"""Quaternion (x, y, z, w) of the turn from the axes of `.house` files to those of the world."""

_UNUSED_LABELS = {
    "porch/terrace/deck": "p",
    "outdoor": "x",
    "balcony": "y",
    "stairs": "s",
    "junk": "Z",
}
"""Letters of the `.house` file behind those of habitat's names that are no rooms."""

_ROOM_LABEL = "z"


def load_habitat_sim(purpose: str) -> Any:
    """The module habitat_sim.

    Parameters
    ----------
    purpose : str
        What needs it, to begin a sentence with.

    Raises
    ------
    UserError
        It is not installed or cannot be imported.
    """
    if "habitat_sim" not in sys.modules and importlib.util.find_spec("habitat_sim") is None:
        raise UserError(
            f"{purpose} needs habitat-sim, which is not installed here and comes from source "
            "only: see docs/habitat.md."
        )
    for variable in ("HABITAT_SIM_LOG", "MAGNUM_LOG"):
        os.environ.setdefault(variable, "quiet")
    with contextlib.suppress(ImportError):
        # Imported after habitat_sim it crashes the process (habitat-sim issues 1747 and 1813).
        importlib.import_module("quaternion")
    try:
        return importlib.import_module("habitat_sim")
    except (ImportError, OSError) as error:
        raise UserError(
            f"{purpose} cannot import habitat_sim ({error}): mend its installation as "
            "docs/habitat.md says."
        ) from error


def has_audio(habitat_sim: Any) -> bool:
    """Whether it was built with audio: elsewhere an audio sensor would end the process."""
    layouts = getattr(habitat_sim.sensor, "RLRAudioPropagationChannelLayoutType", None)
    return bool(getattr(habitat_sim.bindings, "audio_enabled", False)) and layouts is not None


def version(habitat_sim: Any) -> str:
    """Version that the module reports; builds with different interfaces report the same one."""
    return str(getattr(habitat_sim, "__version__", "of unknown version"))


def walkable(habitat_sim: Any, path: Path) -> NavMesh:
    """The floor that the PathFinder holds for walkable.

    Its random points come from C's `rand()`, which the whole process shares; so its triangles are
    asked for instead, and places on them are drawn elsewhere.

    Parameters
    ----------
    habitat_sim : module
    path : Path
        A `.navmesh` file.

    Raises
    ------
    UserError
        The file cannot be read or holds no floor.
    """
    pathfinder = habitat_sim.PathFinder()
    if not (path.is_file() and pathfinder.load_nav_mesh(str(path))):
        raise UserError(f"habitat-sim cannot read the navmesh {path}: fetch it again.")
    triangles = navmesh_triangles(pathfinder)
    centres = triangles.mean(axis=1)
    triangles = triangles[[bool(pathfinder.is_navigable(centre)) for centre in centres]]
    if len(triangles) == 0:
        raise UserError(f"The navmesh {path} holds no floor: fetch it again.")
    settings = pathfinder.nav_mesh_settings
    return NavMesh(
        triangles,
        _islands(triangles),
        float(settings.agent_height),
        float(settings.agent_radius),
    )


def navmesh_triangles(pathfinder: Any) -> Floats:
    """Triangles of a loaded navmesh in world axes [shape=(n, 3, 3)]."""
    vertices = [[v[0], v[1], v[2]] for v in pathfinder.build_navmesh_vertices()]
    faces = np.array(pathfinder.build_navmesh_vertex_indices(), dtype=np.int64)
    return np.array(vertices, dtype=np.float64).reshape(-1, 3)[faces.reshape(-1, 3)]


def _islands(triangles: Floats) -> Ints:
    """Parts that hang together by whole edges, the largest being 0 [shape=(n,)].

    The older interface has no islands, so they are found here for both.
    """
    corners = np.unique(triangles.reshape(-1, 3).round(4), axis=0, return_inverse=True)[1]
    corner = corners.reshape(-1, 3)
    edges = np.sort(np.stack([corner, np.roll(corner, -1, axis=1)], axis=-1), axis=-1)
    edge = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)[1].ravel()
    of = np.repeat(np.arange(len(triangles)), 3)
    size = len(triangles) + int(edge.max()) + 1
    graph = coo_matrix((np.ones(len(of)), (of, edge + len(triangles))), shape=(size, size))
    part = connected_components(graph, directed=False)[1][: len(triangles)]
    area = np.bincount(part, weights=triangle_areas(triangles))
    rank = np.argsort(np.argsort(-area, kind="stable"))
    return np.asarray(rank[part], dtype=np.int64)


def read_regions(habitat_sim: Any, path: Path) -> tuple[Region, ...]:
    """The regions of a building as habitat-sim knows them: boxes along the axes.

    Parameters
    ----------
    habitat_sim : module
    path : Path
        A `.house` file.

    Raises
    ------
    UserError
        The file cannot be read.
    """
    scene = habitat_sim.scene.SemanticScene()
    # A file that is missing or of another format would end the process.
    readable = path.is_file() and path.read_bytes()[:9] == b"ASCII 1.1"
    if not readable or not habitat_sim.scene.SemanticScene.load_mp3d_house(
        str(path), scene, Z_UP_TO_Y_UP
    ):
        raise UserError(f"habitat-sim cannot read the house file {path}: fetch it again.")
    return tuple(_region(index, each) for index, each in enumerate(scene.regions))


def _region(index: int, region: Any) -> Region:
    lower, upper = _corners(region.aabb)
    category = _category(region)
    level = str(region.id).split("_")[0]
    (x0, y0, z0), (x1, y1, z1) = lower, upper
    return Region(
        index=index,
        level=int(level) if level.isdecimal() else -1,
        label=_UNUSED_LABELS.get(category, _ROOM_LABEL) if category else "-",
        category=category or "no label",
        outline=np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]]),
        floor_y=float(y0),
        height_m=float(y1 - y0),
    )


def _category(region: Any) -> str:
    """Its name; empty where there is no label, which the library takes for a wrong index."""
    try:
        return str(region.category.name())
    except (IndexError, RuntimeError):
        return ""


def _corners(box: Any) -> tuple[Floats, Floats]:
    """Lower and upper corner, from either kind of box; sizes may be negative."""
    if hasattr(box, "sizes"):
        centre = np.array([box.center[i] for i in range(3)], dtype=np.float64)
        half = 0.5 * np.abs(np.array([box.sizes[i] for i in range(3)], dtype=np.float64))
        return centre - half, centre + half
    ends = np.array(
        [[end[i] for i in range(3)] for end in (box.min, box.max)], dtype=np.float64
    )
    return ends.min(axis=0), ends.max(axis=0)
