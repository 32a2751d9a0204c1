"""Ears in the RLR engine: sides, times, levels, and agreement with decoded ambisonics."""

import numpy as np
import pytest
from test_hrtf import HEAD, band_energy, ild_db, itd_us, needs_netcdf
from test_renderers_rlr import rlr
from test_renderers_support import CENTRE, SPEED, shoebox

from st_audioqa.conventions import SAMPLE_RATE, listener_axes, unit_vectors
from st_audioqa.decoding import binaural, binaural_filters
from st_audioqa.foa import rotate_yaw
from st_audioqa.renderers import ENGINES, EngineError, binaural_rirs
from st_audioqa.renderers import binaural as module


def around(azimuth_deg, distance_m=1.5, yaw_deg=0.0):
    """World position of a source around a listener in the middle [shape=(1, 3)]."""
    return (CENTRE + distance_m * unit_vectors(azimuth_deg, 0.0) @ listener_axes(yaw_deg))[None]


def dry(azimuth_deg, hrtf=None, distance_m=1.5, yaw_deg=0.0):
    """Responses of the ears in a room that swallows all but the direct sound [shape=(2, n)]."""
    position = around(azimuth_deg, distance_m, yaw_deg)
    room = shoebox(0.999)
    return binaural_rirs(room, CENTRE, yaw_deg, position, hrtf=hrtf, preset="fast")[0]


@rlr
@pytest.mark.parametrize("azimuth", [30.0, 90.0, 150.0])
def test_the_engines_own_head_has_its_ears_on_the_right_sides(azimuth):
    left, right = dry(azimuth), dry(-azimuth)
    assert itd_us(left) > 100
    assert itd_us(right) < -100
    assert ild_db(left) > 2
    assert ild_db(right) < -2


@rlr
@needs_netcdf
@pytest.mark.parametrize("azimuth", [0.0, 45.0, 90.0, -135.0])
def test_a_given_set_is_heard_in_time_and_level(azimuth):
    """Another reader of SOFA files (libmysofa, in the engine) agrees with ours."""
    ears, reference = dry(azimuth, HEAD), HEAD.irs[HEAD.nearest(azimuth)]
    assert itd_us(ears) == pytest.approx(itd_us(reference), abs=40)
    assert ild_db(ears) == pytest.approx(ild_db(reference), abs=2.5)
    # The engine mixes neighbouring directions in time, which takes from the treble.
    energy = band_energy(ears, 100, 1500) * 1.5**2 / band_energy(reference, 100, 1500)
    assert np.abs(10 * np.log10(energy)).max() < 1.0
    onset = np.argmax(np.abs(ears), axis=-1).mean()
    assert onset == pytest.approx(1.5 / SPEED * SAMPLE_RATE, abs=8)


@rlr
@needs_netcdf
def test_near_sources_are_as_loud_as_one_over_distance():
    near, far = (np.sum(dry(0, HEAD, d)[:, :600].astype(float) ** 2) for d in (0.3, 1.2))
    assert 10 * np.log10(near / far) == pytest.approx(20 * np.log10(1.2 / 0.3), abs=0.3)


@rlr
@pytest.mark.parametrize("yaw", [-120.0, 60.0])
def test_the_head_turns_to_the_left_with_positive_yaw(yaw):
    turned, still = dry(70.0, yaw_deg=yaw), dry(70.0)
    assert itd_us(turned) == pytest.approx(itd_us(still), abs=10)
    assert ild_db(turned) == pytest.approx(ild_db(still), abs=0.5)


@rlr
@needs_netcdf
@pytest.mark.parametrize(("azimuth", "yaw"), [(60.0, 0.0), (-90.0, 30.0), (130.0, -100.0)])
def test_decoded_ambisonics_and_the_engines_ears_agree_in_a_room(azimuth, yaw):
    room, position = shoebox(0.4), around(azimuth, 1.5, yaw)
    ears = binaural_rirs(room, CENTRE, yaw, position, hrtf=HEAD)[0]
    foa = ENGINES.get("rlr")("default").rirs(room, CENTRE, position, seed=0)[0]
    decoded = binaural(rotate_yaw(foa, yaw), binaural_filters(HEAD))
    early = round((1.5 / SPEED + 0.003) * SAMPLE_RATE)
    times = itd_us(ears[:, :early]), itd_us(decoded[:, :early])
    levels = ild_db(ears[:, :early]), ild_db(decoded[:, :early])
    assert np.sign(times).sum() == 2 * np.sign(azimuth)
    assert np.sign(levels).sum() == 2 * np.sign(azimuth)
    # First order shortens times (docs/decoding.md).
    assert 0.4 < times[1] / times[0] < 1.1
    assert abs(levels[1] - levels[0]) < 6
    whole = [np.sum(signal.astype(float) ** 2) for signal in (ears, decoded)]
    assert abs(10 * np.log10(whole[1] / whole[0])) < 2


@rlr
def test_the_same_query_gives_the_same_bytes():
    room, position = shoebox(0.5), around(20.0)
    first, second = (binaural_rirs(room, CENTRE, 10.0, position) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@rlr
@needs_netcdf
def test_a_set_that_the_engine_does_not_take_is_told(monkeypatch):
    monkeypatch.setattr(module, "write_sofa", lambda hrtf, path: path.write_bytes(b"junk"))
    with pytest.raises(EngineError, match="does not take the HRTF set"):
        dry(0.0, HEAD)
