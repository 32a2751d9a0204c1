"""HRTF sets: the sphere against closed forms, SOFA files against what was put in."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import fft

from st_audioqa.conventions import SAMPLE_RATE, angular_distance_deg, unit_vectors
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.hrtf import diffuse_energy, sphere_response, spherical_head
from st_audioqa.sofa import load_hrtf, read_sofa, write_sofa

RADIUS, SPEED = 0.0875, 344.0
HEAD = spherical_head()
KEMAR = Path(
    os.environ.get("ST_AUDIOQA_KEMAR", "/usr/share/libmysofa/MIT_KEMAR_normal_pinna.sofa")
)
needs_netcdf = pytest.mark.skipif(
    importlib.util.find_spec("netCDF4") is None, reason="netCDF4 is not installed"
)
needs_kemar = pytest.mark.skipif(
    not KEMAR.is_file(), reason="no SOFA file of the Debian package libmysofa1"
)


def itd_us(ears, low_hz=100.0, high_hz=1500.0):
    """Time by which the left of two responses [shape=(2, n)] leads, by cross-correlation."""
    n_fft, finer = 4096, 16
    frequency = fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
    left, right = fft.rfft(ears, n_fft)
    cross = right * np.conj(left) * ((frequency >= low_hz) & (frequency < high_hz))
    correlation = fft.irfft(cross, n_fft * finer)
    lag = fft.fftfreq(n_fft * finer, SAMPLE_RATE * finer / 1e6 / (n_fft * finer))
    near = np.abs(lag) < 1200.0
    return float(lag[near][np.argmax(correlation[near])])


def band_energy(responses, low_hz, high_hz):
    n_fft = 4096
    frequency = fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
    band = (frequency >= low_hz) & (frequency < high_hz)
    return (np.abs(fft.rfft(responses, n_fft)[..., band]) ** 2).sum(-1)


def ild_db(ears, low_hz=1500.0, high_hz=8000.0):
    left, right = band_energy(ears, low_hz, high_hz)
    return float(10 * np.log10(left / right))


@pytest.mark.parametrize("incidence_deg", [0.0, 40.0, 90.0, 150.0, 180.0])
def test_a_small_sphere_follows_the_first_order_law(incidence_deg):
    """For mu -> 0 the series is 1 + 3/2 i mu cos theta + O(mu^2) (Kuhn 1977)."""
    frequency = 20.0
    mu = 2 * np.pi * frequency * RADIUS / SPEED
    found = sphere_response([frequency], [incidence_deg])[0, 0]
    expected = 1 + 1.5j * mu * np.cos(np.radians(incidence_deg))
    assert abs(found - expected) < 1.5 * mu**2


def test_a_large_sphere_doubles_the_pressure_in_front_and_shades_the_back():
    front, back_off_axis = np.abs(sphere_response([14_000.0], [0.0, 150.0]))[0]
    assert front == pytest.approx(2.0, abs=0.05)
    assert back_off_axis < 0.5


def test_the_series_is_that_of_another_summation():
    """Duda & Martens (1998): the field is 1 at DC and a bright spot lies opposite the source."""
    assert np.abs(sphere_response([0.0], [0.0, 77.0, 180.0])) == pytest.approx(1.0, abs=1e-3)
    bright, beside = np.abs(sphere_response([8000.0], [180.0, 160.0]))[0]
    assert bright > 2 * beside


@pytest.mark.parametrize("azimuth", [15.0, 45.0, 75.0, 90.0])
def test_interaural_times_lie_between_the_laws_of_high_and_low_frequencies(azimuth):
    """Woodworth's a (theta + sin theta) / c is the limit above, Kuhn's 3 a sin theta / c below."""
    head = spherical_head(ear_azimuth_deg=90.0)
    i = head.nearest(azimuth)
    side = np.arcsin(head.directions[i, 1])
    woodworth = RADIUS / SPEED * (side + np.sin(side)) * 1e6
    kuhn = 3 * RADIUS / SPEED * np.sin(side) * 1e6
    assert itd_us(head.irs[i], 50, 150) == pytest.approx(kuhn, rel=0.03)
    assert itd_us(head.irs[i], 6000, 12_000) == pytest.approx(woodworth, rel=0.06)
    assert woodworth < itd_us(head.irs[i]) < kuhn


def test_left_is_left():
    left, right, front = (HEAD.irs[HEAD.nearest(azimuth)] for azimuth in (90, -90, 0))
    assert ild_db(left) > 5
    assert ild_db(right) < -5
    assert itd_us(left) > 600
    assert itd_us(right) < -600
    assert abs(itd_us(front)) < 40


def test_directions_are_even_and_all_round():
    weights = HEAD.weights()
    assert weights.sum() == pytest.approx(1.0)
    assert weights.max() / weights.min() < 1.3
    np.testing.assert_allclose(weights @ HEAD.directions, 0.0, atol=1e-3)


def test_the_same_set_has_the_same_hash_and_another_one_has_not():
    assert spherical_head().sha256 == HEAD.sha256
    assert spherical_head(radius_m=0.08).sha256 != HEAD.sha256


def test_names_that_are_no_set_are_told():
    assert load_hrtf("spherical-head") is spherical_head()
    with pytest.raises(UserError, match="'kemar' is neither"):
        load_hrtf("kemar")


def test_a_missing_package_is_told_with_its_pip_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "netCDF4", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'st_audioqa\[binaural\]'"):
        read_sofa(tmp_path / "any.sofa")


@needs_netcdf
def test_a_set_survives_its_file(tmp_path):
    write_sofa(HEAD, tmp_path / "head.sofa")
    found = load_hrtf(tmp_path / "head.sofa")
    assert angular_distance_deg(found.directions, HEAD.directions).max() < 1e-4
    np.testing.assert_allclose(found.irs, HEAD.irs, atol=1e-9)
    assert found.gain_db == 0.0
    assert found.licence == "Apache-2.0"
    assert len(found.sha256) == 64


def altered(path, change):
    """A file of the spherical head, then changed as an open netCDF4 dataset."""
    import netCDF4

    write_sofa(spherical_head(n_directions=50, n_taps=128), path)
    with netCDF4.Dataset(path, "a") as file:
        change(file)
    return path


def set_values(name, values, **attributes):
    def change(file):
        file[name][:] = values(file[name][:]) if callable(values) else values
        file[name].setncatts(attributes)

    return change


def both(*changes):
    return lambda file: [change(file) for change in changes]


def to_cartesian(file):
    azimuth, elevation, radius = file["SourcePosition"][:].T
    file["SourcePosition"][:] = unit_vectors(azimuth, elevation) * radius[:, None]
    file["SourcePosition"].setncatts({"Type": "cartesian", "Units": "metre"})


SAME = {
    "cartesian positions": to_cartesian,
    "azimuths around zero": set_values(
        "SourcePosition", lambda p: np.where(p > 180, p - 360, p)),
    "another listener position": both(
        to_cartesian, set_values("SourcePosition", lambda p: 2.5 * p + np.array([1, 2, 3])),
        set_values("ListenerPosition", [[1, 2, 3]])),
    "ears in the other order": both(
        set_values("ReceiverPosition", lambda p: p[::-1]),
        set_values("Data.IR", lambda irs: irs[:, ::-1])),
    "a listener who looks left": both(
        set_values("SourcePosition", lambda p: p + np.array([90, 0, 0])),
        set_values("ListenerView", [[0, 2, 0]])),
    "a view in degrees": both(
        set_values("ListenerView", [[0, 0, 1]], Type="spherical", Units="degree, degree, metre"),
        set_values("ListenerUp", [[0, 90, 1]])),
    "another level": set_values("Data.IR", lambda irs: 0.01 * irs),
}  # fmt: skip


@needs_netcdf
@pytest.mark.parametrize("case", SAME)
def test_files_may_say_the_same_in_other_words(tmp_path, case):
    plain = read_sofa(altered(tmp_path / "plain.sofa", lambda file: None))
    other = read_sofa(altered(tmp_path / "other.sofa", SAME[case]))
    assert angular_distance_deg(other.directions, plain.directions).max() < 1e-3
    np.testing.assert_allclose(other.irs, plain.irs, atol=1e-6)
    if case == "another level":
        assert other.gain_db == pytest.approx(plain.gain_db + 40.0, abs=1e-3)


@needs_netcdf
def test_delays_of_a_file_are_applied(tmp_path):
    def change(file):
        file["Data.Delay"][:] = [[2.5, 12.5]]

    plain = read_sofa(altered(tmp_path / "plain.sofa", lambda file: None))
    later = read_sofa(altered(tmp_path / "later.sofa", change))
    i = plain.nearest(0)
    shift = itd_us(later.irs[i]) - itd_us(plain.irs[i])
    assert shift == pytest.approx(10 / SAMPLE_RATE * 1e6, abs=3)


@needs_netcdf
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_other_sample_rates_keep_times_and_levels(tmp_path, rate):
    """A head of another rate is the same head, after its samples are taken as those of ours."""

    def change(file):
        file["Data.SamplingRate"][:] = rate

    found = read_sofa(altered(tmp_path / "fast.sofa", change))
    plain = read_sofa(altered(tmp_path / "plain.sofa", lambda file: None))
    i, scale = plain.nearest(90), SAMPLE_RATE / rate
    # The file claims that all times are shorter by `scale`, so all frequencies are higher.
    ratio = itd_us(found.irs[i], 140 / scale, 500 / scale) / itd_us(plain.irs[i], 140, 500)
    assert ratio == pytest.approx(scale, rel=0.02)
    # A sphere leaves a constant pressure alone, so what is left at 0 Hz is the gain applied.
    at_dc = found.irs.sum(-1) / 10 ** (found.gain_db / 20)
    np.testing.assert_allclose(at_dc, 1.0, atol=0.01)
    assert diffuse_energy(found) == pytest.approx(diffuse_energy(HEAD), rel=1e-6)
    assert ild_db(found.irs[i], 1000 / scale, 3000 / scale) == pytest.approx(
        ild_db(plain.irs[i], 1000, 3000), abs=0.1
    )


FAULTS = {
    "convention": (
        lambda f: f.setncattr("SOFAConventions", "GeneralFIR"),
        "follows GeneralFIR",
    ),
    "units": (
        set_values("SourcePosition", lambda p: p, Units="radian, radian, metre"),
        "radian",
    ),
    "ears": (set_values("ReceiverPosition", 0.0), "one receiver on the left"),
    "one side": (set_values("ReceiverPosition", 0.1), "one receiver on the left"),
    "numbers": (set_values("Data.IR", np.nan), "finite numbers as Data.IR"),
    "silence": (set_values("Data.IR", 0.0), "holds nothing"),
    "rate": (set_values("Data.SamplingRate", 10.0), "sample rate"),
    "delay": (set_values("Data.Delay", -1.0), "delays"),
    "inside": (set_values("SourcePosition", lambda p: p * [1, 1, 0]), "middle of the head"),
    "crooked": (set_values("ListenerUp", [[1, 0, 0]]), "right angles"),
    "one direction": (set_values("SourcePosition", [0, 0, 1]), "surround the head"),
    "missing": (lambda f: f.renameVariable("Data.Delay", "Delays"), "a variable Data.Delay"),
}


@needs_netcdf
@pytest.mark.parametrize("case", FAULTS)
def test_faults_of_a_file_are_told(tmp_path, case):
    change, message = FAULTS[case]
    with pytest.raises(UserError, match=message) as raised:
        read_sofa(altered(tmp_path / "faulty.sofa", change))
    assert "\n" not in str(raised.value)


@needs_netcdf
@pytest.mark.parametrize("content", [b"", b"RIFF1234WAVE", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_files_of_another_kind_are_told(tmp_path, content):
    path = tmp_path / "not.sofa"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as one"):
        read_sofa(path)
    with pytest.raises(UserError, match="cannot be read as one"):
        read_sofa(tmp_path)


@needs_netcdf
@needs_kemar
def test_the_kemar_set_is_a_head_of_that_size():
    kemar = read_sofa(KEMAR)
    assert kemar.irs.shape[:2] == (710, 2)
    assert ild_db(kemar.irs[kemar.nearest(90)]) > 8
    assert ild_db(kemar.irs[kemar.nearest(-90)]) < -8
    for azimuth in (30, 60, 90, 120, 150):
        measured = itd_us(kemar.irs[kemar.nearest(azimuth)])
        assert measured == pytest.approx(itd_us(HEAD.irs[HEAD.nearest(azimuth)]), abs=100)
    assert kemar.source
    assert kemar.licence
    assert len(kemar.sha256) == 64
