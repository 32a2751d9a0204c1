"""Head-related transfer functions (HRTFs): what reaches two ears from many directions.

A set is one noun, `HRTF`, at the toolkit's sample rate and in its axes. The built-in set
``"spherical-head"`` is computed and needs no file; measured sets come from SOFA files (see
`st_audioqa.sofa`).
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, spatial, special

from st_audioqa.conventions import SAMPLE_RATE, SPEED_OF_SOUND_M_S, unit_vectors
from st_audioqa.errors import UserError

__all__ = [
    "HRTF",
    "SPHERICAL_HEAD",
    "diffuse_energy",
    "sphere_response",
    "spherical_head",
]

Floats = NDArray[np.floating]
Complex = NDArray[np.complexfloating]

SPHERICAL_HEAD = "spherical-head"
"""Name of the built-in set."""
HEAD_RADIUS_M = 0.0875
EAR_AZIMUTH_DEG = 100.0
"""Ears lie a little behind the middle of the head (Brown & Duda 1998, section II)."""

_LEVEL_BAND_HZ = (200.0, 1000.0)


@dataclass(frozen=True, eq=False)
class HRTF:
    """A set of head-related impulse responses in listener axes."""

    name: str
    directions: Floats
    """Unit vectors towards the sources [shape=(n, 3)]: x front, y left, z up."""
    irs: Floats
    """Impulse responses [shape=(n, 2, n_taps)]: left ear, right ear."""
    source: str
    """Where the set comes from, for people."""
    licence: str
    sha256: str
    """Of the SOFA file; of the parameters where the set is computed."""
    gain_db: float = 0.0
    """What was applied to the responses of the file (see `st_audioqa.sofa`)."""
    sample_rate: int = SAMPLE_RATE

    def nearest(self, azimuth_deg: float, elevation_deg: float = 0.0) -> int:
        """Index of the direction nearest to one that is asked for."""
        return int(np.argmax(self.directions @ unit_vectors(azimuth_deg, elevation_deg)))

    def shared_delay_s(self) -> float:
        """Time at which sound that would reach the middle of the head arrives in the set.

        The group delay of the mean over all directions and both ears, 200-1500 Hz.
        """
        frequency, weights = np.arange(200.0, 1500.0, 10.0), self.weights()
        mean = np.einsum("q,qet->t", weights, self.irs)
        time_s = np.arange(mean.size) / self.sample_rate
        spectrum = np.exp(-2j * np.pi * frequency[:, None] * time_s) @ mean
        step = np.angle((spectrum[1:] * np.conj(spectrum[:-1])).sum())
        return float(-step / (2.0 * np.pi * 10.0))

    def weights(self) -> Floats:
        """Share of the sphere that each direction stands for [shape=(n,)]; they sum to 1.

        Areas of the spherical Voronoi cells, so that directions measured in rings count as
        little as they cover.

        Raises
        ------
        UserError
            If the directions do not surround the head.
        """
        try:
            areas = spatial.SphericalVoronoi(self.directions).calculate_areas()
        except ValueError as error:
            raise UserError(
                f"The HRTF set {self.name!r} must surround the head with different directions, "
                f"but it does not ({error}): take a set measured on a whole sphere."
            ) from error
        return np.asarray(areas / areas.sum())


def sphere_response(
    frequency_hz: ArrayLike, incidence_deg: ArrayLike, radius_m: float = HEAD_RADIUS_M
) -> Complex:
    """Pressure on a rigid sphere in a plane wave, over that at its centre without the sphere.

    The exact series of Rayleigh in the form of Duda & Martens (1998, equation 1 with the source
    at infinity). With mu = 2 pi f a / c and the spherical Hankel function h,

        H(mu, theta) = i / mu^2 * sum_m (-i)^m (2 m + 1) P_m(cos theta) / h_m'(mu)

    and its complex conjugate here, so that a delay is exp(-i 2 pi f t).

    Parameters
    ----------
    frequency_hz : array [shape=(n_frequencies,)]
    incidence_deg : array [shape=(n_angles,)]
        Angle at the centre between the source and the point on the sphere.

    Returns
    -------
    ndarray [shape=(n_frequencies, n_angles)]
    """
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    # Below 1 Hz the sphere is too small to matter, and the series divides by the frequency.
    mu = 2.0 * np.pi * np.maximum(frequency, 1.0) * radius_m / SPEED_OF_SOUND_M_S
    orders = np.arange(int(np.ceil(1.5 * mu.max())) + 20)
    hankel = special.spherical_jn(orders, mu[:, None], derivative=True) + 1j * (
        special.spherical_yn(orders, mu[:, None], derivative=True)
    )
    finite = np.isfinite(hankel)
    terms = np.where(finite, (-1j) ** (orders % 4) * (2 * orders + 1), 0.0)
    terms = terms / np.where(finite, hankel, 1.0)
    cosine = np.cos(np.radians(np.asarray(incidence_deg, dtype=np.float64)))
    legendre = special.eval_legendre(orders[:, None], cosine)
    return np.asarray(np.conj(1j / mu[:, None] ** 2 * (terms @ legendre)))


def diffuse_energy(hrtf: HRTF) -> float:
    """Mean energy over all directions and both ears, 200-1000 Hz."""
    n_fft = max(2048, hrtf.irs.shape[-1])
    frequency = fft.rfftfreq(n_fft, 1.0 / hrtf.sample_rate)
    band = (frequency >= _LEVEL_BAND_HZ[0]) & (frequency <= _LEVEL_BAND_HZ[1])
    energy = np.abs(fft.rfft(hrtf.irs, n_fft)[..., band]) ** 2
    return float(hrtf.weights() @ energy.mean(axis=(1, 2)))


@functools.cache
def spherical_head(
    radius_m: float = HEAD_RADIUS_M,
    ear_azimuth_deg: float = EAR_AZIMUTH_DEG,
    n_directions: int = 600,
    n_taps: int = 256,
) -> HRTF:
    """A rigid sphere with two ears, heard from afar: no pinnae, no torso, exact physics.

    `sphere_response` at both ears for directions spread evenly (Fibonacci lattice). Sound that
    would reach the centre of the head at sample 64 gives the time; the band above 14.5 kHz is
    faded out, so that responses are short.
    """
    turn = np.arange(n_directions) * np.pi * (3.0 - np.sqrt(5.0))
    z = 1.0 - (2.0 * np.arange(n_directions) + 1.0) / n_directions
    directions = np.stack([np.sqrt(1 - z**2) * f(turn) for f in (np.cos, np.sin)] + [z], -1)
    ears = unit_vectors(np.array([ear_azimuth_deg, -ear_azimuth_deg]), np.zeros(2))
    incidence_deg = np.degrees(np.arccos(np.clip(directions @ ears.T, -1.0, 1.0)))

    n_fft, origin = 4 * n_taps, 64
    frequency = fft.rfftfreq(n_fft, 1.0 / SAMPLE_RATE)
    spectra = sphere_response(frequency, incidence_deg.ravel(), radius_m)
    above = np.clip((frequency - 14_500.0) / (SAMPLE_RATE / 2 - 14_500.0), 0.0, 1.0)
    shape = np.cos(np.pi / 2 * above) ** 2 * _delay(frequency, origin / SAMPLE_RATE)
    irs = fft.irfft(spectra * shape[:, None], axis=0)[:n_taps].T
    parameters = {
        "model": SPHERICAL_HEAD,
        "version": 1,
        "radius_m": radius_m,
        "ear_azimuth_deg": ear_azimuth_deg,
        "n_directions": n_directions,
        "n_taps": n_taps,
    }
    return HRTF(
        name=SPHERICAL_HEAD,
        directions=directions,
        irs=irs.reshape(n_directions, 2, n_taps),
        source=f"rigid sphere of {radius_m} m, ears at +-{ear_azimuth_deg:g} deg",
        licence="Apache-2.0",
        sha256=hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest(),
    )


def _delay(frequency_hz: Floats, seconds: float) -> Complex:
    return np.exp(-2j * np.pi * frequency_hz * seconds)
