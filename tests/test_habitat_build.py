"""The habitat engine and provider on a real build of habitat-sim (docs/habitat.md).

Nobody has run these yet. They want habitat-sim built with audio and

    ST_AUDIOQA_MP3D             the folder of Matterport3D's buildings, with the dataset config
    ST_AUDIOQA_MP3D_MATERIALS   mp3d_material_config.json

    python -m pytest -m habitat -s
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from test_renderers_support import SPEED, direct_part, direct_vector

from st_audioqa.conventions import SAMPLE_RATE, angular_distance_deg, to_listener
from st_audioqa.errors import RejectedDraw
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.renderers import ENGINES
from st_audioqa.rooms.matterport.building import building_names
from st_audioqa.rooms.placement import linear_paths, place_listener, static_positions
from st_audioqa.rooms.provider import PROVIDERS
from st_audioqa.seeding import generator

NAMES = ("ST_AUDIOQA_MP3D", "ST_AUDIOQA_MP3D_MATERIALS")

pytestmark = [
    pytest.mark.habitat,
    pytest.mark.skipif(
        importlib.util.find_spec("habitat_sim") is None
        or any(n not in os.environ for n in NAMES),
        reason=f"needs habitat-sim built with audio, and {' and '.join(NAMES)}",
    ),
]
LIMITS = PlacementRecipe()


@pytest.fixture(scope="module")
def options():
    path, materials = (os.environ[name] for name in NAMES)
    first = building_names(Path(path))[0]
    return {"path": path, "materials": materials, "buildings": {"test": [first]}}


@pytest.fixture(scope="module")
def room(options):
    made = PROVIDERS.get("habitat")(**options)
    return made.build(made.draw(generator(1), "room", "test"))


@pytest.fixture(scope="module")
def engine():
    return ENGINES.get("habitat")("default")


@pytest.fixture(scope="module")
def ears(room):
    return place_listener(room, generator(2), LIMITS)


def test_sources_in_sight_arrive_from_where_they_are(engine, room, ears):
    sources = static_positions(room, ears, generator(3), LIMITS, 16)
    rirs = engine.rirs(room, ears, sources, seed=0)
    errors, gains = [], []
    for rir, source in zip(rirs, sources, strict=True):
        vector = to_listener(source, ears, 0.0)
        distance = np.linalg.norm(vector)
        at = round(distance / SPEED * SAMPLE_RATE)
        assert np.abs(rir[0, : max(at - 3, 0)]).max(initial=0.0) < 0.02 / distance
        errors.append(angular_distance_deg(direct_vector(rir, distance), vector))
        gains.append(distance * direct_part(rir, distance)[0][13:20].sum())
    print(f"direction: median {np.median(errors):.2f} deg, gain times r: {np.round(gains, 3)}")
    assert np.median(errors) < 5.0
    assert np.median(gains) == pytest.approx(1.0, abs=0.1)


def test_a_query_repeats(engine, room, ears):
    _, paths = linear_paths(room, ears, generator(4), LIMITS, 1)
    first, second = (engine.rirs(room, ears, paths[0][:8], seed=0) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_materials_are_heard_by_later_sensors_too(engine, room, ears):
    """The decay stays the same from the first sensor of a building to the next."""
    source = static_positions(room, ears, generator(5), LIMITS, 1)
    energies = [
        10 * np.log10((engine.rirs(room, ears, source, seed=0)[0, 0, 3200:] ** 2).sum())
        for _ in range(4)
    ]
    assert np.ptp(energies) < 0.5


def test_the_rlr_engine_hears_the_same_room(engine, room, ears):
    """The same mesh, materials and library, by way of our own reader of the files."""
    rlr = ENGINES.get("rlr")("default")
    sources = static_positions(room, ears, generator(6), LIMITS, 4)
    try:
        want = rlr.rirs(room, ears, sources, seed=0)
    except RejectedDraw as rejected:
        pytest.skip(f"the rlr engine renders no scan with such holes ({rejected})")
    for ours, theirs in zip(engine.rirs(room, ears, sources, seed=0), want, strict=True):
        energies = [10 * np.log10((each[0] ** 2).sum()) for each in (ours, theirs)]
        print(f"energy of W: habitat {energies[0]:.1f} dB, rlr {energies[1]:.1f} dB")
        assert abs(energies[0] - energies[1]) < 3.0


def test_both_providers_find_the_same_rooms(options):
    """habitat-sim's boxes hold the outlines, and its floor is ours."""
    habitat, own = (PROVIDERS.get(name)(**options) for name in ("habitat", "matterport3d"))
    for i in range(8):
        info = own.draw(generator(7, i), f"room-{i}", "test")
        outline = own.build(info)
        box = habitat.build(info)
        assert (box.floor.min(axis=0) <= outline.floor.min(axis=0) + 0.05).all()
        assert (box.floor.max(axis=0) >= outline.floor.max(axis=0) - 0.05).all()
        assert abs(box.floor_y_m - outline.floor_y_m) < 0.3
