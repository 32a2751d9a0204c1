"""Access to the AudioSensor of habitat-sim, in both of its interfaces.

habitat-sim changed this interface without changing its version number, so it is told apart by
its attributes:

sound-spaces
    The branch RLRAudioPropagationUpdate, which the installation guide of SoundSpaces 2.0 builds.
release
    The tags v0.2.2 and later. From v0.3.1 to v0.3.4 the sensor puts the source in a wrong place
    (issue 2632 of habitat-sim); `_habitat_probes` finds that out.

A wrong call does not raise here, it ends the process: a sensor in a build without audio, a
material file that cannot be read, a semantic mesh that is missing. All is checked beforehand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.errors import UserError
from st_audioqa.rooms.habitat import has_audio, load_habitat_sim, version
from st_audioqa.scene import SceneFiles

__all__ = ["DIALECTS", "HINT", "Dialect", "House", "Settings", "find_dialect", "load"]

Floats = NDArray[np.floating]

HINT = "see docs/habitat.md, or choose the rlr engine, which is the same acoustic simulation"


@dataclass(frozen=True)
class Dialect:
    """Where an interface keeps what the other one keeps elsewhere."""

    name: str
    layout_field: str
    """Field of the channel layout that holds its type."""
    materials_holder: str
    """What has the switch `enableMaterials`: "spec" or "config"; on the other one it is taken
    without complaint and does nothing."""


DIALECTS = (
    Dialect("sound-spaces", layout_field="type", materials_holder="spec"),
    Dialect("release", layout_field="channelType", materials_holder="config"),
)


def load() -> Any:
    """The module habitat_sim, known to have been built with audio.

    Raises
    ------
    UserError
        It is not installed, cannot be imported, or was built without audio.
    """
    habitat_sim = load_habitat_sim("The habitat engine")
    if not has_audio(habitat_sim):
        raise UserError(
            f"The habitat engine needs a build with audio and habitat-sim {version(habitat_sim)} "
            f"here has none: build it from source with audio; {HINT}."
        )
    return habitat_sim


def find_dialect(habitat_sim: Any) -> Dialect:
    """Which interface this build has.

    Raises
    ------
    UserError
        It is neither of the two that are known.
    """
    layout = habitat_sim.sensor.RLRAudioPropagationChannelLayout()
    for dialect in DIALECTS:
        if hasattr(layout, dialect.layout_field):
            return dialect
    raise UserError(
        f"habitat-sim {version(habitat_sim)} has an audio interface that is not known here: {HINT}."
    )


@dataclass(frozen=True)
class Settings:
    """Of the simulation behind a sensor."""

    rays: int
    frequency_bands: int
    indirect: bool = True


class House:
    """A building that is open in habitat-sim, and one audio sensor in it.

    Parameters
    ----------
    habitat_sim : module
        From `load`.
    files : SceneFiles

    Raises
    ------
    UserError
        A file is missing or cannot be read.
    """

    def __init__(self, habitat_sim: Any, files: SceneFiles) -> None:
        _check_files(files)
        self.files = files
        self._module = habitat_sim
        self._dialect = find_dialect(habitat_sim)
        backend = habitat_sim.SimulatorConfiguration()
        backend.scene_id = str(files.mesh)
        if files.dataset is not None:
            backend.scene_dataset_config_file = str(files.dataset)
        backend.load_semantic_mesh = files.materials is not None
        backend.enable_physics = False
        agent = habitat_sim.agent.AgentConfiguration()
        # Without sensors no renderer is made, which would want a graphics card.
        agent.sensor_specifications = []
        self._simulator = habitat_sim.Simulator(habitat_sim.Configuration(backend, [agent]))
        # Opening may have computed another navmesh, of an agent of another size.
        if not self.pathfinder.load_nav_mesh(str(files.navmesh)):
            self.close()
            raise UserError(
                f"habitat-sim cannot read the navmesh {files.navmesh}: fetch it again."
            )
        self._sensor: Any = None
        self._n_sensors = 0

    @property
    def pathfinder(self) -> Any:
        """The PathFinder, with the navmesh of the files."""
        return self._simulator.pathfinder

    @property
    def semantic_scene(self) -> Any:
        """Levels, regions and objects."""
        return self._simulator.semantic_scene

    def close(self) -> None:
        """Frees the files."""
        self._simulator.close()

    def renew_sensor(self, settings: Settings) -> None:
        """A sensor with a simulation of its own, which starts from the seed of the library.

        A sensor that is reset also starts afresh, but loses its materials without a word: it
        remembers that it has read them and does not read them again.
        """
        if self._sensor is not None:
            self._sensor.reset()  # frees the simulation of the sensor before
        name = f"audio_sensor_{self._n_sensors}"
        self._n_sensors += 1
        self._simulator.add_sensor(self._spec(name, settings))
        self._sensor = self._simulator.get_agent(0)._sensors[name]
        if self.files.materials is not None:
            self._sensor.setAudioMaterialsJSON(str(self.files.materials))

    def response(self, listener: ArrayLike, source: ArrayLike) -> NDArray[np.float32]:
        """Impulse response between two points [shape=(3,)] of the world.

        The sensor is driven directly. The way through the observations of the simulator turns
        nothing either, but knows a sensor by one name only and renders all others as well.

        Returns
        -------
        ndarray [shape=(4, n)]
            In the axes and the normalisation of the library; n differs from call to call and
            may be 0.
        """
        upright = np.array([1.0, 0.0, 0.0, 0.0])
        self._sensor.setAudioSourceTransform(np.array(source, dtype=np.float64))
        self._sensor.setAudioListenerTransform(np.array(listener, dtype=np.float64), upright)
        self._sensor.runSimulation(self._simulator)
        channels = self._sensor.getIR()
        if len(channels) != 4:
            raise UserError(
                f"habitat-sim {version(self._module)} gave {len(channels)} channels where 4 were "
                f"asked for: {HINT}."
            )
        return np.array([np.asarray(each, np.float32) for each in channels]).reshape(4, -1)

    def _spec(self, name: str, settings: Settings) -> Any:
        sensor = self._module.sensor
        config = sensor.RLRAudioPropagationConfiguration()
        config.sampleRate = SAMPLE_RATE
        config.frequencyBands = settings.frequency_bands
        config.directSHOrder = 1
        config.indirectSHOrder = 1
        config.threadCount = 1
        config.indirectRayCount = settings.rays
        config.indirect = settings.indirect
        config.transmission = False
        config.temporalCoherence = False
        layout = sensor.RLRAudioPropagationChannelLayout()
        kinds = sensor.RLRAudioPropagationChannelLayoutType
        setattr(layout, self._dialect.layout_field, kinds.Ambisonics)
        layout.channelCount = 4
        spec = self._module.AudioSensorSpec()
        spec.uuid = name
        holder = spec if self._dialect.materials_holder == "spec" else config
        holder.enableMaterials = self.files.materials is not None
        spec.acousticsConfig = config
        spec.channelLayout = layout
        return spec


def _check_files(files: SceneFiles) -> None:
    """What would end the process if it were missing."""
    wanted = {"scene mesh": files.mesh, "navmesh": files.navmesh}
    if files.dataset is not None:
        wanted["scene dataset config"] = files.dataset
    if files.materials is not None:
        stem = files.mesh.with_suffix("")
        wanted["material file"] = files.materials
        wanted["semantic mesh"] = stem.with_name(f"{stem.name}_semantic.ply")
        wanted["house file"] = stem.with_suffix(".house")
    for what, path in wanted.items():
        if not path.is_file():
            raise UserError(
                f"habitat-sim needs the {what} {path}, which is not there: fetch it."
            )
    if files.materials is not None:
        try:
            known = json.loads(files.materials.read_text("utf-8"))["materials"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"The material file {files.materials} is not a JSON object with a list of "
                f"materials ({error}): fetch it again."
            ) from error
        if not isinstance(known, list) or not known:
            raise UserError(f"The material file {files.materials} lists no materials.")
