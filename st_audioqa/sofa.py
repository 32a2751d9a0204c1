"""HRTF sets in SOFA files (AES69, convention SimpleFreeFieldHRIR).

A SOFA file is a netCDF-4 file, so it is read with the package netCDF4 (extra ``binaural``), which
is kept by the people who keep the format. Everything the decoding depends on is checked here.
"""

from __future__ import annotations

import dataclasses
import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from st_audioqa.conventions import SAMPLE_RATE, directions, unit_vectors
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.hrtf import (
    HEAD_RADIUS_M,
    HRTF,
    SPHERICAL_HEAD,
    diffuse_energy,
    spherical_head,
)

__all__ = ["CONVENTION", "load_hrtf", "read_sofa", "write_sofa"]

Floats = NDArray[np.floating]

CONVENTION = "SimpleFreeFieldHRIR"
_MAX_TAPS = 1 << 15
_MAX_VALUES = 1 << 28


def load_hrtf(name: str | Path) -> HRTF:
    """The built-in set by its name, or the set of a SOFA file by its path.

    Raises
    ------
    UserError
        If it is neither.
    """
    if name == SPHERICAL_HEAD:
        return spherical_head()
    if not Path(name).is_file():
        raise UserError(
            f"An HRTF set is {SPHERICAL_HEAD!r} or the path of a SOFA file, and {str(name)!r} is "
            "neither: correct it."
        )
    return read_sofa(name)


def read_sofa(path: str | Path) -> HRTF:
    """A measured set from a SOFA file.

    Positions may be spherical (azimuth counter-clockwise, as ours) or cartesian, the listener
    may look anywhere, ears may come in either order, delays of their own are applied, equal
    directions are kept once. Responses are brought to 32 kHz, and to the level of the sphere of
    `spherical_head` (mean energy over all directions and both ears, 200-1000 Hz), because the
    absolute level of measured sets is arbitrary; the gain is `HRTF.gain_db`.

    Raises
    ------
    MissingPackageError
        If netCDF4 is not installed.
    UserError
        If the file cannot be read, or holds something else.
    """
    path = Path(path)
    netcdf = _netcdf("Reading a SOFA file")
    try:
        data = path.read_bytes()
        with netcdf.Dataset(str(path)) as file:
            file.set_auto_mask(False)
            return _read(_File(file, path), hashlib.sha256(data).hexdigest())
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{path} must be a SOFA file of HRTFs, but it cannot be read as one ({error}): take "
            "another file."
        ) from error


def _netcdf(purpose: str) -> Any:
    try:
        import netCDF4
    except ImportError:
        raise MissingPackageError("netCDF4", "binaural", purpose) from None
    return netCDF4


class _File:
    """Checked access to the variables of an open SOFA file."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        self.path = path

    def wrong(self, what: str) -> UserError:
        return UserError(f"{self.path} {what}: mend it or take another file.")

    def text(self, name: str) -> str:
        """A global attribute; empty where it is missing."""
        return str(getattr(self._file, name, "")).strip()

    def values(self, name: str) -> Floats:
        """A variable as finite numbers."""
        variable = self._variable(name)
        if variable.size > _MAX_VALUES:
            raise self.wrong(f"holds {variable.size} values of {name}, which is too many")
        try:
            found = np.asarray(variable[:], dtype=np.float64)
        except (TypeError, ValueError):
            raise self.wrong(f"must hold numbers as {name}") from None
        if not np.isfinite(found).all():
            raise self.wrong(f"must hold finite numbers as {name}")
        return found

    def vectors(self, name: str, like: str = "") -> Floats:
        """Positions or directions in the cartesian axes of the file [shape=(n, 3)].

        `like` names the variable that tells type and units, where it is another one.
        """
        found = self.values(name)
        found = found[..., 0] if found.ndim == 3 else np.atleast_2d(found)
        if found.ndim != 2 or found.shape[1] != 3:
            raise self.wrong(f"must hold rows of three numbers as {name}, not {found.shape}")
        told = self._variable(like or name)
        kind = str(getattr(told, "Type", "cartesian")).strip()
        units = str(getattr(told, "Units", "metre")).strip()
        if kind == "cartesian":
            return found
        if kind != "spherical" or not units.startswith("degree"):
            raise self.wrong(
                f"must hold {name} cartesian, or spherical in degrees, not {kind} in {units}"
            )
        return unit_vectors(found[:, 0], found[:, 1]) * found[:, 2:]

    def _variable(self, name: str) -> Any:
        if name not in self._file.variables:
            raise self.wrong(f"must hold a variable {name}, and has none")
        return self._file.variables[name]


def _read(file: _File, sha256: str) -> HRTF:
    convention = file.text("SOFAConventions")
    if convention != CONVENTION:
        raise file.wrong(
            f"must follow the SOFA convention {CONVENTION}, but follows {convention or 'none'}"
        )
    irs, towards, rate = _responses(file), _directions(file), _sample_rate(file)
    if len(irs) != len(towards):
        raise file.wrong(f"has {len(irs)} responses but {len(towards)} positions")
    _, kept = np.unique(towards.round(4), axis=0, return_index=True)
    kept.sort()
    names = [file.text(key) for key in ("Title", "DatabaseName", "ListenerShortName")]
    measured = HRTF(
        name=file.path.stem,
        directions=towards[kept],
        irs=_resampled(irs[kept], rate),
        source=", ".join([*filter(None, names), f"{rate} Hz"]),
        licence=file.text("License") or "not stated",
        sha256=sha256,
    )
    energy = diffuse_energy(measured)
    if not energy > 0:
        raise file.wrong("holds nothing from 200 to 1000 Hz")
    gain = float(np.sqrt(diffuse_energy(spherical_head()) / energy))
    return dataclasses.replace(
        measured, irs=measured.irs * gain, gain_db=round(20.0 * float(np.log10(gain)), 3)
    )


def _directions(file: _File) -> Floats:
    """Unit vectors towards the sources in the axes of the listener [shape=(n, 3)]."""
    offset = file.vectors("SourcePosition") - file.vectors("ListenerPosition")
    front = file.vectors("ListenerView")
    up = file.vectors("ListenerUp", like="ListenerView")
    if np.abs((front * up).sum(-1)).max() > 1e-3:
        raise file.wrong("has a listener whose up is not at right angles to the view")
    axes = (front, np.cross(up, front), up)
    towards = np.stack(
        [(offset * axis).sum(-1) / np.linalg.norm(axis, axis=-1) for axis in axes], -1
    )
    length = np.linalg.norm(towards, axis=-1, keepdims=True)
    if not (length > 1e-6).all():
        raise file.wrong("has a source in the middle of the head")
    return np.asarray(towards / length)


def _sample_rate(file: _File) -> int:
    rates = np.unique(file.values("Data.SamplingRate"))
    if len(rates) != 1 or not 8_000 <= rates[0] <= 384_000 or rates[0] != round(rates[0]):
        raise file.wrong(f"must have one sample rate of 8 to 384 kHz, not {rates[:3].tolist()}")
    return int(rates[0])


def _responses(file: _File) -> Floats:
    """Left and right responses with their delays applied [shape=(n, 2, n_taps)]."""
    irs = file.values("Data.IR")
    if irs.ndim != 3 or irs.shape[1] != 2 or not 0 < irs.shape[2] <= _MAX_TAPS:
        raise file.wrong(f"must hold responses as (positions, 2 ears, taps), not {irs.shape}")
    sides = file.vectors("ReceiverPosition")[:, 1]
    if len(sides) != 2 or not sides[0] * sides[1] < 0:
        raise file.wrong(
            "must have one receiver on the left (y > 0) and one on the right, not at y = "
            f"{sides.tolist()}"
        )
    delay = np.atleast_2d(file.values("Data.Delay"))
    if delay.shape not in ((1, 2), (len(irs), 2)) or delay.min() < 0 or delay.max() > _MAX_TAPS:
        raise file.wrong("must have delays of two ears, from 0 samples")
    delayed = _delayed(irs, np.broadcast_to(delay, irs.shape[:2]))
    return delayed if sides[0] > 0 else delayed[:, ::-1]


def _delayed(irs: Floats, delay: Floats) -> Floats:
    """Responses later by delays in samples, which need not be whole."""
    if not delay.any():
        return irs
    longest = irs.shape[-1] + int(np.ceil(delay.max())) + 32
    spectrum = fft.rfft(irs, 2 * longest)
    cycles = fft.rfftfreq(2 * longest) * delay[..., None]
    return np.asarray(fft.irfft(spectrum * np.exp(-2j * np.pi * cycles))[..., :longest])


def _resampled(irs: Floats, rate: int) -> Floats:
    """The same filters at the toolkit's rate; the more taps, the smaller each."""
    if rate == SAMPLE_RATE:
        return irs
    ratio = Fraction(SAMPLE_RATE, rate)
    # Room for what the resampling filter rings before a response that starts at once.
    padded = np.pad(irs, ((0, 0), (0, 0), (round(rate / 1000), 0)))
    taps = signal.resample_poly(padded, ratio.numerator, ratio.denominator, axis=-1)
    return np.asarray(taps / float(ratio))


def write_sofa(hrtf: HRTF, path: str | Path) -> None:
    """Write a set as a SOFA file (SimpleFreeFieldHRIR 1.0, 32 kHz, sources at 1 m).

    Raises
    ------
    MissingPackageError
        If netCDF4 is not installed.
    """
    netcdf = _netcdf("Writing a SOFA file")
    azimuth_deg, elevation_deg, _ = directions(hrtf.directions)
    positions = np.stack([azimuth_deg % 360.0, elevation_deg, np.ones(len(azimuth_deg))], -1)
    ears = np.array([[0.0, HEAD_RADIUS_M, 0.0], [0.0, -HEAD_RADIUS_M, 0.0]])
    metres = {"Type": "cartesian", "Units": "metre"}
    degrees = {"Type": "spherical", "Units": "degree, degree, metre"}
    centre = np.zeros((1, 3))
    variables: list[tuple[str, str, Floats, dict[str, str]]] = [
        ("ListenerPosition", "IC", centre, metres),
        ("ListenerView", "IC", np.array([[1.0, 0.0, 0.0]]), metres),
        ("ListenerUp", "IC", np.array([[0.0, 0.0, 1.0]]), {}),
        ("ReceiverPosition", "RCI", ears[..., None], metres),
        ("EmitterPosition", "ECI", centre[..., None], metres),
        ("SourcePosition", "MC", positions, degrees),
        ("Data.IR", "MRN", hrtf.irs, {}),
        ("Data.SamplingRate", "I", np.array([float(hrtf.sample_rate)]), {"Units": "hertz"}),
        ("Data.Delay", "IR", np.zeros((1, 2)), {}),
    ]
    n, ears_n, taps = hrtf.irs.shape
    sizes = {"I": 1, "C": 3, "R": ears_n, "E": 1, "N": taps, "M": n}
    with netcdf.Dataset(str(path), "w", format="NETCDF4") as file:
        for dimension, size in sizes.items():
            file.createDimension(dimension, size)
        for name, dimensions, values, attributes in variables:
            variable = file.createVariable(name, "f8", tuple(dimensions))
            variable[:] = values
            variable.setncatts(attributes)
        file.setncatts(_global_attributes(hrtf))


def _global_attributes(hrtf: HRTF) -> dict[str, str]:
    """What the convention asks of a file; the dates are fixed, so that files repeat."""
    return {
        "Conventions": "SOFA",
        "Version": "1.0",
        "SOFAConventions": CONVENTION,
        "SOFAConventionsVersion": "1.0",
        "APIName": "st_audioqa",
        "APIVersion": "1",
        "ApplicationName": "st_audioqa",
        "ApplicationVersion": "1",
        "AuthorContact": "not stated",
        "Organization": "not stated",
        "License": hrtf.licence,
        "DataType": "FIR",
        "RoomType": "free field",
        "DateCreated": "2026-01-01 00:00:00",
        "DateModified": "2026-01-01 00:00:00",
        "Title": hrtf.name,
        "DatabaseName": hrtf.source,
        "ListenerShortName": hrtf.name,
    }
