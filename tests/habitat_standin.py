"""A stand-in for the module `habitat_sim`, whose AudioSensor asks the real RLR engine.

What it does was read in the sources of habitat-sim: the branch RLRAudioPropagationUpdate
(dialect "sound-spaces") and the tags v0.2.2 to v0.3.4 (dialect "release"). It is as strict as
the bindings: a field that a class does not have cannot be set, except on a sensor specification.

Simulations belong to one sensor and go on until it is reset, as there: the listener is a sphere
of 0.1 m, the random numbers run on from call to call, and a sensor that was reset never reads
its materials again.
"""

from __future__ import annotations

import importlib.machinery
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
from scipy.spatial.transform import Rotation

from st_audioqa.renderers.engines import _rlr_library

TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""World (y up) to the axes of the files: (x, y, z) -> (x, -z, y)."""


class Abort(BaseException):
    """Where the real thing would end the process."""


@dataclass
class StandInHouse:
    """What the files of a building hold, by their path."""

    vertices: np.ndarray
    """[shape=(n, 3)] world axes"""
    faces: np.ndarray
    categories: list[str]
    """Of each face."""
    navmesh: tuple[np.ndarray, np.ndarray]
    """Vertices and triangles, world axes."""


HOUSES: dict[str, StandInHouse] = {}


class Strict:
    """Takes the attributes that its class declares and no others."""

    def __setattr__(self, name, value):
        if not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")
        object.__setattr__(self, name, value)


class RegionNames(dict):
    """As kRegionCategoryMap: an unknown letter is an IndexError."""

    def __missing__(self, letter):
        raise IndexError(letter)


REGION_NAMES = RegionNames(
    b="bedroom", c="closet", k="kitchen", l="living room", p="porch/terrace/deck", s="stairs"
)


class BackendConfiguration(Strict):
    scene_id = "NONE"
    scene_dataset_config_file = "default"
    load_semantic_mesh = False
    enable_physics = True


class LayoutType:
    Unknown, Mono, Binaural, Ambisonics = 0, 1, 3, 7


class CommonConfig(Strict):
    sampleRate = 44100
    frequencyBands = 4
    directSHOrder = 3
    indirectSHOrder = 1
    threadCount = 1
    unitScale = 1.0
    indirectRayCount = 5000
    indirectRayDepth = 200
    sourceRayCount = 200
    sourceRayDepth = 10
    maxDiffractionOrder = 10
    direct = True
    indirect = True
    diffraction = True
    transmission = True
    meshSimplification = False
    temporalCoherence = False


class SoundSpacesConfig(CommonConfig):
    maxIRLength = 4.0
    globalVolume = 1.0
    directRayCount = 500


class ReleaseConfig(CommonConfig):
    irTime = 4.0
    globalVolume = 0.25
    updateDt = 0.02
    dumpWaveFiles = False
    enableMaterials = True
    writeIrToFile = False


class SoundSpacesLayout(Strict):
    type = LayoutType.Binaural
    channelCount = 2


class ReleaseLayout(Strict):
    channelType = LayoutType.Binaural
    channelCount = 2


class Spec:
    """Takes any attribute, as the real one does."""

    uuid = "audio"
    acousticsConfig = None
    channelLayout = None


class SoundSpacesSpec(Spec):
    enableMaterials = False


class ReleaseSpec(Spec):
    outputDirectory = ""


class Sensor:
    """AudioSensor."""

    def __init__(self, module, spec):
        self._module, self._spec = module, spec
        self._context = None
        self._meshed = False
        self._materials, self._materials_read = "", False

    def reset(self):
        if self._context is not None:
            self._context.__exit__(None, None, None)
        self._context = None

    def setAudioMaterialsJSON(self, path):
        if not self._materials_read:
            self._materials = path

    def setAudioSourceTransform(self, position):
        self._source = np.array(position, dtype=np.float32)

    def setAudioListenerTransform(self, position, rotation):
        assert len(rotation) == 4
        self._listener = np.array(position, dtype=np.float32)
        if self._context is None:
            self._create_context()

    def runSimulation(self, simulator):
        if not self._meshed:
            self._load_mesh(simulator)
        point = self._listener.ctypes.data
        self._context._checked("SetListenerPosition", self._context._handle, 0, point)
        x, y, z = self._source
        # Elements 1, 2 and 3 of a vector of three: the fourth belongs to the next field.
        at = (y, z, np.float32(1.2e-38)) if self._module.misplaces_source else (x, y, z)
        self._response = self._module.change(self._context.simulate(np.array(at)))

    def getIR(self):
        return [[float(sample) for sample in channel] for channel in self._response]

    def _create_context(self):
        config, layout = self._spec.acousticsConfig, self._spec.channelLayout
        kind = layout.type if self._module.dialect == "sound-spaces" else layout.channelType
        assert (kind, layout.channelCount) == (LayoutType.Ambisonics, 4)
        known = [name for name, *_ in _rlr_library.Config._fields_ if hasattr(config, name)]
        settings = {name: getattr(config, name) for name in known}
        self._context = _rlr_library.Context(_rlr_library.load(), **settings)
        self._meshed = False

    def _load_mesh(self, simulator):
        self._meshed = True
        branch = self._module.dialect == "sound-spaces"
        switch = self._spec if branch else self._spec.acousticsConfig
        house, read = simulator.house, ""
        vertices, parts = house.vertices, {"default": house.faces}
        if switch.enableMaterials and simulator.has_semantics:
            if not simulator.has_semantic_mesh:
                raise Abort("createJoinedSemanticCollisionMesh: nothing was loaded")
            parts = {
                category: house.faces[[each == category for each in house.categories]]
                for category in sorted(set(house.categories))
            }
            if not simulator.turned_right:
                vertices = vertices @ TO_Z_UP.T
            if self._materials and not self._materials_read:
                read, self._materials_read = self._materials, True
        with tempfile.TemporaryDirectory() as folder:
            nothing = Path(folder, "nothing.json")
            nothing.write_text(json.dumps({"materials": [material("no such category", 0.5)]}))
            self._context.set_mesh(Path(read or nothing), vertices, parts)
        self._context.add_listener(self._listener)
        self._context._checked("SetListenerRadius", self._context._handle, 0, 0.1)


class PathFinder:
    """Navigation on the triangles of a house; a walker steps up to 0.5 m."""

    is_loaded = False
    nav_mesh_settings = SimpleNamespace(agent_height=1.5, agent_radius=0.1)

    def load_nav_mesh(self, path):
        if (found := HOUSES.get(path)) is None:
            return False
        self._vertices, self._faces = found.navmesh
        self.is_loaded = True
        return True

    def build_navmesh_vertices(self):
        return [tuple(map(float, each)) for each in self._vertices]

    def build_navmesh_vertex_indices(self):
        return [int(index) for index in self._faces.ravel()]

    def is_navigable(self, point, max_y_delta=0.5):
        a, b, c = self._vertices[self._faces].swapaxes(0, 1)
        across = np.stack([b - a, c - a], axis=-1)  # (n, 3, 2)
        to = np.asarray(point, dtype=float) - a
        share = np.linalg.solve(across[:, [0, 2]], to[:, [0, 2], None])
        height = (across @ share)[:, 1, 0]
        u, v = share[:, 0, 0], share[:, 1, 0]
        over = (np.minimum(u, v) >= -1e-6) & (u + v <= 1 + 1e-6)
        return bool((over & (np.abs(to[:, 1] - height) <= max_y_delta)).any())


class Simulator:
    """Simulator, of one building and one agent."""

    def __init__(self, configuration):
        backend, (agent,) = configuration.backend, configuration.agents
        assert agent.sensor_specifications == []  # anything else makes a renderer
        assert Path(backend.scene_id).is_file()
        self.house = HOUSES[backend.scene_id]
        stem = Path(backend.scene_id).with_suffix("")
        self.has_semantics = stem.with_suffix(".house").is_file()
        self.has_semantic_mesh = backend.load_semantic_mesh
        mesh = stem.with_name(f"{stem.name}_semantic.ply")
        if self.has_semantic_mesh and not mesh.is_file():
            raise Abort("ResourceManager: no semantic mesh")
        self.turned_right = backend.scene_dataset_config_file != "default"
        self.pathfinder = PathFinder()
        self._module, self._sensors = configuration.module, {}
        self._module.n_open += 1

    def add_sensor(self, spec):
        if not self._module.bindings.audio_enabled:
            raise Abort("Audio sensor is not enabled")
        assert spec.uuid not in self._sensors
        self._module.specs.append(spec)
        self._sensors[spec.uuid] = Sensor(self._module, spec)

    def get_agent(self, number):
        assert number == 0
        return SimpleNamespace(_sensors=self._sensors)

    def close(self):
        for sensor in self._sensors.values():
            sensor.reset()
        self._module.n_open -= 1


class SemanticScene:
    """Regions of a `.house` file, as `load_mp3d_house` reads them."""

    ranges = False
    """Whether boxes are those of versions from 0.3.1 on."""

    @classmethod
    def load_mp3d_house(cls, file, scene, rotation):
        lines = Path(file).read_text().splitlines()
        if lines[0] != "ASCII 1.1":
            raise Abort("no house file")
        turn = Rotation.from_quat(rotation)
        rows = [line.split() for line in lines if line.startswith("R ")]
        scene.regions = [cls._region(row, turn) for row in rows]
        return True

    @classmethod
    def _region(cls, row, turn):
        ends = np.array(row[9:15], dtype=float).reshape(2, 3)
        centre, sizes = turn.apply(ends.mean(axis=0)), turn.apply(ends[1] - ends[0])
        if cls.ranges:
            half = np.abs(sizes) / 2
            box = SimpleNamespace(min=centre - half, max=centre + half)
        else:
            box = SimpleNamespace(center=centre, sizes=-np.abs(sizes))  # issue 321
        level = row[2] if int(row[2]) >= 0 else ""

        def name(mapping=""):
            return REGION_NAMES[row[5]]

        return SimpleNamespace(
            id=f"{level}_{row[1]}", aabb=box, category=SimpleNamespace(name=name)
        )


def material(label, absorption):
    """An entry of a material file."""
    flat = [125.0, 0.0, 8000.0, 0.0]
    return {
        "name": label,
        "labels": [label],
        "absorption": [125.0, absorption, 8000.0, absorption],
        "scattering": [125.0, 0.3, 8000.0, 0.3],
        "transmission": flat,
        "damping": flat,
        "density": 1000.0,
        "speed": 1500.0,
    }


def stand_in(dialect, *, audio=True, misplaces_source=False, change=lambda response: response):
    """A module `habitat_sim`.

    Parameters
    ----------
    dialect : str
        "sound-spaces" or "release".
    audio : bool
        Whether it was built with audio.
    misplaces_source : bool
        Whether it has the fault of habitat-sim issue 2632.
    change : callable
        Of every response, before it is handed out.
    """
    module = ModuleType("habitat_sim")
    module.__spec__ = importlib.machinery.ModuleSpec("habitat_sim", None)
    module.__version__ = "0.2.2"
    module.dialect, module.misplaces_source = dialect, misplaces_source
    module.change, module.n_open, module.specs = change, 0, []
    branch = dialect == "sound-spaces"
    module.bindings = SimpleNamespace(audio_enabled=audio)
    module.sensor = SimpleNamespace(
        RLRAudioPropagationChannelLayoutType=LayoutType if audio else None,
        RLRAudioPropagationChannelLayout=SoundSpacesLayout if branch else ReleaseLayout,
        RLRAudioPropagationConfiguration=SoundSpacesConfig if branch else ReleaseConfig,
    )
    module.AudioSensorSpec = SoundSpacesSpec if branch else ReleaseSpec
    module.SimulatorConfiguration = BackendConfiguration
    module.agent = SimpleNamespace(AgentConfiguration=SimpleNamespace)
    module.Configuration = lambda backend, agents: SimpleNamespace(
        backend=backend, agents=agents, module=module
    )
    module.Simulator = Simulator
    module.PathFinder = PathFinder
    module.scene = SimpleNamespace(SemanticScene=SemanticScene)
    return module
