"""Checks and the handling of impulse responses, by hand-made cases."""

import numpy as np
import pytest
from test_renderers_support import CENTRE, shoebox

from st_audioqa.conventions import N_BINS, SAMPLE_RATE
from st_audioqa.errors import RejectedDraw
from st_audioqa.renderers import check_levels, check_rirs, listener_rirs, rir_hash
from st_audioqa.renderers.checks import early_energy_db
from st_audioqa.scene import Listener


def pulses(*gains, at=100, n=4000):
    rirs = np.zeros((len(gains), 4, n), np.float32)
    rirs[:, 0, at] = gains
    return rirs


def test_early_energy_counts_50_ms_from_the_arrival():
    rirs = pulses(1.0)
    rirs[0, 0, [10, 100 + 1599, 100 + 1600]] = 0.01, 1.0, 1.0
    assert early_energy_db(rirs) == pytest.approx(10 * np.log10(2.0))


def test_steady_responses_pass():
    check_rirs(early_energy_db(pulses(1.0, 0.8, 0.7)), max_step_db=2.0)
    check_rirs(early_energy_db(pulses(1.0)), max_step_db=0.1)


def test_jumps_are_rejected():
    with pytest.raises(RejectedDraw, match=r"unstable_rir: 6\.0 dB between bins 1 and 2"):
        check_rirs(early_energy_db(pulses(1.0, 1.0, 0.5)), max_step_db=5.9)
    check_rirs(early_energy_db(pulses(1.0, 1.0, 0.5)), max_step_db=6.1)


def test_silent_responses_are_rejected():
    with pytest.raises(RejectedDraw, match="silent_rir: bin 1"):
        check_rirs(early_energy_db(pulses(1.0, 0.0, 1.0)), max_step_db=60.0)


def stems(*levels):
    """Constant W at each level, from 10 samples a bin."""
    out = np.zeros((len(levels), 4, 10 * N_BINS), np.float32)
    out[:, 0] = np.array(levels)[:, None]
    return out


ALWAYS = np.ones((2, N_BINS), bool)


def test_audible_sources_pass():
    check_levels(stems(0.1, 0.05), ALWAYS, -40.0, 10.0)
    check_levels(stems(0.1), ALWAYS[:1], -20.1, 10.0)


def test_quiet_sources_are_inaudible():
    with pytest.raises(RejectedDraw, match=r"inaudible: source 1 at -40\.0"):
        check_levels(stems(0.1, 0.01), ALWAYS, -39.0, 60.0)
    with pytest.raises(RejectedDraw, match="inaudible"):
        check_levels(stems(0.1, 0.0), ALWAYS, -400.0, 60.0)
    with pytest.raises(RejectedDraw, match="inaudible"):
        check_levels(stems(0.1), np.zeros((1, N_BINS), bool), -40.0, 60.0)


def test_level_counts_active_bins_only():
    activity = ALWAYS.copy()
    activity[0, 4:] = False
    audio = stems(0.1, 0.1)
    audio[0, :, 40:] = 0.0
    check_levels(audio, activity, -20.1, 10.0)
    activity[0, 4:8] = True
    with pytest.raises(RejectedDraw, match=r"inaudible: source 0 at -23\.0"):
        check_levels(audio, activity, -20.1, 10.0)


def test_drowned_sources_are_masked():
    with pytest.raises(RejectedDraw, match=r"masked: source 1 by 20\.0 dB"):
        check_levels(stems(0.1, 0.01), ALWAYS, -60.0, 19.0)
    audio, activity = stems(0.1, 0.01), ALWAYS.copy()
    audio[0, :, :200] = 0.0
    activity[1, 20:] = False  # the quiet source sounds only while the other one is silent
    check_levels(audio, activity, -60.0, 19.0)


class Ramp:
    """An engine whose responses are easy to tell."""

    name, version, preset, shapes = "ramp", "1", "default", frozenset({"shoebox"})

    def __init__(self, n, value=1.0):
        self.response = np.full((1, 4, n), value, np.float32)

    def rirs(self, room, listener_position, source_positions, *, seed):
        return np.repeat(self.response, len(source_positions), axis=0)


def test_short_responses_are_padded():
    rirs = listener_rirs(Ramp(100), shoebox(), Listener(CENTRE, 0.0), [CENTRE] * 3, 250, 0)
    assert rirs.shape == (3, 4, 250)
    assert (rirs[..., :100] == 1).all()
    assert not rirs[..., 100:].any()


def test_long_responses_fade_out_where_they_are_cut():
    rirs = listener_rirs(Ramp(2000), shoebox(), Listener(CENTRE, 0.0), [CENTRE], 1000, 0)
    n_fade = SAMPLE_RATE // 100
    assert rirs.shape == (1, 4, 1000)
    assert (rirs[..., :-n_fade] == 1).all()
    assert (np.diff(rirs[0, 0, -n_fade:]) < 0).all()
    assert 0 < rirs[0, 0, -1] < 1e-4


def test_responses_of_the_right_length_are_left_alone():
    rirs = listener_rirs(Ramp(1000), shoebox(), Listener(CENTRE, 0.0), [CENTRE], 1000, 0)
    assert (rirs == 1).all()


def test_responses_that_are_not_finite_are_rejected():
    with pytest.raises(RejectedDraw, match="bad_rir"):
        listener_rirs(Ramp(9, np.nan), shoebox(), Listener(CENTRE, 0.0), [CENTRE], 9, 0)


def test_hash_depends_on_values_shapes_and_order():
    a, b = np.arange(8.0, dtype=np.float32).reshape(2, 4), np.ones((1, 4), np.float32)
    assert len(rir_hash([a])) == 64
    assert rir_hash([a, b]) == rir_hash([a.copy(), b.copy()])
    assert len({rir_hash(x) for x in ([a], [a.T], [a, b], [b, a], [a.reshape(4, 2)], [])}) == 6
