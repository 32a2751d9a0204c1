"""What rendering a moving source bin by bin costs in truth: level, and lag of the sound field.

Run it as `python benchmarks/moving_sources.py --rooms 12`. White noise moves through rooms of the
procedural provider. Level is that of channel W against the mean power of the same noise held
still at every bin's position; lag is the azimuth of each response's whole intensity, against the
label, along the direction of motion: negative where the sound field trails its source.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import signal

from st_audioqa.conventions import (
    SAMPLE_RATE,
    SCENE_SAMPLES,
    azimuth_change_deg,
    wrap_deg,
)
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.renderers import ENGINES, MODES, listener_rirs, render
from st_audioqa.rooms.placement import linear_paths, place_listener
from st_audioqa.rooms.providers.procedural import Provider
from st_audioqa.scene import Listener, track_directions
from st_audioqa.seeding import generator

BANDS_HZ = ((125, 1000), (1000, 4000), (4000, 14_000))


def measure(name: str, n_rooms: int) -> tuple[dict[str, list[list[float]]], list[float]]:
    """Levels by crossfade and band, and leads."""
    engine = ENGINES.get(name)("default")
    bare = {"shapes": ["shoebox"], "furniture": (0, 0)}
    provider = Provider() if "mesh" in engine.shapes else Provider(**bare)
    levels: dict[str, list[list[float]]] = {mode: [[] for _ in BANDS_HZ] for mode in MODES}
    lags: list[float] = []
    limits = PlacementRecipe()
    for i in range(n_rooms):
        rng = generator(0, "moving", i)
        room = provider.build(provider.draw(rng, f"room-{i}"))
        listener = Listener(place_listener(room, rng, limits), 0.0)
        _, paths = linear_paths(room, listener.position, rng, limits, 1)
        rirs = listener_rirs(engine, room, listener, paths[0], SAMPLE_RATE, seed=i)
        noise = rng.standard_normal(SCENE_SAMPLES).astype(np.float32) * 0.05
        offsets = paths[0] - listener.position
        moving = {mode: render(noise, rirs, mode=mode, offsets_m=offsets)[0] for mode in MODES}
        spectra = np.abs(np.fft.rfft(rirs[:, 0], SAMPLE_RATE)) ** 2
        for b, (low, high) in enumerate(BANDS_HZ):
            held = spectra[:, low:high].mean() * 0.05**2 * (high - low) / (SAMPLE_RATE / 2)
            band = signal.butter(6, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
            for mode in MODES:
                heard = (signal.sosfilt(band, moving[mode])[SAMPLE_RATE:] ** 2).mean()
                levels[mode][b].append(10 * np.log10(heard / held))
        azimuth, elevation, _ = track_directions(paths[0], listener)
        w, y, _, x = np.moveaxis(rirs, 1, 0)
        measured = np.degrees(np.arctan2((w * y).sum(axis=-1), (w * x).sum(axis=-1)))
        turning = np.sign(np.gradient(azimuth_change_deg(azimuth)))
        residual = (wrap_deg(measured - azimuth) * turning)[np.abs(elevation) < 45]
        if residual.size:
            lags.append(float(np.mean(residual)))
    return levels, lags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=12)
    arguments = parser.parse_args()
    bands = " | ".join(f"level {low}-{high} Hz (dB)" for low, high in BANDS_HZ)
    print(f"| engine | crossfade | {bands} | lead of the sound field (deg, mean +- SE) |")
    print("|---|---|" + "--:|" * (len(BANDS_HZ) + 1))
    for name in ("image-source", "rlr"):
        levels, lags = measure(name, arguments.rooms)
        error = np.std(lags) / np.sqrt(len(lags))
        for mode in MODES:
            cells = " | ".join(f"{np.median(each):.2f}" for each in levels[mode])
            print(f"| {name} | {mode} | {cells} | {np.mean(lags):+.2f} +- {error:.2f} |")


if __name__ == "__main__":
    main()
