"""What binaural decoding of first-order ambisonics keeps of an HRTF set, and what it costs.

    python benchmarks/decoding.py [--sofa FILE ...] [--rlr] [--plots FOLDER]

Prints Markdown tables for the built-in set and for each SOFA file. ITD is the lag of the largest
cross-correlation of the two ears, ILD the difference of their levels; both positive where the
left ear leads. The reference is the set itself in the direction measured nearest to the azimuth.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy import fft

from renderers import box_room
from st_audioqa.conventions import SAMPLE_RATE, SCENE_SAMPLES, listener_axes, unit_vectors
from st_audioqa.decoding import LAYOUTS, Decoder, binaural, binaural_filters
from st_audioqa.foa import rotate_yaw
from st_audioqa.hrtf import HRTF, spherical_head
from st_audioqa.sofa import read_sofa

CENTRE = np.array([3.0, 1.5, 2.5])
N_FFT = 8192
frequency_hz = fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
AZIMUTHS = np.arange(-180.0, 180.0, 5.0)


def itd_us(ears: np.ndarray, low_hz: float = 100.0, high_hz: float = 1500.0) -> float:
    finer = 16
    left, right = fft.rfft(ears, N_FFT)
    cross = right * np.conj(left) * ((frequency_hz >= low_hz) & (frequency_hz < high_hz))
    correlation = fft.irfft(cross, N_FFT * finer)
    lag = fft.fftfreq(N_FFT * finer) * N_FFT / SAMPLE_RATE * 1e6
    near = np.abs(lag) < 1000.0
    return float(lag[near][np.argmax(correlation[near])])


def levels_db(ears: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    band = (frequency_hz >= low_hz) & (frequency_hz < high_hz)
    return 10 * np.log10((np.abs(fft.rfft(ears, N_FFT)[..., band]) ** 2).mean(-1))


def ild_db(ears: np.ndarray, low_hz: float = 1500.0, high_hz: float = 8000.0) -> float:
    left, right = levels_db(ears, low_hz, high_hz)
    return float(left - right)


def decoded(hrtf: HRTF, filters: np.ndarray, azimuth: float) -> tuple[np.ndarray, np.ndarray]:
    """Responses of both ears to a plane wave: of the set, and decoded."""
    i = hrtf.nearest(azimuth)
    x, y, z = hrtf.directions[i]
    return hrtf.irs[i], np.einsum("ect,c->et", filters, [1.0, y, z, x])


def rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def cutoff_table(sets: list[HRTF]) -> None:
    print("| set | cutoff (Hz) | ITD 100-700 Hz (us) | ITD 100-1500 Hz (us) ", end="")
    print("| ILD 1.5-8 kHz (dB) | level 600-1500 Hz (dB) | level 1.5-8 kHz (dB) |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for hrtf in sets:
        for cutoff_hz in (600.0, 1000.0, 1500.0, 2000.0, np.inf):
            filters = binaural_filters(hrtf, cutoff_hz)
            pairs = [decoded(hrtf, filters, azimuth) for azimuth in AZIMUTHS]
            low, high, side, middle, treble = (
                rms([float(np.max(np.abs(f(b) - f(a)))) for a, b in pairs])
                for f in (
                    lambda e: itd_us(e, 100, 700),
                    itd_us,
                    ild_db,
                    lambda e: levels_db(e, 600, 1500),
                    lambda e: levels_db(e, 1500, 8000),
                )
            )
            name = "none" if np.isinf(cutoff_hz) else f"{cutoff_hz:g}"
            print(
                f"| {hrtf.name} | {name} | {low:.0f} | {high:.0f} | {side:.1f} | {middle:.1f} "
                f"| {treble:.1f} |",
                flush=True,
            )


def azimuth_table(sets: list[HRTF]) -> None:
    columns = [f"{hrtf.name}: {what}" for hrtf in sets for what in ("ITD (us)", "ILD (dB)")]
    print("| azimuth (deg) | " + " | ".join(columns) + " |")
    print("|--:|" + "--:|" * len(columns))
    all_filters = [binaural_filters(hrtf) for hrtf in sets]
    for azimuth in (0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 120.0, 150.0, 180.0):
        cells = []
        for hrtf, filters in zip(sets, all_filters, strict=True):
            of_set, ours = decoded(hrtf, filters, azimuth)
            cells.append(f"{itd_us(of_set, 100, 700):+.0f} -> {itd_us(ours, 100, 700):+.0f}")
            cells.append(f"{ild_db(of_set):+.1f} -> {ild_db(ours):+.1f}")
        print(f"| {azimuth:g} | " + " | ".join(cells) + " |")


def diffuse_table(sets: list[HRTF]) -> None:
    print("| set | band (Hz) | level of the ears (dB) | correlation: set | decoded |")
    print("|---|---|--:|--:|--:|")
    for hrtf in sets:
        weights, filters = hrtf.weights(), binaural_filters(hrtf)
        spectra, matrix = fft.rfft(hrtf.irs, N_FFT), fft.rfft(filters, N_FFT)
        share = np.array([1.0, 1 / 3, 1 / 3, 1 / 3])
        for low_hz, high_hz in (
            (100, 300),
            (300, 700),
            (700, 1500),
            (1500, 4000),
            (4000, 12000),
        ):
            band = (frequency_hz >= low_hz) & (frequency_hz < high_hz)
            parts = []
            for field, of in ((spectra, weights), (matrix.transpose(1, 0, 2), share)):
                left, right = field[:, 0, band], field[:, 1, band]
                energy = of @ (np.abs(left) ** 2), of @ (np.abs(right) ** 2)
                cross = of @ (left * np.conj(right))
                correlation = np.real(cross).sum() / np.sqrt(energy[0].sum() * energy[1].sum())
                parts.append((energy[0].sum(), correlation))
            level = 10 * np.log10(parts[1][0] / parts[0][0])
            print(
                f"| {hrtf.name} | {low_hz}-{high_hz} | {level:+.1f} | {parts[0][1]:.2f} "
                f"| {parts[1][1]:.2f} |"
            )


def constrained(hrtf: HRTF, filters: np.ndarray) -> np.ndarray:
    """The filters with the diffuse-field covariance of the set (Zaunschirm et al. 2018)."""
    spectra = fft.rfft(hrtf.irs, N_FFT).transpose(2, 1, 0)
    matrix = fft.rfft(filters, N_FFT).transpose(2, 0, 1)
    tiny = 1e-12 * np.eye(2) * np.abs(spectra).max() ** 2
    wanted = (spectra * hrtf.weights()) @ spectra.conj().transpose(0, 2, 1) + tiny
    share = np.array([1.0, 1 / 3, 1 / 3, 1 / 3])
    got = (matrix * share) @ matrix.conj().transpose(0, 2, 1) + tiny
    want_root, got_root = np.linalg.cholesky(wanted), np.linalg.cholesky(got)
    u, _, vh = np.linalg.svd(got_root.conj().transpose(0, 2, 1) @ want_root)
    turn = vh.conj().transpose(0, 2, 1) @ u.conj().transpose(0, 2, 1)
    mended = want_root @ turn @ np.linalg.solve(got_root, matrix)
    return fft.irfft(mended.transpose(1, 2, 0), N_FFT)


def constraint_table(sets: list[HRTF]) -> None:
    print("| set | diffuse-field constraint | ITD 100-700 Hz (us) | ILD 1.5-8 kHz (dB) |")
    print("|---|---|--:|--:|")
    for hrtf in sets:
        plain = binaural_filters(hrtf)
        for name, filters in (("level", plain), ("full", constrained(hrtf, plain))):
            pairs = [decoded(hrtf, filters, azimuth) for azimuth in AZIMUTHS]
            low = rms([itd_us(b, 100, 700) - itd_us(a, 100, 700) for a, b in pairs])
            side = rms([ild_db(b) - ild_db(a) for a, b in pairs])
            print(f"| {hrtf.name} | {name} | {low:.0f} | {side:.1f} |")


def rlr_table(sets: list[HRTF]) -> None:
    """A source 1.5 m away in a box: the engine's own ears against decoded ambisonics."""
    from st_audioqa.renderers import ENGINES, binaural_rirs

    print(
        "| set | azimuth (deg) | direct ITD (us): engine -> decoded | direct ILD (dB) ", end=""
    )
    print("| ILD of the whole response (dB) | direct level: engine - set (dB) |")
    print("|---|--:|--:|--:|--:|--:|")
    room, engine = box_room(0.3, ()), ENGINES.get("rlr")("default")
    early = round((1.5 / 344 + 0.003) * SAMPLE_RATE)
    yaw = 25.0
    for hrtf in sets:
        filters = binaural_filters(hrtf)
        for azimuth in (0.0, 45.0, 90.0, 135.0, -60.0):
            offset = 1.5 * unit_vectors(azimuth, 0.0) @ listener_axes(yaw)
            at = (CENTRE + offset)[None]
            ears = binaural_rirs(room, CENTRE, yaw, at, hrtf=hrtf)[0]
            foa = engine.rirs(room, CENTRE, at, seed=0)[0]
            ours = binaural(rotate_yaw(foa, yaw), filters)
            of_set = hrtf.irs[hrtf.nearest(azimuth)]
            direct = (ears[:, :early].astype(float) ** 2).sum() * 1.5**2
            level = 10 * np.log10(direct / (of_set**2).sum())
            print(
                f"| {hrtf.name} | {azimuth:g} "
                f"| {itd_us(ears[:, :early]):+.0f} -> {itd_us(ours[:, :early]):+.0f} "
                f"| {ild_db(ears[:, :early]):+.1f} -> {ild_db(ours[:, :early]):+.1f} "
                f"| {ild_db(ears):+.1f} -> {ild_db(ours):+.1f} | {level:+.1f} |",
                flush=True,
            )


def cost_table() -> None:
    audio = np.random.default_rng(0).standard_normal((4, SCENE_SAMPLES)).astype(np.float32)
    print("| layout | CPU per scene of 10 s (ms), 32 kHz | 16 kHz |")
    print("|---|--:|--:|")
    for layout in LAYOUTS:
        cells = []
        for rate in (32_000, 16_000):
            decode = Decoder(layout, sample_rate=rate)
            decode(audio)
            start = time.process_time()
            for _ in range(5):
                decode(audio)
            cells.append(f"{(time.process_time() - start) / 5 * 1e3:.0f}")
        print(f"| {layout} | " + " | ".join(cells) + " |")


def plot(sets: list[HRTF], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    for hrtf in sets:
        filters = binaural_filters(hrtf)
        figure, axes = plt.subplots(2, 2, figsize=(12, 8))
        pairs = [decoded(hrtf, filters, azimuth) for azimuth in AZIMUTHS]
        for which, label in ((0, "set"), (1, "decoded")):
            axes[0, 0].plot(AZIMUTHS, [itd_us(p[which], 100, 700) for p in pairs], label=label)
            axes[0, 1].plot(AZIMUTHS, [ild_db(p[which]) for p in pairs], label=label)
        for axis, azimuth in ((axes[1, 0], 0.0), (axes[1, 1], 90.0)):
            of_set, ours = decoded(hrtf, filters, azimuth)
            for ears, style, label in ((of_set, "-", "set"), (ours, "--", "decoded")):
                for ear, colour in ((0, "C0"), (1, "C3")):
                    level = 20 * np.log10(np.abs(fft.rfft(ears[ear], N_FFT)) + 1e-6)
                    name = f"{label} {'left' if ear == 0 else 'right'}"
                    axis.semilogx(frequency_hz[1:], level[1:], style, color=colour, label=name)
            axis.set(title=f"azimuth {azimuth:g} deg", xlim=(50, 16_000), ylim=(-40, 20))
            axis.legend()
        axes[0, 0].set(title="ITD 100-700 Hz (us)", xlabel="azimuth (deg)")
        axes[0, 1].set(title="ILD 1.5-8 kHz (dB)", xlabel="azimuth (deg)")
        axes[0, 0].legend()
        figure.tight_layout()
        figure.savefig(folder / f"{hrtf.name}.png")
        plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sofa", type=Path, nargs="*", default=[], help="SOFA files")
    parser.add_argument("--rlr", action="store_true", help="also ask the RLR engine")
    parser.add_argument("--plots", type=Path, help="folder for pictures")
    arguments = parser.parse_args()
    sets = [spherical_head(), *map(read_sofa, arguments.sofa)]
    cutoff_table(sets)
    print()
    azimuth_table(sets)
    print()
    diffuse_table(sets)
    print()
    constraint_table(sets)
    print()
    cost_table()
    if arguments.rlr:
        print()
        rlr_table(sets)
    if arguments.plots:
        plot(sets, arguments.plots)


if __name__ == "__main__":
    main()
