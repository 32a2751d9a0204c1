"""What two ears hear, as features: those of Spatial-AST (Zheng et al. 2024).

The stored ambisonics are decoded to two ears by the filters of `st_audioqa.decoding` with the
computed spherical head. Then come, per ear, the log-mel spectrum of the magnitudes, and cosine
and sine of the interaural phase difference (right minus left), averaged over each band. Filters
are those of Spatial-AST: Slaney's mel scale, each filter of area one.

The head is the same above and below and nearly the same in front and behind: what tells those
apart is only reverberation and what four ambisonic channels keep of the head's shadow.
"""

from __future__ import annotations

import functools
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.decoding import ORIGIN_TAPS, binaural_filters
from st_audioqa.hrtf import SPHERICAL_HEAD
from st_audioqa.models.features import FeatureSpec
from st_audioqa.models.frontend import Frontend, short_time_spectrum
from st_audioqa.models.rotations import ROTATIONS, Rotation
from st_audioqa.sofa import load_hrtf

__all__ = ["BinauralFrontend", "slaney_filters"]

_FLOOR = 1e-10


class BinauralFrontend(Frontend):
    """FOA waveforms -> log-mel spectra of two ears and their phase difference.

    Parameters
    ----------
    spec : FeatureSpec, optional
        `direct` has no meaning here.
    """

    filters: Tensor
    window: Tensor
    ears: Tensor

    kind = "binaural"
    layout = "binaural"
    n_levels = 2
    decade_db = 5.0  # levels are of magnitudes, as in Spatial-AST
    rotations = tuple(
        i
        for i, each in enumerate(ROTATIONS)
        if not each.exchange and each.sign_x == 1 and each.sign_z == 1
    )
    """The mirror from left to right: exact, as the head is symmetric, to 0.02 dB."""

    def __init__(self, spec: FeatureSpec | None = None) -> None:
        super().__init__()
        self.spec = spec or FeatureSpec()

        def constant(name: str, value: Any) -> None:
            self.register_buffer(name, torch.as_tensor(value).float(), persistent=False)

        constant("filters", slaney_filters(self.spec))
        constant("window", torch.hann_window(self.spec.n_fft, dtype=torch.float64))
        constant("ears", _ears())

    @property
    def n_channels(self) -> int:
        """Two levels, cosine and sine."""
        return 4

    def channel_map(self, rotation: Rotation) -> tuple[list[int], list[int]]:
        """A mirror exchanges the ears, and so the sign of their phase difference."""
        return ([1, 0, 2, 3], [1, 1, 1, -1]) if rotation.sign_y < 0 else ([0, 1, 2, 3], [1] * 4)

    @torch.no_grad()
    def forward(self, audio: Tensor) -> Tensor:
        """Features of a batch.

        Parameters
        ----------
        audio : Tensor [shape=(batch, 4, n)]
            W, Y, Z, X in SN3D at 32 kHz.

        Returns
        -------
        Tensor [shape=(batch, 4, n // hop, n_mels)]
            Log-mel magnitude of left and right in dB (10 log10, as in Spatial-AST); mean cosine
            and sine of the phase difference in each band.
        """
        spec = self.spec
        spectrum = short_time_spectrum(
            self.heard(audio), self.window, spec.hop, audio.shape[-1] // spec.hop
        )
        magnitude = (spectrum.real.square() + spectrum.imag.square()).sqrt()
        levels = 10.0 * torch.log10((magnitude @ self.filters).clamp_min(_FLOOR))
        left, right = spectrum[:, 0], spectrum[:, 1]
        both = magnitude.prod(dim=1) + 1e-20
        cosine = (left.real * right.real + left.imag * right.imag) / both
        sine = (left.real * right.imag - left.imag * right.real) / both
        width = SAMPLE_RATE / spec.n_fft  # of a bin, so that a band's weights sum to about one
        phase = torch.stack([cosine, sine], dim=1) @ self.filters * width
        return torch.cat([levels, phase], dim=1)

    def heard(self, audio: Tensor) -> Tensor:
        """The signals of the ears [shape=(batch, 4, n)] -> [shape=(batch, 2, n)]."""
        n, first = audio.shape[-1], ORIGIN_TAPS
        n_fft = fft.next_fast_len(n + self.ears.shape[-1] - 1, real=True)
        spectra: Any = torch.fft.rfft(audio, n_fft)
        responses: Any = torch.fft.rfft(self.ears, n_fft)
        mixed = torch.stack([(spectra * ear).sum(dim=1) for ear in responses], dim=1)
        return cast(Tensor, torch.fft.irfft(mixed, n_fft)[..., first : first + n])


@functools.cache
def _ears() -> NDArray[np.floating]:
    return binaural_filters(load_hrtf(SPHERICAL_HEAD))


@functools.cache
def slaney_filters(spec: FeatureSpec) -> NDArray[np.floating]:
    """Triangular filters of area one on the mel scale of Slaney's Auditory Toolbox.

    That scale is linear up to 1 kHz (15 steps) and logarithmic above (27 steps from 1 to 6.4
    kHz).

    Returns
    -------
    ndarray [shape=(n_fft // 2 + 1, n_mels)]
        In 1 / Hz.
    """
    steps = 27.0 / np.log(6.4)

    def to_mel(hertz: float) -> float:
        return hertz * 0.015 if hertz < 1000.0 else 15.0 + steps * float(np.log(hertz / 1000.0))

    mels = np.linspace(to_mel(spec.low_hz), to_mel(spec.high_hz), spec.n_mels + 2)
    edges = np.where(mels < 15.0, mels / 0.015, 1000.0 * np.exp((mels - 15.0) / steps))
    frequency = fft.rfftfreq(spec.n_fft, 1.0 / SAMPLE_RATE)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(np.minimum(rising, falling), 0.0)
    return np.asarray(triangles * 2.0 / (edges[2:] - edges[:-2]))
