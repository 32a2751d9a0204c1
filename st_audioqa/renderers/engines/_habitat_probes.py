"""What the habitat engine listens to when it opens a building, because the answer is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import SAMPLE_RATE, SPEED_OF_SOUND_M_S
from st_audioqa.errors import UserError
from st_audioqa.renderers.engines import rlr
from st_audioqa.renderers.engines._habitat_sim import HINT, House
from st_audioqa.rooms.geometry import triangle_areas
from st_audioqa.rooms.habitat import navmesh_triangles

__all__ = ["LISTENER_RADIUS_M", "check_orientation", "direct_gain", "probed_level"]

Floats = NDArray[np.floating]

LISTENER_RADIUS_M = 0.1
"""Default of the library, which habitat-sim has no means to change."""

ABOVE_M = 50.0
"""The axes are probed this far above the listener, in free air over any building."""

AXES = (
    ("+x", (1.0, 0.0, 0.0), 0.5),
    ("+y", (0.0, 1.0, 0.0), 1.0),
    ("+z", (0.0, 0.0, 1.0), 2.0),
    ("-z", (0.0, 0.0, -1.0), 4.0),
)
"""Name, direction and distance in metres of the sources that probe the axes."""

MAX_AXIS_ERROR = 0.05
MAX_LEVEL_ERROR = 0.05

N_FLOOR_POINTS = 12
HEAD_M, ABOVE_HEAD_M, BELOW_FLOOR_M = 1.2, 1.6, 0.5
"""Heights over the navmesh, and depth under it: a navmesh may lie 0.2 m above the floor."""


def direct_gain(distance_m: Floats) -> Floats:
    """Gain of the library's direct sound at its sphere."""
    return rlr.direct_gain(distance_m - LISTENER_RADIUS_M)


def probed_level(house: House, listener: Floats, build: str) -> float:
    """Level of the direct sound relative to `direct_gain`, once all axes are found right.

    Builds differ in level: one interface has a volume of 1 by default, the other one of 0.25.

    Parameters
    ----------
    house : House
        With a sensor that hears direct sound only.
    listener : ndarray [shape=(3,)]
        Of the first query; the probe takes place high above it.
    build : str
        Name of this build in messages.

    Raises
    ------
    UserError
        If a source is heard from elsewhere than where it is, or its level does not fall with
        distance as it should.
    """
    centre = listener + np.array([0.0, ABOVE_M, 0.0])
    levels = []
    for name, direction, distance in AXES:
        source = centre + distance * np.array(direction)
        w, y, z, x = _direct_sound(house, centre, source)
        heard = np.array([-y, z, -x])
        if not (w > 0 and np.abs(heard / w - direction).max() <= MAX_AXIS_ERROR):
            raise UserError(
                f"The habitat engine refuses habitat-sim {build}: a source {distance} m away on "
                f"{name} was not heard from there, so its labels would be wrong (versions 0.3.1 "
                f"to 0.3.4 misplace every source, habitat-sim issue 2632); {HINT}."
            )
        levels.append(w / float(direct_gain(np.array(distance))))
    level = float(np.mean(levels))
    if np.abs(np.array(levels) / level - 1.0).max() > MAX_LEVEL_ERROR:
        raise UserError(
            f"The habitat engine refuses habitat-sim {build}: its direct sound does not fall with "
            f"distance as that of the library it knows, and distance is asked about; {HINT}."
        )
    return level


def check_orientation(house: House, level: float) -> None:
    """That floors of the acoustic mesh lie where the navmesh has them.

    From head height over the middle of the largest triangles of the navmesh, a source above
    must be heard directly and one under the floor must not. Holes in scanned floors let some
    through, so half of the places decide.

    Raises
    ------
    UserError
        If the mesh is turned, as semantic meshes are without their scene dataset config.
    """
    feet = floor_points(house)
    above, below = (
        np.mean([_is_heard(house, level, foot + _up(HEAD_M), foot + _up(h)) for foot in feet])
        for h in (ABOVE_HEAD_M, -BELOW_FLOOR_M)
    )
    if above <= 0.5 or below >= 0.5:
        files = house.files
        remedy = (
            "give the scene dataset config, without which semantic meshes stay turned"
            if files.dataset is None
            else f"check that {files.dataset} is that of this dataset"
        )
        raise UserError(
            f"The acoustic mesh of {files.mesh} does not fit its navmesh: at {len(feet)} "
            f"places {above:.0%} of sources overhead and {below:.0%} of those under the floor "
            f"were heard directly, wanted are all and none; {remedy}."
        )


def floor_points(house: House) -> Floats:
    """Centres of the largest triangles of the navmesh [shape=(n, 3)]."""
    triangles = navmesh_triangles(house.pathfinder)
    if len(triangles) == 0:
        raise UserError(f"The navmesh {house.files.navmesh} holds no floor: fetch it again.")
    largest = np.argsort(-triangle_areas(triangles), kind="stable")[:N_FLOOR_POINTS]
    return np.asarray(triangles[largest].mean(axis=1))


def _up(height_m: float) -> Floats:
    return np.array([0.0, height_m, 0.0])


def _is_heard(house: House, level: float, listener: Floats, source: Floats) -> bool:
    gain = float(direct_gain(np.array(np.linalg.norm(source - listener))))
    return bool(_direct_sound(house, listener, source)[0] > 0.5 * level * gain)


def _direct_sound(house: House, listener: Floats, source: Floats) -> Floats:
    """AmbiX of the samples around the direct arrival, summed [shape=(4,)]."""
    response = rlr.TO_AMBIX @ house.response(listener, source)
    way = float(np.linalg.norm(source - listener)) - LISTENER_RADIUS_M
    at = round(way / SPEED_OF_SOUND_M_S * SAMPLE_RATE)
    return np.asarray(response[:, max(at - 2, 0) : at + 3].sum(axis=1, dtype=np.float64))
