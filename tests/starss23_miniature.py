"""A data set laid out as STARSS23 is published, of sounds whose places are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from st_audioqa.foa import encode

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person ...\n"

Path_ = list[tuple[float, float, int]]
"""Azimuth (deg), elevation (deg) and distance (cm) of every frame."""


def still(azimuth: float, elevation: float, distance_cm: int, frames: int) -> Path_:
    return [(azimuth, elevation, distance_cm)] * frames


def turning(start: float, stop: float, elevation: float, cm: int, frames: int) -> Path_:
    return [(azimuth, elevation, cm) for azimuth in np.linspace(start, stop, frames)]


class Take:
    """One recording in the making.

    Parameters
    ----------
    seconds : int
    rate : int
    """

    def __init__(self, seconds: int, rate: int = 24_000) -> None:
        self.rate = rate
        self.audio = np.zeros((4, seconds * rate))
        self.rows: list[tuple[int, ...]] = []
        self._random = np.random.default_rng(seconds)

    def sound(self, label: int, source: int, first: int, path: Path_) -> Take:
        """A noise of that class along a path, beginning at a frame."""
        size = self.rate // 10
        for i, (azimuth, elevation, distance) in enumerate(path):
            frame = first + i
            noise = 0.05 * self._random.normal(size=size)
            at = slice(frame * size, (frame + 1) * size)
            self.audio[:, at] += encode(noise, azimuth, elevation)
            row = (frame, label, source, round(azimuth), round(elevation), distance)
            self.rows.append(row)
        return self

    def save(self, folder: Path, name: str, *, distance: bool = True) -> None:
        """Writes foa_dev/NAME.wav and metadata_dev/NAME.csv."""
        audio = folder / "foa_dev" / f"{name}.wav"
        audio.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(audio, self.audio.T, self.rate, subtype="PCM_16")
        rows = [row if distance else row[:5] for row in sorted(self.rows)]
        annotate(folder, name, "".join(",".join(map(str, row)) + "\n" for row in rows))


def annotate(folder: Path, name: str, text: str) -> None:
    path = folder / "metadata_dev" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def miniature(folder: Path, *, distance: bool = True) -> Path:
    """Four recordings of two sites, in three rooms for training and one for testing."""
    one = Take(30)  # alone and still, then alone and moving, then both
    one.sound(0, 1, 10, still(60, 0, 155, 80))
    one.sound(6, 2, 100, turning(-100, 40, -30, 220, 95))
    one.sound(8, 0, 205, still(-120, 20, 330, 90)).sound(1, 3, 210, still(30, 5, 110, 85))
    one.save(folder, "dev-train-tau/fold3_room4_mix001", distance=distance)
    two = Take(20)
    two.sound(10, 1, 5, still(170, -15, 260, 90)).sound(12, 2, 110, still(-45, 30, 180, 80))
    two.save(folder, "dev-train-sony/fold3_room21_mix001", distance=distance)
    three = Take(12).sound(2, 1, 15, turning(150, 220, 0, 120, 90))  # through the back
    three.save(folder, "dev-test-tau/fold4_room2_mix001", distance=distance)
    four = Take(25)
    four.sound(3, 1, 10, still(-90, 0, 240, 85)).sound(0, 2, 20, turning(0, 80, 10, 150, 70))
    four.sound(4, 2, 130, still(135, 0, 90, 90))
    four.save(folder, "dev-test-sony/fold4_room23_mix001", distance=distance)
    (folder / "LICENSE").write_text(MIT, "utf-8")
    return folder
