from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from st_audioqa.conventions import SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.events import LIBRARIES, active_level_dbfs, activity
from st_audioqa.events.catalogue import SPLITS
from st_audioqa.events.files import find_sound, read_clip
from st_audioqa.seeding import generator


def tone(seconds: float, rate: int = SAMPLE_RATE, frequency_hz: float = 500.0):
    t = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * frequency_hz * t)


def pitch_hz(waveform: NDArray[np.floating]) -> float:
    spectrum = np.abs(np.fft.rfft(waveform))
    return float(spectrum.argmax() * SAMPLE_RATE / len(waveform))


@pytest.fixture
def write(tmp_path: Path):
    def write(samples: NDArray[np.floating], rate: int = SAMPLE_RATE, **options: str) -> Path:
        path = tmp_path / f"sound.{options.get('format', 'wav').lower()}"
        soundfile.write(path, samples, rate, **options)
        return path

    return write


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000])
def test_any_rate(write, rate: int):
    clip = read_clip(write(tone(12, rate), rate))
    assert clip.shape == (SCENE_SAMPLES,)
    assert clip.dtype == np.float32
    assert pitch_hz(clip) == pytest.approx(500, abs=0.1)
    assert clip.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_ultrasound_does_not_fold_back(write):
    clip = read_clip(write(tone(11, 96_000) + tone(11, 96_000, 30_000), 96_000))
    assert clip.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_number_of_channels(write, channels: int):
    clip = read_clip(write(np.stack([tone(11)] * channels, axis=1)))
    assert np.allclose(clip, read_clip(write(tone(11))), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"subtype": "PCM_U8"}, 0.01),
        ({"subtype": "PCM_24"}, 1e-4),
        ({"subtype": "DOUBLE"}, 1e-4),
        ({"format": "FLAC"}, 1e-4),
        ({"format": "OGG"}, 0.05),
        ({"format": "MP3"}, 0.05),
    ],
)
def test_any_encoding(write, options: dict[str, str], tolerance: float):
    clip = read_clip(write(tone(11), **options))
    assert pitch_hz(clip) == pytest.approx(500, abs=0.1)
    assert clip.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.01 + tolerance)


def test_mean_is_taken_off(write):
    clip = read_clip(write(0.4 * tone(11) + 0.3))
    assert abs(clip.mean()) < 1e-4


def test_silence_at_both_ends_is_left_out(write):
    path = write(np.concatenate([np.zeros(64_000), tone(3), np.zeros(96_000)]) + 0.1)
    extent = find_sound(path)
    assert extent.start == 64_000
    assert extent.duration_s == pytest.approx(3.0)
    assert np.flatnonzero(activity(read_clip(path))).tolist() == list(range(12))


def test_a_short_sound_is_placed(write):
    clip = read_clip(write(tone(2)), offset_s=-3.0)
    assert np.flatnonzero(activity(clip)).tolist() == list(range(12, 20))
    assert not clip[: 3 * SAMPLE_RATE].any()
    assert not clip[5 * SAMPLE_RATE :].any()


def test_an_excerpt_of_a_long_sound(write):
    steps = np.concatenate([tone(10, frequency_hz=300), tone(15, frequency_hz=700)])
    path = write(steps)
    assert pitch_hz(read_clip(path, 0.0)) == pytest.approx(300, abs=0.1)
    assert pitch_hz(read_clip(path, 12.0)) == pytest.approx(700, abs=0.1)
    assert activity(read_clip(path, 20.0)).sum() == 20


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "holds no samples"),
        (np.zeros(50_000), "silent throughout"),
        (np.full(50_000, 0.25), "silent throughout"),
        (1e-5 * tone(2), "silent throughout"),
        (np.full(50_000, np.nan), "no numbers"),
        (np.concatenate([tone(2), [np.inf], tone(2)]), "no numbers"),
    ],
)
def test_samples_without_sound(write, samples: NDArray[np.floating], message: str):
    path = write(samples, subtype="FLOAT")
    with pytest.raises(UserError, match=message) as caught:
        read_clip(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "zero length"),
        (b"RIFF\x00\x00garbage" * 100, "cannot be decoded"),
        (b"no sound at all", "cannot be decoded"),
        (bytes(range(256)) * 40, "cannot be decoded"),
    ],
)
def test_files_without_samples(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_clip(path)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist"):
        read_clip(tmp_path / "nowhere.wav")


def test_a_damaged_flac(write):
    path = write(np.random.default_rng(0).normal(0, 0.1, 400_000), format="FLAC")
    content = bytearray(path.read_bytes())
    content[5_000:9_000] = bytes(4_000)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="cannot be decoded"):
        read_clip(path)


def test_a_silent_excerpt(write):
    path = write(np.concatenate([tone(1), np.zeros(20 * SAMPLE_RATE), tone(1)]))
    with pytest.raises(UserError, match="choose another offset"):
        read_clip(path, 5.0)
    with pytest.raises(UserError, match="choose another offset"):
        read_clip(path, 60.0)


def test_a_long_file_is_not_read_whole(write, monkeypatch: pytest.MonkeyPatch):
    path = write(tone(120, 8_000), 8_000)
    largest = 0
    read = soundfile.SoundFile.read

    def counting(file: soundfile.SoundFile, frames: int = -1, **options: object):
        nonlocal largest
        largest = max(largest, frames if frames >= 0 else file.frames)
        return read(file, frames, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    read_clip(path, 60.0)
    assert largest == 80_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty short barks, and long footsteps under their display name and spoken name."""
    for name, count, seconds in [
        ("bark", 60, 0.8),
        ("Walk, footsteps", 20, 14),
        ("footsteps", 20, 14),
    ]:
        (tmp_path / name).mkdir()
        for i in range(count):
            samples = tone(seconds, 8_000, 300 + 10 * i + len(name))
            soundfile.write(tmp_path / name / f"{i}.wav", samples, 8_000)
    (tmp_path / "bark" / "notes.txt").write_text("not a sound")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_folder_labels_and_splits(folder: Path):
    library = LIBRARIES.get("folder")(path=str(folder))
    assert library.labels("train") == ["Bark", "Walk, footsteps"]
    clips = {
        split: {library.draw(generator(0, i), split, "Bark").clip_id for i in range(300)}
        for split in SPLITS
    }
    assert sum(map(len, clips.values())) == 60
    assert len(set.union(*clips.values())) == 60
    assert len(clips["train"]) > 40
    with pytest.raises(UserError, match="split"):
        library.labels("dev")


def test_copies_of_a_file_share_its_split(folder: Path):
    for file in sorted((folder / "bark").glob("*.wav")):
        (file.parent / f"copy_of_{file.name}").write_bytes(file.read_bytes())
    library = LIBRARIES.get("folder")(path=str(folder))
    seen: set[str] = set()
    for split in SPLITS:
        clips = [library.draw(generator(0, i), split, "Bark").clip_id for i in range(60)]
        originals = {Path(clip).name.removeprefix("copy_of_") for clip in clips}
        assert len(originals) < len(set(clips))
        assert not seen & originals
        seen |= originals


def test_sounds_of_one_length_that_begin_with_silence_are_different_recordings(tmp_path: Path):
    (tmp_path / "bark").mkdir()
    lead = np.zeros(50_000)
    for i in range(5):
        sound = np.concatenate([lead, 0.3 * np.sin(0.1 * (i + 1) * np.arange(50_000))])
        soundfile.write(tmp_path / "bark" / f"{i}.wav", sound, 16_000)
    table = "file,label,split\n" + "".join(
        f"bark/{i}.wav,Bark,{'test' if i == 4 else 'train'}\n" for i in range(5)
    )
    (tmp_path / "labels.csv").write_text(table)
    library = LIBRARIES.get("folder")(path=str(tmp_path), metadata="labels.csv")
    assert library.details["used"] == "5"


@pytest.mark.parametrize("name", ["Bark", "Walk, footsteps"])
def test_folder_waveforms(folder: Path, name: str):
    library = LIBRARIES.get("folder")(path=str(folder), repeat=True)
    drawn = [library.draw(generator(0, i), "train", name) for i in range(5)]
    assert len({event.offset_s for event in drawn}) == 5
    for event in drawn:
        waveform = library.waveform(event)
        assert np.array_equal(waveform, library.waveform(event))
        assert active_level_dbfs(waveform) == pytest.approx(event.level_dbfs, abs=1e-3)
        active = activity(waveform)
        assert event.repeated == (name == "Bark")
        if name == "Bark":  # repeated with pauses
            assert -1 <= event.offset_s <= 0
            assert active[:8].any()
            assert active[-8:].any()
            assert np.abs(np.diff(active.astype(int))).sum() >= 6
        else:  # an excerpt
            assert 0 <= event.offset_s <= 4
            assert active.all()


def test_a_short_sound_is_placed_once_and_whole_unless_it_is_to_be_repeated(folder: Path):
    library = LIBRARIES.get("folder")(path=str(folder))
    first = set()
    for i in range(20):
        event = library.draw(generator(0, i), "train", "Bark")
        sounding = np.flatnonzero(np.abs(library.waveform(event)) > 1e-4) / SAMPLE_RATE
        assert sounding[0] == pytest.approx(-event.offset_s, abs=0.01)
        assert np.ptp(sounding) == pytest.approx(0.8, abs=0.02)
        assert not event.repeated
        first.add(round(sounding[0]))
    assert len(first) > 5


def test_folder_waveform_follows_from_the_event(folder: Path):
    library = LIBRARIES.get("folder")(path=str(folder))
    drawn = library.draw(generator(0), "train", "Bark")
    stored = dataclasses.replace(drawn, offset_s=float(np.float32(drawn.offset_s)))
    assert np.allclose(library.waveform(stored), library.waveform(drawn), atol=1e-3)


def test_unreadable_files_reject_the_draw(folder: Path):
    for file in (folder / "bark").glob("*.wav"):
        file.write_bytes(b"broken" + file.name.encode())
    library = LIBRARIES.get("folder")(path=str(folder))
    with pytest.raises(RejectedDraw) as caught:
        library.draw(generator(0), "train", "Bark")
    assert caught.value.reason == "unreadable_event"
    assert "cannot be decoded" in caught.value.detail
    with pytest.raises(RejectedDraw, match="no_event"):
        library.draw(generator(0), "train", "Bark", avoid=["Animal"])


def test_mistakes_of_folders(tmp_path: Path):
    library = LIBRARIES.get("folder")
    with pytest.raises(UserError, match="needs a path"):
        library()
    with pytest.raises(UserError, match="no folder"):
        library(path=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"finds no clip that can be used.*no audio files"):
        library(path=str(tmp_path))
    (tmp_path / "barkk").mkdir()
    with pytest.raises(UserError, match=r"barkk.*did you mean bark"):
        library(path=str(tmp_path))


def clipping_of(
    write, samples: NDArray[np.floating], rate: int = SAMPLE_RATE, **options
) -> str:
    try:
        read_clip(write(samples, rate, **options))
    except UserError as error:
        return str(getattr(error, "reason", ""))
    return ""


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("frequency_hz", [20.0, 55.0, 440.0])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "FLOAT"])
def test_a_clean_tone_at_full_scale_is_not_clipped(write, rate, frequency_hz, subtype):
    assert not clipping_of(write, 1.998 * tone(3, rate, frequency_hz), rate, subtype=subtype)


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.05])
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_flat_tops_are_clipping_at_any_level(write, scale: float, offset: float):
    noise = np.random.default_rng(1).normal(size=3 * SAMPLE_RATE)
    noise = np.convolve(noise, np.hanning(40) / 5, "same")
    clipped = scale * (np.clip(noise, -1.5, 1.5) / 2 + offset)
    assert clipping_of(write, clipped, subtype="FLOAT") == "clipped_event"
    assert not clipping_of(write, scale * (noise / 8 + offset), subtype="FLOAT")


def test_channels_that_cancel_each_other_have_a_reason_of_their_own(write):
    left = tone(3)
    assert clipping_of(write, np.stack([left, -left], axis=1)) == "antiphase_event"
    assert clipping_of(write, np.stack([left, -0.95 * left], axis=1)) == "antiphase_event"
    assert not clipping_of(write, np.stack([left, np.roll(left, 16)], axis=1))
    assert not clipping_of(write, np.stack([left, *[0 * left] * 5], axis=1))
