"""PSELDNets' HTS-AT with Multi-ACCDOA output (Hu et al. 2025), classes and distances added.

Seven channels -> normalised per band -> patches of 4 x 4 -> Swin Transformer -> a convolution over
all frequencies that gives, for each class, three vectors whose length is activity. Time goes in
the width of the picture; `fold` cuts it into pieces that are stacked in the height, as HTS-AT
does to have the square pictures of image models.

Table 3 wants classes and distances as well: a linear head on the mean of the tokens says which
classes sound, and beside each vector stands the logarithm of its distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from st_audioqa.conventions import N_BINS
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.models.adpit import TRACKS, adpit
from st_audioqa.models.blocks import initialise
from st_audioqa.models.config import read_config
from st_audioqa.models.encoders._protocol import Outputs, SpatialEncoder, Targets
from st_audioqa.models.features import FeatureSpec
from st_audioqa.models.frontend import FOAFrontend
from st_audioqa.models.losses import semantic_losses
from st_audioqa.models.swin import SwinTransformer

__all__ = ["PRESETS", "Encoder", "PSELDNetsConfig"]

_ACTIVE = 0.5
"""Length from which a vector means that its class sounds."""
_STEEPNESS = 10.0
_FIRST_LOG_DISTANCE = 0.7


@dataclass(frozen=True)
class PSELDNetsConfig:
    """Everything that decides the shapes of a PSELDNets HTS-AT."""

    preset: str = "small"
    labels: tuple[str, ...] = ()
    features: FeatureSpec = field(default_factory=lambda: FeatureSpec(direct=True))
    channels: int = 7
    """Channels of the features that are used; the literature's seven come first."""
    frames: int = 448
    """Frames after silence was added, so that windows divide them."""
    fold: int = 1
    patch: int = 4
    dim: int = 48
    depths: tuple[int, ...] = (2, 2, 6)
    heads: tuple[int, ...] = (2, 4, 8)
    window: int = 8
    drop_path: float = 0.1

    @property
    def grid(self) -> tuple[int, int]:
        """Tokens of the first stage in height (frequency) and width (time)."""
        height = self.features.n_mels * self.fold
        return height // self.patch, self.frames // self.fold // self.patch

    def check(self) -> None:
        """Checks that the sizes fit together.

        Raises
        ------
        UserError
            They do not.
        """
        last = len(self.depths) - 1
        height, width = self.features.n_mels, self.frames
        rests = [
            len(self.heads) - len(self.depths),
            height % (self.patch << last),
            width % (self.fold * self.patch << last),
        ]
        for i, heads in enumerate(self.heads):
            size = (self.grid[0] >> i, self.grid[1] >> i)
            rests += [each % min(self.window, *size) for each in size]
            rests.append((self.dim << i) % heads)
        if any(rests):
            raise UserError(
                "PSELDNets wants in every stage a grid divisible by its window and by two, and a "
                f"width divisible by its heads, got {self}."
            )


PRESETS: Mapping[str, PSELDNetsConfig] = {
    "paper": PSELDNetsConfig(
        preset="paper",
        features=FeatureSpec(hop=320, n_mels=64),
        frames=1024,
        fold=4,
        dim=96,
        depths=(2, 2, 6, 2),
        heads=(4, 8, 16, 32),
    ),
    "small": PSELDNetsConfig(),
    "test": PSELDNetsConfig(
        preset="test",
        features=FeatureSpec(n_mels=16, direct=True),
        frames=416,
        dim=8,
        depths=(1, 2),
        heads=(1, 2),
        window=2,
    ),
}
"""`paper` has the sizes of PSELDNets' HTS-AT; `small` is trained on CPU."""


class Encoder(SpatialEncoder):
    """PSELDNets' HTS-AT with Multi-ACCDOA.

    Parameters
    ----------
    config : PSELDNetsConfig
        With its labels.
    """

    kind: ClassVar[str] = "pseldnets-maccdoa"
    named_stage = 3  # its trajectories are those of its classes

    def __init__(self, config: PSELDNetsConfig) -> None:
        super().__init__()
        config.check()
        self.config = config
        self.labels = config.labels
        self.frontend = FOAFrontend(config.features)
        n_classes, n_mels = len(config.labels), config.features.n_mels
        self.scale = nn.BatchNorm1d(config.channels * n_mels)
        self.patch = nn.Conv2d(config.channels, config.dim, config.patch, config.patch)
        self.patch_norm = nn.LayerNorm(config.dim)
        self.swin = SwinTransformer(
            config.grid,
            config.dim,
            config.depths,
            config.heads,
            config.window,
            config.drop_path,
        )
        last = len(config.depths) - 1
        width, height = config.dim << last, config.grid[0] // config.fold >> last
        self.vectors = nn.Conv2d(width, TRACKS * 3 * n_classes, (height, 3), padding=(0, 1))
        self.distances = nn.Conv2d(width, TRACKS * n_classes, (height, 1))
        self.semantic = nn.Linear(width, n_classes)
        self.apply(initialise)
        # Nearly all classes are silent: begin near that, or the first steps learn nothing else.
        nn.init.trunc_normal_(self.vectors.weight, std=0.002)

    def forward(
        self,
        features: Tensor,
        queries: Tensor | None = None,
        *,
        dynamic: bool = True,
        drop: tuple[float, float] = (0.0, 0.0),
    ) -> Outputs:
        """See `SpatialEncoder.forward`; `accdoa` [batch, 40, 3, 4, classes] is what ADPIT wants.

        The trajectory of a lone source is the sum of all classes and tracks, each vector times
        its length, so that no threshold decides and doubts about the class do no harm.
        """
        x = features[:, : self.config.channels]
        n_frames = x.shape[2]
        tokens = self._tokens(x)  # (batch, dim, frequency, time)
        outputs: Outputs = {"semantic": self.semantic(tokens.mean(dim=(2, 3)))}
        if dynamic:
            vectors = torch.tanh(self._bins(self.vectors(tokens), n_frames))
            log_distance = self._bins(self.distances(tokens), n_frames) + _FIRST_LOG_DISTANCE
            split = vectors.unflatten(-1, (TRACKS, 3, -1))
            accdoa = torch.cat([split, log_distance.unflatten(-1, (TRACKS, 1, -1))], dim=3)
            outputs |= {"accdoa": accdoa, **_read(accdoa.flatten(4))}
            if queries is not None:
                rows = torch.arange(len(queries), device=queries.device)[:, None]
                asked = accdoa.movedim(-1, 1)[rows, queries]  # (batch, queries, 40, 3, 4)
                outputs |= {f"query_{k}": v for k, v in _read(asked[..., None]).items()}
        return outputs

    def loss(self, outputs: Outputs, targets: Targets, weights: Mapping[str, float]) -> Outputs:
        """Semantic terms as everywhere, and accdoa (`st_audioqa.models.adpit`)."""
        terms = semantic_losses(outputs["semantic"], targets, weights)
        if weights.get("accdoa"):
            terms["accdoa"] = weights["accdoa"] * adpit(outputs["accdoa"], targets)
        return terms

    def _tokens(self, x: Tensor) -> Tensor:
        """Features to the last grid [shape=(batch, dim, frequency, time)]."""
        config = self.config
        x = self.scale(x.transpose(2, 3).flatten(1, 2)).unflatten(1, (x.shape[1], -1))
        x = functional.pad(x, (0, config.frames - x.shape[3]))
        x = x.unflatten(3, (config.fold, -1)).transpose(2, 3).flatten(2, 3)
        x = self.patch_norm(self.patch(x).permute(0, 2, 3, 1))
        x = self.swin(x).permute(0, 3, 1, 2)  # (batch, dim, height, width)
        return x.unflatten(2, (config.fold, -1)).transpose(2, 3).flatten(3, 4)

    def _bins(self, x: Tensor, n_frames: int) -> Tensor:
        """Values of tokens [shape=(batch, values, 1, time)] drawn out linearly to frames and
        averaged over bins -> [shape=(batch, 40, values)]."""
        x = functional.interpolate(x[:, :, 0], self.config.frames, mode="linear")
        return x[:, :, :n_frames].unflatten(2, (N_BINS, -1)).mean(dim=3).transpose(1, 2)

    def config_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self.config)

    @classmethod
    def preset_config(cls, name: str) -> dict[str, Any]:
        """The configuration of a preset (`PRESETS`)."""
        if name not in PRESETS:
            raise unknown_name("PSELDNets preset", name, PRESETS)
        return asdict(PRESETS[name])

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Encoder:
        """A new encoder of that configuration.

        Raises
        ------
        UserError
            It is no configuration of a PSELDNets HTS-AT.
        """
        return cls(read_config(PSELDNetsConfig, config))


def _read(accdoa: Tensor) -> Outputs:
    """One trajectory from vectors and distances [shape=(..., tracks, 4, classes)]."""
    vectors, log_distance = accdoa[..., :3, :], accdoa[..., 3, :]
    length = (vectors.square().sum(dim=-2) + 1e-12).sqrt()  # (..., tracks, classes)
    total = (vectors * length[..., None, :]).sum(dim=(-3, -1))
    weight = length.square()
    distance = (log_distance * weight).sum(dim=(-2, -1)) / weight.sum(dim=(-2, -1))
    return {
        "activity": _STEEPNESS * (length.amax(dim=(-2, -1)) - _ACTIVE),
        "direction": functional.normalize(total, dim=-1),
        "log_distance": distance,
    }
