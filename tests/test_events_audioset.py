"""AudioSet in every layout that people have, with everything that can be wrong with it."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import soundfile

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.events import LIBRARIES, active_level_dbfs, activity, all_labels, related
from st_audioqa.events.audioset_index import INDEX, index_folder
from st_audioqa.events.labels import confusable
from st_audioqa.seeding import generator

BARK, DOG, ANIMAL, MUSIC = "/m/05tny_", "/m/0bt9lr", "/m/0jbk", "/m/04rlf"
PIANO, YIP, SPEECH = "/m/05r5c", "/m/07r_k2n", "/m/09x0r"
CLIPS = {
    # video: (table, start, stop, mids, samples, rate, options)
    "-abcdefghi_": ("eval", 0, 10, [BARK, DOG, ANIMAL], "tone", 44_100, {}),
    "Yabcdefghij": ("eval", 30, 40, [MUSIC, PIANO], "tone", 8_000, {"subtype": "PCM_U8"}),
    "abcdefghij1": ("balanced_train", 30, 40, [BARK, ANIMAL], "tone", 96_000, {}),
    "abcdefghij2": ("balanced_train", 12, 22, [PIANO], "six", 16_000, {}),
    "abcdefghij3": ("unbalanced_train", 480, 490, [YIP, DOG], "tone", 32_000, {}),
    "abcdefghij4": ("unbalanced_train", 5, 15, [SPEECH], "empty", 32_000, {}),
    "abcdefghij5": ("unbalanced_train", 5, 15, [SPEECH], "nan", 32_000, {"subtype": "FLOAT"}),
    "abcdefghij6": ("unbalanced_train", 5, 15, [SPEECH], "silent", 32_000, {}),
    "abcdefghij7": ("unbalanced_train", 5, 15, [SPEECH], "clipped", 32_000, {}),
    "abcdefghij8": ("unbalanced_train", 5, 15, [SPEECH], "short", 32_000, {}),
    "abcdefghij9": ("unbalanced_train", 5, 15, [SPEECH], "half", 32_000, {}),
}
BROKEN = """tooshort12, 1.000, 11.000, "/m/09x0r"
toolong12345, 1.000, 11.000, "/m/09x0r"
abcdefghijA, ten, 20.000, "/m/09x0r"
abcdefghijB, 20.000, 10.000, "/m/09x0r"
abcdefghijC, 20.000
abcdefghijD, 1.000, 11.000, "/m/nonsense"
abcdefghijE, 1.000, 11.000, "/m/09x0r
abcdefghijF, 1.000, 11.000, "/m/09x0r"
abcdefghij1, 30.000, 40.000, "/m/05tny_,/m/0jbk"
-abcdefghi_, 60.000, 70.000, "/m/05tny_"
"""
LAYOUTS = {
    "flat": "{video}.wav",
    "with Y": "Y{video}.wav",
    "start in seconds": "{video}_{start}.000.wav",
    "start and stop": "{split}/{video}_{start}.000_{stop}.000.wav",
    "milliseconds": "audio/{split}/{video}_{start}000.wav",
    "class folders": "Some class/{video}_{start}.wav",
    "tar": "shards/{split}.tar",
    "parquet": "data/{split}.parquet",
}


def audio(kind: str, rate: int, options: dict[str, str], suffix: str = "WAV") -> bytes:
    t = np.arange(10 * rate) / rate
    tone = 0.4 * np.sin(2 * np.pi * 500 * t) + 0.1
    samples = {
        "tone": tone,
        "six": np.stack([tone] * 6, axis=1),
        "empty": tone[:0],
        "nan": np.where(t > 5, np.nan, tone),
        "silent": 1e-5 * tone,
        "clipped": np.clip(8 * tone, -1, 1),
        "short": tone[: rate // 10],
        "half": np.where(t < 5, tone, 0),
    }[kind]
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=suffix, **options)
    return b"" if kind == "empty" else file.getvalue()


def write_tables(root: Path, broken: bool = True) -> None:
    lines = dict.fromkeys(("eval", "balanced_train", "unbalanced_train"), "")
    for video, (table, start, stop, mids, *_) in CLIPS.items():
        lines[table] += f'{video}, {start}.000, {stop}.000, "{",".join(mids)}"\n'
    lines["unbalanced_train"] += BROKEN if broken else ""
    for name, text in lines.items():
        head = "# Segments csv\n# num_ytids=1\n# YTID, start_seconds, end_seconds, labels\n"
        (root / f"{name}_segments.csv").write_text(head + text)


def write_clips(root: Path, layout: str) -> None:
    by_file: dict[str, list[tuple[str, bytes]]] = {}
    for video, (table, start, stop, _, kind, rate, options) in CLIPS.items():
        name = LAYOUTS[layout].format(video=video, start=start, stop=stop, split=table)
        by_file.setdefault(name, []).append((video, audio(kind, rate, options)))
    for name, clips in by_file.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if layout == "tar":
            with tarfile.open(path, "w") as archive:
                for video, content in clips:
                    for suffix, part in (("wav", content), ("json", b"{}")):
                        info = tarfile.TarInfo(f"{video}.{suffix}")
                        info.size = len(part)
                        archive.addfile(info, io.BytesIO(part))
        elif layout == "parquet":
            column = [{"bytes": content, "path": f"{video}.wav"} for video, content in clips]
            table = pa.table({"video_id": [video for video, _ in clips], "audio": column})
            pq.write_table(table, path, row_group_size=2)
        else:
            path.write_bytes(clips[0][1])


def library(root: Path, **options: object):
    return LIBRARIES.get("audioset")(path=str(root), **options)


def outcomes(made, split: str, label: str, n: int = 60) -> Counter[str]:
    found: Counter[str] = Counter()
    for i in range(n):
        try:
            found[made.draw(generator(0, i), split, label).clip_id] += 1
        except RejectedDraw as rejected:
            found[rejected.reason] += 1
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_clips(tmp_path: Path, layout: str):
    write_tables(tmp_path)
    write_clips(tmp_path, layout)
    made = library(tmp_path)
    assert made.labels("test") == ["Bark", "Piano"]
    assert made.labels("train") == ["Bark", "Piano", "Speech", "Yip"]
    event = made.draw(generator(1), "test", "Piano")
    assert event.clip_id == "Yabcdefghij_30000"
    assert event.labels == ("Piano", "Music")
    assert event.mids == (PIANO, MUSIC)
    assert event.recording == "Yabcdefghij"
    assert "Yabcdefghij" in event.attribution
    for name in made.labels("train"):
        if name != "Speech":
            event = made.draw(generator(2), "train", name)
            waveform = made.waveform(event)
            spectrum = np.abs(np.fft.rfft(waveform))
            assert spectrum.argmax() * SAMPLE_RATE / len(waveform) == pytest.approx(500, abs=1)
            assert active_level_dbfs(waveform) == pytest.approx(event.level_dbfs, abs=1e-3)
            assert abs(waveform.mean()) < 1e-4
            assert activity(waveform).all()
            again = library(tmp_path)
            np.testing.assert_array_equal(again.waveform(event), waveform)


@pytest.mark.parametrize("layout", ["flat", "tar", "parquet"])
def test_clips_that_cannot_be_used_are_rejected_for_a_reason(tmp_path: Path, layout: str):
    write_tables(tmp_path)
    write_clips(tmp_path, layout)
    found = outcomes(library(tmp_path), "train", "Speech", 120)
    half = found.pop("abcdefghij9_5000")
    assert half > 10
    assert set(found) == {"unreadable_event", "silent_event", "clipped_event", "short_event"}


def test_broken_rows_and_missing_clips_are_counted_and_not_fatal(tmp_path: Path):
    write_tables(tmp_path)
    write_clips(tmp_path, "flat")
    (tmp_path / "abcdefghij3.wav").unlink()
    (tmp_path / "abcdefghij1.flac").write_bytes((tmp_path / "abcdefghij1.wav").read_bytes())
    shutil.copy(tmp_path / "abcdefghij2.wav", tmp_path / "zzzzzzzzzzz.wav")
    shutil.copy(tmp_path / "abcdefghij2.wav", tmp_path / "abcdefghij2_99.wav")
    shutil.copy(tmp_path / "abcdefghij2.wav", tmp_path / "holiday.wav")
    table = index_folder(tmp_path)
    assert json.loads(table.schema.metadata[b"report"]) == {
        # too short and too long an id, no number, no end, an end before its start, a quote
        # that is never closed is closed
        "broken rows": 5,
        "rows without a label": 1,
        "unknown labels": 1,
        "rows listed twice": 1,
        "rows of a video of another split": 1,
        "segments": 13,
        "clips found": 10,
        "clips missing": 3,
        "clips in no table": 1,
        "clips of another segment": 1,
        "further copies of a clip": 1,
        "files not named after a video": 1,
    }
    missing = table.filter(pc.is_null(table["file"]))["clip_id"].to_pylist()
    assert sorted(missing) == ["abcdefghij3_480000", "abcdefghijE_1000", "abcdefghijF_1000"]


def test_a_whole_video_is_cut_to_its_segment_and_a_clip_is_not(tmp_path: Path):
    write_tables(tmp_path, broken=False)
    steps = [
        np.sin(2 * np.pi * hz * np.arange(10 * 8_000) / 8_000) for hz in (300, 400, 500, 600)
    ]
    video = np.concatenate([0.3 * step for step in steps])
    soundfile.write(tmp_path / "Yabcdefghij.flac", video, 8_000)  # 30 to 40 s of 40 s
    soundfile.write(tmp_path / "-abcdefghi_.flac", video[:80_000], 8_000)
    soundfile.write(tmp_path / "abcdefghij3.flac", video, 8_000)  # 480 to 490 s of 40 s
    made = library(tmp_path)
    for name, hz in (("Piano", 600), ("Bark", 300)):
        waveform = made.waveform(made.draw(generator(0), "test", name))
        spectrum = np.abs(np.fft.rfft(waveform))
        assert spectrum.argmax() * SAMPLE_RATE / len(waveform) == pytest.approx(hz, abs=1)
    with pytest.raises(RejectedDraw, match=r"misfit_event.*lasts 40.0 s.*480.0 s to 490.0 s"):
        made.draw(generator(0), "train", "Yip")


def test_the_index_is_kept_and_made_again_where_tables_or_archives_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_tables(tmp_path)
    write_clips(tmp_path, "tar")
    before = library(tmp_path).details
    index = tmp_path / INDEX
    assert index.is_file()
    with monkeypatch.context() as patch:
        patch.setattr("st_audioqa.events.audioset_index.index_folder", None)
        assert library(tmp_path).details == before
    index.write_bytes(index.read_bytes()[:100])
    assert library(tmp_path).details == before
    write_tables(tmp_path, broken=False)
    assert "broken rows" not in library(tmp_path).details
    elsewhere = tmp_path / "other" / "index.parquet"
    assert library(tmp_path, index=str(elsewhere)).details["used"] == before["used"]
    assert elsewhere.is_file()
    monkeypatch.setattr("st_audioqa.events.audioset_index.index_folder", None)
    assert library(tmp_path, index=str(elsewhere)).details["used"] == before["used"]


@pytest.mark.parametrize("layout", ["tar", "parquet"])
def test_an_archive_below_that_is_written_anew_is_indexed_again(tmp_path: Path, layout: str):
    write_tables(tmp_path)
    write_clips(tmp_path, layout)
    (path,) = tmp_path.rglob(f"*/eval.{layout}")
    tones = {"-abcdefghi_": 500, "Yabcdefghij": 900}
    for order in (list(tones), list(tones)[::-1]):
        contents = []
        for video in order:
            file = io.BytesIO()
            t = np.arange(320_000) / 32_000
            soundfile.write(
                file, 0.3 * np.sin(2 * np.pi * tones[video] * t), 32_000, format="WAV"
            )
            contents.append(file.getvalue())
        if layout == "tar":
            with tarfile.open(path, "w") as archive:
                for video, content in zip(order, contents, strict=True):
                    info = tarfile.TarInfo(f"{video}.wav")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
        else:
            pq.write_table(pa.table({"video_id": order, "audio": contents}), path)
        made = library(tmp_path)
        for i in range(8):
            event = made.draw(generator(0, i), "test")
            spectrum = np.abs(np.fft.rfft(made.waveform(event)))
            assert spectrum.argmax() / 10 == pytest.approx(tones[event.recording], abs=1)


def test_clips_beside_the_tables_that_come_and_go_are_seen(tmp_path: Path):
    write_tables(tmp_path)
    write_clips(tmp_path, "flat")
    found = int(library(tmp_path).details["clips found"])
    (tmp_path / "abcdefghij1.wav").rename(tmp_path / "aside.txt")
    assert int(library(tmp_path).details["clips found"]) == found - 1
    (tmp_path / "aside.txt").rename(tmp_path / "abcdefghij1.wav")
    assert int(library(tmp_path).details["clips found"]) == found


def test_archives_are_found_behind_links(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    for folder in ("here", "elsewhere"):
        (tmp_path / folder).mkdir()
    write_tables(tmp_path / "here")
    write_clips(elsewhere, "tar")
    (tmp_path / "here" / "clips").symlink_to(elsewhere / "shards")
    assert library(tmp_path / "here").labels("train")


def test_an_index_in_a_folder_that_cannot_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_tables(tmp_path)
    write_clips(tmp_path, "flat")
    before = library(tmp_path).details

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("st_audioqa.events.audioset_index.FileLock", refuse)
    assert library(tmp_path).details == before
    (tmp_path / INDEX).unlink()
    with pytest.raises(UserError, match=r"cannot be written \(Permission denied\)"):
        library(tmp_path)


def test_a_video_whose_name_begins_like_a_head_line_is_no_head_line(tmp_path: Path):
    row = 'YTIDabcdefg, 1.000, 11.000, "/m/09x0r"\n'
    (tmp_path / "eval_segments.csv").write_text(f"YTID, start, end, labels\n{row}")
    assert index_folder(tmp_path)["clip_id"].to_pylist() == ["YTIDabcdefg_1000"]


def test_label_sets(tmp_path: Path):
    write_tables(tmp_path)
    write_clips(tmp_path, "flat")
    assert "Yip" not in library(tmp_path, label_set="355").labels("train")
    made = library(tmp_path, label_set=["Dog", "Music"])
    assert made.labels("train") == ["Dog"]
    event = made.draw(generator(0), "test", "Dog")
    assert event.labels == ("Dog", "Bark", "Animal")  # what is true stays, the set names it
    assert int(made.details["used"]) == 3
    with pytest.raises(UserError, match="did you mean 355"):
        library(tmp_path, label_set="35")
    with pytest.raises(UserError, match=r"did you mean .*Dog"):
        library(tmp_path, label_set=["Dogg"])


def test_two_events_of_a_scene_share_and_contain_no_label(tmp_path: Path):
    write_tables(tmp_path)
    write_clips(tmp_path, "flat")
    made = library(tmp_path)
    for i in range(40):
        first = made.draw(generator(0, i), "test")
        second = made.draw(generator(1, i), "test", avoid=first.labels)
        assert not any(related(a, b) for a in first.labels for b in second.labels)
    # The clip named Yip is a dog too, which its own name does not tell.
    assert not related("Yip", "Bark")
    with pytest.raises(RejectedDraw, match="related_event"):
        made.draw(generator(0), "train", "Yip", avoid=["Bark"])


def test_bell_and_telephone_bell_can_be_confused_and_bark_and_meow_cannot():
    assert confusable("Bell", "Telephone bell ringing")
    assert confusable("Dog", "Bark")
    assert not confusable("Bark", "Meow")


def test_tables_of_other_labels_are_refused(tmp_path: Path):
    write_tables(tmp_path)
    write_clips(tmp_path, "flat")
    rows = [f'{each.index},{each.mid},"{each.name}"' for each in all_labels()]
    path = tmp_path / "class_labels_indices.csv"
    path.write_text("\n".join(["index,mid,display_name", *rows]) + "\n")
    library(tmp_path)
    path.write_text("\n".join(["index,mid,display_name", *rows[:400]]) + "\n")
    with pytest.raises(UserError, match=r"not AudioSet's 527 \(400"):
        library(tmp_path)
    path.unlink()
    nodes = [{"id": each.mid, "name": each.name} for each in all_labels()]
    (tmp_path / "ontology.json").write_text(json.dumps(nodes))
    library(tmp_path)
    (tmp_path / "ontology.json").write_text(json.dumps(nodes[1:]))
    with pytest.raises(UserError, match="lacks 1 of"):
        library(tmp_path)


@pytest.mark.parametrize("name", ["eval_segments.csv", "class_labels_indices.csv"])
def test_empty_tables_are_told(tmp_path: Path, name: str):
    write_tables(tmp_path)
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=rf"{name} .*copy it again"):
        library(tmp_path)


def test_folders_without_tables_or_clips_are_told(tmp_path: Path):
    with pytest.raises(UserError, match="needs a path"):
        LIBRARIES.get("audioset")()
    with pytest.raises(UserError, match=r"none of AudioSet's tables"):
        library(tmp_path)
    write_tables(tmp_path)
    with pytest.raises(UserError, match="clips missing"):
        library(tmp_path)


def test_an_archive_that_was_cut_short_gives_what_it_holds(tmp_path: Path):
    write_tables(tmp_path, broken=False)
    write_clips(tmp_path, "tar")
    path = tmp_path / "shards" / "unbalanced_train.tar"
    whole = json.loads(index_folder(tmp_path).schema.metadata[b"report"])
    path.write_bytes(path.read_bytes()[:700_000])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    cut = json.loads(index_folder(tmp_path).schema.metadata[b"report"])
    assert cut["archives not read to their end"] == 2
    assert 0 < cut["clips found"] < whole["clips found"]


def test_json_ids_and_double_suffixes_of_webdatasets_are_read(tmp_path: Path):
    write_tables(tmp_path, broken=False)
    sound = audio("tone", 16_000, {})
    members = {
        "000001.wav": sound,
        "000001.json": json.dumps({"youtube_id": "abcdefghij1", "start": 30}).encode(),
        "000002.json": json.dumps({"ytid": "abcdefghij2"}).encode(),
        "000002.audio.wav": sound,
        "Yabcdefghij3.audio.wav": sound,
        "000004.wav": sound,
        "000004.json": b"[]",
    }
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    for name in ("b.tar.gz", "c.zip"):
        (tmp_path / name).write_bytes(b"packed")
    pq.write_table(pa.table({"audio": [sound], "title": ["one"]}), tmp_path / "d.parquet")
    table = index_folder(tmp_path)
    found = table.filter(pc.is_valid(table["file"]))
    assert set(found["recording"].to_pylist()) == {f"abcdefghij{i}" for i in (1, 2, 3)}
    report = json.loads(table.schema.metadata[b"report"])
    assert report["compressed archives passed over (unpack them)"] == 2
    assert report["Parquet files whose columns name no video"] == 1
    assert report["files not named after a video"] == 1


def test_an_empty_copy_gives_way_to_a_good_one(tmp_path: Path):
    write_tables(tmp_path, broken=False)
    for folder, content in (("a", b""), ("b", audio("tone", 16_000, {}))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "abcdefghij1.wav").write_bytes(content)
    table = index_folder(tmp_path)
    found = table.filter(pc.is_valid(table["file"]))
    assert found["file"].to_pylist() == ["b/abcdefghij1.wav"]
    assert json.loads(table.schema.metadata[b"report"])["files of zero length"] == 1
