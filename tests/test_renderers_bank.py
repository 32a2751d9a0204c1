"""Responses computed once: in memory and on disk, never mixed up, never changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from st_audioqa.conventions import SAMPLES_PER_BIN
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.renderers import render
from st_audioqa.renderers.bank import RIRBank
from st_audioqa.rooms.providers.procedural import Provider
from st_audioqa.seeding import generator

EARS = np.array([1.5, 1.5, 1.5])
PATH = np.linspace([2.0, 1.0, 2.0], [3.0, 1.2, 2.5], 5)


class Counting:
    """An engine whose responses tell position and seed, and which counts its queries."""

    name, version, preset = "counting", "1", "default"
    shapes = frozenset({"shoebox"})

    def __init__(self):
        self.queries = 0

    def rirs(self, room, listener_position, source_positions, *, seed):
        self.queries += 1
        if source_positions[0, 1] > 1.8:
            raise RejectedDraw("silent_rir", "too high")
        taps = np.random.default_rng(seed).standard_normal((4, 50))
        return (taps + source_positions.sum(axis=1)[:, None, None]).astype(np.float32)


@pytest.fixture
def room():
    provider = Provider(shapes=["shoebox"], furniture=[0, 0])
    return provider.build(provider.draw(generator(0, "bank"), "room"))


def test_the_same_place_is_computed_once(room):
    bank = RIRBank(Counting(), 60)
    first = bank.responses(room, EARS, PATH)
    again = bank.responses(room, EARS.tolist(), PATH.copy())
    assert bank.engine.queries == 1
    np.testing.assert_array_equal(first.rirs, again.rirs)
    assert first.rirs.shape == (5, 4, 50)


def test_a_path_taken_backwards_has_the_same_responses_in_reverse(room):
    for first, second in ((PATH, PATH[::-1]), (PATH[::-1], PATH)):
        bank = RIRBank(Counting(), 60)
        there, back = (bank.responses(room, EARS, path) for path in (first, second))
        assert bank.engine.queries == 1
        np.testing.assert_array_equal(there.rirs, back.rirs[::-1])
        np.testing.assert_array_equal(there.early_energy_db, back.early_energy_db[::-1])
        assert there.digest == back.digest


@pytest.mark.parametrize(
    "change", ["ears", "path", "size", "outline", "height", "absorption", "engine"]
)
def test_another_place_room_or_engine_is_computed_anew(change, room, tmp_path):
    bank = RIRBank(Counting(), 60, folder=tmp_path)
    before = bank.responses(room, EARS, PATH)
    ears, path = EARS, PATH
    if change == "ears":
        ears = EARS + np.array([0, 0, 1e-6])
    elif change == "path":
        path = PATH + np.array([0, 0, 1e-6])
    elif change == "size":
        room = replace(room, vertices=room.vertices * 1.0001)
    elif change == "outline":
        room = replace(room, floor=room.floor * 0.9)
    elif change == "height":
        room = replace(room, height_m=room.height_m - 0.1)
    elif change == "absorption":
        first = room.materials[0]
        other = replace(first, absorption=(*first.absorption[:-1], 0.123))
        room = replace(room, materials=(other, *room.materials[1:]))
    else:
        bank.engine.version = "2"
    after = bank.responses(room, ears, path)
    assert bank.engine.queries == 2
    if change not in ("outline", "height", "engine"):  # which change the key, but no seed
        assert before.digest != after.digest


def test_tails_of_different_paths_are_independent(room):
    bank = RIRBank(Counting(), 60)
    one, other = (bank.responses(room, EARS, PATH + dx).rirs[0, 0, :50] for dx in (0, 0.1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5


def test_what_was_wanted_least_recently_is_forgotten_first(room):
    one_trajectory_mb = 5 * 4 * 50 * 4 / 1e6
    bank = RIRBank(Counting(), 60, rirs_mb=2.5 * one_trajectory_mb)
    for shift in (0.0, 0.1, 0.0, 0.2, 0.0):
        bank.responses(room, EARS, PATH + shift)
    assert bank.engine.queries == 3
    bank.responses(room, EARS, PATH + 0.1)
    assert bank.engine.queries == 4


@pytest.mark.parametrize("crossfade", ["plain", "aligned"])
def test_hearing_through_the_bank_is_hearing_through_the_responses(crossfade, room):
    bank = RIRBank(Counting(), 60, crossfade=crossfade)
    waveform = np.random.default_rng(0).standard_normal(5 * SAMPLES_PER_BIN)
    for path in (PATH, PATH[::-1]):
        found = bank.responses(room, EARS, path)
        wanted = render(waveform, found.rirs, mode=crossfade, offsets_m=path - EARS)
        for _ in range(2):
            heard = bank.responses(room, EARS, path).convolver.render(waveform)
            np.testing.assert_array_equal(heard, wanted)
    assert bank.engine.queries == 1


def test_spectra_are_kept_within_their_budget(room):
    roomy = RIRBank(Counting(), 60)
    assert roomy.responses(room, EARS, PATH).convolver is (
        roomy.responses(room, EARS, PATH).convolver
    )
    tight = RIRBank(Counting(), 60, spectra_mb=0.0)
    first = tight.responses(room, EARS, PATH).convolver
    tight.responses(room, EARS, PATH + 0.1)
    assert tight.responses(room, EARS, PATH).convolver is not first
    assert tight.engine.queries == 2


def test_a_rejection_is_remembered(room):
    bank = RIRBank(Counting(), 60)
    for _ in range(3):
        with pytest.raises(RejectedDraw, match="silent_rir: too high"):
            bank.responses(room, EARS, PATH + np.array([0, 1, 0]))
    assert bank.engine.queries == 1


def test_disk_serves_another_process_and_gives_the_same_bits(room, tmp_path):
    first = RIRBank(Counting(), 60, folder=tmp_path).responses(room, EARS, PATH)
    bank = RIRBank(Counting(), 60, folder=tmp_path)
    again = bank.responses(room, EARS, PATH)
    assert bank.engine.queries == 0
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.rirs, first.rirs)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_is_computed_again(damage, room, tmp_path):
    first = RIRBank(Counting(), 60, folder=tmp_path).responses(room, EARS, PATH)
    (path,) = tmp_path.rglob("*.npz")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"cut": content[:-100], "flip": content, "empty": b"", "other": b"text"}[damage]
    )
    bank = RIRBank(Counting(), 60, folder=tmp_path)
    np.testing.assert_array_equal(bank.responses(room, EARS, PATH).rirs, first.rirs)
    assert bank.engine.queries == 1
    assert RIRBank(Counting(), 60, folder=tmp_path).responses(room, EARS, PATH).digest


def test_a_folder_that_cannot_be_written_is_one_sentence(room, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        RIRBank(Counting(), 60, folder=blocked).responses(room, EARS, PATH)


def test_samples_that_are_not_finite_are_rejected(room):
    class Broken(Counting):
        def rirs(self, *args, **options):
            return super().rirs(*args, **options) * np.float32(np.nan)

    with pytest.raises(RejectedDraw, match="bad_rir"):
        RIRBank(Broken(), 60).responses(room, EARS, PATH)
