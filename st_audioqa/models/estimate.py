"""Audio in, labels and tracks out: what an encoder says of one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soxr
import torch
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import BIN_TIMES_S, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.foa import from_fuma
from st_audioqa.models.encoders import SpatialEncoder
from st_audioqa.models.listening import Track, listen

__all__ = ["SceneEstimate", "Track", "estimate_scene", "prepare_audio"]

Floats = NDArray[np.floating]
Order = Literal["ambix", "fuma"]

_SILENCE = 1e-5
"""A recording whose every sample is below this (-100 dBFS) is silent."""


@dataclass(frozen=True, eq=False)
class SceneEstimate:
    """What an encoder says of ten seconds of sound."""

    labels: tuple[tuple[str, float], ...]
    """Classes with their probabilities, the likeliest first."""
    tracks: tuple[Track, ...]

    def plot(self) -> Any:
        """A figure of azimuth, elevation and distance over time, and the likeliest labels.

        Raises
        ------
        MissingPackageError
            matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingPackageError("matplotlib", "plots", "A plot") from error

        figure = Figure(figsize=(9, 7), layout="constrained")
        axes = figure.subplots(4, 1)
        rows = (
            ("azimuth (deg)", (-180, 180), "azimuth_deg"),
            ("elevation (deg)", (-90, 90), "elevation_deg"),
            ("distance (m)", (0, None), "distance_m"),
        )
        for axis, (name, limits, attribute) in zip(axes, rows, strict=False):
            for i, track in enumerate(self.tracks):
                values = getattr(track, attribute)
                sounds = track.activity >= 0.5
                axis.plot(BIN_TIMES_S, values, lw=0.5, color=f"C{i}")
                axis.plot(
                    BIN_TIMES_S[sounds],
                    values[sounds],
                    "o",
                    ms=4,
                    color=f"C{i}",
                    label=track.label or "source",
                )
            axis.set(ylabel=name, xlim=(0, 10), ylim=limits)
        if self.tracks:
            axes[0].legend(loc="upper right")
        axes[2].set_xlabel("time (s); dots: sounding")
        likely = self.labels[4::-1]
        axes[3].barh([name for name, _ in likely], [p for _, p in likely])
        axes[3].set(xlim=(0, 1), xlabel="probability")
        return figure


def prepare_audio(audio: ArrayLike, sample_rate: int, order: Order = "ambix") -> Floats:
    """A recording as the encoders want it.

    Other sample rates are converted (soxr). Shorter recordings are followed by silence, longer
    ones are refused: cut them into windows of ten seconds.

    Parameters
    ----------
    audio : array [shape=(4, n)]
    sample_rate : int
    order : {"ambix", "fuma"}
        "ambix" is W, Y, Z, X in SN3D; "fuma" is W, X, Y, Z with W lowered by 3 dB.

    Returns
    -------
    ndarray [shape=(4, 320000), dtype=float32]
        W, Y, Z, X in SN3D at 32 kHz.

    Raises
    ------
    UserError
        Other channels, an unknown order, samples that are not finite, silence, more than ten
        seconds, or an impossible sample rate.
    """
    if isinstance(audio, (str, Path)):
        raise UserError(
            f"Samples are wanted, got the path {str(audio)!r}: read it first, "
            "`audio, sample_rate = soundfile.read(path)`, and give audio.T."
        )
    samples: Floats = np.asarray(audio, dtype=np.float32)
    if samples.ndim != 2 or samples.shape[0] != 4:
        turned = samples.ndim == 2 and samples.shape[1] == 4
        hint = "give it transposed" if turned else "the encoders hear first-order ambisonics"
        raise UserError(
            f"Audio of shape (4, samples) is wanted, got shape {samples.shape}: {hint}."
        )
    if order not in ("ambix", "fuma"):
        raise UserError(f"The order of channels is 'ambix' or 'fuma', got {order!r}.")
    if not 1000 <= sample_rate <= 768_000:
        raise UserError(f"A sample rate in hertz is wanted, got {sample_rate}.")
    if not np.isfinite(samples).all():
        raise UserError("Audio with finite samples is wanted, got NaN or infinity: repair it.")
    if sample_rate != SAMPLE_RATE:
        samples = soxr.resample(samples.T, sample_rate, SAMPLE_RATE).T
    if samples.shape[1] > SCENE_SAMPLES + SAMPLE_RATE // 100:
        raise UserError(
            f"At most 10 s of audio are wanted, got {samples.shape[1] / SAMPLE_RATE:.2f} s: "
            "give windows of 10 s one by one."
        )
    if np.abs(samples).max(initial=0.0) < _SILENCE:
        raise UserError("Audio is wanted, got silence: check the file and its channels.")
    samples = samples[:, :SCENE_SAMPLES]
    whole = np.zeros((4, SCENE_SAMPLES), dtype=np.float32)
    whole[:, : samples.shape[1]] = samples
    return from_fuma(whole) if order == "fuma" else whole


def estimate_scene(
    encoder: SpatialEncoder,
    audio: ArrayLike,
    sample_rate: int,
    *,
    order: Order = "ambix",
    threshold: float = 0.3,
    sources: Sequence[str] | None = None,
) -> SceneEstimate:
    """What an encoder says of a recording; see `prepare_audio` for what it may be.

    Parameters
    ----------
    threshold : float
        Least probability of the class of a second source.
    sources : sequence of str, optional
        Classes whose tracks are wanted; else the likeliest one, and a second one that is no
        relative of the first in the ontology.

    Raises
    ------
    UserError
        See `prepare_audio`; or an unknown class.
    """
    unknown = [name for name in sources or () if name not in encoder.labels]
    if unknown:
        raise UserError(
            f"The encoder has no class {unknown[0]!r}: its {len(encoder.labels)} classes are in "
            "`encoder.labels`."
        )
    waveform = torch.as_tensor(prepare_audio(audio, sample_rate, order))[None]
    heard = listen(encoder, waveform, [sources or ()], threshold=threshold)[0]
    return SceneEstimate(heard.labels, heard.tracks if sources is None else heard.asked)
