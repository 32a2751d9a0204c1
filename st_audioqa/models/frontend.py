"""The input features of the encoders in torch, for batches of waveforms.

A front end (`Frontend`) also knows what can be done to its features without the waveform: turns
of the sound field, and the sum of two clips. `FOAFrontend` computes what
`st_audioqa.models.features.foa_features` computes, channel by channel (the paper's section 4.1),
and on request three more channels with the intensity of the direct sound. Levels are kept
throughout: they are a cue of distance.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.models.features import FeatureSpec, mel_filters
from st_audioqa.models.rotations import ROTATIONS, Rotation

__all__ = ["FOAFrontend", "Frontend", "short_time_spectrum"]

_FLOOR = 1e-10
_DIRECT_FFT = 512
_DIRECT_HZ = (100.0, 8000.0)
_HALF_EVIDENCE = 0.3
"""Evidence at which a direct-sound vector has half its greatest length."""


class Frontend(nn.Module, ABC):
    """From FOA waveforms to features [shape=(batch, channels, frames, bands)].

    The first `n_levels` channels are levels in dB, the others are averages of something signed
    over a band, weighted by its energy.
    """

    spec: FeatureSpec
    version: ClassVar[int] = 1
    """Raised whenever the same audio gives other features: it is part of the cache's key."""
    kind: ClassVar[str]
    layout: ClassVar[str]
    """What is listened to: "foa" or "binaural"."""
    n_levels: ClassVar[int]
    decade_db: ClassVar[float] = 10.0
    """Decibels that ten times the energy add to a level channel."""
    rotations: ClassVar[tuple[int, ...]]
    """Indices into `ROTATIONS` of those that are exact on these features."""

    @property
    @abstractmethod
    def n_channels(self) -> int:
        """Number of channels."""

    @abstractmethod
    def channel_map(self, rotation: Rotation) -> tuple[list[int], list[int]]:
        """Which channel each one of a rotated field is taken from, and with which sign."""

    @abstractmethod
    def forward(self, audio: Tensor) -> Tensor:
        """Features of waveforms [shape=(batch, 4, n)] in W, Y, Z, X, SN3D, 32 kHz."""

    @property
    def key(self) -> str:
        """Known by this in the cache: kind, version and all sizes."""
        described = {"kind": self.kind, "version": self.version, **asdict(self.spec)}
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]

    def shape(self, n_samples: int) -> tuple[int, int, int]:
        """Shape of the features of one waveform: channels, frames, bands."""
        return self.n_channels, n_samples // self.spec.hop, self.spec.n_mels

    def rotate(self, features: Tensor, chosen: Tensor) -> Tensor:
        """Features of the rotated sound fields.

        Parameters
        ----------
        features : Tensor [shape=(batch, channels, frames, bands)]
        chosen : Tensor [shape=(batch,)]
            For every clip an index into `ROTATIONS`, one of `rotations`.
        """
        maps = [self.channel_map(ROTATIONS[i]) for i in chosen.tolist()]
        source = torch.tensor([each for each, _ in maps], device=features.device)
        sign = torch.tensor([each for _, each in maps], dtype=features.dtype)
        rows = torch.arange(len(features), device=features.device)[:, None]
        return features[rows, source] * sign.to(features.device)[:, :, None, None]

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """About the features of the sum of two waveforms.

        Energies of the bands add up but for the interference of the two, which is zero on
        average over a band and a frame; signed channels are averaged with the energies as
        weights.
        """
        n, decade = self.n_levels, self.decade_db
        power_a, power_b = (10.0 ** (x[:, :n] / decade) for x in (a, b))
        energy_a, energy_b = power_a.sum(1, keepdim=True), power_b.sum(1, keepdim=True)
        share = energy_a / (energy_a + energy_b)
        signed = a[:, n:] * share + b[:, n:] * (1.0 - share)
        return torch.cat([decade * torch.log10(power_a + power_b), signed], dim=1)


class FOAFrontend(Frontend):
    """FOA waveforms -> log-mel spectra and intensity vectors.

    Parameters
    ----------
    spec : FeatureSpec, optional
        With `direct`, three channels follow: the unit intensity vectors of points that are
        coherent (one plane wave dominates) and just after an onset (before the room answers),
        summed with those weights over each band and frame as in `st_audioqa.foa.bin_directions`,
        and shortened to s / (|s| + 0.3), so that their length says how much evidence there is.
    """

    filters: Tensor
    direct_filters: Tensor
    window: Tensor
    direct_window: Tensor

    kind = "foa"
    layout = "foa"
    n_levels = 4
    rotations = tuple(range(len(ROTATIONS)))

    def __init__(self, spec: FeatureSpec | None = None) -> None:
        super().__init__()
        self.spec = spec or FeatureSpec()
        self.direct_hop = self.spec.hop // max(1, round(self.spec.hop / 200))
        if self.spec.direct and self.spec.hop % self.direct_hop:
            raise ValueError(f"direct features want a hop divisible into ~200, got {spec}")

        def constant(name: str, value: Tensor) -> None:
            self.register_buffer(name, value.float(), persistent=False)

        constant("filters", torch.as_tensor(mel_filters(self.spec)))
        constant("window", torch.hann_window(self.spec.n_fft, dtype=torch.float64))
        if self.spec.direct:
            fine = FeatureSpec(
                _DIRECT_FFT,
                self.direct_hop,
                self.spec.n_mels,
                self.spec.low_hz,
                self.spec.high_hz,
            )
            frequency = np.fft.rfftfreq(_DIRECT_FFT, 1.0 / SAMPLE_RATE)
            first, last = np.searchsorted(frequency, _DIRECT_HZ)
            self._inside = slice(int(first), int(last) + 1)
            constant("direct_filters", torch.as_tensor(mel_filters(fine)[self._inside]))
            constant("direct_window", torch.hann_window(_DIRECT_FFT, dtype=torch.float64))

    @property
    def n_channels(self) -> int:
        """Seven, or ten with the direct sound."""
        return 10 if self.spec.direct else 7

    def channel_map(self, rotation: Rotation) -> tuple[list[int], list[int]]:
        """Exchanges W, Y, Z, X and the vectors (x, y, z) alike."""
        log_mel = [0, 3, 2, 1] if rotation.exchange else [0, 1, 2, 3]
        axes = [1, 0, 2] if rotation.exchange else [0, 1, 2]
        vectors = range(4, self.n_channels, 3)
        signs = [rotation.sign_x, rotation.sign_y, rotation.sign_z]
        source = log_mel + [first + axis for first in vectors for axis in axes]
        return source, [1] * 4 + signs * len(vectors)

    @torch.no_grad()
    def forward(self, audio: Tensor) -> Tensor:
        """Features of a batch.

        Parameters
        ----------
        audio : Tensor [shape=(batch, 4, n)]
            W, Y, Z, X in SN3D at 32 kHz.

        Returns
        -------
        Tensor [shape=(batch, 7 or 10, n // hop, n_mels)]
            Log-mel power in dB of W, Y, Z, X; intensity towards front, left and up; direct sound
            towards front, left and up.
        """
        spec = self.spec
        n_frames = audio.shape[-1] // spec.hop
        spectrum = short_time_spectrum(audio, self.window, spec.hop, n_frames) / spec.n_fft**0.5
        power = spectrum.real.square() + spectrum.imag.square()
        log_mel = 10.0 * torch.log10((power @ self.filters).clamp_min(_FLOOR))
        energy = 0.5 * power.sum(dim=1, keepdim=True) @ self.filters
        intensity = _intensity(spectrum) @ self.filters / (energy + _FLOOR)
        channels = [log_mel, intensity]
        if spec.direct:
            channels.append(self._direct(audio, n_frames))
        return torch.cat(channels, dim=1)

    def _direct(self, audio: Tensor, n_frames: int) -> Tensor:
        """Direct-sound vectors [shape=(batch, 3, n_frames, n_mels)]."""
        per_frame = self.spec.hop // self.direct_hop
        spectrum = short_time_spectrum(
            audio, self.direct_window, self.direct_hop, n_frames * per_frame
        )
        spectrum = spectrum[..., self._inside]
        intensity = _intensity(spectrum)
        energy = 0.5 * (spectrum.real.square() + spectrum.imag.square()).sum(1, keepdim=True)
        smooth = functional.avg_pool2d(
            torch.cat([intensity, energy], dim=1),
            3,
            stride=1,
            padding=1,
            count_include_pad=False,
        )
        mean_energy = smooth[:, 3:]
        loudest = mean_energy.amax(dim=(1, 2, 3), keepdim=True)
        floor = 1e-10 * loudest.clamp_min(1e-20)
        coherence = _length(smooth[:, :3]) / (mean_energy + floor)
        log_energy = torch.log(mean_energy + floor)
        rise = functional.pad((log_energy[:, :, 2:] - log_energy[:, :, :-2]), (0, 0, 2, 0))
        weight = coherence.clamp_max(1.0).square().square().square() * rise.clamp_min(0.0)
        weight = weight * (mean_energy > 1e-6 * loudest)
        evidence = (intensity * (weight / (_length(intensity) + floor))) @ self.direct_filters
        evidence = evidence.unflatten(2, (n_frames, per_frame)).sum(dim=3)
        return evidence / (_length(evidence) + _HALF_EVIDENCE)


def short_time_spectrum(audio: Tensor, window: Tensor, hop: int, n_frames: int) -> Tensor:
    """Short-time spectra [shape=(batch, channels, n_frames, n_fft // 2 + 1)]; every frame is
    centred on the middle of its hop."""
    n_fft = len(window)
    before = (n_fft - hop) // 2
    padded = functional.pad(audio, (max(before, 0), n_fft))[..., max(-before, 0) :]
    frames = padded.unfold(-1, n_fft, hop)[:, :, :n_frames]
    return cast(Any, torch.fft.rfft(frames * window))


def _length(vectors: Tensor) -> Tensor:
    """Length over axis 1, which stays (many times faster than `Tensor.norm` there)."""
    return vectors.square().sum(dim=1, keepdim=True).sqrt()


def _intensity(spectrum: Tensor) -> Tensor:
    """Re(conj(W) [X, Y, Z]), from channels in the order W, Y, Z, X."""
    w, others = spectrum[:, :1], spectrum[:, [3, 1, 2]]
    return w.real * others.real + w.imag * others.imag
