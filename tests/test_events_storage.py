"""Bytes in files, tars and Parquet rows; what is too long, clipped, or read by ffmpeg alone."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import stat
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.events import LIBRARIES, activity
from st_audioqa.events.files import find_sound, read_clip
from st_audioqa.events.storage import BadAudio, Stored, audio_files
from st_audioqa.seeding import generator


def tone(seconds: float, rate: int = 8_000, hz: float = 500.0, peak: float = 0.5):
    return peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def encoded(samples: np.ndarray, rate: int = 8_000, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=options.pop("format", "FLAC"), **options)
    return file.getvalue()


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Stored]:
    """The same three clips in each kind of place; the second of them is meant."""
    clips = [encoded(tone(3, hz=hz)) for hz in (300, 500, 700)]
    (tmp_path / "clip.flac").write_bytes(clips[1])
    with tarfile.open(tmp_path / "clips.tar", "w") as archive:
        for i, clip in enumerate(clips):
            info = tarfile.TarInfo(f"{i}.flac")
            info.size = len(clip)
            archive.addfile(info, io.BytesIO(clip))
    with tarfile.open(tmp_path / "clips.tar") as archive:
        member = archive.getmember("1.flac")
    rows = pa.table({"audio": [{"bytes": clip, "path": ""} for clip in clips]})
    pq.write_table(rows, tmp_path / "structs.parquet", row_group_size=1)
    pq.write_table(pa.table({"audio": clips * 9}), tmp_path / "bytes.parquet")
    return {
        "file": Stored(tmp_path / "clip.flac"),
        "tar": Stored(tmp_path / "clips.tar", f"tar:{member.offset_data}:{member.size}"),
        "structs": Stored(tmp_path / "structs.parquet", "parquet:1:0"),
        "bytes": Stored(tmp_path / "bytes.parquet", "parquet:0:19"),
    }


@pytest.mark.parametrize("place", ["tar", "structs", "bytes"])
def test_a_clip_is_the_same_wherever_it_lies(places: dict[str, Stored], place: str):
    np.testing.assert_array_equal(read_clip(places[place]), read_clip(places["file"]))


@pytest.mark.parametrize(
    ("name", "member", "reason"),
    [
        ("nowhere.tar", "tar:0:9", "missing_event"),
        ("clips.tar", "tar:99999999:9", "unreadable_event"),
        ("clips.tar", "tar:0:400", "unreadable_event"),
        ("bytes.parquet", "parquet:7:0", "unreadable_event"),
        ("bytes.parquet", "parquet:0:99", "unreadable_event"),
        ("clip.flac", "parquet:0:0", "unreadable_event"),
    ],
)
def test_a_member_that_is_not_there_is_told(
    places: dict[str, Stored], name: str, member: str, reason: str
):
    stored = Stored(places["file"].path.with_name(name), member)
    with pytest.raises(BadAudio) as caught:
        read_clip(stored)
    assert caught.value.reason == reason
    assert name in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.reason, str(again)) == (reason, str(caught.value))


def test_two_hours_are_streamed_and_the_excerpt_is_where_it_sounds(tmp_path: Path):
    path = tmp_path / "bark" / "long.wav"
    path.parent.mkdir()
    rate = 4_000
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_U8") as file:
        for minute in range(120):
            loud = minute in (1, 119)
            file.write(tone(60, rate) if loud else np.zeros(60 * rate))
    assert find_sound(path).duration_s == pytest.approx(119 * 60, abs=0.2)
    made = LIBRARIES.get("folder")(path=str(path.parents[1]))
    split = next(name for name in ("train", "validation", "test") if made.labels(name))
    tracemalloc.start()
    events = [made.draw(generator(0, i), split) for i in range(4)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # the whole file is 230 MB as float64
    for event in events:
        assert activity(made.waveform(event)).mean() >= 0.75
        assert event.offset_s < 60 or event.offset_s > 118 * 60 - 10


@pytest.mark.parametrize("options", [{}, {"subtype": "PCM_U8"}, {"subtype": "PCM_24"}])
def test_clipping_is_found_and_loud_sound_is_not_taken_for_it(
    tmp_path: Path, options: dict[str, str]
):
    path = tmp_path / "sound.wav"
    soundfile.write(path, tone(10, 32_000, peak=0.97), 32_000, **options)
    read_clip(path)
    soundfile.write(path, np.clip(tone(10, 32_000, peak=1.2), -1, 1), 32_000, **options)
    with pytest.raises(BadAudio, match=r"is clipped in \d+") as caught:
        read_clip(path)
    assert caught.value.reason == "clipped_event"
    one_channel = np.stack([tone(10, 32_000), np.clip(tone(10, 32_000, peak=2), -1, 1)], axis=1)
    soundfile.write(path, one_channel, 32_000, **options)
    with pytest.raises(BadAudio, match="clipped"):
        read_clip(path)


def test_a_few_clipped_samples_do_no_harm(tmp_path: Path):
    path = tmp_path / "sound.wav"
    samples = tone(10, 32_000)
    samples[1_000:1_200] = 1.0
    soundfile.write(path, samples, 32_000)
    read_clip(path)


def test_nan_anywhere_in_a_file_is_found(tmp_path: Path):
    path = tmp_path / "sound.wav"
    samples = tone(30)
    samples[120_000] = np.nan
    soundfile.write(path, samples, 8_000, subtype="FLOAT")
    with pytest.raises(BadAudio, match="no numbers"):
        read_clip(path)


def test_a_bad_clip_costs_once_and_is_counted_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "bark").mkdir()
    (tmp_path / "bark" / "bad.wav").write_bytes(b"nonsense")
    made = LIBRARIES.get("folder")(path=str(tmp_path))
    split = next(name for name in ("train", "validation", "test") if made.labels(name))
    opened = []
    monkeypatch.setattr(
        "st_audioqa.events.recordings.find_sound",
        lambda *a, **k: opened.append(1) or find_sound(*a, **k),
    )
    for i in range(5):
        with pytest.raises(RejectedDraw, match=r"unreadable_event.*cannot be decoded"):
            made.draw(generator(0, i), split)
    assert len(opened) == 1


def test_audio_is_decoded_once_per_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "bark").mkdir()
    soundfile.write(tmp_path / "bark" / "one.wav", tone(9), 8_000)
    made = LIBRARIES.get("folder")(path=str(tmp_path))
    split = next(name for name in ("train", "validation", "test") if made.labels(name))
    frames = []
    read = soundfile.SoundFile.read

    def counting(file: soundfile.SoundFile, n: int = -1, **options: object):
        got = read(file, n, **options)
        frames.append(len(got))
        return got

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    event = made.draw(generator(0), split)
    made.waveform(event)
    assert sum(frames) == 9 * 8_000


def test_hidden_files_and_other_kinds_are_left_out(tmp_path: Path):
    for name in ("b/2.FLAC", "a/1.wav", "a/.3.wav", ".c/4.wav", "a/5.txt", "0.m4a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(audio_files(tmp_path)) == ["0.m4a", "a/1.wav", "b/2.FLAC"]


def test_names_that_are_not_utf8_are_told(tmp_path: Path):
    try:
        (tmp_path / "\udcff.wav").touch()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(UserError, match="is not UTF-8: rename it"):
        list(audio_files(tmp_path))


# What libsndfile cannot read.


def test_without_ffmpeg_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    (tmp_path / "clip.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(2_000))
    with pytest.raises(BadAudio, match="or install ffmpeg"):
        read_clip(tmp_path / "clip.m4a")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script")
@pytest.mark.parametrize("member", ["", "tar:0:2016"])
def test_ffmpeg_is_asked_where_libsndfile_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str
):
    """A stand-in for ffmpeg checks its input and writes a tone, or fails as ffmpeg does."""
    content = b"\0\0\0\x20ftypM4A fine" + bytes(2_000)
    (tmp_path / "clip.m4a").write_bytes(content)
    script = tmp_path / "ffmpeg"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys, numpy, soundfile\n"
        "source = sys.argv[sys.argv.index('-i') + 1].removeprefix('file:')\n"
        "if b'fine' not in open(source, 'rb').read():\n"
        "    sys.exit('Invalid data found when processing input')\n"
        "tone = 0.5 * numpy.sin(2 * numpy.pi * 500 * numpy.arange(32000) / 8000)\n"
        "soundfile.write(sys.argv[-1], tone, 8000, format='W64', subtype='FLOAT')\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    stored = Stored(tmp_path / "clip.m4a", member)
    extent = find_sound(stored)
    assert extent.duration_s == pytest.approx(4.0)
    assert activity(read_clip(stored, 0.0, extent)).sum() == 16
    (tmp_path / "clip.m4a").write_bytes(content.replace(b"fine", b"torn"))
    with pytest.raises(BadAudio, match="ffmpeg: Invalid data"):
        find_sound(stored)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_m4a_is_read_where_ffmpeg_is_installed(tmp_path: Path):
    soundfile.write(tmp_path / "tone.wav", tone(11, 44_100), 44_100)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "tone.wav", "-c:a", "aac"]
    subprocess.run([*command, "-y", tmp_path / "tone.m4a"], check=True)
    waveform = read_clip(tmp_path / "tone.m4a")
    spectrum = np.abs(np.fft.rfft(waveform))
    assert spectrum.argmax() * SAMPLE_RATE / len(waveform) == pytest.approx(500, abs=0.2)
    assert waveform.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.03)
