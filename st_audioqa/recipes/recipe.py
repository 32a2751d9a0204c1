"""The recipe of a corpus: a validated, immutable description, read from TOML."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import resources
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from st_audioqa.conventions import CHANNELS, MAX_DISTANCE_M, SCENE_SAMPLES, Configuration
from st_audioqa.errors import UserError, unknown_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "ChecksRecipe",
    "CorpusRecipe",
    "EventsRecipe",
    "PlacementRecipe",
    "QuestionsRecipe",
    "Recipe",
    "RendererRecipe",
    "RoomsRecipe",
    "bundled_recipes",
    "load_recipe",
]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Range = Annotated[tuple[Finite, Finite], Field(strict=False)]  # TOML has lists
Names = Annotated[tuple[str, ...], Field(strict=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]


_PLACES = ("path", "index")
"""Options that say where something lies on this machine."""

SplitName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Reuse = Annotated[int, Field(ge=1, le=1000)]


class _Section(BaseModel):
    # Strict: `reuse = true` and `seed = "1"` are mistakes, not numbers.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    opt_in: ClassVar[tuple[str, ...]] = ()
    """Keys that are written down only where they are set: a recipe that does not know them keeps
    its hash, and its corpus every byte."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        for name in self.opt_in:
            if getattr(self, name) == type(self).model_fields[name].default:
                found.pop(name, None)
        return found


class RoomsRecipe(_Section):
    """Which rooms."""

    provider: str = "procedural"
    scenes_per_room: int = Field(4, ge=1)
    """A split of n scenes has n / scenes_per_room rooms of its own."""
    options: dict[str, Any] = {}
    """Options of the provider, such as `shapes` and `furniture`."""


class EventsRecipe(_Section):
    """Which sounds."""

    library: str = "synth"
    path: str | None = None
    """Folder of a library that reads files. Where files lie is a matter of the machine: paths
    are no part of the recipe's hash, and not published."""
    digest: str | None = Field(None, pattern=r"^[0-9a-f]{16}$")
    """Of the clips. Filled in when a corpus is begun; other clips are refused from then on."""
    level_dbfs: float = Field(-35.0, ge=-60, le=-6)
    """RMS level of the dry waveform over its active bins."""
    level_spread_db: float = Field(3.0, ge=0, le=20)
    """Levels are spread evenly this far to either side."""
    options: dict[str, Any] = {}
    """Options of the library, such as `label_set` and `repeat`."""
    windows: float = Field(0.0, ge=0, le=1)
    """Share of sources that come in late, end early, or both (`events.windows`)."""
    same_label: float = Field(0.0, ge=0, le=1)
    """Share of scenes of several sources in which two have the same label."""

    opt_in: ClassVar[tuple[str, ...]] = ("windows", "same_label", "digest")

    @model_validator(mode="after")
    def _loud_enough(self) -> EventsRecipe:
        if self.level_dbfs - self.level_spread_db < -50.0:
            raise ValueError("level_dbfs minus level_spread_db must be at least -50")
        return self


class PlacementRecipe(_Section):
    """Where listeners and sources may be; metres and metres per second."""

    distance_m: Range = (0.2, 4.98)
    """Nearest and farthest that a source may be from the listener, in every bin."""
    wall_clearance_m: Positive = 0.25
    furniture_clearance_m: Positive = 0.15
    floor_clearance_m: Positive = 0.2
    ceiling_clearance_m: Positive = 0.2
    listener_clearance_m: Positive = 0.5
    """Listener to walls and furniture."""
    listener_height_m: Range = (1.1, 1.75)
    speed_m_s: Range = (0.2, 2.0)
    min_line_of_sight: float = Field(1.0, ge=0, le=1)
    """Least share of bins in which nothing stands between source and listener."""
    motions: Names = Field(("linear",), min_length=1)
    """Kinds of motion that moving sources have, equally often (`pipeline.motions`)."""

    opt_in: ClassVar[tuple[str, ...]] = ("motions",)

    @model_validator(mode="after")
    def _ranges(self) -> PlacementRecipe:
        for name in ("distance_m", "listener_height_m", "speed_m_s"):
            low, high = getattr(self, name)
            if not 0 < low < high:
                raise ValueError(f"{name} must be [low, high] with 0 < low < high")
        if self.distance_m[1] >= MAX_DISTANCE_M:
            raise ValueError(
                f"distance_m must stay below {MAX_DISTANCE_M} m, the last bin's edge"
            )
        return self


class RendererRecipe(_Section):
    """How audio is made."""

    engine: str = "auto"
    """"auto" takes `rlr` where it is installed and `image-source` elsewhere."""
    preset: str = "default"
    crossfade: Literal["plain", "aligned"] = "aligned"
    """Between the bins of a moving source: "plain" is the paper's, "aligned" keeps the level."""
    rir_duration_s: float = Field(1.0, ge=0.05, le=5)
    reuse: Reuse | dict[SplitName, Reuse] = 1
    """Sources that the impulse responses of one trajectory serve, on average and within one
    shard; their scenes have room and listener's place in common. 1 gives every scene its own.
    A table gives it per split; splits it leaves out have 1."""
    gain_db: float = Field(0.0, ge=-60, le=60)
    """The gain of every scene; lowered where a scene would clip."""
    time_limit_s: float = Field(300.0, ge=1, le=86_400)
    """Wall-clock time after which an engine of native code is taken to hang."""
    memory_limit_gb: float = Field(8.0, ge=0.25, le=1024)
    """Address space such an engine may take. Both limits are far above what rendering needs, so
    they change no byte unless an engine fails; the manifest counts what was drawn again for it
    (`engine_timeout`, `engine_memory`, `engine_crash`). They describe the machine, not the
    corpus, and are no part of the recipe's hash."""

    def reuse_in(self, split: str) -> int:
        """Sources that a trajectory serves in a split."""
        return self.reuse if isinstance(self.reuse, int) else self.reuse.get(split, 1)


class ChecksRecipe(_Section):
    """What a drawn scene must pass."""

    min_level_dbfs: float = Field(-56.0, ge=-90, le=0)
    """Least level of each rendered source over its active bins (channel W)."""
    max_level_difference_db: Positive = 18.0
    """Most that one source of a mixture may lie below the other."""
    max_rir_step_db: Positive = 6.0
    """Largest step of the early energy between adjacent bins."""
    max_attempts: int = Field(200, ge=1, le=100_000)
    """Draws of one scene before generation gives up."""


class QuestionsRecipe(_Section):
    """Guard bands: a question is asked only where its answer is clear."""

    azimuth_guard_deg: float = Field(5.0, ge=0, lt=22.5)
    elevation_guard_deg: float = Field(3.0, ge=0, lt=10)
    distance_guard_m: float = Field(0.1, ge=0, lt=0.25)
    min_azimuth_change_deg: Positive = 20.0
    min_elevation_change_deg: Positive = 10.0
    min_distance_change_m: Positive = 0.5
    azimuth_margin_deg: Positive = 10.0
    elevation_margin_deg: Positive = 5.0
    distance_margin_m: Positive = 0.25
    elevation_agrees_m: float = Field(0.1, ge=0)
    """Higher, lower, upward and downward must hold for the angle and, by this much, for the
    height in metres: a near source can be at a larger angle and yet lie lower."""
    max_elevation_deg: float = Field(60.0, gt=0, le=90)
    min_horizontal_m: float = Field(0.3, ge=0)
    """Azimuth is asked about only where the source is not nearly overhead or underfoot."""
    min_active_bins: int = Field(2, ge=1, le=4)
    """Bins of an anchor window in which a source must sound to be asked about there."""
    unasked: Names = ()
    """What is not asked about: attributes ("distance"), or one attribute of one answer rule
    ("change/elevation"). For recordings whose annotations leave something open."""
    sets: Annotated[tuple[Literal["paper", "extended"], ...], Field(strict=False)] = ("paper",)
    """Which families are asked: "extended" ones (docs/extended.md) fill a table of their own."""
    most: dict[str, dict[Literal["A", "B", "C", "E"], Count]] = {}
    """Most questions per split and type; kinds share them evenly. As many as can be asked with
    even answers where left out."""

    opt_in: ClassVar[tuple[str, ...]] = ("sets", "unasked")

    @model_validator(mode="after")
    def _asks_the_papers(self) -> QuestionsRecipe:
        if "paper" not in self.sets or len(set(self.sets)) < len(self.sets):
            raise ValueError('sets must hold "paper", and each set once')
        return self

    def min_change(self, attribute: str) -> float:
        """Least change of azimuth (deg), elevation (deg) or distance (m) that is asked about."""
        return {
            "azimuth": self.min_azimuth_change_deg,
            "elevation": self.min_elevation_change_deg,
            "distance": self.min_distance_change_m,
        }[attribute]


_MAX_SHARD_BYTES = 500_000_000
"""What the Hub's viewer and loaders take without trouble."""


class CorpusRecipe(_Section):
    """How it lies on disk."""

    scenes_per_shard: int = Field(128, ge=1, le=512)
    row_group_size: int = Field(32, ge=1, le=128)
    flac_bits: Literal[16, 24] = 16
    """Of a stored sample; 24 for quiet scenes, at nearly twice the size."""

    @model_validator(mode="after")
    def _within_size(self) -> CorpusRecipe:
        bytes_per_scene = SCENE_SAMPLES * len(CHANNELS) * self.flac_bits // 8
        most = _MAX_SHARD_BYTES // bytes_per_scene
        if self.scenes_per_shard > most:
            raise ValueError(
                f"{self.scenes_per_shard} scenes of {self.flac_bits} bits can make a shard of "
                f"more than 500 MB: at most {most} are wanted in scenes_per_shard"
            )
        return self


class Recipe(_Section):
    """A whole corpus. Two corpora of the same recipe and seed are the same, byte for byte."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    description: str = ""
    seed: int = Field(0, ge=0, lt=2**63)
    splits: dict[SplitName, dict[Configuration, Count]]
    """Scenes per split and configuration."""
    rooms: RoomsRecipe = RoomsRecipe()
    events: EventsRecipe = EventsRecipe()
    placement: PlacementRecipe = PlacementRecipe()
    renderer: RendererRecipe = RendererRecipe()
    checks: ChecksRecipe = ChecksRecipe()
    questions: QuestionsRecipe = QuestionsRecipe()
    corpus: CorpusRecipe = CorpusRecipe()

    @model_validator(mode="after")
    def _has_scenes(self) -> Recipe:
        if "test" not in self.splits:
            raise ValueError("splits must include a split named test")
        named = set(self.questions.most)
        if isinstance(self.renderer.reuse, dict):
            named |= set(self.renderer.reuse)
        for split in sorted(named - set(self.splits)):
            raise ValueError(f"reuse or questions.most names {split}, which is no split here")
        for split, counts in self.splits.items():
            if sum(counts.values()) == 0:
                raise ValueError(f"splits.{split} has no scenes")
        return self

    @property
    def published(self) -> Recipe:
        """The recipe without the places of files on this machine."""
        events = self.events.model_copy(
            update={"path": None, "options": _without_places(self.events.options)}
        )
        rooms = self.rooms.model_copy(update={"options": _without_places(self.rooms.options)})
        return self.model_copy(update={"events": events, "rooms": rooms})

    @property
    def hash(self) -> str:
        """SHA-256 of the recipe, its seed included.

        The limits of its engine and the places of files are left out: the same recordings
        elsewhere (`EventsRecipe.digest`) make the same corpus.
        """
        left_out = {"renderer": {"time_limit_s", "memory_limit_gb"}}
        if self.corpus.flac_bits == 16:  # as before there was a choice
            left_out["corpus"] = {"flac_bits"}
        text = json.dumps(
            self.published.model_dump(mode="json", exclude=left_out), sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()


def _without_places(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a library or a provider without folders and files, and so for each part.

    Files whose content matters beside a folder's (a table of materials) keep their name.
    """
    kept = {key: value for key, value in options.items() if key not in _PLACES}
    if isinstance(kept.get("materials"), str):
        kept["materials"] = PurePath(kept["materials"]).name
    if isinstance(kept.get("parts"), list):
        kept["parts"] = [
            _without_places({**part, "options": _without_places(part.get("options") or {})})
            if isinstance(part, dict)
            else part
            for part in kept["parts"]
        ]
    return kept


def bundled_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("st_audioqa.recipes")
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def load_recipe(name_or_path: str) -> Recipe:
    """A bundled recipe by name, or one from a TOML file.

    Raises
    ------
    UserError
        No such recipe (near names are suggested), a file that is not TOML, or impossible
        values (each is named).
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The recipe file {path} cannot be read: {error}.") from error
    elif name_or_path in bundled_recipes():
        folder = resources.files("st_audioqa.recipes")
        text = folder.joinpath(f"{name_or_path}.toml").read_text("utf-8")
    else:
        raise unknown_name("recipe", name_or_path, bundled_recipes())
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The recipe {name_or_path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        faults = "; ".join(_fault(each) for each in error.errors())
        raise UserError(
            f"The recipe {name_or_path} has impossible values: {faults}."
        ) from error


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    what = error["msg"].removeprefix("Value error, ")
    got = "" if isinstance(error["input"], dict) else f", got {error['input']!r}"
    return f"{where}: {what}{got}" if where else what
