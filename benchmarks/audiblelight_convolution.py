"""Time-varying convolution side by side with AudibleLight's, on the same responses and knots.

    python -m venv other && other/bin/pip install torch==2.13.0 audiblelight==0.1.2
    python benchmarks/audiblelight_convolution.py --audiblelight-python other/bin/python

White noise of 10 s goes through 41 responses of 1 s and 4 channels, a source on a straight way
through a box, with knots every 8000 samples. Each contender runs in a process of its own, on
one thread; ours runs before and after the other, and twice in each process: with new responses,
and with responses whose spectra were kept. AudibleLight's output is scaled by its own constant
factor (512, its transforms' length) and is a few samples short. `transforms` are the bare FFTs
that ours needs, on the same data and nothing done to them. The reference is the definition in
double precision, sample by sample, at random samples of the output.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SAMPLE_RATE, N_SAMPLES, N_KNOTS = 32_000, 320_000, 41
REPEATS = 7


def make_data(path: Path) -> None:
    from renderers import SIZE, box_room
    from st_audioqa.renderers import ENGINES, listener_rirs
    from st_audioqa.scene import Listener

    engine = ENGINES.get("image-source")("default")
    way = np.linspace([1.0, 1.2, 0.6], [5.2, 1.7, 4.2], N_KNOTS)
    listener = Listener(np.array([3.0, 1.5, 3.4]), 0.0)
    rirs = listener_rirs(engine, box_room(0.1, (), SIZE), listener, way, SAMPLE_RATE, seed=0)
    noise = np.random.default_rng(0).standard_normal(N_SAMPLES) * 0.1
    np.savez(path, rirs=rirs, waveform=noise.astype(np.float32))


def cpu(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def run_ours(rirs: np.ndarray, waveform: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    from st_audioqa.renderers import prepare

    knots = np.linspace(0, N_SAMPLES, N_KNOTS)
    found: dict[str, list[float]] = {"new": [], "kept": [], "transforms": [], "both": []}
    out = prepare(rirs, knots=knots, keep=False).render(waveform)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept = prepare(rirs, knots=knots)
    kept.render(waveform)
    with_kept = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    transforms, preparing = bare_transforms(rirs, kept.fft_size)
    for _ in range(REPEATS):
        once = cpu(lambda: prepare(rirs, knots=knots, keep=False).render(waveform))
        found["new"].append(once)
        found["kept"].append(cpu(lambda: kept.render(waveform)))
        bare = cpu(transforms)
        found["transforms"].append(bare)
        found["both"].append(bare + cpu(preparing))
    best = {name: min(times) for name, times in found.items()}
    return out, {**best, "peak": peak, "peak with kept spectra": with_kept}


def bare_transforms(
    rirs: np.ndarray, size: int
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The transforms of a waveform and of its responses: of 20 blocks between every other knot,
    each with three knots at work (and a row of zeros), and of 41 responses."""
    from scipy import fft

    rng = np.random.default_rng(1)
    blocks = np.zeros((N_KNOTS // 2, 4, size), dtype=np.float32)
    blocks[:, :3, :16_000] = rng.standard_normal((N_KNOTS // 2, 3, 16_000), dtype=np.float32)
    spectra = [fft.rfft(rir, size, axis=-1) for rir in rirs[::2][: N_KNOTS // 2]]

    def transforms() -> None:
        for block, spectrum in zip(blocks, spectra, strict=True):
            fft.rfft(block, axis=-1)
            fft.irfft(spectrum, size, axis=-1)

    def preparing() -> None:
        for rir in rirs:
            fft.rfft(rir, size, axis=-1)

    return transforms, preparing


def run_audiblelight(
    rirs: np.ndarray, waveform: np.ndarray
) -> tuple[np.ndarray, dict[str, float]]:
    from audiblelight.synthesize import time_variant_convolution

    class Event:
        """What the function looks at of an event."""

        sample_rate = SAMPLE_RATE
        duration = N_SAMPLES / SAMPLE_RATE

        def load_audio(self) -> np.ndarray:
            return waveform

        def __len__(self) -> int:
            return N_KNOTS

    irs = np.ascontiguousarray(np.moveaxis(rirs, 0, 1))  # (n_channels, n_irs, n)
    start = time.process_time()
    out = time_variant_convolution(irs, Event(), 512, 256, 128) / 512
    taken = time.process_time() - start
    return out, {
        "new": taken,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def reference(rirs: np.ndarray, waveform: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """y[t] = sum over tau of x[tau] h(t - tau; tau), h(.; tau) linear between the knots."""
    gap = N_SAMPLES // (N_KNOTS - 1)
    h, x = rirs.astype(np.float64), waveform.astype(np.float64)
    out = np.zeros((rirs.shape[1], len(samples)))
    for i, t in enumerate(samples):
        sent = np.arange(max(t - rirs.shape[-1] + 1, 0), t + 1)
        for k in range(sent[0] // gap, min(sent[-1] // gap + 1, N_KNOTS - 1) + 1):
            weight = np.maximum(1.0 - np.abs(sent / gap - k), 0.0)
            out[:, i] += h[k][:, t - sent] @ (weight * x[sent])
    return out


def error_db(got: np.ndarray, want: np.ndarray) -> float:
    return float(10 * np.log10(np.sum((got - want) ** 2) / np.sum(want**2)))


def child(python: str, which: str, data: Path, result: Path) -> dict[str, float]:
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    subprocess.run(
        [python, __file__, "--child", which, str(data), str(result)],
        check=True,
        env={**os.environ, **threads},
        stdout=subprocess.DEVNULL,
    )
    found: dict[str, float] = json.loads(result.with_suffix(".json").read_text())
    return found


def compare(other_python: str, n_reference: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        make_data(data)
        ours_file, other_file = Path(folder) / "ours.npy", Path(folder) / "other.npy"
        before = child(sys.executable, "ours", data, ours_file)
        other = child(other_python, "audiblelight", data, other_file)
        after = child(sys.executable, "ours", data, ours_file)
        ours = {name: min(before[name], after[name]) for name in before}
        ours["peak"] = max(before["peak"], after["peak"])
        loaded = np.load(data)
        got, other_got = np.load(ours_file), np.load(other_file)
        n_valid = min(other_got.shape[1], N_SAMPLES)
        samples = np.sort(np.random.default_rng(2).choice(n_valid, n_reference, replace=False))
        want = reference(loaded["rirs"], loaded["waveform"], samples)
    print("| | CPU (s) | peak memory of the process (MB) | against the reference (dB) |")
    print("|---|--:|--:|--:|")
    error = error_db(got[:, samples], want)
    print(f"| new responses | {ours['new']:.4f} | {ours['peak']:.0f} | {error:.0f} |")
    memory = ours["peak with kept spectra"]
    print(f"| kept spectra | {ours['kept']:.4f} | {memory:.0f} | {error:.0f} |")
    error = error_db(other_got[:, samples], want)
    print(f"| AudibleLight 0.1.2 | {other['new']:.1f} | {other['peak']:.0f} | {error:.0f} |")
    print("\n| ratio | new responses | kept spectra |")
    print("|---|--:|--:|")
    ratios = [other["new"] / ours[name] for name in ("new", "kept")]
    print(f"| AudibleLight to ours | {ratios[0]:.0f} | {ratios[1]:.0f} |")
    ratios = [ours["new"] / ours["both"], ours["kept"] / ours["transforms"]]
    print(f"| ours to its bare transforms | {ratios[0]:.2f} | {ratios[1]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audiblelight-python", default=sys.executable)
    parser.add_argument("--reference", type=int, default=2000, help="samples of the reference")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is None:
        compare(arguments.audiblelight_python, arguments.reference)
        return
    which, data, result = arguments.child
    loaded = np.load(data)
    run = run_ours if which == "ours" else run_audiblelight
    out, found = run(loaded["rirs"], loaded["waveform"])
    np.save(result, out)
    Path(result).with_suffix(".json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
