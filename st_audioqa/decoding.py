"""First-order ambisonics for models and people who do not take it: mono, stereo, binaural.

Each layout is one stated formula, and `Decoder.describe` says in words what was done, so that
it can be stored with whatever was made of the audio. Input is AmbiX (W, Y, Z, X; SN3D).

============ ============== ==================================================================
layout       channels       formula
============ ============== ==================================================================
``foa``      W, Y, Z, X     as stored
``mono``     mono           W, gain 1: the pressure where the head would be
``stereo``   left, right    (W + Y) / 2 and (W - Y) / 2: two cardioids at azimuth +-90 degrees
``binaural`` left, right    four filters per ear from an HRTF set, see `binaural_filters`
============ ============== ==================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft, signal
from scipy.io import wavfile

from st_audioqa.conventions import CHANNELS, DURATION_S, SAMPLE_RATE, unit_vectors
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.files import whole
from st_audioqa.hrtf import HRTF, SPHERICAL_HEAD
from st_audioqa.sofa import load_hrtf

__all__ = [
    "CUTOFF_HZ",
    "LAYOUTS",
    "NO_AUDIO",
    "ORIGIN_TAPS",
    "AudioLayout",
    "Decoder",
    "binaural",
    "binaural_filters",
    "cardioid",
    "describe_audio",
    "mono",
    "stereo",
    "write_wav",
]

Floats = NDArray[np.floating]
AudioLayout = Literal["foa", "binaural", "stereo", "mono"]

LAYOUTS: dict[AudioLayout, tuple[str, ...]] = {
    "foa": CHANNELS,
    "binaural": ("left", "right"),
    "stereo": ("left", "right"),
    "mono": ("mono",),
}
"""Layout -> its channels in order."""

NO_AUDIO: Mapping[str, Any] = {"layout": "none"}
"""What `Decoder.describe` would say where no audio is given."""

STEREO_AZIMUTH_DEG = 90.0
CUTOFF_HZ = 1500.0
"""Below, binaural filters keep phases; above, magnitudes."""

ORIGIN_TAPS = 96
"""Tap of a binaural filter at which sound reaches the centre of the head."""
_TAPS = 512
_DIFFUSE = np.array([1.0, 1 / 3, 1 / 3, 1 / 3])
"""Energies of W, Y, Z, X in a diffuse field, SN3D."""


def mono(audio: Floats) -> Floats:
    """W alone, gain 1 [shape=(4, n)] -> [shape=(1, n)].

    A sum or mean of the four channels would be a cardioid-like microphone that points to the
    left, up and front; W is the same from everywhere.
    """
    return audio[:1]


def cardioid(audio: Floats, azimuth_deg: float, elevation_deg: float = 0.0) -> Floats:
    """A cardioid microphone that points somewhere [shape=(4, n)] -> [shape=(n,)].

    (W + x X + y Y + z Z) / 2 with the unit vector (x, y, z): gain (1 + cos angle) / 2, so 1 in
    front of it, 1/2 beside and 0 behind.
    """
    x, y, z = unit_vectors(azimuth_deg, elevation_deg).astype(audio.dtype)
    half = audio.dtype.type(0.5)
    return np.asarray(half * (audio[0] + y * audio[1] + z * audio[2] + x * audio[3]))


def stereo(audio: Floats, azimuth_deg: float = STEREO_AZIMUTH_DEG) -> Floats:
    """Two cardioids at +-`azimuth_deg` [shape=(4, n)] -> [shape=(2, n)], left first.

    At 90 degrees the two are (W + Y) / 2 and (W - Y) / 2: their sum is W, a source at the side
    is in one channel only, and front and back sound the same.
    """
    return np.stack([cardioid(audio, azimuth_deg), cardioid(audio, -azimuth_deg)])


def binaural_filters(hrtf: HRTF, cutoff_hz: float = CUTOFF_HZ) -> Floats:
    """Filters from W, Y, Z, X to two ears [shape=(2, 4, n_taps)].

    With H_q the two transfer functions of direction q, weight w_q the share of the sphere that q
    stands for (sum 1) and y_q = (1, y, z, x) the ambisonic gains of q, the matrix D (2 x 4) at
    each frequency is

    - below `cutoff_hz` the least-squares fit: minimise sum_q w_q |D y_q - H_q|^2, the same as
      virtual loudspeakers in all directions q;
    - above it the magnitude-least-squares fit (Schörkhuber, Zaunschirm & Höldrich 2018): the
      same with the phases of H_q replaced by those that the fit of the frequency below gave
      to D y_q, because four channels cannot follow the phases there and should follow the
      levels, to which ears listen;
    - then scaled, for each ear, to the energy that the set has in a diffuse field, so that
      reverberation keeps its colour and level.

    The full diffuse-field constraint (Zaunschirm, Schörkhuber & Höldrich 2018), which sets the
    correlation of the two ears as well, is not applied: with four channels it costs more level
    difference than it gains (docs/decoding.md).

    The delay that all responses share is taken out first and put back as 96 taps.

    Parameters
    ----------
    hrtf : HRTF
    cutoff_hz : float
        Infinite for least squares alone.

    Raises
    ------
    UserError
        If the directions of the set do not surround the head.
    """
    n_fft = int(2 ** np.ceil(np.log2(max(4 * _TAPS, 2 * hrtf.irs.shape[-1]))))
    frequency = fft.rfftfreq(n_fft, 1.0 / hrtf.sample_rate)
    weights = hrtf.weights()
    x, y, z = hrtf.directions.T
    gains = np.stack([np.ones_like(x), y, z, x])
    gram = gains * weights @ gains.T
    if np.linalg.cond(gram) > 30.0:
        raise UserError(
            f"The HRTF set {hrtf.name!r} must surround the head, but its {len(x)} directions "
            "leave out too much: take a set measured on a whole sphere."
        )
    fit = (weights * np.linalg.solve(gram, gains)).T
    spectra = fft.rfft(hrtf.irs, n_fft).transpose(2, 1, 0)
    spectra *= np.exp(2j * np.pi * frequency * hrtf.shared_delay_s())[:, None, None]

    decoder = spectra @ fit
    for k in np.flatnonzero(frequency > cutoff_hz):
        before = decoder[k - 1] @ gains
        phase = before / np.maximum(np.abs(before), 1e-20)
        decoder[k] = (np.abs(spectra[k]) * phase) @ fit
    decoder = _diffuse_levelled(decoder, spectra, weights)

    decoder *= np.exp(-2j * np.pi * frequency * ORIGIN_TAPS / hrtf.sample_rate)[:, None, None]
    taps = fft.irfft(decoder, n_fft, axis=0)[:_TAPS].transpose(1, 2, 0)
    fade = np.ones(_TAPS)
    fade[:32] = np.sin(np.pi / 2 * (np.arange(32) + 0.5) / 32) ** 2
    fade[-64:] = np.cos(np.pi / 2 * (np.arange(64) + 0.5) / 64) ** 2
    return np.asarray(taps * fade)


def _diffuse_levelled(decoder: Any, spectra: Any, weights: Floats) -> Any:
    """The decoder [shape=(n_frequencies, 2, 4)] with the diffuse energy of the set."""
    wanted = (np.abs(spectra) ** 2 * weights).sum(axis=-1)
    got = (np.abs(decoder) ** 2 * _DIFFUSE).sum(axis=-1)
    return decoder * np.sqrt(wanted / np.maximum(got, 1e-20))[..., None]


def binaural(audio: Floats, filters: Floats) -> Floats:
    """Two ear signals [shape=(4, n)] -> [shape=(2, n)], left first.

    Time 0 stays where it was: sound that reaches the listener's position at a time reaches the
    near ear a little earlier and the far ear a little later.
    """
    n_samples = audio.shape[-1]
    mixed = [
        np.sum([signal.oaconvolve(c, f) for c, f in zip(audio, ear, strict=True)], axis=0)
        for ear in filters
    ]
    return np.stack(mixed)[:, ORIGIN_TAPS : ORIGIN_TAPS + n_samples].astype(audio.dtype)


@dataclass(frozen=True)
class Decoder:
    """What somebody wants to be given, and the way there from stored FOA audio.

    Parameters
    ----------
    layout : {"foa", "binaural", "stereo", "mono"}
    sample_rate : int
        Resampled with soxr (quality HQ) where it is not 32 kHz.
    max_s : float
        At most so many seconds from the beginning; the rest is cut.
    hrtf : str
        "spherical-head" or the path of a SOFA file; used by "binaural".

    Raises
    ------
    UserError
        If a value is not possible.

    Examples
    --------
    >>> import numpy as np
    >>> Decoder("stereo", sample_rate=16_000)(np.zeros((4, 320_000), np.float32)).shape
    (2, 160000)
    """

    layout: AudioLayout
    sample_rate: int = SAMPLE_RATE
    max_s: float = DURATION_S
    hrtf: str = SPHERICAL_HEAD

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise unknown_name("audio layout", str(self.layout), LAYOUTS)
        if not 1_000 <= self.sample_rate <= 192_000:
            raise UserError(
                f"A sample rate lies from 1000 to 192000 Hz, got {self.sample_rate}: correct it."
            )
        if not self.max_s > 0:
            raise UserError(f"Audio lasts more than 0 s, got max_s = {self.max_s}: raise it.")

    @cached_property
    def _set(self) -> HRTF:
        return load_hrtf(self.hrtf)

    @cached_property
    def _filters(self) -> Floats:
        return binaural_filters(self._set)

    def __call__(self, audio: Floats) -> NDArray[np.float32]:
        """FOA audio at 32 kHz [shape=(4, n)] -> [shape=(n_channels, m)].

        Raises
        ------
        UserError
            If the input has not four channels.
        """
        if audio.ndim != 2 or len(audio) != len(CHANNELS):
            raise UserError(
                f"First-order ambisonic audio has the shape (4, n), got {audio.shape}: pass all "
                "four channels."
            )
        if self.layout == "mono":
            given = mono(audio)
        elif self.layout == "stereo":
            given = stereo(audio)
        elif self.layout == "binaural":
            given = binaural(audio, self._filters)
        else:
            given = audio
        if self.max_s < given.shape[-1] / SAMPLE_RATE:
            given = given[:, : round(self.max_s * SAMPLE_RATE)]
        if self.sample_rate != SAMPLE_RATE:
            given = soxr.resample(given.T, SAMPLE_RATE, self.sample_rate, quality="HQ").T
        return np.ascontiguousarray(given, dtype=np.float32)

    def describe(self) -> dict[str, Any]:
        """What is given, as JSON values: to be stored with whatever comes of it."""
        formula = {
            "foa": "as stored: AmbiX (W, Y, Z, X; SN3D)",
            "mono": "W, gain 1",
            "stereo": "(W + Y) / 2, (W - Y) / 2: cardioids at azimuth +-90 deg",
            "binaural": f"least squares below {CUTOFF_HZ:g} Hz, magnitude least squares above, "
            "diffuse-field levelled",
        }[self.layout]
        told: dict[str, Any] = {
            "layout": self.layout,
            "channels": list(LAYOUTS[self.layout]),
            "formula": formula,
            "sample_rate": self.sample_rate,
            "max_s": self.max_s,
        }
        if self.layout == "binaural":
            found = self._set
            told["hrtf"] = {
                "name": found.name,
                "source": found.source,
                "licence": found.licence,
                "sha256": found.sha256,
                "gain_db": found.gain_db,
            }
        return told


def write_wav(folder: str | Path, name: str, audio: Floats, sample_rate: int) -> Path:
    """Write audio [shape=(n_channels, n)] as ``<name>.wav``, 32-bit float, whole or not at all.

    Floats, because ears near a source hear more than full scale; and by scipy, because the
    floats of libsndfile carry the time of writing.

    Raises
    ------
    UserError
        If the name would lead out of the folder.
    """
    path = Path(folder) / f"{name}.wav"
    if not name or name.startswith(".") or path.name != f"{name}.wav":
        raise UserError(f"A scene's id is the name of its file, and {name!r} is none.")
    with whole(path, sync=False) as partial:
        wavfile.write(partial, sample_rate, np.ascontiguousarray(audio.T, dtype=np.float32))
    return path


def describe_audio(told: Mapping[str, Any] | None) -> str:
    """What `Decoder.describe` told, in one line for people.

    Examples
    --------
    >>> describe_audio(Decoder("mono", sample_rate=16_000).describe())
    'mono audio (W, gain 1), 16000 Hz, at most 10 s'
    """
    if told is None:
        return "audio that is not recorded"
    if told.get("layout") == "none":
        return "no audio"
    head = f"{told.get('layout')} audio ({told.get('formula')})"
    hrtf = told.get("hrtf")
    if isinstance(hrtf, Mapping):
        head += f", HRTF {hrtf.get('name')} {str(hrtf.get('sha256'))[:8]}"
    length = told.get("max_s")
    shown = f"{length:g}" if isinstance(length, int | float) else length
    return f"{head}, {told.get('sample_rate')} Hz, at most {shown} s"
