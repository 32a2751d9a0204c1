"""The RLR engine: occlusion, positions, refusals, and the console."""

import dataclasses
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_renderers_support import (
    CENTRE,
    SPEED,
    needs_rlr,
    plain,
    shoebox,
    t20,
)

from st_audioqa.conventions import N_BINS, SAMPLE_RATE, angular_distance_deg, to_listener
from st_audioqa.errors import MissingPackageError, RejectedDraw, UserError
from st_audioqa.renderers import ENGINES, EngineError
from st_audioqa.renderers.acoustics import decay_rates
from st_audioqa.renderers.engines import _rlr_library
from st_audioqa.renderers.engines import rlr as rlr_module
from st_audioqa.renderers.engines.rlr import _volume_m3, ray_depth
from st_audioqa.rooms.provider import PROVIDERS
from st_audioqa.scene import RoomInfo

Engine = ENGINES.get("rlr")


def rlr(test):
    for mark in needs_rlr:
        test = mark(test)
    return test


@rlr
def test_a_box_in_between_hides_the_source():
    box = ((2.8, 0.0, 1.0), (3.2, 3.0, 4.0))
    listener, source = np.array([1.5, 1.5, 2.5]), [[4.5, 1.5, 2.5]]
    clear, hidden = (
        Engine("fast").rirs(shoebox(0.3, obstacles=obstacles), listener, source, seed=0)[0, 0]
        for obstacles in ((), (box,))
    )
    arrival = round(3.0 / SPEED * SAMPLE_RATE)
    assert clear[arrival] > 0.3
    assert np.abs(hidden[: arrival + 2]).max() < 1e-6
    assert 10 * np.log10((clear**2).sum() / (hidden**2).sum()) > 3.0


@rlr
def test_every_position_of_a_trajectory_is_honoured():
    positions = np.linspace([1.0, 1.2, 1.0], [5.0, 1.9, 4.2], N_BINS)
    listener = np.array([2.0, 1.5, 3.9])
    rirs = Engine("fast").rirs(shoebox(0.3), listener, positions, seed=0)
    vectors = to_listener(positions, listener, 0.0)
    for rir, vector in zip(rirs, vectors, strict=True):
        distance = np.linalg.norm(vector)
        at = round(distance / SPEED * SAMPLE_RATE)
        assert np.abs(rir[0, :at]).max() < 1e-3
        w, y, z, x = rir[:, at]
        assert w == pytest.approx(1.0 / distance, rel=0.03)
        assert angular_distance_deg([x, y, z], vector) < 0.2


@rlr
def test_materials_reach_the_engine():
    """Many materials with the same word in their names, of which the last one counts."""
    others = [plain(0.9, name=f"wood {i}") for i in range(12)]
    room = dataclasses.replace(
        shoebox(),
        materials=(*others, plain(0.2, name="wood")),
        face_material=np.full(12, 12),
    )
    rir = Engine("default").rirs(room, CENTRE, [[1.0, 1.2, 1.0]], seed=0)[0, 0]
    eyring = np.log(1e6) / decay_rates(room, 90.0)[3]
    assert t20(rir) == pytest.approx(eyring, rel=0.12)


@rlr
def test_seed_changes_the_tail_alone():
    engine, room, source = Engine("fast"), shoebox(0.5), np.array([1.0, 1.2, 1.0])
    one, two = (engine.rirs(room, CENTRE, [source], seed=seed)[0] for seed in (1, 2))
    early = round((np.linalg.norm(source - CENTRE) / SPEED + 0.013) * SAMPLE_RATE)
    np.testing.assert_array_equal(one[:, :early], two[:, :early])
    late = slice(early + round(0.045 * SAMPLE_RATE), None)
    assert abs(np.corrcoef(one[0, late], two[0, late])[0, 1]) < 0.2
    energy = [(rir[0].astype(float) ** 2).sum() for rir in (one, two)]
    assert energy[0] == pytest.approx(energy[1], rel=0.02)


@rlr
def test_open_rooms_are_rejected():
    room = shoebox()
    open_room = dataclasses.replace(
        room, faces=room.faces[:10], face_material=room.face_material[:10]
    )
    with pytest.raises(RejectedDraw, match="leaky_room"):
        Engine("fast").rirs(open_room, CENTRE, [[1.0, 1.2, 1.0]], seed=0)


@rlr
def test_a_closed_room_in_which_the_engine_loses_rays_is_rendered():
    """With this sofa, four of ten rays leave the room, unless it lies some metres aside."""
    outline = [[8.09, 0.0], [0.0, 0.0], [0.0, 5.63], [3.56, 5.63], [3.56, 10.61], [8.09, 10.61]]
    sofa = {
        "lower": [3.994, 0.01, 9.76],
        "upper": [5.534, 0.686, 10.56],
        "material": "upholstered leather",
    }
    surfaces = {"floor": "thin carpet on concrete", "ceiling": "fissured ceiling tile"}
    parameters = {"outline": outline, "height_m": 3.47, **surfaces, "furniture": [sofa]}
    info = RoomInfo(
        "procedural", "leaky", "l_shaped", parameters | {"walls": ["cotton curtain"] * 6}
    )
    room = PROVIDERS.get("procedural")().build(info)
    listener, source = np.array([6.095, 1.541, 8.319]), np.array([[3.974, 0.916, 4.936]])
    engine = rlr_module.Engine("fast")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rlr_module, "SHIFTS_M", rlr_module.SHIFTS_M[:1])
        with pytest.raises(RejectedDraw, match="leaky_room"):
            engine.rirs(room, listener, source, seed=0)
    w, y, z, x = engine.rirs(room, listener, source, seed=0)[0]
    distance = np.linalg.norm(source - listener)
    at = round(distance / SPEED * SAMPLE_RATE)
    assert w[at] == pytest.approx(1.0 / distance, rel=0.03)
    vector = to_listener(source, listener, 0.0)[0]
    assert angular_distance_deg([x[at], y[at], z[at]], vector) < 0.2


@rlr
def test_a_source_at_the_listener_is_rejected():
    with pytest.raises(RejectedDraw, match="source_at_listener"):
        Engine("fast").rirs(shoebox(), CENTRE, [CENTRE + 1, CENTRE + 0.05], seed=0)


@rlr
@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (np.zeros((4, 0), np.float32), "silent_rir"),
        (np.zeros((4, 9), np.float32), "silent_rir"),
        (np.full((4, 9), np.nan, np.float32), "bad_rir"),
    ],
)
def test_useless_responses_are_rejected(monkeypatch, response, reason):
    monkeypatch.setattr(_rlr_library.Context, "simulate", lambda self, position: response)
    monkeypatch.setattr(_rlr_library.Context, "ray_efficiency", lambda self: 1.0)
    with pytest.raises(RejectedDraw) as raised:
        Engine("fast").rirs(shoebox(), CENTRE, [[1.0, 1.2, 1.0]], seed=0)
    assert raised.value.reason == reason


@rlr
def test_error_codes_become_errors(tmp_path):
    with (
        pytest.raises(EngineError, match="error 20"),
        _rlr_library.Context(_rlr_library.load()) as context,
    ):
        context.set_mesh(tmp_path / "nowhere.json", np.zeros((0, 3)), {})
    with pytest.raises(TypeError, match="no setting 'rayCount'"):
        _rlr_library.Context(_rlr_library.load(), rayCount=3)


@rlr
def test_nothing_reaches_the_console():
    program = (
        "from test_renderers_support import CENTRE, shoebox\n"
        "from st_audioqa.renderers import ENGINES\n"
        "print('before')\n"
        "ENGINES.get('rlr')('fast').rirs(shoebox(0.9), CENTRE, [CENTRE + 1], seed=0)\n"
        "print('after')\n"
    )
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{here}:{here.parent}"},
    )
    assert (result.stdout, result.stderr) == ("before\nafter\n", "")


def test_console_comes_back_after_an_error(capfd):
    def fail():
        with _rlr_library._quiet():
            os.write(1, b"lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    os.write(1, b"kept")
    assert capfd.readouterr().out == "kept"


def test_missing_package_is_told_with_its_pip_line(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'st_audioqa\[soundspaces\]'"):
        Engine("fast")


def test_other_platforms_are_told(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.raises(UserError, match="Linux x86-64 only"):
        Engine("fast")


def test_broken_library_is_told(tmp_path):
    broken = tmp_path / "library.so"
    broken.write_bytes(b"not a library")
    with pytest.raises(UserError, match="cannot load its library"):
        _rlr_library._open(broken)


def test_ray_depth_reaches_the_decay():
    assert ray_depth(0.1, 60.0) == 132
    assert ray_depth(0.1, 45.0) == 99
    assert ray_depth(0.0, 60.0) == 400
    assert ray_depth(1.0, 60.0) == 20


@rlr
def test_a_killed_process_leaves_no_file(tmp_path):
    program = (
        "import os, signal\n"
        "from test_renderers_support import shoebox\n"
        "from st_audioqa.renderers.engines import rlr\n"
        "with rlr.surfaces(shoebox()) as (path, parts):\n"
        "    print(path.read_text('utf-8')[:12], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    here = Path(__file__).parent
    environment = {"PYTHONPATH": f"{here}:{here.parent}", "TMPDIR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert result.stdout == '{"materials"\n'
    assert list(tmp_path.iterdir()) == []


def test_volume_is_floor_times_height():
    l_shape = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 5], [0, 5]], float)
    room = dataclasses.replace(shoebox(), floor=l_shape)
    assert _volume_m3(room) == pytest.approx(14 * 3)
    assert _volume_m3(dataclasses.replace(room, floor=l_shape[::-1])) == pytest.approx(14 * 3)
