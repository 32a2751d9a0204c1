"""How the synthesised sounds measure: levels, spectra, variation, confusions, cost; and pictures.

    python benchmarks/synth_bench.py [--draws 12] [--sheets docs/synth]
        [--recordings DIR] [--tagger DIR]

Prints Markdown tables; wants scikit-learn, and matplotlib for `--sheets`. `DIR` of
`--recordings` has `events.csv` with the columns `file` and `label`; that of `--tagger` is
described in `synth_tagger.py`. Times are CPU times of the process; run it with
OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from st_audioqa.conventions import SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.events import LIBRARIES, active_level_dbfs, activity, all_labels, ancestors
from st_audioqa.events.synth import SOUNDS
from st_audioqa.seeding import generator

Floats = NDArray[np.float64]

FRAME, HOP = 1024, 512
THIRDS_HZ = 1000 * 2.0 ** (np.arange(-12, 12) / 3)
"""Centres of third octaves, 62.5 Hz to 12.7 kHz."""
MODULATION_HZ = np.array([1, 1.6, 2.5, 4, 6.3, 10, 16])
"""Edges of the bands of the envelope's spectrum."""


@dataclass(frozen=True)
class Measured:
    """What the tables say of one waveform."""

    features: Floats
    thirds_db: Floats
    modulation_db: Floats
    active_s: float
    crest_db: float
    centroid_hz: float
    bandwidth_hz: float
    pitch_hz: float
    harmonic: float
    onsets_per_s: float
    attack_ms: float
    decay_ms: float
    above_15_khz_db: float
    mean_db: float


def measure(waveform: Floats) -> Measured:
    """Measure a waveform of any length; silence at its ends is left out."""
    x = np.asarray(waveform, dtype=np.float64) / np.abs(waveform).max()
    _, _, spectra = signal.stft(x, SAMPLE_RATE, nperseg=FRAME, noverlap=FRAME - HOP)
    power = np.abs(spectra.T) ** 2
    hz = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    total = power.sum(1)
    heard = power[total > total.max() * 1e-5]
    mean = heard.mean(0)
    centroid = float((hz * mean).sum() / mean.sum())
    log_mel = np.log10(power @ _mel_bands(40) + 1e-9 * power.max()) * 10
    log_mel -= log_mel.max()
    lively = log_mel[total > total.max() * 1e-5]
    rise = np.maximum(np.diff(log_mel.clip(-60), axis=0), 0).mean(1)
    far = int(0.08 * SAMPLE_RATE / HOP)
    peaks, _ = signal.find_peaks(rise, height=max(1.5, 2.5 * np.median(rise)), distance=far)
    modulation = _modulation_db(np.sqrt(total))
    pitch, harmonic = _pitch(x)
    attack_ms, decay_ms = _attack_and_decay(x)
    edges = np.searchsorted(hz, THIRDS_HZ * 2 ** (1 / 6))
    starts = np.searchsorted(hz, THIRDS_HZ * 2 ** (-1 / 6))
    thirds = np.array(
        [mean[a : max(b, a + 1)].sum() for a, b in zip(starts, edges, strict=True)]
    )
    thirds_db = 10 * np.log10(thirds / thirds.sum() + 1e-7)
    flux = np.abs(np.diff(lively, axis=0)).mean(0) if len(lively) > 1 else np.zeros(40)
    padded = np.zeros(SCENE_SAMPLES)
    padded[: min(len(x), SCENE_SAMPLES)] = x[:SCENE_SAMPLES]
    return Measured(
        features=np.concatenate(
            [lively.mean(0), lively.std(0), np.percentile(lively, 90, axis=0), flux, modulation]
        ),
        thirds_db=thirds_db,
        modulation_db=modulation,
        active_s=0.25 * float(activity(padded).sum()),
        crest_db=-active_level_dbfs(padded),
        centroid_hz=centroid,
        bandwidth_hz=float(np.sqrt(((hz - centroid) ** 2 * mean).sum() / mean.sum())),
        pitch_hz=pitch,
        harmonic=harmonic,
        onsets_per_s=len(peaks) / (len(x) / SAMPLE_RATE),
        attack_ms=attack_ms,
        decay_ms=decay_ms,
        above_15_khz_db=float(10 * np.log10(mean[hz > 15_000].sum() / mean.sum() + 1e-12)),
        mean_db=float(20 * np.log10(abs(x.mean()) / x.std() + 1e-12)),
    )


def _mel_bands(count: int) -> Floats:
    hz = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)[:, None]
    edges = 700 * (np.geomspace(1, 1 + SAMPLE_RATE / 1400, count + 2) - 1)
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rise, fall), 0, None)


def _modulation_db(envelope: Floats) -> Floats:
    """Level of the bands of the envelope's spectrum against its mean."""
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean())) / (envelope.sum() + 1e-12)
    hz = np.fft.rfftfreq(len(envelope), HOP / SAMPLE_RATE)
    bands = itertools.pairwise(MODULATION_HZ)
    power = [(spectrum[(hz >= low) & (hz < high)] ** 2).sum() for low, high in bands]
    return 10 * np.log10(np.array(power) + 1e-6)


def _attack_and_decay(x: Floats) -> tuple[float, float]:
    """Median times from -10 dB to each loud peak of the envelope, and from there to -20 dB."""
    level = np.sqrt(np.convolve(x**2, np.full(96, 1 / 96), "same")[::16])
    db = 20 * np.log10(level / level.max() + 1e-9)
    step_ms, longest = 16_000 / SAMPLE_RATE, 2000
    attacks, decays = [0.0], [0.0]
    for peak in signal.find_peaks(db, height=-12, distance=160)[0]:
        before = db[max(peak - longest, 0) : peak][::-1] < db[peak] - 10
        after = db[peak : peak + longest] < db[peak] - 20
        attacks.append(step_ms * (before.argmax() + 1 if before.any() else longest))
        decays.append(step_ms * (after.argmax() if after.any() else longest))
    return float(np.median(attacks[1:] or attacks)), float(np.median(decays[1:] or decays))


def _pitch(x: Floats) -> tuple[float, float]:
    """Median pitch and share of the power in frames that have one, by autocorrelation."""
    n = 2048
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, (0, n)), n)[::n] * np.hanning(n)
    power = np.abs(np.fft.rfft(frames, 2 * n)) ** 2
    lags = np.fft.irfft(power)[:, : n // 2]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(n), 2 * n)) ** 2)[: n // 2]
    lags = lags / (lags[:, :1] + 1e-12) / (window / window[0])
    shortest, longest = SAMPLE_RATE // 4000, SAMPLE_RATE // 60
    best = lags[:, shortest:longest].argmax(1) + shortest
    strength = lags[np.arange(len(lags)), best]
    voiced = (strength > 0.8) & (lags[:, 1:longest].min(1) < 0.6)
    share = float(power[voiced].sum() / power.sum())
    # The first peak nearly as high as the highest, lest an octave below be taken.
    hz = []
    for row, high in zip(lags[voiced], strength[voiced], strict=True):
        peaks = signal.find_peaks(row[:longest], height=0.9 * high)[0]
        peaks = peaks[peaks >= shortest]
        if len(peaks):
            hz.append(SAMPLE_RATE / peaks[0])
    return (float(np.median(hz)) if hz else np.nan), share


def draw_all(draws: int) -> tuple[Mapping[str, list[Floats]], Mapping[str, Floats], Floats]:
    """Waveforms and CPU milliseconds of each class, and FLAC bytes for a second of sound."""
    library = LIBRARIES.get("synth")()
    library.waveform(library.draw(generator(0), "train"))
    waveforms, cpu_ms, flac = defaultdict(list), defaultdict(list), []
    for name in sorted(SOUNDS):
        for draw in range(draws):
            event = library.draw(generator(1, name, draw), "train", name)
            start = time.process_time()
            waveform = library.waveform(event)
            cpu_ms[name].append(1000 * (time.process_time() - start))
            waveforms[name].append(waveform)
        with io.BytesIO() as file:
            loud = waveform * min(1.0, 0.99 / np.abs(waveform).max())
            soundfile.write(file, loud, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            flac.append(len(file.getvalue()) / 10)
    return waveforms, {k: np.array(v) for k, v in cpu_ms.items()}, np.array(flac)


def class_table(rows: Mapping[str, list[Measured]], cpu_ms: Mapping[str, Floats]) -> None:
    print(
        "| class | active (s) | crest (dB) | centroid (Hz) | bandwidth (Hz) | pitch (Hz) "
        "| harmonic | onsets/s | within / nearest | CPU ms per event |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    spread = variation(rows)
    for name, measured in rows.items():

        def middle(key: str, measured: list[Measured] = measured) -> float:
            return float(np.median([getattr(row, key) for row in measured]))

        harmonic = middle("harmonic")
        pitches = [row.pitch_hz for row in measured if np.isfinite(row.pitch_hz)]
        tonal = harmonic > 0.3 and len(pitches) > 0
        pitch = f"{np.min(pitches):.0f}-{np.max(pitches):.0f}" if tonal else ""
        within, nearest = spread[name]
        print(
            f"| {name} | {middle('active_s'):.1f} | {middle('crest_db'):.0f} "
            f"| {middle('centroid_hz'):.0f} | {middle('bandwidth_hz'):.0f} | {pitch} "
            f"| {harmonic:.2f} | {middle('onsets_per_s'):.1f} | {within:.1f} / {nearest:.1f} "
            f"| {np.median(cpu_ms[name]):.0f} |"
        )


def variation(rows: Mapping[str, list[Measured]]) -> dict[str, tuple[float, float]]:
    """Mean distance between two draws of a class, and to the draws of the nearest class.

    The distance is the RMS difference of the mean log-mel spectra, in dB.
    """
    spectra = {name: np.array([m.features[:40] for m in ms]) for name, ms in rows.items()}

    def distance(a: Floats, b: Floats) -> Floats:
        return np.sqrt(((a[:, None] - b[None]) ** 2).mean(-1))

    result = {}
    for name, own in spectra.items():
        pairs = distance(own, own)[~np.eye(len(own), dtype=bool)]
        others = [distance(own, other).mean() for key, other in spectra.items() if key != name]
        result[name] = float(pairs.mean()), float(min(others))
    return result


def classifier() -> LinearDiscriminantAnalysis:
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def confusions(rows: Mapping[str, list[Measured]]) -> None:
    """Print how two trained classifiers do, and the pairs that logistic regression confuses."""
    features = np.array([m.features for measured in rows.values() for m in measured])
    truth = np.array([name for name, measured in rows.items() for _ in measured])
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    by_lines = cross_val_predict(classifier(), features, truth, cv=folds)
    named = cross_val_predict(regression, features, truth, cv=folds)
    print(
        f"\nA linear discriminant (four folds) names {(by_lines == truth).mean():.1%} of the draws "
        f"right, logistic regression {(named == truth).mean():.1%}; chance is {1 / len(rows):.1%}. "
        "Pairs that logistic regression confuses most:\n"
    )
    print("| pair | first taken for second | second for first |")
    print("|---|---|---|")
    wrong = Counter((a, b) for a, b in zip(truth, named, strict=True) if a != b)
    both = Counter({pair: wrong[pair] + wrong[pair[::-1]] for pair in map(_sorted_pair, wrong)})
    for (a, b), _ in both.most_common(15):
        shares = (wrong[a, b] / len(rows[a]), wrong[b, a] / len(rows[b]))
        print(f"| {a} - {b} | {shares[0]:.0%} | {shares[1]:.0%} |")


def _sorted_pair(pair: tuple[str, str]) -> tuple[str, str]:
    return min(pair), max(pair)


def against_recordings(rows: Mapping[str, list[Measured]], folder: Path) -> None:
    """Compare the classes both have; recordings shorter than half a second are left out."""
    real: dict[str, list[Measured]] = defaultdict(list)
    with (folder / "events.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["label"] in rows:
                waveform, _ = soundfile.read(folder / row["file"])
                if len(waveform) >= SAMPLE_RATE // 2:
                    real[row["label"]].append(measure(waveform))
    shared = sorted(name for name, measured in real.items() if len(measured) >= 4)
    print("\n| class | recordings | spectrum (dB) | modulation (dB) | centroid (Hz), both "
          "| onsets/s, both | harmonic, both | attack (ms), both | decay (ms), both |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for name in shared:
        pair = (real[name], rows[name])

        def middles(key: str, pair=pair) -> list[Floats]:
            return [np.median([getattr(m, key) for m in side], axis=0) for side in pair]

        def apart(key: str, middles=middles) -> float:
            a, b = middles(key)
            return float(np.sqrt(np.mean((a - b) ** 2)))

        centroids, onsets = middles("centroid_hz"), middles("onsets_per_s")
        print(
            f"| {name} | {len(real[name])} | {apart('thirds_db'):.1f} "
            f"| {apart('modulation_db'):.1f} | {centroids[0]:.0f}, {centroids[1]:.0f} "
            f"| {onsets[0]:.1f}, {onsets[1]:.1f} |"
            + "".join(
                f" {a:.{digits}f}, {b:.{digits}f} |"
                for digits, (a, b) in zip(
                    (2, 0, 0),
                    (middles("harmonic"), middles("attack_ms"), middles("decay_ms")),
                    strict=True,
                )
            )
        )
    for teacher, pupil, words in (
        (real, rows, "Trained on the recordings, it names the synthesised sounds"),
        (rows, real, "Trained on the synthesised sounds, it names the recordings"),
    ):
        model = classifier()
        model.fit(
            np.array([m.features for name in shared for m in teacher[name]]),
            np.array([name for name in shared for _ in teacher[name]]),
        )
        recalls = {
            name: float((model.predict([m.features for m in pupil[name]]) == name).mean())
            for name in shared
        }
        best = sorted(recalls, key=lambda name: -recalls[name])
        print(
            f"\n{words} right in {np.mean(list(recalls.values())):.0%} (mean over "
            f"{len(shared)} classes; chance {1 / len(shared):.0%}). Best: "
            + "; ".join(f"{name} {recalls[name]:.0%}" for name in best[:6])
            + ". Never: "
            + ("; ".join(name for name in best if recalls[name] == 0) or "none")
            + "."
        )


def in_a_room(waveform: Floats, seed: int) -> Floats:
    """With a tail of 0.3 s at -10 dB and a floor of noise at -40 dB, as a recording has."""
    rng = generator(seed, "room")
    n = int(0.3 * SAMPLE_RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[:80] = 0
    tail *= 0.32 / np.sqrt((tail**2).sum())
    tail[0] = 1
    wet = signal.oaconvolve(waveform.astype(np.float64), tail)[: len(waveform)]
    floor = signal.lfilter([1, -1], [1, -0.95], np.cumsum(rng.standard_normal(len(wet))))
    return np.asarray(wet + floor * (0.01 * wet.std() / floor.std()))


def tagged(
    waveforms: Mapping[str, list[Floats]], folder: Path, recordings: Path | None
) -> None:
    """What an AudioSet tagger hears: the label or a finer one among its first five."""
    from synth_tagger import Tagger

    tagger = Tagger(folder)
    real: dict[str, list[Path]] = defaultdict(list)
    if recordings is not None:
        with (recordings / "events.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                real[row["label"]].append(recordings / row["file"])

    def hears(name: str, sounds: list[Floats]) -> tuple[float, float, Floats]:
        finer = {label.name for label in all_labels() if name in ancestors(label.name)}
        own = [i for i, heard in enumerate(tagger.names) if heard in {name} | finer]
        scores = np.array([tagger.scores(sound) for sound in sounds])
        order = np.argsort(-scores, axis=1)[:, :5]
        first = np.isin(order, own).any(1).mean()
        return float(first), float(scores[:, own].max(1).mean()), scores.mean(0)

    print("\n| class | dry | in a room | recordings | score | it hears |")
    print("|---|---|---|---|---|---|")
    every = []
    for name, sounds in waveforms.items():
        dry, _, _ = hears(name, sounds)
        room, score, mean = hears(name, [in_a_room(x, i) for i, x in enumerate(sounds)])
        known = [soundfile.read(path)[0] for path in real[name][:12]]
        truth = hears(name, known)[0] if known else np.nan
        every.append((dry, room, truth))
        heard = "; ".join(f"{tagger.names[i]} {mean[i]:.2f}" for i in np.argsort(-mean)[:4])
        recorded = f"{truth:.2f}" if known else ""
        print(f"| {name} | {dry:.2f} | {room:.2f} | {recorded} | {score:.2f} | {heard} |")
    means = np.nanmean(every, axis=0)
    both = np.array([row for row in every if np.isfinite(row[2])])
    print(f"| mean | {means[0]:.2f} | {means[1]:.2f} | {means[2]:.2f} | | |")
    print(f"| mean of those recorded | {both[:, 0].mean():.2f} | {both[:, 1].mean():.2f} "
          f"| {both[:, 2].mean():.2f} | | |")  # fmt: skip


def sheets(waveforms: Mapping[str, list[Floats]], folder: Path) -> None:
    """One picture for each module of sounds: three draws of each class, log frequency."""
    import matplotlib.pyplot as plt
    from PIL import Image

    plt.switch_backend("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    groups = defaultdict(list)
    for name in waveforms:
        groups[SOUNDS[name].__module__.rsplit(".", 1)[-1]].append(name)
    rows_hz = np.geomspace(60, 15_500, 96)
    for group, names in groups.items():
        figure, axes = plt.subplots(
            len(names),
            3,
            figsize=(9, 0.85 * len(names)),
            dpi=72,
            squeeze=False,
            sharex=True,
            sharey=True,
        )
        for name, line in zip(names, axes, strict=True):
            for waveform, axis in zip(waveforms[name], line, strict=False):
                hz, _, spectra = signal.stft(waveform, SAMPLE_RATE, nperseg=2048, noverlap=1024)
                level = 20 * np.log10(np.abs(spectra) + 1e-9)
                rows = level[np.searchsorted(hz, rows_hz).clip(0, len(hz) - 1)]
                axis.imshow(
                    rows, origin="lower", aspect="auto", extent=(0, 10, 0, len(rows)),
                    vmin=level.max() - 70, vmax=level.max(), cmap="magma",
                    interpolation="nearest",
                )  # fmt: skip
                ticks = (100, 1000, 10_000)
                axis.set_yticks(np.searchsorted(rows_hz, ticks), ["0.1", "1", "10"], fontsize=5)
                axis.tick_params(length=2, labelsize=5)
            line[0].set_title(name, fontsize=7, loc="left", pad=2)
        axes[-1, 0].set_xlabel("s; kHz", fontsize=6)
        figure.tight_layout(pad=0.3, h_pad=0.2, w_pad=0.4)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        few = Image.fromarray(pixels).quantize(24, dither=Image.Dither.NONE)
        few.save(folder / f"{group}.png", optimize=True)
        plt.close(figure)


def summary(
    rows: Mapping[str, list[Measured]], cpu: Mapping[str, Floats], flac: Floats
) -> None:
    medians = {name: float(np.median(times)) for name, times in cpu.items()}
    slowest = max(medians, key=lambda name: medians[name])
    every = [m for measured in rows.values() for m in measured]
    spread = variation(rows)
    print(
        f"{len(rows)} classes, {len(every)} draws. CPU per event of 10 s: median "
        f"{np.median(list(medians.values())):.0f} ms, mean {np.mean(list(medians.values())):.0f} "
        f"ms, slowest {medians[slowest]:.0f} ms ({slowest}). FLAC (16 bit, one channel): "
        f"{flac.min() / 1000:.0f} to {flac.max() / 1000:.0f} kB per second, mean "
        f"{flac.mean() / 1000:.0f}. Highest share above 15 kHz: "
        f"{max(m.above_15_khz_db for m in every):.0f} dB; highest mean against RMS: "
        f"{max(m.mean_db for m in every):.0f} dB; least active: "
        f"{min(m.active_s for m in every):.2f} s. Two draws of one class differ by "
        f"{np.mean([w for w, _ in spread.values()]):.1f} dB on average, draws of a class and its "
        f"nearest other by {np.mean([n for _, n in spread.values()]):.1f} dB.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=12, help="sounds of each class")
    parser.add_argument("--sheets", type=Path, help="folder for the pictures")
    parser.add_argument("--recordings", type=Path, help="folder of recordings to compare with")
    parser.add_argument("--tagger", type=Path, help="folder of an AudioSet tagger")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    waveforms, cpu_ms, flac = draw_all(arguments.draws)
    rows = {name: [measure(x) for x in sounds] for name, sounds in waveforms.items()}
    summary(rows, cpu_ms, flac)
    class_table(rows, cpu_ms)
    confusions(rows)
    if arguments.recordings:
        against_recordings(rows, arguments.recordings)
    if arguments.tagger:
        tagged(waveforms, arguments.tagger, arguments.recordings)
    if arguments.sheets:
        sheets(waveforms, arguments.sheets)


if __name__ == "__main__":
    main()
