"""The habitat engine, on a stand-in for habitat-sim whose sensor asks the real RLR engine."""

import dataclasses
import json
import pickle
import sys

import numpy as np
import pytest
from habitat_standin import HOUSES, Abort, StandInHouse, material, stand_in
from test_renderers_support import SPEED, direct_part, direct_vector, needs_rlr, shoebox

from st_audioqa.conventions import SAMPLE_RATE, angular_distance_deg, to_listener
from st_audioqa.doctor import examine
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.renderers import ENGINES, listener_rirs
from st_audioqa.renderers.engines import habitat
from st_audioqa.rooms.geometry import box_mesh
from st_audioqa.scene import Listener, SceneFiles

pytestmark = needs_rlr

DIALECTS = ["sound-spaces", "release"]
SIZE = (6.0, 3.0, 5.0)
OFFSETS = np.array([[0.3, 0.2, -1.1], [-1.4, -0.5, 0.2], [1.0, 0.9, 1.3]])
ORIGIN = np.array([20.0, 3.0, -8.0])
"""Away from zero, and not the same along any two axes, as rooms of a real building are."""
EARS = ORIGIN + np.array([3.0, 1.5, 2.5])


def make_building(folder, absorption=0.3, name="house"):
    """Files of a box-shaped building whose floor lies at `ORIGIN`, and a room in it."""
    vertices, faces = box_mesh(ORIGIN, ORIGIN + SIZE)
    corners = ORIGIN + np.array(
        [[0.5, 0.1, 0.5], [5.5, 0.1, 0.5], [5.5, 0.1, 4.5], [0.5, 0.1, 4.5]]
    )
    house = StandInHouse(
        vertices, faces, ["wall"] * 12, (corners, np.array([[0, 1, 2], [0, 2, 3]]))
    )
    for file in (f"{name}.glb", f"{name}.navmesh", f"{name}.house", f"{name}_semantic.ply"):
        (folder / file).write_text("")
        HOUSES[str(folder / file)] = house
    (folder / "dataset.json").write_text("{}")
    (folder / "materials.json").write_text(
        json.dumps({"materials": [material("wall", absorption)]})
    )
    files = SceneFiles(
        mesh=folder / f"{name}.glb",
        navmesh=folder / f"{name}.navmesh",
        dataset=folder / "dataset.json",
        materials=folder / "materials.json",
    )
    box = shoebox(absorption)
    return dataclasses.replace(
        box,
        shape="mesh",
        vertices=box.vertices + ORIGIN,
        floor=box.floor + ORIGIN[[0, 2]],
        floor_y_m=ORIGIN[1],
        files=files,
    )


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.fixture
def install(monkeypatch):
    def installed(dialect, **faults):
        module = stand_in(dialect, **faults)
        monkeypatch.setitem(sys.modules, "habitat_sim", module)
        return module

    return installed


def test_axes_delay_and_level(dialect, install, tmp_path):
    install(dialect)
    room = make_building(tmp_path, 0.999)
    offsets = np.array(
        [[0, 0, -1.2], [-0.5, 0, 0], [0, 1.0, 0], [1.0, -0.9, 1.3], [2.5, 0.2, 0]]
    )
    rirs = ENGINES.get("habitat")("fast").rirs(room, EARS, EARS + offsets, seed=0)
    assert rirs.dtype == np.float32
    for rir, offset in zip(rirs, offsets, strict=True):
        distance = np.linalg.norm(offset)
        want = to_listener(EARS + offset, EARS, 0.0) / distance
        np.testing.assert_allclose(direct_vector(rir, distance), want, atol=3e-3)
        arrival = distance / SPEED * SAMPLE_RATE
        assert abs(np.argmax(np.abs(rir[0])) - arrival) <= 1.0
        gain = direct_part(rir, distance)[0].sum()
        assert gain == pytest.approx(1.0 / distance, rel=0.02)


@pytest.mark.parametrize("yaw_deg", [-135.0, 30.0, 90.0])
def test_directions_follow_yaw(dialect, install, tmp_path, yaw_deg):
    install(dialect)
    room = make_building(tmp_path, 0.999)
    engine = ENGINES.get("habitat")("fast")
    rirs = listener_rirs(engine, room, Listener(EARS, yaw_deg), EARS + OFFSETS, 4000, seed=0)
    for rir, vector in zip(rirs, to_listener(EARS + OFFSETS, EARS, yaw_deg), strict=True):
        got = direct_vector(rir, np.linalg.norm(vector))
        assert angular_distance_deg(got, vector) < 0.2


def test_responses_are_those_of_the_rlr_engine(dialect, install, tmp_path):
    """One acoustic library behind both: energy, decay and time of reflections agree."""
    install(dialect)
    room = make_building(tmp_path, 0.3)
    ours, theirs = (
        ENGINES.get(name)("reference").rirs(room, EARS, EARS + OFFSETS, seed=0)[:, 0]
        for name in ("habitat", "rlr")
    )
    for a, b in zip(ours, theirs, strict=True):
        first = np.flatnonzero(np.abs(b) > 0.05)[0] + 32
        for part in (slice(first, 2560), slice(2560, 6400)):
            energies = (a[part] ** 2).sum(), (b[part] ** 2).sum()
            # The listener of habitat-sim has a radius, which catches more reflections.
            assert abs(10 * np.log10(energies[0] / energies[1])) < 1.5
        lags = np.arange(-20, 21)
        alike = [np.roll(a, lag)[first:1600] @ b[first:1600] for lag in lags]
        assert abs(lags[np.argmax(alike)]) <= 2


def test_materials_are_read_by_every_new_sensor(dialect, install, tmp_path):
    """A sensor that is merely reset would go on with the library's default material."""
    install(dialect)
    engine = ENGINES.get("habitat")("fast")
    dry = make_building(tmp_path, 0.95)
    energies = [
        (engine.rirs(dry, EARS, EARS + OFFSETS[:1], seed=0)[0, 0, 1600:] ** 2).sum()
        for _ in range(3)
    ]
    assert energies[0] == energies[1] == energies[2]
    bare = dataclasses.replace(dry.files, materials=None)
    bare_room = dataclasses.replace(dry, files=bare)
    ringing = engine.rirs(bare_room, EARS, EARS + OFFSETS[:1], seed=0)[0, 0, 1600:]
    assert (ringing**2).sum() > 10 * max(energies)


def test_same_query_gives_the_same_bits_whatever_came_before(dialect, install, tmp_path):
    install(dialect)
    room = make_building(tmp_path)
    engine = ENGINES.get("habitat")("fast")
    first = engine.rirs(room, EARS, EARS + OFFSETS, seed=1)
    engine.rirs(room, EARS + 0.2, EARS - OFFSETS, seed=2)
    np.testing.assert_array_equal(engine.rirs(room, EARS, EARS + OFFSETS, seed=3), first)
    assert len(np.unique(first[:, 0], axis=0)) == 3


def test_misplaced_sources_are_refused(dialect, install, tmp_path):
    module = install(dialect, misplaces_source=True)
    room = make_building(tmp_path)
    with pytest.raises(UserError, match=r"not heard from there.*issue 2632"):
        ENGINES.get("habitat")("fast").rirs(room, EARS, EARS + OFFSETS, seed=0)
    assert module.n_open == 0


@pytest.mark.parametrize("order", [[0, 3, 1, 2], [0, 2, 1, 3]])
def test_swapped_channels_are_refused(dialect, install, tmp_path, order):
    install(dialect, change=lambda response: response[order])
    with pytest.raises(UserError, match="not heard from there"):
        ENGINES.get("habitat")("fast").rirs(
            make_building(tmp_path), EARS, EARS + OFFSETS, seed=0
        )


def test_another_law_of_distance_is_refused(install, tmp_path):
    def loud_after_2_m(response):
        late = np.argmax(np.abs(response[0])) > 150
        return response * np.float32(1.3 if late else 1.0)

    install("sound-spaces", change=loud_after_2_m)
    with pytest.raises(UserError, match="does not fall with distance"):
        ENGINES.get("habitat")("fast").rirs(
            make_building(tmp_path), EARS, EARS + OFFSETS, seed=0
        )


@pytest.mark.parametrize("dataset", [None, "dataset.json"])
def test_turned_buildings_are_refused(dialect, install, tmp_path, dataset):
    """Without the scene dataset config the semantic mesh lies on its side."""
    install(dialect)
    room = make_building(tmp_path)
    path = None if dataset is None else room.files.dataset
    room = dataclasses.replace(room, files=dataclasses.replace(room.files, dataset=path))
    engine = ENGINES.get("habitat")("fast")
    if dataset is None:
        with pytest.raises(UserError, match="give the scene dataset config"):
            engine.rirs(room, EARS, EARS + OFFSETS, seed=0)
    else:
        assert engine.rirs(room, EARS, EARS + OFFSETS, seed=0).any()


def test_builds_without_audio_are_refused_before_they_abort(dialect, install, tmp_path):
    module = install(dialect, audio=False)
    with pytest.raises(UserError, match="needs a build with audio"):
        ENGINES.get("habitat")("fast")
    module.bindings.audio_enabled = True  # the enumeration is still None
    with pytest.raises(UserError, match="needs a build with audio"):
        ENGINES.get("habitat")("fast")


def test_the_stand_in_aborts_where_the_real_thing_does(install, tmp_path):
    module = install("release", audio=False)
    backend = module.SimulatorConfiguration()
    backend.scene_id = str(make_building(tmp_path).files.mesh)
    agent = module.agent.AgentConfiguration(sensor_specifications=[])
    simulator = module.Simulator(module.Configuration(backend, [agent]))
    with pytest.raises(Abort):
        simulator.add_sensor(module.AudioSensorSpec())


def test_unknown_interfaces_are_refused(install, monkeypatch):
    module = install("release")
    module.sensor.RLRAudioPropagationChannelLayout = object
    with pytest.raises(UserError, match="not known here"):
        ENGINES.get("habitat")("fast")


def test_missing_and_broken_modules_are_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "habitat_sim", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="not installed here and comes from source only"):
        ENGINES.get("habitat")("fast")
    monkeypatch.setitem(sys.modules, "habitat_sim", None)  # what an import of it then says
    with pytest.raises(UserError, match="cannot import habitat_sim"):
        ENGINES.get("habitat")("fast")


def test_responses_of_different_length_are_padded(dialect, install, tmp_path):
    module = install(dialect)
    engine, room = ENGINES.get("habitat")("fast"), make_building(tmp_path)
    engine.rirs(room, EARS, EARS + OFFSETS[:1], seed=0)
    lengths = iter([3500, 3020, 3900])
    module.change = lambda response: response[:, : next(lengths)]
    rirs = engine.rirs(room, EARS, EARS + OFFSETS, seed=0)
    assert rirs.shape == (3, 4, 3900 + habitat.LATE_SAMPLES)
    assert not rirs[1, :, 3020 + habitat.LATE_SAMPLES :].any()
    assert rirs[1, 0, 3000 : 3020 + habitat.LATE_SAMPLES].all()


def test_sensors_are_asked_for_what_the_engine_means(dialect, install, tmp_path):
    module = install(dialect)
    room = make_building(tmp_path)
    ENGINES.get("habitat")("reference").rirs(room, EARS, EARS + OFFSETS[:1], seed=0)
    spec = module.specs[-1]
    wanted = {
        "sampleRate": SAMPLE_RATE,
        "indirectRayCount": 5000,
        "threadCount": 1,
        "transmission": False,
        "temporalCoherence": False,
    }
    assert {name: getattr(spec.acousticsConfig, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (lambda r: r[:, :0], "silent_rir"),
        (lambda r: 0 * r, "silent_rir"),
        (lambda r: r * np.float32(np.nan), "bad_rir"),
    ],
)
def test_useless_responses_are_rejected(install, tmp_path, response, reason):
    module = install("sound-spaces")
    engine, room = ENGINES.get("habitat")("fast"), make_building(tmp_path)
    engine.rirs(room, EARS, EARS + OFFSETS[:1], seed=0)
    module.change = response
    with pytest.raises(RejectedDraw) as raised:
        engine.rirs(room, EARS, EARS + OFFSETS, seed=0)
    assert raised.value.reason == reason


def test_rooms_without_files_are_refused(install):
    install("sound-spaces")
    room = dataclasses.replace(shoebox(), shape="mesh")
    ears = np.array([3.0, 1.5, 2.5])
    with pytest.raises(UserError, match=r"room provider 'test'.*take the rlr engine"):
        ENGINES.get("habitat")("fast").rirs(room, ears, [ears + 1], seed=0)
    with pytest.raises(UserError, match="renders mesh rooms"):
        ENGINES.get("habitat")("fast").rirs(shoebox(), ears, [ears + 1], seed=0)


def test_sources_within_the_listener_are_refused(install, tmp_path):
    install("sound-spaces")
    with pytest.raises(RejectedDraw, match=r"source_at_listener: 0\.050 m away"):
        ENGINES.get("habitat")("fast").rirs(
            make_building(tmp_path), EARS, [EARS + 1, EARS + np.array([0.05, 0, 0])], seed=0
        )


@pytest.mark.parametrize(
    "lost",
    [
        "house.navmesh",
        "house_semantic.ply",
        "house.house",
        "materials.json",
        "dataset.json",
        "house.glb",
    ],
)
def test_missing_files_are_told_before_habitat_aborts(install, tmp_path, lost):
    install("sound-spaces")
    room = make_building(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(UserError, match=f"{lost}, which is not there"):
        ENGINES.get("habitat")("fast").rirs(room, EARS, EARS + OFFSETS, seed=0)


@pytest.mark.parametrize("text", ["", "[]", '{"materials": []}', '{"materials": 3}'])
def test_broken_material_files_are_told_before_habitat_aborts(install, tmp_path, text):
    install("sound-spaces")
    room = make_building(tmp_path)
    room.files.materials.write_text(text)
    with pytest.raises(UserError, match="material file"):
        ENGINES.get("habitat")("fast").rirs(room, EARS, EARS + OFFSETS, seed=0)


def test_few_buildings_stay_open(install, tmp_path):
    module = install("sound-spaces")
    engine = ENGINES.get("habitat")("fast")
    for number in range(habitat.MOST_OPEN + 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        engine.rirs(make_building(folder), EARS, EARS + OFFSETS[:1], seed=0)
    assert module.n_open == habitat.MOST_OPEN


def test_engine_says_what_it_is(dialect, install):
    install(dialect)
    engine = pickle.loads(pickle.dumps(ENGINES.get("habitat")("reference")))
    assert (engine.name, engine.preset, engine.shapes) == ("habitat", "reference", {"mesh"})
    assert dialect in engine.version
    with pytest.raises(UserError, match="did you mean reference"):
        ENGINES.get("habitat")("referense")


def test_doctor_tells_build_audio_and_dialect(dialect, install, tmp_path):
    def finding():
        return next(f for f in examine(tmp_path) if f.subject == "engine habitat")

    module = install(dialect)
    assert finding().state == "ok"
    assert f"built with audio (0.2.2 {dialect} 1)" in finding().text
    module.bindings.audio_enabled = False
    assert finding().state == "missing"
    assert "habitat-sim 0.2.2 here has none" in finding().text
