"""Mono, stereo and binaural from ambisonics, against the sets themselves and closed forms."""

import numpy as np
import pytest
from scipy import signal
from test_hrtf import HEAD, KEMAR, band_energy, ild_db, itd_us, needs_kemar, needs_netcdf

from st_audioqa.conventions import SAMPLE_RATE, unit_vectors
from st_audioqa.decoding import (
    Decoder,
    binaural,
    binaural_filters,
    cardioid,
    describe_audio,
    mono,
    stereo,
)
from st_audioqa.errors import UserError
from st_audioqa.foa import encode, rotate_yaw
from st_audioqa.hrtf import HRTF
from st_audioqa.sofa import read_sofa, write_sofa

FILTERS = binaural_filters(HEAD)
AZIMUTHS = np.arange(-165.0, 181.0, 15.0)


def noise(n=SAMPLE_RATE, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(n)


def heard(azimuth_deg, elevation_deg=0.0, filters=FILTERS):
    """Responses of both ears to a plane wave [shape=(2, n)]."""
    pulse = np.zeros(1024)
    pulse[256] = 1.0
    return binaural(encode(pulse, azimuth_deg, elevation_deg), filters)


def diffuse(n=4 * SAMPLE_RATE, n_waves=300):
    """Independent plane waves from all directions [shape=(4, n)]."""
    rng, total = np.random.default_rng(1), np.zeros((4, n))
    for x, y, z in rng.standard_normal((n_waves, 3)):
        azimuth, elevation = np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])
        total += encode(rng.standard_normal(n), azimuth, elevation)
    return total / np.sqrt(n_waves)


def test_mono_is_w_with_gain_one_from_everywhere():
    s = noise()
    for azimuth, elevation in ((0, 0), (90, 0), (-150, 40), (20, -90)):
        np.testing.assert_allclose(mono(encode(s, azimuth, elevation)), s[None], atol=1e-12)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 0), (-130, 30), (60, -70)])
def test_cardioids_have_the_pattern_of_cardioids(azimuth, elevation):
    s = noise(100)
    for towards in ((0, 0), (-90, 0), (45, 60)):
        cosine = unit_vectors(azimuth, elevation) @ unit_vectors(*towards)
        found = cardioid(encode(s, azimuth, elevation), *towards)
        np.testing.assert_allclose(found, s * (1 + cosine) / 2, atol=1e-12)


def test_stereo_is_left_and_right_and_adds_up_to_mono():
    left, right, front, back = (stereo(encode(noise(), a, 0)) for a in (90, -90, 0, 180))
    assert np.abs(left[1]).max() < 1e-12 < np.abs(left[0]).max()
    assert np.abs(right[0]).max() < 1e-12 < np.abs(right[1]).max()
    np.testing.assert_allclose(front, back, atol=1e-12)
    np.testing.assert_allclose(stereo(encode(noise(), 37, 20)).sum(0), noise(), atol=1e-12)


@pytest.mark.parametrize("azimuth", AZIMUTHS)
def test_binaural_levels_and_times_have_the_side_of_the_source(azimuth):
    ears, side = heard(azimuth), np.sin(np.radians(azimuth))
    if abs(side) < 0.1:
        assert abs(itd_us(ears)) < 20
        assert abs(ild_db(ears)) < 1
    else:
        assert itd_us(ears) * side > 0
        assert ild_db(ears) * side > 0
    if azimuth == 90:
        assert itd_us(ears) > 300
        assert ild_db(ears) > 5


def test_binaural_levels_and_times_are_near_those_of_the_set():
    """Bounds of docs/decoding.md for the built-in set, with a little room."""
    times, levels = [], []
    for azimuth in AZIMUTHS:
        i = HEAD.nearest(azimuth)
        x, y, z = HEAD.directions[i]
        decoded = np.einsum("ect,c->et", FILTERS, [1.0, y, z, x])
        times.append(itd_us(decoded, 100, 700) - itd_us(HEAD.irs[i], 100, 700))
        levels.append(ild_db(decoded) - ild_db(HEAD.irs[i]))
    assert np.abs(times).max() < 160
    assert np.sqrt(np.mean(np.square(times))) < 95
    assert np.sqrt(np.mean(np.square(levels))) < 2.5


def test_magnitude_least_squares_keeps_levels_that_plain_least_squares_loses():
    def rms_error(filters):
        errors = []
        for azimuth in AZIMUTHS:
            i = HEAD.nearest(azimuth)
            x, y, z = HEAD.directions[i]
            decoded = np.einsum("ect,c->et", filters, [1.0, y, z, x])
            errors.append(ild_db(decoded) - ild_db(HEAD.irs[i]))
        return np.sqrt(np.mean(np.square(errors)))

    assert rms_error(FILTERS) < 0.5 * rms_error(binaural_filters(HEAD, np.inf))


def test_a_source_on_the_other_side_is_the_same_with_ears_exchanged():
    head, swapped = heard(50, 20), heard(-50, 20)[::-1]
    assert 10 * np.log10(np.sum((head - swapped) ** 2) / np.sum(head**2)) < -25


def test_turning_the_field_is_turning_the_source():
    source = encode(noise(4000), 70, 10)
    np.testing.assert_allclose(
        binaural(rotate_yaw(source, 40), FILTERS),
        binaural(encode(noise(4000), 30, 10), FILTERS),
        atol=1e-12,
    )


def test_a_diffuse_field_keeps_the_level_that_the_set_gives_it():
    field = diffuse()
    frequency, power = signal.welch(
        np.vstack([field[:1], binaural(field, FILTERS)]), SAMPLE_RATE, nperseg=2048
    )
    for low_hz, high_hz in ((100, 500), (500, 1500), (1500, 4000), (4000, 12_000)):
        pressure, *ears = power[:, (frequency >= low_hz) & (frequency < high_hz)].sum(-1)
        of_set = HEAD.weights() @ band_energy(HEAD.irs, low_hz, high_hz)
        expected = of_set / band_energy(np.eye(1, 512)[0], low_hz, high_hz)
        np.testing.assert_allclose(10 * np.log10(ears / pressure / expected), 0.0, atol=0.7)


def test_the_bass_of_a_front_source_is_that_of_the_set():
    gain = band_energy(heard(0), 100, 300) / band_energy(HEAD.irs[HEAD.nearest(0)], 100, 300)
    np.testing.assert_allclose(10 * np.log10(gain), 0.0, atol=0.7)


def test_front_and_back_differ():
    front, back = (band_energy(heard(a), 2000, 8000).sum() for a in (0, 180))
    assert abs(10 * np.log10(front / back)) > 1.0


def test_time_stays_where_it_was():
    """The middle of both ears' onsets is the time at the middle of the head."""
    for azimuth in (0, 60, 90, -135):
        peaks = np.argmax(np.abs(heard(azimuth)), axis=-1)
        assert abs(peaks.mean() - 256) < 10


@pytest.mark.parametrize("layout", ["foa", "mono", "stereo", "binaural"])
def test_decoding_is_linear_and_keeps_type_length_and_order(layout):
    decode = Decoder(layout)
    first, second = (encode(noise(5000, seed), 40 * seed, 0) for seed in (1, 2))
    both = decode(first + second)
    assert both.dtype == np.float32
    assert both.shape == (len(decode.describe()["channels"]), 5000)
    np.testing.assert_allclose(both, decode(first) + decode(second), atol=1e-6)
    np.testing.assert_array_equal(Decoder(layout)(first), decode(first))


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_resampling_keeps_a_tone(rate):
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = encode(np.sin(2 * np.pi * 1000 * time_s), 0, 0)
    found = Decoder("mono", sample_rate=rate)(tone)[0]
    assert len(found) == rate
    expected = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    np.testing.assert_allclose(found[500:-500], expected[500:-500], atol=1e-3)


def test_long_audio_is_cut_and_short_audio_is_not_filled():
    audio = encode(noise(10 * SAMPLE_RATE), 0, 0)
    assert Decoder("foa", max_s=4.0)(audio).shape == (4, 128_000)
    np.testing.assert_array_equal(
        Decoder("foa", max_s=4.0)(audio), np.float32(audio[:, :128_000])
    )
    assert Decoder("foa", max_s=30.0)(audio).shape == audio.shape


def test_what_was_done_is_told():
    told = Decoder("binaural", sample_rate=16_000, max_s=5.0).describe()
    assert told["hrtf"]["sha256"] == HEAD.sha256
    said = describe_audio(told)
    assert "binaural" in said
    assert f"HRTF spherical-head {HEAD.sha256[:8]}, 16000 Hz, at most 5 s" in said
    assert "hrtf" not in Decoder("stereo").describe()
    assert describe_audio(None) == "audio that is not recorded"
    assert describe_audio({"layout": []})  # whatever a file holds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decoder("bianural"), "did you mean binaural"),
        (lambda: Decoder("mono", sample_rate=44), "from 1000 to 192000 Hz, got 44"),
        (lambda: Decoder("mono", max_s=-1), "more than 0 s"),
        (lambda: Decoder("mono")(np.zeros((2, 9))), r"shape \(4, n\), got \(2, 9\)"),
        (lambda: Decoder("binaural", hrtf="x.sofa").describe(), "neither"),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_sets_that_leave_out_half_the_sphere_are_refused():
    above = HEAD.directions[:, 2] > 0.7
    cap = HRTF("cap", HEAD.directions[above], HEAD.irs[above], "", "", "")
    ring = unit_vectors(np.arange(0, 360, 5.0), np.zeros(72))
    flat = HRTF("ring", ring, HEAD.irs[:72], "", "", "")
    for broken in (cap, flat):
        with pytest.raises(UserError, match="must surround the head"):
            binaural_filters(broken)


@needs_netcdf
def test_decoding_with_the_file_of_a_set_is_decoding_with_the_set(tmp_path):
    write_sofa(HEAD, tmp_path / "head.sofa")
    by_file = Decoder("binaural", hrtf=str(tmp_path / "head.sofa"))
    audio = encode(noise(4000), 40, 10)
    np.testing.assert_allclose(by_file(audio), Decoder("binaural")(audio), atol=1e-6)
    assert by_file.describe()["hrtf"]["name"] == "head"


@needs_netcdf
@needs_kemar
def test_a_measured_set_decodes_to_its_own_sides():
    kemar = read_sofa(KEMAR)
    filters = binaural_filters(kemar)
    for azimuth in (30, 60, 90, 120, 150):
        left, right = heard(azimuth, filters=filters), heard(-azimuth, filters=filters)
        assert itd_us(left) > 50
        assert itd_us(right) < -50
        assert ild_db(left) > 2
        assert ild_db(right) < -2
