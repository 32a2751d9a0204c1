"""The aligned crossfade: delays that vary continuously, levels that hold between bins."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import fft, signal
from test_renderers_support import relative_db

from st_audioqa.conventions import (
    N_BINS,
    SAMPLE_RATE,
    SAMPLES_PER_BIN,
    SCENE_SAMPLES,
    SPEED_OF_SOUND_M_S,
)
from st_audioqa.errors import UserError
from st_audioqa.foa import rotate_yaw
from st_audioqa.renderers import bin_centres, prepare, render

PER_METRE = SAMPLE_RATE / SPEED_OF_SOUND_M_S


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def band_limited(shape, rng, highest=0.8):
    """Noise without the top of the spectrum, so that shifting it is well defined."""
    spectrum = np.fft.rfft(rng.standard_normal(shape))
    spectrum[..., round(highest * spectrum.shape[-1]) :] = 0.0
    return np.fft.irfft(spectrum, shape[-1])


def passing_by(n_bins, speed, nearest_m=1.0, samples_per_bin=SAMPLES_PER_BIN):
    """Offsets of a source that passes the listener in the middle of the way."""
    times = (np.arange(n_bins) - 0.5 * (n_bins - 1)) * samples_per_bin / SAMPLE_RATE
    return np.stack([speed * times, np.full(n_bins, 0.2), np.full(n_bins, nearest_m)], axis=1)


def free_field(offsets, length=2048):
    """Band-limited direct sounds at their exact delays, and nothing else."""
    distance = np.linalg.norm(offsets, axis=1)
    frequency = fft.rfftfreq(length)
    low_pass = np.cos(0.5 * np.pi * np.clip((frequency - 0.44) / 0.06, 0, 1)) ** 2
    spectrum = np.exp(-2j * np.pi * frequency * (distance * PER_METRE)[:, None]) * low_pass
    pulses = fft.irfft(spectrum, length) / distance[:, None]
    cosines = np.column_stack([np.ones(len(offsets)), offsets / distance[:, None]])
    return (cosines[:, :, None] * pulses[:, None]).astype(np.float32)


def brute_force(waveform, rirs, offsets, samples_per_bin, extra=None):
    """From the definition, in double precision, one emitted sample after the other.

    A sample emitted at tau goes through response k, under its weight, d(tau) - d(t_k) later
    than the response says. `extra` holds what is added to each response half way.
    """
    n_bins, n_channels, length = rirs.shape
    size = 4 * length
    frequency = np.fft.rfftfreq(size)
    spectra = np.fft.rfft(rirs.astype(float), size)
    more = np.zeros_like(spectra) if extra is None else np.fft.rfft(extra, size)
    at_centres = np.linalg.norm(offsets, axis=1) * PER_METRE
    lead = size // 4
    out = np.zeros((n_channels, len(waveform) + 2 * size))
    for tau, sample in enumerate(waveform.astype(float)):
        place = tau / samples_per_bin - 0.5
        k = int(np.clip(np.floor(place), 0, n_bins - 2))
        here = offsets[k] + np.clip(place - k, -0.5, 1.5) * (offsets[k + 1] - offsets[k])
        delay = np.linalg.norm(here) * PER_METRE
        share = np.clip(place - k, 0.0, 1.0)
        dip = (1 / np.hypot(share, 1 - share) - 1) / (np.sqrt(2) - 1)
        total = 0.0
        for which, weight in ((k, 1 - share), (k + 1, share)):
            turn = np.exp(-2j * np.pi * frequency * (delay - at_centres[which] + lead))
            total = total + weight * turn * (spectra[which] + dip * more[which])
        out[:, tau : tau + size] += sample * np.fft.irfft(total, size)
    return out[:, lead : lead + len(waveform)]


@pytest.mark.parametrize(("speed", "n_samples"), [(2.0, 3000), (0.5, 2873)])
def test_agrees_with_its_definition(rng, speed, n_samples):
    waveform = band_limited((n_samples,), rng, 0.85) * signal.windows.tukey(n_samples, 0.1)
    offsets = passing_by(3, speed, 0.5, samples_per_bin=1000)
    rirs = band_limited((3, 4, 400), rng) * np.hanning(400) ** 2
    responses = prepare(rirs, mode="aligned", offsets_m=offsets, knots=bin_centres(3, 1000))
    # Noise has no direct sound to be found, and here nothing is to be made up for.
    geometric = np.linalg.norm(offsets, axis=1) * PER_METRE
    delay = replace(responses.delay, arrivals=geometric)
    none = replace(responses.makeup, gains=np.ones_like(responses.makeup.gains))
    responses = replace(responses, delay=delay, makeup=none)
    got = responses.render(waveform)
    want = brute_force(waveform.astype(np.float32), responses.rirs, offsets, 1000)
    assert relative_db(got, want) < -95


def test_makeup_is_added_as_defined(rng):
    n_samples = 1200
    waveform = band_limited((n_samples,), rng, 0.85) * signal.windows.tukey(n_samples, 0.1)
    offsets = passing_by(3, 2.0, 0.5, samples_per_bin=400)
    rirs = band_limited((3, 4, 1200), rng) * np.exp(-np.arange(1200) / 200)
    responses = prepare(rirs, mode="aligned", offsets_m=offsets, knots=bin_centres(3, 400))
    geometric = np.linalg.norm(offsets, axis=1) * PER_METRE
    responses = replace(responses, delay=replace(responses.delay, arrivals=geometric))
    size = 4 * 1200
    extra = [
        np.fft.irfft(responses.makeup.spectrum(rir, k, size), size)
        for k, rir in enumerate(responses.rirs)
    ]
    want = brute_force(waveform, responses.rirs, offsets, 400, np.stack(extra))
    without = brute_force(waveform, responses.rirs, offsets, 400)
    assert relative_db(without, want) > -20
    assert relative_db(responses.render(waveform), want) < -60


def test_a_source_that_does_not_move_is_static(rng):
    waveform = rng.standard_normal(SCENE_SAMPLES).astype(np.float32)
    rir = rng.standard_normal((4, 8000)) * np.exp(-np.arange(8000) / 1000)
    rir[0, 279] = 10.0
    rirs = np.repeat(rir[None], N_BINS, axis=0).astype(np.float32)
    offsets = np.tile([0.0, 0.0, 3.0], (N_BINS, 1))
    got = render(waveform, rirs, mode="aligned", offsets_m=offsets)
    want = signal.fftconvolve(waveform[None].astype(float), rirs[0], axes=-1)
    assert relative_db(got, want[:, :SCENE_SAMPLES]) < -100
    static = render(waveform, rirs[:1], mode="aligned", offsets_m=offsets[:1])
    np.testing.assert_array_equal(static, render(waveform, rirs[:1]))


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_tone_has_the_doppler_shift_of_its_source(speed):
    """f' = f / (1 + v cos / c) at the time of emission, along the whole way."""
    tone_hz = 3000.0
    offsets = passing_by(16, speed)
    n_samples = 16 * SAMPLES_PER_BIN
    tone = np.sin(2 * np.pi * tone_hz * np.arange(n_samples) / SAMPLE_RATE)
    heard = render(
        tone.astype(np.float32), free_field(offsets), mode="aligned", offsets_m=offsets
    )[0]
    phase = np.unwrap(np.angle(signal.hilbert(heard.astype(float))))
    # What is heard at t was emitted when t = tau + |offset(tau)| / c.
    emitted = np.arange(n_samples) / SAMPLE_RATE
    x = speed * (emitted - 0.5 * n_samples / SAMPLE_RATE)
    arrival = emitted + np.sqrt(x**2 + 0.2**2 + 1.0) / SPEED_OF_SOUND_M_S
    want = 2 * np.pi * tone_hz * np.interp(emitted, arrival, emitted)
    inner = slice(SAMPLES_PER_BIN, -SAMPLES_PER_BIN)
    difference = (phase - want)[inner]
    assert np.std(difference) < 0.01
    shift = np.gradient(phase)[inner] * SAMPLE_RATE / (2 * np.pi) - tone_hz
    strongest = tone_hz * speed / SPEED_OF_SOUND_M_S
    assert 0.7 * strongest < shift.max() < strongest
    assert -strongest < shift.min() < -0.7 * strongest


def ripple_db(mode, rirs, offsets, n_bins):
    """Largest departure of the level of noise over time from a smooth one, by band."""
    rng = np.random.default_rng(1)
    knots = bin_centres(n_bins, 2000)
    power = 0.0
    for _ in range(10):
        noise = rng.standard_normal(n_bins * 2000).astype(np.float32)
        heard = prepare(rirs, mode=mode, offsets_m=offsets, knots=knots).render(noise)[0]
        bands = [
            signal.sosfilt(
                signal.butter(4, band, "bandpass", fs=SAMPLE_RATE, output="sos"), heard
            )
            for band in ((1000, 4000), (4000, 14_000))
        ]
        power = power + (np.array(bands) ** 2).reshape(2, -1, 250).mean(axis=-1)
    level = 10 * np.log10(power[:, 24:-24])
    phase = np.exp(2j * np.pi * np.arange(level.shape[1]) / 8)
    return 2 * np.abs((level * phase).mean(axis=1))


def test_level_of_a_moving_source_has_no_ripple_of_the_bins():
    """Direct sound and, at about its power, reflections that differ from bin to bin."""
    rng = np.random.default_rng(0)
    offsets = np.linspace([0.5, 0.2, 1.0], [1.5, 0.2, 3.0], 24)
    rirs = np.pad(free_field(offsets), ((0, 0), (0, 0), (0, 2000)))
    tail = rng.standard_normal((24, 4, 3500)) * np.exp(-np.arange(3500) / 800)
    tail *= 0.8 / np.sqrt((tail**2).sum(axis=-1, keepdims=True))
    rirs[..., 500:4000] += tail
    plain, aligned = (ripple_db(mode, rirs, offsets, 24) for mode in ("plain", "aligned"))
    assert plain.min() > 0.5
    assert aligned.max() < 0.15


def test_direct_sound_of_a_free_field_follows_the_exact_solution():
    """Against x(tau) / r(tau) at every emitted sample, whatever lies between the bins."""
    offsets = passing_by(12, 1.0)
    n_samples = 12 * SAMPLES_PER_BIN
    rng = np.random.default_rng(0)
    waveform = band_limited((n_samples,), rng, 0.8).astype(np.float32)
    got = render(waveform, free_field(offsets), mode="aligned", offsets_m=offsets)[0]
    plain = render(waveform, free_field(offsets))[0]
    emitted = np.arange(n_samples, dtype=float)
    x = 1.0 * (emitted - 0.5 * n_samples) / SAMPLE_RATE
    distance = np.sqrt(x**2 + 0.2**2 + 1.0)
    times = np.interp(emitted, emitted + distance * PER_METRE, emitted)
    fine = signal.resample(waveform.astype(float), 16 * n_samples)
    want = np.interp(times, np.arange(16 * n_samples) / 16, fine)
    want *= np.gradient(times) / np.interp(times, emitted, distance)
    inner = slice(SAMPLES_PER_BIN // 2 + 200, -SAMPLES_PER_BIN // 2)
    assert relative_db(got[inner], want[inner]) < -40
    assert relative_db(plain[inner], want[inner]) > -12


def test_direct_sound_on_whole_samples_is_aligned_all_the_same(rng):
    """As RLR has it: up to half a sample off, which would cancel the highest octave."""
    offsets = passing_by(12, 0.7)
    distance = np.linalg.norm(offsets, axis=1)
    rirs = np.zeros((12, 1, 600), np.float32)
    rirs[np.arange(12), 0, np.rint(distance * PER_METRE).astype(int)] = 1.0
    noise = rng.standard_normal(12 * SAMPLES_PER_BIN).astype(np.float32)
    heard = render(noise, rirs, mode="aligned", offsets_m=offsets)[0]
    high = signal.butter(6, 10_000, "highpass", fs=SAMPLE_RATE, output="sos")
    inner = slice(SAMPLES_PER_BIN, -SAMPLES_PER_BIN)
    power = [(signal.sosfilt(high, each)[inner] ** 2).mean() for each in (heard, noise)]
    assert abs(10 * np.log10(power[0] / power[1])) < 0.1


def test_prepared_responses_repeat_and_tell_their_size(rng):
    sounds = rng.standard_normal((2, 70_000)).astype(np.float32)
    rirs = rng.standard_normal((8, 4, 3000)).astype(np.float32)
    offsets = passing_by(8, 0.5)
    for mode in ("plain", "aligned"):
        responses = prepare(rirs, mode=mode, offsets_m=offsets)
        first = responses.render(sounds[0])
        held = responses.rirs.nbytes + sum(
            each.nbytes for spectra in responses._spectra.values() for each in spectra
        )
        assert responses.nbytes == held
        responses.render(sounds[1])
        np.testing.assert_array_equal(responses.render(sounds[0]), first)
        once = render(sounds[0], rirs, mode=mode, offsets_m=offsets)
        np.testing.assert_array_equal(once, first)
        both = responses.render(sounds[0] + sounds[1])
        assert relative_db(both, first.astype(float) + responses.render(sounds[1])) < -100


def test_a_later_sound_is_heard_later_where_nothing_moves(rng):
    waveform = np.zeros(SCENE_SAMPLES, np.float32)
    waveform[30_000:60_000] = rng.standard_normal(30_000)
    rirs = np.repeat(rng.standard_normal((1, 4, 1000)), N_BINS, axis=0)
    responses = prepare(rirs, mode="aligned", offsets_m=np.ones((N_BINS, 3)))
    early, late = (responses.render(np.roll(waveform, shift)) for shift in (0, 12_345))
    assert relative_db(late[:, 12_345:], early[:, :-12_345].astype(float)) < -100


def test_alike_responses_need_no_makeup_and_unlike_ones_three_decibels(rng):
    tail = rng.standard_normal((3, 4, 12_000)) * np.exp(-np.arange(12_000) / 4000)
    offsets = np.tile([0.5, 0.0, 0.0], (3, 1))
    unlike = prepare(tail, mode="aligned", offsets_m=offsets).makeup.gains
    # Narrow bands hold few independent values: the lowest octave is left out.
    np.testing.assert_allclose(unlike[..., 2:].mean(axis=(0, 2)), np.sqrt(2), atol=0.12)
    alike = prepare(np.repeat(tail[:1], 3, axis=0), mode="aligned", offsets_m=offsets)
    np.testing.assert_allclose(alike.makeup.gains, 1.0, atol=1e-5)


def test_a_turned_listener_hears_the_same_field_turned(rng):
    waveform = rng.standard_normal(60_000).astype(np.float32)
    offsets = passing_by(7, 1.5)
    rirs = (rng.standard_normal((7, 4, 6000)) * [[[1], [0.5], [0.1], [0.8]]]).astype(np.float32)
    heard, turned = (
        prepare(each, mode="aligned", offsets_m=offsets).render(waveform)
        for each in (rirs, rotate_yaw(rirs, 35.0))
    )
    assert relative_db(turned, rotate_yaw(heard, 35.0)) < -100


def test_short_silent_and_hidden_responses_are_no_trouble(rng):
    waveform = rng.standard_normal(30_000).astype(np.float32)
    offsets = passing_by(4, 1.0)
    for rirs in (np.zeros((4, 4, 3000)), np.ones((4, 4, 10)), rng.standard_normal((4, 1, 1))):
        out = render(waveform, rirs, mode="aligned", offsets_m=offsets)
        assert np.isfinite(out).all()
        assert out.any() == rirs.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "smooth"}, "no crossfade named 'smooth'"),
        ({"mode": "aligned"}, "needs offsets_m"),
        ({"mode": "aligned", "offsets_m": np.ones((3, 3))}, r"shape \(4, 3\)"),
        ({"mode": "aligned", "offsets_m": np.full((4, 3), np.nan)}, "finite"),
        ({"mode": "aligned", "offsets_m": np.eye(4)[:, :3] * 1e4}, "speed of sound"),
        ({"knots": [0, 1, 2]}, "4 impulse responses"),
        ({"knots": [0, 2, 1, 3]}, "rising"),
    ],
)
def test_bad_input_is_told_in_a_sentence(arguments, message):
    with pytest.raises(UserError, match=message):
        prepare(np.ones((4, 4, 100)), **arguments)


def test_bad_arrays_are_told_in_a_sentence():
    with pytest.raises(UserError, match="n_knots, n_channels, length"):
        prepare(np.ones((4, 100)))
    with pytest.raises(UserError, match="finite"):
        prepare(np.full((1, 4, 100), np.inf))
    with pytest.raises(UserError, match="row of finite samples"):
        prepare(np.ones((1, 4, 100))).render(np.full(100, np.nan))
    with pytest.raises(UserError, match="even number of samples"):
        render(np.ones(100), np.ones((2, 4, 10)), samples_per_bin=25)
