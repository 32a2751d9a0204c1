"""What holds for every engine: axes, delay, level, decay, repetition, refusals."""

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_renderers_support import (
    CENTRE,
    ENGINE_NAMES,
    SPEED,
    direct_only,
    direct_part,
    direct_vector,
    plain,
    shoebox,
    t20,
)

from st_audioqa.conventions import SAMPLE_RATE, angular_distance_deg, to_listener, wrap_deg
from st_audioqa.errors import UserError
from st_audioqa.foa import rotate_yaw
from st_audioqa.renderers import ENGINES, listener_rirs, rir_hash
from st_audioqa.renderers.acoustics import decay_rates
from st_audioqa.renderers.engine import checked_query
from st_audioqa.rooms.geometry import LARGEST_M
from st_audioqa.scene import Listener

pytestmark = pytest.mark.parametrize("name", ENGINE_NAMES)

WORLD_TO_LISTENER = {
    "front": ((0, 0, -1), (1, 0, 0)),
    "back": ((0, 0, 1), (-1, 0, 0)),
    "left": ((-1, 0, 0), (0, 1, 0)),
    "right": ((1, 0, 0), (0, -1, 0)),
    "up": ((0, 1, 0), (0, 0, 1)),
    "down": ((0, -1, 0), (0, 0, -1)),
    "front-left-up": ((-1, 1, -1), np.array([1, 1, 1]) / np.sqrt(3)),
}
OFFSETS = np.array([[0.3, 0.2, -1.1], [-1.4, -0.5, 0.2], [1.0, 0.9, 1.3]])


def test_axes_at_yaw_zero(name):
    engine, room = direct_only(name)
    world, want = map(np.array, zip(*WORLD_TO_LISTENER.values(), strict=True))
    rirs = engine.rirs(room, CENTRE, CENTRE + 0.9 * world, seed=0)
    assert rirs.dtype == np.float32
    for rir, offset, direction in zip(rirs, 0.9 * world, want, strict=True):
        np.testing.assert_allclose(
            direct_vector(rir, np.linalg.norm(offset)), direction, atol=2e-3
        )


@pytest.mark.parametrize("yaw_deg", [-135.0, 30.0, 90.0, 200.0])
def test_directions_follow_yaw(name, yaw_deg):
    engine, room = direct_only(name)
    listener = Listener(CENTRE, yaw_deg)
    rirs = listener_rirs(engine, room, listener, CENTRE + OFFSETS, 4000, seed=0)
    want = to_listener(CENTRE + OFFSETS, CENTRE, yaw_deg)
    for rir, vector in zip(rirs, want, strict=True):
        got = direct_vector(rir, np.linalg.norm(vector))
        assert angular_distance_deg(got, vector) < 0.1


def test_yaw_turns_the_whole_field(name):
    engine, room = ENGINES.get(name)("fast"), shoebox(0.5)
    ahead, turned = (
        listener_rirs(engine, room, Listener(CENTRE, yaw), CENTRE + OFFSETS, 4000, seed=0)
        for yaw in (0.0, 50.0)
    )
    np.testing.assert_allclose(turned, rotate_yaw(ahead, 50.0), atol=1e-6)
    assert np.abs(turned[:, 1] - ahead[:, 1]).max() > 0.1


def test_delay_is_distance_over_speed_of_sound(name):
    engine, room = direct_only(name)
    for rir, offset in zip(
        engine.rirs(room, CENTRE, CENTRE + OFFSETS, seed=0), OFFSETS, strict=True
    ):
        distance = np.linalg.norm(offset)
        assert abs(np.argmax(np.abs(rir[0])) - distance / SPEED * SAMPLE_RATE) <= 1.0


def test_level_falls_with_distance(name):
    engine, room = direct_only(name)
    distances = np.array([0.25, 0.5, 1.0, 2.0])
    positions = CENTRE + distances[:, None] * [1.0, 0.0, 0.0]
    rirs = engine.rirs(room, CENTRE, positions, seed=0)
    gains = [
        np.sqrt((direct_part(rir, r)[0] ** 2).sum())
        for rir, r in zip(rirs, distances, strict=True)
    ]
    # The low-pass filter of the image sources leaves sqrt(0.95) of the energy of a pulse.
    np.testing.assert_allclose(gains, 1 / distances, rtol=0.04)
    assert gains[2] == pytest.approx(1.0, abs=0.05)


def test_a_source_that_stays_is_a_constant_trajectory(name):
    engine, room = ENGINES.get(name)("fast"), shoebox(0.3)
    place = CENTRE + OFFSETS[0]
    alone = engine.rirs(room, CENTRE, [place], seed=3)[0]
    for rir in engine.rirs(room, CENTRE, [place] * 4, seed=3):
        np.testing.assert_allclose(rir, alone, atol=1e-6)


def test_reflections_do_not_trail_a_moving_source(name):
    """The whole response, not the direct sound alone, keeps up with the source."""
    azimuth = np.linspace(-80.0, 80.0, 33)
    circle = CENTRE + 1.6 * np.array([[-np.sin(a), 0, -np.cos(a)] for a in np.radians(azimuth)])
    residual = []
    for path, turn in ((circle, 1.0), (circle[::-1], -1.0)):
        rirs = ENGINES.get(name)("default").rirs(shoebox(0.3), CENTRE, path, seed=4)
        for rir, a in zip(rirs, azimuth[:: int(turn)], strict=True):
            w, y, _, x = rir
            measured = np.degrees(np.arctan2((w * y).sum(), (w * x).sum()))
            residual.append(turn * wrap_deg(measured - a))
    assert abs(np.mean(residual)) < 1.0


def test_decay_follows_eyring(name):
    room = shoebox(0.2)
    rirs = ENGINES.get(name)("default").rirs(room, CENTRE, CENTRE + OFFSETS, seed=1)
    eyring = np.log(1e6) / decay_rates(room, 90.0)[3]
    assert np.mean([t20(rir[0]) for rir in rirs]) == pytest.approx(eyring, rel=0.12)


def test_same_query_gives_the_same_bits(name):
    engine, room = ENGINES.get(name)("fast"), shoebox()
    hashes = {rir_hash([engine.rirs(room, CENTRE, CENTRE + OFFSETS, seed=5)]) for _ in range(2)}
    program = (
        "import numpy as np\n"
        "from test_renderers_support import CENTRE, shoebox\n"
        "from st_audioqa.renderers import ENGINES, rir_hash\n"
        f"offsets = np.array({OFFSETS.tolist()})\n"
        f"engine = ENGINES.get({name!r})('fast')\n"
        "print(rir_hash([engine.rirs(shoebox(), CENTRE, CENTRE + offsets, seed=5)]))\n"
    )
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{here}:{here.parent}"},
    )
    assert hashes == {result.stdout.strip()}
    assert result.stderr == ""


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [0, 1])
def test_walls_keep_their_materials(name, axis, side):
    """A near wall gives a weak echo where it is soft, not where the opposite one is."""
    size, outward = (8.0, 8.0, 8.0), np.eye(3)[axis] * (2 * side - 1)
    source, listener = 4.0 + 3.6 * outward, 4.0 + 2.0 * outward
    echo = round((1.6 + 2 * 0.4) / SPEED * SAMPLE_RATE)
    energies = []
    for soft in (2 * axis + side, 2 * axis + 1 - side):
        walls = [plain(0.95 if i == soft else 0.05, name=f"wall {i}") for i in range(6)]
        room = shoebox(size=size, walls=tuple(walls))
        rir = ENGINES.get(name)("fast").rirs(room, listener, [source], seed=0)[0, 0]
        energies.append((rir[echo - 10 : echo + 300] ** 2).sum())
    assert energies[1] > 3 * energies[0]


@pytest.mark.parametrize(
    ("listener", "sources", "message"),
    [
        (CENTRE, [[np.nan, 1.0, 1.0]], "not finite"),
        (CENTRE, [[np.inf, 1.0, 1.0]], "not finite"),
        ([np.nan, 1.0, 1.0], [CENTRE], "not finite"),
        (CENTRE, [CENTRE, [6.5, 1.0, 1.0]], "inside 'box'"),
        (CENTRE, [[3.0, 3.5, 1.0]], "inside 'box'"),
        (CENTRE, [[3.0, 1.0, 0.005]], "inside 'box'"),
        ([-1.0, 1.0, 1.0], [CENTRE], "inside 'box'"),
        (CENTRE, CENTRE, "shape"),
        (CENTRE, np.zeros((0, 3)), "shape"),
        (CENTRE[:2], [CENTRE], "shape"),
    ],
)
def test_positions_are_checked(name, listener, sources, message):
    with pytest.raises(UserError, match=message):
        ENGINES.get(name)("fast").rirs(shoebox(), listener, sources, seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertices": np.full((8, 3), np.nan)}, "not finite"),
        ({"faces": np.array([[0, 1, 99]] * 12)}, "vertex that is not there"),
        ({"faces": np.zeros((0, 3), dtype=int)}, "Faces"),
        ({"faces": np.zeros((12, 3))}, "whole numbers"),
        ({"faces": np.zeros((12, 3), dtype=int)}, "no area"),
        ({"vertices": np.zeros((0, 3))}, "Vertices"),
        ({"vertices": 100.0 * shoebox().vertices}, r"600 x 300 x 500 .* in metres"),
        ({"vertices": 0.01 * shoebox().vertices}, "in metres"),
        ({"materials": ()}, "material that is not there"),
        ({"face_material": np.full(12, 7)}, "material that is not there"),
        ({"face_material": np.zeros(3, dtype=int)}, "one material index"),
        ({"materials": (plain(1.7),)}, "from 0 to 1"),
        ({"shape": "torus"}, "renders"),
    ],
)
def test_rooms_are_checked(name, change, message):
    room = dataclasses.replace(shoebox(), **change)
    with pytest.raises(UserError, match=message):
        ENGINES.get(name)("fast").rirs(room, CENTRE, [CENTRE + 1], seed=0)


def test_unknown_preset_suggests_near_names(name):
    with pytest.raises(UserError, match="did you mean reference"):
        ENGINES.get(name)("referense")


def test_engine_says_what_it_is(name):
    assert name in ENGINES.names()
    engine = pickle.loads(pickle.dumps(ENGINES.get(name)("reference")))
    assert (engine.name, engine.preset) == (name, "reference")
    assert engine.version
    assert "shoebox" in engine.shapes


def test_the_largest_building_that_is_opened_is_rendered(name):
    room = shoebox(size=(0.99 * LARGEST_M, 4.0, 30.0))
    listener, sources = checked_query(ENGINES.get(name)("fast"), room, CENTRE, [CENTRE + 0.5])
    assert (listener == CENTRE).all()
    assert sources.shape == (1, 3)
