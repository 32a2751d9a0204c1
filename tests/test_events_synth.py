from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
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
from st_audioqa.events.synth.sources import buzz
from st_audioqa.scene import Event
from st_audioqa.seeding import generator

LIBRARY = LIBRARIES.get("synth")()
NAMES = LIBRARY.labels("train")
DRAWS = 10


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
    known, new = rows[:, :7], rows[:, 7:]
    centroids = known.mean(1)
    within = (known - centroids[:, None]).std((0, 1))
    distances = (((new[:, :, None] - centroids) / within) ** 2).sum(-1)
    right = distances.argmin(-1) == np.arange(len(NAMES))[:, None]
    assert right.mean() >= 0.9


def test_classes_are_unrelated_labels_of_the_355():
    assert len(NAMES) >= 28
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


def test_buzz_has_the_tilt_asked_for_and_no_aliases():
    tone = buzz(np.full(SAMPLE_RATE, 1100.0), SAMPLE_RATE, 4.0)
    levels = 20 * np.log10(np.abs(np.fft.rfft(tone)) + 1e-9)
    assert np.std(tone) == pytest.approx(1.0, rel=0.01)
    assert np.diff(levels[1100::1100]) == pytest.approx(-4.4, abs=0.01)
    aliases = np.delete(levels, np.arange(0, len(levels), 1100))
    assert aliases.max() < levels[1100] - 60


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
