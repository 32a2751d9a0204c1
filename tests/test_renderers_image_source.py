"""The image-source engine against exact values, another implementation, and the labels."""

import numpy as np
import pytest
from test_renderers_support import CENTRE, SIZE, SPEED, plain, relative_db, shoebox, t20

from st_audioqa.conventions import (
    BANDS_HZ,
    BIN_TIMES_S,
    N_BINS,
    SAMPLE_RATE,
    SCENE_SAMPLES,
    angular_distance_deg,
    listener_axes,
    to_listener,
    unit_vectors,
)
from st_audioqa.errors import UserError
from st_audioqa.foa import bin_directions
from st_audioqa.renderers import ENGINES, listener_rirs, render
from st_audioqa.renderers.acoustics import AIR_DB_PER_M, decay_rates, mean_absorption
from st_audioqa.renderers.engines._image_field import band_transfer
from st_audioqa.scene import Listener

Engine = ENGINES.get("image-source")


def around(azimuth_deg, elevation_deg, distance_m, yaw_deg):
    """World positions in given directions of a listener at the centre."""
    return CENTRE + distance_m * unit_vectors(azimuth_deg, elevation_deg) @ listener_axes(
        yaw_deg
    )


def test_direct_sound_is_exact():
    rng = np.random.default_rng(0)
    positions = rng.uniform([0.3, 0.3, 0.3], [5.7, 2.7, 4.7], (20, 3))
    rirs = Engine("anechoic").rirs(shoebox(), CENTRE, positions, seed=0)
    n_fft = 1 << 13
    frequency = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
    for rir, position in zip(rirs, positions, strict=True):
        distance = np.linalg.norm(position - CENTRE)
        air = 10 ** (-AIR_DB_PER_M / 20 * distance)
        delay = np.exp(-2j * np.pi * frequency * distance / SPEED)
        exact = (air @ band_transfer(n_fft)) * delay / distance
        got = np.fft.rfft(rir[0].astype(float), n_fft)
        heard = (frequency > 500) & (frequency < 14_000)
        lag = np.angle(got * exact.conj())[heard] / (2 * np.pi * frequency[heard])
        assert np.abs(lag).max() * SAMPLE_RATE < 0.01
        assert relative_db(np.abs(got[heard]), np.abs(exact[heard])) < -70


def test_delay_is_fractional():
    distances = 1.0 + np.arange(4) * SPEED / SAMPLE_RATE / 4  # a quarter of a sample apart
    positions = CENTRE + distances[:, None] * [0.0, 0.0, -1.0]
    rirs = Engine("anechoic").rirs(shoebox(), CENTRE, positions, seed=0)
    n_fft = 1 << 13
    frequency = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
    heard = (frequency > 4000) & (frequency < 12_000)
    phase = np.unwrap(np.angle(np.fft.rfft(rirs[:, 0], n_fft)[:, heard]))
    delays = -np.polyfit(2 * np.pi * frequency[heard] / SAMPLE_RATE, phase.T, 1)[0]
    np.testing.assert_allclose(delays, distances / SPEED * SAMPLE_RATE, atol=0.1)


def test_bands_add_up_to_one():
    total = np.abs(band_transfer(6400).sum(axis=0))
    frequency = np.fft.rfftfreq(6400, 1 / SAMPLE_RATE)
    passed = (frequency > 100) & (frequency < 15_000)
    np.testing.assert_allclose(total[passed], 1.0, atol=1e-3)
    assert total[0] == 0.0


def test_air_is_iso_9613():
    """ISO 9613-1, equations 3 to 5 and annex B, at 20 C, 50 % and 101.325 kPa."""
    kelvin, reference, triple = 293.15, 293.15, 273.16
    saturation = 10 ** (-6.8346 * (triple / kelvin) ** 1.261 + 4.6151)
    h = 50.0 * saturation
    oxygen = 24 + 4.04e4 * h * (0.02 + h) / (0.391 + h)
    t = kelvin / reference
    nitrogen = t**-0.5 * (9 + 280 * h * np.exp(-4.170 * (t ** (-1 / 3) - 1)))
    f = 1000 * 2.0 ** np.arange(-3, 4)
    relaxation = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + f**2 / oxygen)
    relaxation += 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + f**2 / nitrogen)
    exact = 8.686 * f**2 * (1.84e-11 * t**0.5 + t**-2.5 * relaxation)
    np.testing.assert_allclose(AIR_DB_PER_M, exact, rtol=0.02)


def test_mean_absorption_is_area_weighted():
    walls = (plain(0.0), plain(0.0), plain(0.6), plain(0.0), plain(0.0), plain(0.0))
    np.testing.assert_allclose(mean_absorption(shoebox(walls=walls)), 0.6 * 30 / 126)


def test_reflections_agree_with_pyroomacoustics():
    pra = pytest.importorskip("pyroomacoustics")
    alphas = (0.1, 0.25, 0.4, 0.15, 0.3, 0.2)
    room = shoebox(walls=tuple(plain(alpha) for alpha in alphas))
    source, ear = np.array([1.3, 1.1, 3.7]), np.array([4.1, 1.7, 1.6])
    ours = Engine("reference").rirs(room, ear, [source], seed=0)[0, 0]

    other = pra.ShoeBox(
        SIZE,
        fs=SAMPLE_RATE,
        materials={
            wall: pra.Material(alpha)
            for wall, alpha in zip(
                ("west", "east", "south", "north", "floor", "ceiling"), alphas, strict=True
            )
        },
        max_order=16,
        air_absorption=False,
    )
    other.set_sound_speed(SPEED)
    other.add_source(source)
    other.add_microphone(ear)
    other.compute_rir()
    lag = pra.constants.get("frac_delay_length") // 2
    theirs = other.rir[0][0][lag:]

    # Below 2 kHz, where air hardly matters, and before the tail begins.
    n = round(0.09 * SAMPLE_RATE)
    frequency = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    low = (frequency > 150) & (frequency < 2000)
    a, b = (np.fft.rfft(rir[:n])[low] for rir in (ours, theirs))
    assert np.abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b) > 0.99
    assert 20 * np.log10(np.linalg.norm(a) / np.linalg.norm(b)) == pytest.approx(0, abs=0.3)


def test_bands_and_channels_agree_with_pyroomacoustics():
    """Walls that differ from each other and from band to band, heard by four microphones."""
    pra = pytest.importorskip("pyroomacoustics")
    dull, bright = np.linspace(0.05, 0.6, 7), np.linspace(0.7, 0.1, 7)
    alphas = [(1 - k) * dull + k * bright for k in (0.0, 0.2, 0.5, 0.6, 0.8, 1.0)]
    materials = [type(plain())(f"{i}", tuple(a), (0.0,) * 7) for i, a in enumerate(alphas)]
    source, ear = np.array([1.3, 1.1, 3.7]), np.array([4.1, 1.7, 1.6])
    room = shoebox(walls=tuple(materials))
    ours = Engine("reference").rirs(room, ear, [source], seed=0)[0]

    walls = ("west", "east", "south", "north", "floor", "ceiling")
    axes = ((180, 90), (90, 90), (0, 180))  # Y: -x, Z: +y, X: -z
    theirs = []
    for azimuth, colatitude in ((None, None), *axes):
        other = pra.ShoeBox(
            SIZE,
            fs=SAMPLE_RATE,
            materials={
                wall: pra.Material({"coeffs": list(a), "center_freqs": list(BANDS_HZ)})
                for wall, a in zip(walls, alphas, strict=True)
            },
            max_order=14,
            air_absorption=False,
        )
        other.set_sound_speed(SPEED)
        other.add_source(source)
        shape = None
        if azimuth is not None:
            shape = pra.directivities.FigureEight(
                pra.directivities.DirectionVector(azimuth, colatitude, degrees=True)
            )
        other.add_microphone(ear, directivity=shape)
        other.compute_rir()
        theirs.append(other.rir[0][0][pra.constants.get("frac_delay_length") // 2 :])

    n = round(0.08 * SAMPLE_RATE)
    frequency = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    for channel, rir in enumerate(theirs):
        spectra = [np.abs(np.fft.rfft(x[:n])) ** 2 for x in (ours[channel], rir)]
        for centre in (250.0, 500.0, 1000.0, 2000.0):
            band = (frequency > centre / 2**0.25) & (frequency < centre * 2**0.25)
            level = 10 * np.log10(spectra[0][band].sum() / spectra[1][band].sum())
            assert abs(level) < 1.0, (channel, centre, level)
    w, *xyz = ours[:, :n]
    for ours_axis, theirs_axis in zip(xyz, theirs[1:], strict=True):
        want = np.sign(w @ ours_axis)
        assert np.sign(theirs[0][:n] @ theirs_axis[:n]) == want


def test_reflections_do_not_pile_up_at_zero_hertz():
    """All reflection factors are positive: unfiltered, their sum would grow and grow."""
    w = Engine("reference").rirs(shoebox(0.05), CENTRE, [[1.0, 1.2, 1.0]], seed=0)[0, 0]
    spectrum = np.abs(np.fft.rfft(w.astype(float))) ** 2
    frequency = np.fft.rfftfreq(len(w), 1 / SAMPLE_RATE)
    assert spectrum[frequency < 1].max() < 0.05 * spectrum[frequency > 100].mean()


def test_absorption_acts_per_band():
    absorbing = dict(zip(BANDS_HZ, (0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5), strict=True))
    material = type(plain())("carpet", tuple(absorbing.values()), (0.0,) * 7)
    room = shoebox(walls=(material,) * 6)
    rir = Engine("default").rirs(room, CENTRE, [[1.0, 1.2, 1.0]], seed=2)[0, 0]
    for band in (250.0, 4000.0):
        rate = decay_rates(room, 90.0)[BANDS_HZ.index(band)]
        assert t20(rir, band) == pytest.approx(np.log(1e6) / rate, rel=0.2)


@pytest.mark.parametrize("preset", ["fast", "default", "reference"])
def test_tail_is_diffuse_and_joins_the_images(preset):
    rir = Engine(preset).rirs(shoebox(0.1), CENTRE, [[1.0, 1.2, 1.0]], seed=3)[0]
    energy = (rir.astype(float) ** 2)[:, round(0.2 * SAMPLE_RATE) : round(0.6 * SAMPLE_RATE)]
    np.testing.assert_allclose(energy[1:].sum(axis=1) / energy[0].sum(), 1 / 3, rtol=0.12)
    level = 10 * np.log10((rir[0, :9600].reshape(-1, 640).astype(float) ** 2).sum(axis=1))
    assert np.abs(np.diff(level, 2)[1:]).max() < 5.0


def test_all_positions_share_the_tail():
    positions = [[1.0, 1.2, 1.0], [1.1, 1.2, 1.0], [1.2, 1.2, 1.0]]
    rirs = Engine("fast").rirs(shoebox(), CENTRE, positions, seed=3)
    late = rirs[..., round(0.1 * SAMPLE_RATE) :]
    np.testing.assert_allclose(late[1:], late[:1].repeat(2, axis=0), atol=2e-6)
    assert np.abs(late).max() > 5e-3
    other = Engine("fast").rirs(shoebox(), CENTRE, positions, seed=4)
    assert np.abs(np.corrcoef(other[0, 0, 3200:], rirs[0, 0, 3200:])[0, 1]) < 0.1


def test_positions_do_not_depend_on_how_often_they_are_asked():
    engine, room, position = Engine("fast"), shoebox(), [1.0, 1.2, 1.0]
    one = engine.rirs(room, CENTRE, [position], seed=3)
    many = engine.rirs(room, CENTRE, [position] * N_BINS, seed=3)
    np.testing.assert_allclose(many, np.repeat(one, N_BINS, axis=0), atol=1e-7)
    sound = np.random.default_rng(0).standard_normal(SCENE_SAMPLES).astype(np.float32)
    assert relative_db(render(sound, many), render(sound, one)) < -100


@pytest.mark.parametrize("yaw_deg", [0.0, 75.0])
@pytest.mark.parametrize("elevation_deg", [-30.0, 30.0])
@pytest.mark.parametrize("azimuth_deg", range(-135, 181, 45))
def test_audio_agrees_with_the_label(azimuth_deg, elevation_deg, yaw_deg):
    position = around(azimuth_deg, elevation_deg, 1.6, yaw_deg)
    listener = Listener(CENTRE, yaw_deg)
    rirs = listener_rirs(Engine("anechoic"), shoebox(), listener, [position], 4000, 0)
    noise = np.random.default_rng(1).standard_normal(SAMPLE_RATE).astype(np.float32)
    vectors, weight = bin_directions(render(noise, rirs), n_bins=4)
    want = unit_vectors(azimuth_deg, elevation_deg)
    assert (weight > 0).all()
    assert angular_distance_deg(vectors, want).max() < 1.0


def test_moving_audio_agrees_with_the_label():
    azimuth = -60.0 + 20.0 * BIN_TIMES_S
    positions = around(azimuth, 10.0, 1.5, 40.0)
    listener = Listener(CENTRE, 40.0)
    rirs = listener_rirs(Engine("anechoic"), shoebox(), listener, positions, 4000, 0)
    noise = np.random.default_rng(1).standard_normal(SCENE_SAMPLES).astype(np.float32)
    vectors, _ = bin_directions(render(noise, rirs))
    # The ends stand still for half a bin: a little more than a degree.
    assert angular_distance_deg(vectors, to_listener(positions, CENTRE, 40.0)).max() < 2.5


def test_mesh_rooms_and_furniture_are_refused():
    table = ((1.0, 0.0, 1.0), (2.0, 0.8, 2.0))
    with pytest.raises(UserError, match="choose another engine"):
        Engine("fast").rirs(shoebox(obstacles=[table]), CENTRE, [[4, 1, 4]], seed=0)
    furnished = shoebox()
    object.__setattr__(furnished, "obstacles", np.array([table]))
    with pytest.raises(UserError, match="1 obstacles"):
        Engine("fast").rirs(furnished, CENTRE, [[4, 1, 4]], seed=0)
    slanted = shoebox()
    slanted.vertices[0] -= 0.2
    with pytest.raises(UserError, match="not a closed box"):
        Engine("fast").rirs(slanted, CENTRE, [[4, 1, 4]], seed=0)


def test_extreme_rooms_stay_finite():
    for absorption in (0.0, 1.0):
        rirs = Engine("fast").rirs(shoebox(absorption), CENTRE, [CENTRE, [4, 1, 4]], seed=0)
        assert np.isfinite(rirs).all()
        assert rirs[:, 0].any(axis=1).all()
