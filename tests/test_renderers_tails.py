"""Renewed tails: independent between seeds, and otherwise what the engine gave."""

import numpy as np
import pytest
from scipy import signal, stats
from test_renderers_support import SPEED, needs_rlr, plain, shoebox

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.renderers import ENGINES
from st_audioqa.renderers.tails import FADE_FROM, SPREAD_S, mixing_time_s, renewed_tails

MIXING_S = 0.05
ARRIVAL = 300
N = SAMPLE_RATE // 2


def field(spread_of_directions, seed=0):
    """A response of decaying noise: each sample is a mean of that many plane waves."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((spread_of_directions, N, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    w = rng.standard_normal(N) * np.exp(-6.9 / 0.5 * np.arange(N) / SAMPLE_RATE)
    w[:ARRIVAL] = 0.0
    return np.stack([w, *(w * directions.mean(axis=0).T)])[None].astype(np.float32)


def renewed(rirs, seed=1, arrival=ARRIVAL):
    return renewed_tails(rirs, np.full(len(rirs), arrival), MIXING_S, seed)


def late(rir, from_s=MIXING_S, to_s=0.35):
    return rir[..., ARRIVAL + round(from_s * SAMPLE_RATE) : ARRIVAL + round(to_s * SAMPLE_RATE)]


def correlation(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def energy(x):
    return (x.astype(float) ** 2).sum(axis=-1)


def test_mixing_time_of_lindau():
    assert mixing_time_s(100.0) == pytest.approx(0.0513, abs=1e-4)


def test_seeds_give_independent_tails_and_repeat():
    rirs = field(1)
    tails = [late(renewed(rirs, seed)[0]) for seed in range(6)]
    np.testing.assert_array_equal(tails[0], late(renewed(rirs, 0)[0]))
    for i in range(6):
        assert abs(correlation(tails[i][0], late(rirs[0])[0])) < 0.2
        for j in range(i):
            for channel in range(4):
                assert abs(correlation(tails[i][channel], tails[j][channel])) < 0.2
            lags = signal.correlate(tails[i][0], tails[j][0], method="fft")
            assert np.abs(lags).max() / np.sqrt(energy(tails[i][0]) * energy(tails[j][0])) < 0.3


def test_the_early_part_is_untouched():
    rirs = field(1)
    until = ARRIVAL + round((FADE_FROM * MIXING_S - SPREAD_S / 2) * SAMPLE_RATE)
    np.testing.assert_array_equal(renewed(rirs)[..., :until], rirs[..., :until])
    assert not np.array_equal(renewed(rirs), rirs)


def test_energy_decay_and_spectrum_stay():
    rirs = field(1)
    rirs[:] = signal.lfilter([1.0], [1.0, -0.8], rirs)  # 25 dB less at the top than below
    rirs[..., :ARRIVAL] = 0
    before, after = rirs[0, 0].astype(float), renewed(rirs)[0, 0].astype(float)
    decay = [
        10 * np.log10(np.cumsum(w[::-1] ** 2)[::-1][:: SAMPLE_RATE // 100])
        for w in (before, after)
    ]
    audible = decay[0] > decay[0][0] - 40
    assert np.abs(decay[0] - decay[1])[audible].max() < 0.5
    _, spectra = signal.welch(late(np.stack([before, after])), SAMPLE_RATE, nperseg=256)
    assert np.abs(10 * np.log10(spectra[1] / spectra[0])[2:-2]).max() < 2.0
    assert abs(np.log10(spectra[1] / spectra[0]).mean() * 10) < 0.2


def test_what_relates_the_channels_stays():
    """All late sound from one side: it still comes from there, coherently."""
    rirs = field(1)
    rirs[:, 1:] = rirs[:, :1] * np.array([0.8, 0.0, 0.6], np.float32)[:, None]
    after = late(renewed(rirs)[0]).astype(float)
    np.testing.assert_allclose(after[1:], after[0] * [[0.8], [0.0], [0.6]], atol=1e-3)


@pytest.mark.parametrize(("waves", "before"), [(1, 1.0), (3, 1 / 3)])
def test_directional_energy_is_that_of_plane_waves(waves, before):
    rirs = field(waves)

    def diffuseness(x):
        return energy(late(x)[1:]) / energy(late(x)[0])

    np.testing.assert_allclose(diffuseness(rirs[0]), before / 3, rtol=0.06)
    np.testing.assert_allclose(diffuseness(renewed(rirs)[0]), 1 / 3, rtol=0.08)
    w, *xyz = late(renewed(rirs)[0]).astype(float)
    assert max(abs(correlation(w, axis)) for axis in xyz) < 0.1


def test_the_tail_stays_gaussian_and_steady():
    """Noise in, noise out: no peaks and no modulation that the filter's length would give."""
    rirs = np.random.default_rng(0).standard_normal((1, 4, 4 * SAMPLE_RATE), np.float32)
    steady = renewed(rirs)[0, 0, SAMPLE_RATE : 3 * SAMPLE_RATE]
    assert abs(stats.kurtosis(steady)) < 0.1
    frames = energy(steady.reshape(-1, 32)) / 32
    modulation = np.abs(np.fft.rfft(frames - frames.mean())) ** 2
    # Of white noise the modulation spectrum is white: its largest line is as chance has it.
    assert modulation.max() / modulation.mean() < 3.0 * np.log(len(modulation))


def test_a_position_depends_on_itself_alone():
    one, two = field(2, seed=1), field(2, seed=2)
    together = renewed(np.concatenate([one, two]))
    np.testing.assert_array_equal(together[:1], renewed(one))
    np.testing.assert_array_equal(together[1:], renewed(two))
    np.testing.assert_array_equal(
        renewed(one.repeat(3, axis=0)), renewed(one).repeat(3, axis=0)
    )


def test_neighbours_keep_their_common_tail():
    one, two = field(1, seed=1), field(1, seed=2)
    near = (0.9 * one + 0.436 * two).astype(np.float32)
    before = correlation(late(one[0])[0], late(near[0])[0])
    after = renewed(np.concatenate([one, near]))
    assert correlation(*late(after[:, 0])) == pytest.approx(before, abs=0.05)


@pytest.mark.parametrize("n", [1, ARRIVAL, ARRIVAL + 900, ARRIVAL + 1300])
def test_short_responses_pass(n):
    rirs = field(1)[..., :n]
    after = renewed(rirs)
    assert after.shape == rirs.shape
    assert np.isfinite(after).all()


def test_direct_sound_at_sample_zero_passes():
    after = renewed(field(1), arrival=0)
    assert np.isfinite(after).all()


@pytest.mark.rlr
@needs_rlr[1]
def test_tails_of_rlr_are_independent_between_sources_and_rooms():
    """Without renewal they correlate by .7 and more: the engine has one noise for all."""
    cases = [
        (shoebox(0.15), [3.0, 1.5, 3.4], [1.0, 1.2, 0.6]),
        (shoebox(0.15), [3.0, 1.5, 3.4], [5.0, 1.7, 4.2]),
        (shoebox(size=(4.0, 2.6, 7.0), walls=[plain(0.15)] * 6), [2, 1.5, 3], [1, 1.6, 5.5]),
    ]
    engine = ENGINES.get("rlr")("default")
    tails, same_seed = [], []
    for seed, (room, listener, source) in enumerate(cases):
        at = round(np.linalg.norm(np.subtract(source, listener)) / SPEED * SAMPLE_RATE)
        window = slice(at + round(0.06 * SAMPLE_RATE), at + round(0.3 * SAMPLE_RATE))
        for found, number in ((tails, seed), (same_seed, 7)):
            rir = engine.rirs(room, listener, [source], seed=number)[0]
            found.append(rir[:, window].astype(float))
        assert energy(tails[-1][1:]).sum() / energy(tails[-1][0]) == pytest.approx(1, abs=0.15)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert correlation(same_seed[i][0], same_seed[j][0]) > 0.5
        for channel in range(4):
            assert abs(correlation(tails[i][channel], tails[j][channel])) < 0.2
