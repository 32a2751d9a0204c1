"""Sizes of the ST-Audio Encoder, and the presets that name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from st_audioqa.conventions import N_BINS, SCENE_SAMPLES
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.models.features import FeatureSpec

__all__ = ["PRESETS", "EncoderConfig", "config_from_dict", "preset", "read_config"]


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides the shapes of an encoder.

    `frames` are those that the Transformer sees: features of another length are interpolated.
    """

    preset: str = "small"
    labels: tuple[str, ...] = ()
    """Display names of the classes, in the order of the semantic outputs."""
    features: FeatureSpec = field(default_factory=FeatureSpec)
    frames: int = 400
    stem: tuple[tuple[int, int, int], ...] = ((32, 2, 2), (64, 1, 2))
    """Convolutions before the patches: channels, stride in time, stride in frequency."""
    patch: tuple[int, int] = (10, 16)
    """Size of a patch in frames and bands of the features."""
    dim: int = 192
    depth: int = 6
    heads: int = 3
    temporal_depth: int = 2
    drop_path: float = 0.1
    distance_bins: int = 10
    """Classes of the static distance head, of 0.5 m each."""
    pooling: str = "learned"
    """From the grid to the bins: "mean" over frequency (the paper's), or "learned" (all
    frequencies side by side, then a linear layer)."""
    masked_intensity: bool = True
    """Whether the dynamic heads also get intensity vectors, averaged by a learned mask."""

    @property
    def grid(self) -> tuple[int, int]:
        """Patches in time and frequency."""
        return self.frames // self.patch[0], self.features.n_mels // self.patch[1]

    def check(self) -> None:
        """Checks that the sizes fit together.

        Raises
        ------
        UserError
            They do not.
        """
        stem = [1, 1]
        for _, time, frequency in self.stem:
            stem = [stem[0] * time, stem[1] * frequency]
        rests = (
            self.frames % self.patch[0],
            self.features.n_mels % self.patch[1],
            self.patch[0] % stem[0],
            self.patch[1] % stem[1],
            self.dim % self.heads,
            self.dim % 4,
        )
        if any(rests) or self.pooling not in ("mean", "learned"):
            raise UserError(
                "An encoder wants frames and bands divisible by its patch, a patch divisible by "
                f"the strides of its stem, dim by heads and by 4, got {self}."
            )
        if self.masked_intensity and self.frames % N_BINS:
            raise UserError(
                f"The learned mask wants frames divisible into {N_BINS} bins, got {self.frames}: "
                "set masked_intensity = false."
            )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


PRESETS: Mapping[str, EncoderConfig] = {
    "paper": EncoderConfig(
        preset="paper",
        features=FeatureSpec(hop=320, n_mels=128),
        frames=1024,
        stem=((1, 1, 1),),
        patch=(16, 16),
        dim=768,
        depth=12,
        heads=12,
        pooling="mean",
        masked_intensity=False,
    ),
    "small": EncoderConfig(features=FeatureSpec(direct=True)),
    "test": EncoderConfig(
        preset="test",
        features=FeatureSpec(n_mels=16, direct=True),
        stem=((8, 2, 2),),
        patch=(10, 8),
        dim=16,
        depth=1,
        heads=2,
        temporal_depth=1,
    ),
}
"""`paper` has the sizes of the paper and Spatial-AST (ViT-B); `small` is trained on CPU; `test`
is for tests."""

N_SAMPLES = SCENE_SAMPLES


def preset(name: str) -> EncoderConfig:
    """The configuration of that name, without labels.

    Raises
    ------
    UserError
        There is none.
    """
    if name not in PRESETS:
        raise unknown_name("encoder preset", name, PRESETS)
    return PRESETS[name]


def config_from_dict(data: Mapping[str, Any]) -> EncoderConfig:
    """The configuration that `EncoderConfig.to_dict` described; see `read_config`."""
    return read_config(EncoderConfig, data)


Config = TypeVar("Config", bound=Any)


def read_config(kind: type[Config], data: Mapping[str, Any]) -> Config:
    """A configuration from JSON values: lists become tuples, `features` a `FeatureSpec`.

    Parameters
    ----------
    kind : type
        A dataclass with a method `check`.

    Raises
    ------
    UserError
        A key or a value that no configuration has.
    """
    known = {each.name for each in fields(kind)}
    unknown = set(data) - known
    if unknown:
        raise unknown_name("encoder setting", sorted(unknown)[0], known)
    try:
        values = {name: _frozen(value) for name, value in data.items()}
        if "features" in values:
            values["features"] = FeatureSpec(**values["features"])
        if "labels" in values:
            values["labels"] = tuple(map(str, values["labels"]))
        config = kind(**values)
        config.check()
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"This is no configuration of an encoder: {error}.") from error
    return config


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
