from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from st_audioqa.conventions import ANCHORS, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.events import (
    LIBRARIES,
    active_level_dbfs,
    activity,
    label,
    related,
    set_level,
)
from st_audioqa.events.synth import SOUNDS
from st_audioqa.events.synth.shaping import FEW_MODES, modes, resonate, ring, throat
from st_audioqa.events.synth.sources import buzz, noise, partials, saw, train
from st_audioqa.events.synth.voices import tract_hz, voice
from st_audioqa.scene import Event
from st_audioqa.seeding import generator

LIBRARY = LIBRARIES.get("synth")()
NAMES = LIBRARY.labels("train")
DRAWS = 8


def event(name: str, draw: int) -> Event:
    return LIBRARY.draw(generator(0, name, draw), "train" if draw % 2 else "test", name)


def features(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean, spread, height and flux of 40 log-mel bands [shape=(160,)]."""
    n_fft, n_mels = 1024, 40
    edges = 700 * (np.geomspace(1, 1 + SAMPLE_RATE / 1400, n_mels + 2) - 1)
    bins = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    frames = signal.stft(waveform, SAMPLE_RATE, nperseg=n_fft, noverlap=0)[2].T
    mel = 10 * np.log10(np.abs(frames) ** 2 @ np.clip(np.minimum(rise, fall), 0, None) + 1e-12)
    mel = np.maximum(mel - mel.max(), -70)
    flux = np.abs(np.diff(mel, axis=0)).mean(axis=0)
    return np.concatenate([mel.mean(0), mel.std(0), np.percentile(mel, 90, axis=0), flux])


@cache
def draws(name: str) -> Mapping[str, NDArray[np.float64]]:
    """What the tests need to know of `DRAWS` draws of one class, measured once."""
    rows = []
    for draw in range(DRAWS):
        drawn = event(name, draw)
        waveform = LIBRARY.waveform(drawn)
        power = np.abs(np.fft.rfft(waveform)) ** 2
        active = activity(waveform)
        rows.append(
            {
                "shape": np.array(waveform.shape),
                "finite": np.isfinite(waveform).all(),
                "level_error_db": active_level_dbfs(waveform) - drawn.level_dbfs,
                "crest_db": 20 * np.log10(np.abs(waveform).max()) - drawn.level_dbfs,
                "active_s": 0.25 * active.sum(),
                "share_above_15_khz": power[150_000:].sum() / power.sum(),
                "mean_over_rms": abs(waveform.mean(dtype=float)) / waveform.std(dtype=float),
                "share_below_40_hz": power[:400].sum() / power.sum(),
                "anchors": all(active[list(bins)].any() for bins in ANCHORS.values()),
                "edges": np.abs(waveform[[0, -1]]).max() / np.abs(waveform).max(),
                "start": waveform[10_000:10_050],
                "features": features(waveform),
            }
        )
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


@pytest.mark.parametrize("name", NAMES)
def test_waveforms_are_clean(name: str):
    measured = draws(name)
    assert (measured["shape"] == SCENE_SAMPLES).all()
    assert measured["finite"].all()
    assert np.abs(measured["level_error_db"]).max() < 1e-3
    assert measured["mean_over_rms"].max() < 1e-3
    assert measured["share_below_40_hz"].max() < 0.01
    assert measured["edges"].max() < 1e-2
    assert measured["crest_db"].max() < 50
    assert measured["share_above_15_khz"].max() < 0.1
    assert measured["active_s"].min() >= 2.0


@pytest.mark.parametrize("name", NAMES)
def test_draws_of_a_class_vary(name: str):
    mean_spectra = draws(name)["features"][:, :40]
    distance = np.sqrt(((mean_spectra[:, None] - mean_spectra[None]) ** 2).mean(-1))
    assert distance[~np.eye(DRAWS, dtype=bool)].mean() > 0.7


@pytest.mark.parametrize("name", NAMES)
def test_sound_in_the_beginning_the_middle_and_the_end(name: str):
    assert draws(name)["anchors"].mean() >= 0.7


@pytest.mark.parametrize("name", NAMES)
def test_no_two_draws_are_alike(name: str):
    rows = draws(name)["features"]
    distance = np.abs(rows[:, None] - rows[None]).max(axis=-1)
    assert distance[~np.eye(DRAWS, dtype=bool)].min() > 1.0


@pytest.mark.parametrize("name", NAMES)
def test_a_waveform_follows_from_the_event_alone(name: str):
    drawn = event(name, 0)
    other_library = LIBRARIES.get("synth")(level_dbfs=-40.0)
    assert drawn == event(name, 0)
    assert np.array_equal(LIBRARY.waveform(drawn), other_library.waveform(drawn))


def test_classes_can_be_told_apart():
    rows = np.stack([draws(name)["features"] for name in NAMES])  # (class, draw, feature)
    rows = (rows - rows.mean((0, 1))) / rows.std((0, 1))
    known, new = rows[:, :6], rows[:, 6:]
    centroids = known.mean(1)
    within = (known - centroids[:, None]).std((0, 1))
    distances = (((new[:, :, None] - centroids) / within) ** 2).sum(-1)
    right = distances.argmin(-1) == np.arange(len(NAMES))[:, None]
    assert right.mean() >= 0.9


def test_classes_are_unrelated_labels_of_the_355():
    assert len(NAMES) >= 50
    assert set(NAMES) == set(SOUNDS)
    assert all(label(name).in_355 for name in NAMES)
    assert not [(a, b) for a in NAMES for b in NAMES if a < b and related(a, b)]


def test_the_libraries_have_names():
    assert {"folder", "synth"} <= set(LIBRARIES.names())
    assert (LIBRARY.name, LIBRARY.labels("test")) == ("synth", NAMES)


def test_clips_of_different_splits_are_different():
    clips = {
        split: {LIBRARY.draw(generator(0, i), split).clip_id for i in range(200)}
        for split in ("train", "validation", "test")
    }
    assert all(len(ids) == 200 for ids in clips.values())
    assert not clips["train"] & clips["test"]
    assert all(f"-{split}-" in clip for split, ids in clips.items() for clip in ids)


def test_draw_heeds_label_and_avoid():
    drawn = LIBRARY.draw(generator(0), "train", "Bark")
    assert drawn.labels == ("Bark",)
    assert drawn.mids == (label("Bark").mid,)
    avoid = ("Animal", "Alarm", "Music")
    for i in range(100):
        name = LIBRARY.draw(generator(1, i), "train", avoid=avoid).name
        assert not any(related(name, other) for other in avoid)


def test_levels_are_spread():
    levels = [LIBRARY.draw(generator(2, i), "train").level_dbfs for i in range(200)]
    assert -38 <= min(levels) < -37
    assert -33 < max(levels) <= -32


@pytest.mark.parametrize(
    ("wanted", "avoid"), [("Bark", ["Dog"]), ("Yip", []), ("Bark", ["Bark"])]
)
def test_impossible_draws_are_rejected(wanted: str, avoid: list[str]):
    with pytest.raises(RejectedDraw) as caught:
        LIBRARY.draw(generator(0), "train", wanted, avoid)
    assert caught.value.reason == "no_event"


def test_mistakes_of_use():
    with pytest.raises(UserError, match="Bark"):
        LIBRARY.draw(generator(0), "train", "Barkk")
    with pytest.raises(UserError, match="leave the path out"):
        LIBRARIES.get("synth")(path="somewhere")
    stranger = Event("synth", "yip-train-0", 0.0, -26.0, ("Yip",), ("/m/07r_k2n",), "CC0-1.0")
    with pytest.raises(UserError, match="Yip"):
        LIBRARY.waveform(stranger)


def sounds(name: str) -> list[NDArray[np.float64]]:
    return [LIBRARY.waveform(event(name, draw)).astype(np.float64) for draw in range(5)]


def strokes(x: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The loud strokes of a sound, 55 ms each."""
    level = np.sqrt(np.convolve(x**2, np.full(160, 1 / 160), "same"))
    peaks, _ = signal.find_peaks(level, height=0.25 * level.max(), distance=3200)
    return [x[max(peak - 160, 0) : peak + 1600] for peak in peaks]


@pytest.mark.parametrize("name", ["Clapping", "Clip-clop", "Hammer"])
def test_no_two_strokes_of_a_clip_are_alike(name: str):
    spreads = []
    for x in sounds(name):
        spectra = [np.abs(np.fft.rfft(stroke, 4096)) ** 2 for stroke in strokes(x)]
        spreads.append(np.std([np.log(p @ np.arange(len(p)) / p.sum()) for p in spectra]))
    assert np.median(spreads) > {"Clapping": 0.15, "Clip-clop": 0.2, "Hammer": 0.13}[name]


@pytest.mark.parametrize(
    ("name", "least"), [("Applause", 4), ("Frying (food)", 20), ("Rain", 1)]
)
def test_many_small_sounds_are_not_gaussian_noise(name: str, least: float):
    kurtosis = [np.mean((x / x.std()) ** 4) - 3 for x in sounds(name)]
    assert np.median(kurtosis) > least


def test_engines_have_no_fixed_band_at_6_to_7_khz():
    for x in sounds("Engine"):
        hz, power = signal.welch(x, SAMPLE_RATE, nperseg=1024)
        level = 10 * np.log10(power)
        beside = level[((hz > 4500) & (hz < 5500)) | ((hz > 8000) & (hz < 9000))].mean()
        assert level[(hz > 6000) & (hz < 7000)].mean() == pytest.approx(beside, abs=2.0)


def test_hoots_are_nearly_pure_low_tones():
    for x in sounds("Hoot"):
        power = np.abs(np.fft.rfft(x)) ** 2
        hz = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
        pitch_hz = hz[power.argmax()]
        assert 220 < pitch_hz < 620
        assert power[(hz > 0.7 * pitch_hz) & (hz < 1.35 * pitch_hz)].sum() > 0.85 * power.sum()


def test_barks_rise_and_fall_in_a_tenth_of_a_second():
    lengths = []
    for x in sounds("Bark"):
        level = np.sqrt(np.convolve(x**2, np.full(960, 1 / 960), "same"))
        edges = np.diff(level > 0.15 * level.max(), prepend=False, append=False)
        starts, ends = np.flatnonzero(edges).reshape(-1, 2).T
        lengths.append(np.median(ends - starts) / SAMPLE_RATE)
    assert min(lengths) > 0.05
    assert max(lengths) < 0.25


def test_moos_are_low_and_have_nothing_below_the_voice():
    for x in sounds("Moo"):
        power = np.abs(np.fft.rfft(x)) ** 2
        hz = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
        assert 300 < (hz * power).sum() / power.sum() < 1300
        assert power[hz < 90].sum() < 0.01 * power.sum()


def test_buzz_has_the_tilt_asked_for_and_no_aliases():
    tone = buzz(np.full(SAMPLE_RATE, 1100.0), SAMPLE_RATE, 4.0)
    levels = 20 * np.log10(np.abs(np.fft.rfft(tone)) + 1e-9)
    assert np.std(tone) == pytest.approx(1.0, rel=0.01)
    assert np.diff(levels[1100::1100]) == pytest.approx(-4.4, abs=0.01)
    aliases = np.delete(levels, np.arange(0, len(levels), 1100))
    assert aliases.max() < levels[1100] - 60


def spectrum_db(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 20 * np.log10(np.abs(np.fft.rfft(x)) + 1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(60, 700))
def test_saw_falls_by_six_db_per_octave(pitch_hz: int):
    tone = saw(np.full(SAMPLE_RATE, float(pitch_hz)), SAMPLE_RATE)
    levels = spectrum_db(tone)
    orders = np.arange(1, 4000 // pitch_hz + 1)
    assert levels[pitch_hz * orders] - levels[pitch_hz] == pytest.approx(
        -20 * np.log10(orders), abs=1.5
    )
    aliases = np.delete(levels, np.arange(0, len(levels), pitch_hz))
    assert aliases[:4000].max() < levels[pitch_hz] - 55


@settings(max_examples=20, deadline=None)
@given(st.integers(80, 900), st.lists(st.floats(0.1, 1.0), min_size=1, max_size=12))
def test_partials_have_the_amplitudes_asked_for(pitch_hz: int, amplitudes: list[float]):
    tone = partials(np.full(SAMPLE_RATE, float(pitch_hz)), SAMPLE_RATE, amplitudes)
    found = np.abs(np.fft.rfft(tone))[pitch_hz * np.arange(1, len(amplitudes) + 1)]
    assert found / (SAMPLE_RATE / 2) == pytest.approx(amplitudes, abs=2e-3)


@settings(max_examples=20, deadline=None)
@given(st.floats(300.0, 6000.0), st.floats(-12.0, 12.0), st.integers(0, 99))
def test_noise_has_the_spectrum_asked_for_and_rms_1(knee_hz: float, step_db: float, seed: int):
    shaped = noise(
        generator(seed), 50_021, SAMPLE_RATE, [(knee_hz, 0.0), (1.001 * knee_hz, step_db)]
    )
    assert np.sqrt(np.mean(shaped**2)) == pytest.approx(1.0)
    power = np.abs(np.fft.rfft(shaped)) ** 2
    hz = np.fft.rfftfreq(len(shaped), 1 / SAMPLE_RATE)
    below = power[(hz > 50) & (hz < 0.95 * knee_hz)].mean()
    above = power[hz > 1.05 * knee_hz].mean()
    assert 10 * np.log10(above / below) == pytest.approx(step_db, abs=1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(FEW_MODES + 1, 40), st.floats(80.0, 2000.0), st.integers(0, 99))
def test_many_resonances_ring_like_single_ones(count: int, lowest_hz: float, seed: int):
    rng = generator(seed)
    many = modes(rng, lowest_hz, 20_000, count, 0.02, -3.0)
    x = np.zeros(8000)
    x[:40] = rng.standard_normal(40)
    together = resonate(x, SAMPLE_RATE, many)
    one_by_one = sum(resonate(x, SAMPLE_RATE, [mode]) for mode in many)
    assert together == pytest.approx(one_by_one, abs=1e-3 * np.abs(together).max())
    x[:] = 0.0
    x[0] = 1.0
    assert ring(8000, SAMPLE_RATE, many) == pytest.approx(
        sum(resonate(x, SAMPLE_RATE, [mode]) for mode in many), abs=1e-9
    )


@pytest.mark.parametrize("height_db", [10.0, 20.0])
def test_throat_raises_its_resonances_and_leaves_the_rest(height_db: float):
    hiss = noise(generator(3), 10 * SAMPLE_RATE, SAMPLE_RATE)
    spoken = throat(hiss, SAMPLE_RATE, [1000.0, [3000.0, 3000.0]], [200.0, 300.0], height_db)
    hz, before = signal.welch(hiss, SAMPLE_RATE, nperseg=1024)
    gain = 10 * np.log10(signal.welch(spoken, SAMPLE_RATE, nperseg=1024)[1] / before)
    assert gain[hz.searchsorted((1000, 3000))] == pytest.approx(height_db, abs=2.0)
    assert np.abs(gain[hz > 8000]).max() < 1.5


def test_a_tract_resonates_at_odd_quarter_waves():
    assert tract_hz(0.175, 3) == pytest.approx([500, 1500, 2500])


def test_roughness_blurs_the_harmonics_of_a_voice():
    def peak_over_valley(rough: float) -> float:
        sound = voice(generator(4), np.full(SAMPLE_RATE, 200.0), SAMPLE_RATE, 0.02, rough)
        levels = spectrum_db(sound)
        return float(levels[195:206].max() - np.median(levels[280:320]))

    assert peak_over_valley(0.0) > peak_over_valley(0.2) + 6 > peak_over_valley(0.6) + 6


def test_train_beats_at_its_rate():
    beats = train(np.linspace(10.0, 30.0, 5 * SAMPLE_RATE), SAMPLE_RATE)
    assert len(beats) == pytest.approx(100, abs=1)
    assert np.diff(beats)[0] / np.diff(beats)[-1] == pytest.approx(3.0, rel=0.1)


def clicks(times_s: list[float]) -> NDArray[np.float64]:
    waveform = np.zeros(SCENE_SAMPLES)
    for time_s in times_s:
        start = int(time_s * SAMPLE_RATE)
        waveform[start : start + 32] = 1.0
    return waveform


def test_activity_holds_single_clicks():
    active = activity(clicks([0.1, 4.3, 9.9]))
    assert np.flatnonzero(active).tolist() == [0, 17, 39]
    steady = clicks([9.9])
    steady[: SCENE_SAMPLES // 2] = np.sin(np.arange(SCENE_SAMPLES // 2) * 0.1)
    assert np.flatnonzero(activity(steady)).tolist() == [*range(20), 39]


def test_activity_leaves_out_a_noise_floor():
    rng = generator(0, "floor")
    waveform = 10 ** (-45 / 20) * rng.standard_normal(SCENE_SAMPLES)
    waveform[: SCENE_SAMPLES // 10] += rng.standard_normal(SCENE_SAMPLES // 10)
    assert np.flatnonzero(activity(waveform)).tolist() == [0, 1, 2, 3]
    assert active_level_dbfs(waveform) == pytest.approx(0.0, abs=0.1)


def test_silence_is_never_active():
    silence = np.zeros(SCENE_SAMPLES)
    assert not activity(silence).any()
    assert active_level_dbfs(silence) == -np.inf
    with pytest.raises(ValueError, match="silent"):
        set_level(silence, -26.0)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e4])
def test_set_level_does_not_depend_on_the_level_before(scale: float):
    waveform = clicks([0.1, 4.3, 9.9])
    scaled = set_level(scale * waveform, -26.0)
    assert active_level_dbfs(scaled) == pytest.approx(-26.0, abs=1e-4)
    assert np.allclose(scaled, set_level(waveform, -26.0), rtol=1e-5)


def test_loudness_wants_whole_scenes():
    with pytest.raises(ValueError, match="shape"):
        activity(np.zeros(1000))
    with pytest.raises(ValueError, match="too close"):
        set_level(clicks([1.0]), -60.0)
