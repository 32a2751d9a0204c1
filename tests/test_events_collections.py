"""Folders with tables, ESC-50, FSD50K and the recordings of packages."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import make_corpus, small_recipe

from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.events import LIBRARIES, all_labels, related, spoken_name
from st_audioqa.events.libraries.esc50 import CLASSES
from st_audioqa.events.libraries.recorded import _rows, install_lines
from st_audioqa.pipeline.tools import open_tools
from st_audioqa.seeding import generator

SPLITS = ("train", "validation", "test")


def tone(path: Path, seconds: float = 2.0, rate: int = 8_000, hz: float = 440.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * t), rate)


def clips_of(made, n: int = 40) -> dict[str, dict[str, object]]:
    """Events by clip, of each split."""
    found: dict[str, dict[str, object]] = {split: {} for split in SPLITS}
    for split in SPLITS:
        for name in made.labels(split):
            for i in range(n):
                event = made.draw(generator(0, i), split, name)
                found[split][event.clip_id] = event
    return found


# Folders with a table.


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for i in range(8):
        tone(tmp_path / "sounds" / f"{i}.wav", 6.0)
    (tmp_path / "labels.csv").write_text(
        "file,label,split,recording,start_s,stop_s,licence,attribution\n"
        "sounds/0.wav,Bark; Dog,train,kennel,,,CC0-1.0,Ann\n"
        "sounds/1.wav,bark,val,park,,,,\n"
        "sounds/2.wav,/m/05tny_,eval,street,,,,\n"
        "sounds/3.wav,footsteps,train,kennel,1.0,3.5,,\n"
        "sounds/3.wav,footsteps,train,kennel,4.0,6.0,,\n"
        "sounds/4.wav,Meow,train,street,,,,\n"  # test has heard the street
        "sounds/5.wav,coffee_grinder,train,kitchen,,,,\n"
        "sounds/9.wav,Meow,train,nowhere,,,,\n"
        "sounds/6.wav,,train,quiet,,,,\n",
        encoding="utf-8-sig",
    )
    return tmp_path


def folder(path: Path, **options: object):
    return LIBRARIES.get("folder")(path=str(path), metadata="labels.csv", **options)


def test_a_table_gives_labels_splits_recordings_and_licences(table: Path):
    made = folder(table, own_labels="keep", licence="mine")
    found = clips_of(made)
    assert set(found["train"]) == {
        "sounds/0.wav",
        "sounds/3.wav#1",
        "sounds/3.wav#4",
        "sounds/5.wav",
    }
    assert set(found["validation"]) == {"sounds/1.wav"}
    assert set(found["test"]) == {"sounds/2.wav"}
    event = found["train"]["sounds/0.wav"]
    assert event.labels == ("Bark", "Dog")
    assert (event.recording, event.licence, event.attribution) == ("kennel", "CC0-1.0", "Ann")
    assert found["train"]["sounds/5.wav"].licence == "mine"
    assert made.details["shared recording"] == "1"
    assert made.details["missing file"] == "1"
    assert made.details["without a label"] == "1"


def test_a_clip_lies_between_its_times(table: Path):
    made = folder(table, own_labels="drop")
    event = made.draw(generator(0), "train", "Walk, footsteps")
    sounding = np.flatnonzero(np.abs(made.waveform(event)) > 1e-4) / 32_000
    wanted = {"sounds/3.wav#1": 2.5, "sounds/3.wav#4": 2.0}[event.clip_id]
    assert np.ptp(sounding) == pytest.approx(wanted, abs=0.02)


def test_own_labels_are_refused_kept_dropped_or_mapped(table: Path):
    with pytest.raises(UserError, match=r"line 8.*coffee_grinder.*own_labels"):
        folder(table)
    assert "coffee_grinder" not in folder(table, own_labels="drop").labels("train")
    made = folder(table, own_labels="keep")
    event = made.draw(generator(0), "train", "coffee_grinder")
    assert event.mids == ("own:coffee_grinder",)
    assert spoken_name("coffee_grinder") == "coffee grinder"
    assert not related("coffee_grinder", "Bark")
    made = folder(table, label_map={"coffee_grinder": "Blender"})
    assert "Blender" in made.labels("train")
    with pytest.raises(UserError, match="did you mean Blender"):
        folder(table, label_map={"coffee_grinder": "Blendr"})
    made = folder(table, own_labels="keep", label_set=["Bark", "coffee_grinder"])
    assert made.labels("train") == ["Bark", "coffee_grinder"]


def test_a_label_set_that_no_clip_has_is_named_as_the_cause(table: Path):
    with pytest.raises(UserError, match=r"None of the \d clips in .* label_set \(\['Moo'\]\)"):
        folder(table, own_labels="drop", label_set=["Moo"])


def test_columns_may_have_other_names(table: Path):
    text = (table / "labels.csv").read_text(encoding="utf-8-sig")
    (table / "labels.csv").write_text(text.replace("file,label", "fname,class", 1))
    with pytest.raises(UserError, match="no column 'file'"):
        folder(table, own_labels="drop")
    columns = {"file": "fname", "label": "class"}
    assert "Bark" in folder(table, own_labels="drop", columns=columns).labels("train")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("sounds/7.wav,Bark,holdout,,,,,\n", "line 11.*holdout"),
        ("sounds/7.wav,Bark,train,,one,,,\n", "line 11.*one"),
        ("sounds/7.wav,Bark,train,,nan,,,\n", "line 11.*nan is no time"),
        ("sounds/7.wav,Bark,train,,-1,,,\n", "line 11.*-1 is no time"),
        ("sounds/0.wav,Bark,train,kennel,,,,\n", r"sounds/0\.wav is listed twice"),
    ],
)
def test_mistakes_of_tables_are_told(table: Path, row: str, message: str):
    with (table / "labels.csv").open("a") as file:
        file.write(row)
    with pytest.raises(UserError, match=message):
        folder(table, own_labels="drop")


def test_a_misspelt_column_is_told(table: Path):
    with pytest.raises(UserError, match="did you mean recording"):
        folder(table, own_labels="drop", columns={"recordng": "session"})


def test_a_table_in_another_encoding_is_told(table: Path):
    with (table / "labels.csv").open("ab") as file:
        file.write(b"sounds/7.wav,Bark,train,,,,,Jos\xe9\n")
    with pytest.raises(UserError, match="not UTF-8"):
        folder(table, own_labels="drop")


def test_a_missing_table_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="no table"):
        folder(tmp_path)


def test_a_clip_beyond_the_end_of_its_file_is_rejected(table: Path):
    with (table / "labels.csv").open("a") as file:
        file.write("sounds/7.wav,Oink,train,farm,5.0,12.0,,\n")
    with pytest.raises(RejectedDraw, match=r"misfit_event.*lasts 6.0 s"):
        folder(table, own_labels="drop").draw(generator(0), "train", "Oink")


def test_options_are_checked_before_any_work(table: Path):
    for options, message in (
        ({"repeet": True}, "option of the event library.*repeet.*did you mean repeat"),
        ({"min_duration_s": -1.0}, "min_duration_s.*greater than or equal to 0"),
        ({"min_duration_s": float("nan")}, "min_duration_s"),
        ({"repeat": "yes"}, "impossible events.options: repeat"),
        ({"label_set": True}, "label_set"),
        ({"repeat": "often"}, "impossible events.options: repeat"),
        ({"own_labels": "sell"}, "own_labels"),
    ):
        with pytest.raises(UserError, match=message):
            open_tools(
                small_recipe(
                    events={"library": "folder", "path": str(table), "options": options}
                )
            )


# ESC-50.


@pytest.fixture
def esc50(tmp_path: Path) -> Path:
    for fold in range(1, 6):
        for target in (0, 10, 29, 38):
            for take in "AB":
                name = f"{fold}-{1000 * fold + target}-{take}-{target}.wav"
                tone(tmp_path / "ESC-50-master" / "audio" / name, 5.0)
    tone(tmp_path / "ESC-50-master" / "audio" / "readme.wav")
    tone(tmp_path / "ESC-50-master" / "audio" / "1-5-A-77.wav")
    return tmp_path


def test_esc50_folds_are_splits(esc50: Path):
    made = LIBRARIES.get("esc50")(path=str(esc50))
    assert made.labels("test") == ["Bark", "Rain", "Tick-tock"]
    found = clips_of(made)
    assert {split: len(clips) for split, clips in found.items()} == {
        "train": 18,
        "validation": 6,
        "test": 6,
    }
    assert all(clip.startswith("5-") for clip in found["test"])
    event = found["test"]["5-5010-A-10"]
    assert event.recording == "freesound:5010"
    assert event.licence == "CC-BY-3.0"
    assert made.details["not named as in ESC-50"] == "2"
    made = LIBRARIES.get("esc50")(path=str(esc50), own_labels="keep")
    assert "drinking" in made.labels("train")
    assert made.draw(generator(0), "train", "drinking").licence == "CC-BY-NC-3.0"


def test_esc10_folders_are_the_same_classes(tmp_path: Path):
    tone(tmp_path / "001 - Dog bark" / "1-30226-A.ogg", 5.0)
    tone(tmp_path / "010 - Fire crackling" / "2-17742-B.ogg", 5.0)
    made = LIBRARIES.get("esc50")(path=str(tmp_path))
    assert made.labels("train") == ["Bark", "Crackle"]


def test_all_but_three_of_the_fifty_classes_are_audiosets():
    known = {each.name for each in all_labels()}
    assert len(CLASSES) == len(set(CLASSES)) == 50
    assert {name for name in CLASSES if name not in known} == {
        "drinking",
        "can opening",
        "washing machine",
    }


# FSD50K.


@pytest.fixture
def fsd50k(tmp_path: Path) -> Path:
    bark, wild, rain = "/m/05tny_", "/m/01280g", "/m/06mb1"
    dev = [
        ("10", "Bark,Dog", f"{bark},/m/0bt9lr", "train", "ann"),
        ("11", "Rain", rain, "val", "bob"),
        ("12", "Rain", rain, "val", "ann"),  # train has heard Ann
        ("13", "Rain", rain, "train", "cem"),  # test has heard Cem
        ("14", "Made_up", "/m/made_up", "train", "dan"),
        ("15", "Rain", rain, "train", "dan"),  # missing
        ("x", "Rain", rain, "train", "dan"),
        ("16", "Rain", rain, "", "dan"),
    ]
    test = [("20", "Bark", f"{bark},{wild}", "", "cem")]
    for part, rows in (("dev", dev), ("eval", test)):
        path = tmp_path / "FSD50K.ground_truth" / f"{part}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["fname", "labels", "mids", *(["split"] if part == "dev" else [])])
            lines.writerows(row[: 4 if part == "dev" else 3] for row in rows)
        info = {
            row[0]: {
                "uploader": row[4],
                "license": "http://creativecommons.org/licenses/by-nc/3.0/",
            }
            for row in rows
        }
        path = tmp_path / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(info))
        for row in rows:
            if row[0] != "15":
                tone(tmp_path / f"FSD50K.{part}_audio" / f"{row[0]}.wav")
    return tmp_path


def test_fsd50k_keeps_its_splits_and_no_uploader_serves_two(fsd50k: Path):
    made = LIBRARIES.get("fsd50k")(path=str(fsd50k))
    found = clips_of(made, 5)
    assert {split: set(clips) for split, clips in found.items()} == {
        "train": {"10"},
        "validation": {"11"},
        "test": {"20"},
    }
    event = found["train"]["10"]
    assert event.labels == ("Bark", "Dog")
    assert (event.recording, event.licence) == ("uploader:ann", "CC-BY-NC-3.0")
    assert event.attribution == "ann, Freesound clip 10"
    assert made.details["shared recording"] == "2"
    assert made.details["missing file"] == "1"
    assert made.details["broken row or no AudioSet label"] == "3"


def test_fsd50k_without_metadata_has_clips_for_recordings(fsd50k: Path):
    for path in (fsd50k / "FSD50K.metadata").iterdir():
        path.unlink()
    made = LIBRARIES.get("fsd50k")(path=str(fsd50k))
    event = made.draw(generator(0), "test", "Bark")
    assert (event.recording, event.licence) == ("freesound:20", "unknown")


def test_fsd50k_tables_are_checked(fsd50k: Path, tmp_path: Path):
    (fsd50k / "FSD50K.ground_truth" / "dev.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has columns"):
        LIBRARIES.get("fsd50k")(path=str(fsd50k))
    (fsd50k / "FSD50K.ground_truth" / "dev.csv").unlink()
    with pytest.raises(UserError, match="no table"):
        LIBRARIES.get("fsd50k")(path=str(fsd50k))


@pytest.mark.parametrize("content", ["[]", '{"1": 2}', "{"])
def test_fsd50k_metadata_is_checked(fsd50k: Path, content: str):
    (fsd50k / "FSD50K.metadata" / "dev_clips_info_FSD50K.json").write_text(content)
    with pytest.raises(UserError, match="copy it again"):
        LIBRARIES.get("fsd50k")(path=str(fsd50k))


# Recordings of packages.


def table_of_packages() -> list[dict[str, str]]:
    from st_audioqa.events.libraries.recorded import _rows

    return _rows()


def test_the_table_of_recordings_is_sound():
    rows = table_of_packages()
    names = {each.name for each in all_labels()}
    assert len({row["file"] for row in rows}) == len(rows) > 400
    assert {row["label"] for row in rows} <= names
    assert {row["split"] for row in rows} == {"train", "test"}
    assert {row["manager"] for row in rows} == {"apt", "pip"}
    assert all(row["licence"] and row["package"] in row["recording"] for row in rows)
    split_of: dict[str, str] = {}
    for row in rows:
        assert split_of.setdefault(row["recording"], row["split"]) == row["split"]


def test_recordings_are_found_below_a_folder_and_others_are_counted(tmp_path: Path):
    rows = table_of_packages()
    some = [row for row in rows if row["package"] == "tuxpaint-stamps-default"][:6]
    for row in some:
        tone(tmp_path / row["file"])
    made = LIBRARIES.get("recorded")(path=str(tmp_path))
    found = {c: e for clips in clips_of(made, 20).values() for c, e in clips.items()}
    assert set(found) == {row["file"] for row in some}
    for row in some:
        event = found[row["file"]]
        assert (event.licence, event.recording) == (row["licence"], row["recording"])
        assert "Debian package tuxpaint-stamps-default" in event.attribution
    assert int(made.details["missing file of hydrogen-drumkits"]) > 100


def test_without_packages_the_lines_that_install_them_are_told(tmp_path: Path):
    with pytest.raises(UserError, match=r"apt-get install .*sonic-pi-samples.*pip install"):
        LIBRARIES.get("recorded")(path=str(tmp_path))
    assert "hydrogen-drumkits" in install_lines()


@pytest.mark.skipif(
    not os.path.isdir("/usr/share/sonic-pi/samples"), reason="sonic-pi-samples is not installed"
)
def test_installed_recordings_can_be_used():
    made = LIBRARIES.get("recorded")()
    event = made.draw(generator(0), "train", "Cymbal")
    assert np.isfinite(made.waveform(event)).all()


# All of them.


def test_rejected_clips_and_the_number_of_workers_change_no_byte(tmp_path: Path):
    sounds = tmp_path / "sounds"
    for i in range(12):
        tone(sounds / ("bark" if i % 2 else "meow") / f"{i}.wav", 0.5 + i, hz=300 + 20 * i)
        if i % 3 == 0:
            (sounds / ("bark" if i % 2 else "meow") / f"bad{i}.wav").write_bytes(bytes(40 + i))
    recipe = small_recipe(
        splits={"test": {"S": 6, "SS": 6}},
        events={"library": "folder", "path": str(sounds), "options": {"metadata": "all.csv"}},
        corpus={"scenes_per_shard": 3},
    )
    rows = [
        f"{path.parent.name}/{path.name},{path.parent.name},test"
        for path in sounds.rglob("*.wav")
    ]
    (sounds / "all.csv").write_text("\n".join(["file,label,split", *sorted(rows)]) + "\n")
    one = make_corpus(tmp_path / "one", recipe, workers=1, with_audio=False)
    two = make_corpus(tmp_path / "two", recipe, workers=2, with_audio=False)
    rejections = json.loads((one / "manifest.json").read_text())["rejections"]
    assert rejections["unreadable_event"] > 0
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) > 4
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes(), file


def test_takes_of_one_recording_are_told_by_a_pattern(tmp_path: Path):
    rows = ["file,label,original"]
    for i, take in enumerate("ABCDEFGH"):
        for source in (17150, 22694, 31748):
            file = f"{source}{take}.wav"
            tone(tmp_path / file, hz=300.0 + 31 * i + source / 100)
            rows.append(f"{file},Bark,1-{source}-{take}.ogg")
    (tmp_path / "labels.csv").write_text("\n".join([*rows, "named.wav,Bark,bark.ogg"]) + "\n")
    tone(tmp_path / "named.wav", hz=900.0)
    options = {"columns": {"recording": "original"}, "recording_pattern": r"[1-5]-(\d+)-"}
    clips = [
        clip
        for split in clips_of(folder(tmp_path, **options)).values()
        for clip in split.values()
    ]
    recordings = {event.recording for event in clips}
    assert recordings == {"17150", "22694", "31748", "bark.ogg"}
    splits = [
        {e.recording for e in s.values()}
        for s in clips_of(folder(tmp_path, **options)).values()
    ]
    assert sum(map(len, splits)) == len(recordings)
    with pytest.raises(UserError, match="round brackets"):
        folder(tmp_path, **{**options, "recording_pattern": r"\d+"})
    with pytest.raises(UserError, match="no regular expression"):
        folder(tmp_path, **{**options, "recording_pattern": "("})
    with pytest.raises(UserError, match="no column 'recording'"):
        folder(tmp_path, recording_pattern=r"(\d+)")


def test_the_licence_file_of_esc50_names_uploaders(esc50: Path):
    (esc50 / "LICENSE").write_text(
        "101 - Dog:\n- [5-5000-A.ogg]: clip derived from bark (loud).wav "
        "(http://freesound.example/people/ann/sounds/5000/) by Ann B. [CC0]\n"
    )
    found = clips_of(LIBRARIES.get("esc50")(path=str(esc50)))["test"]
    assert found["5-5000-A-0"].attribution == (
        "Ann B., http://freesound.example/people/ann/sounds/5000/, CC0; ESC-50 (K. J. Piczak)"
    )
    other = found["5-5000-B-0"].attribution
    assert other == "Freesound clip 5000; ESC-50 (K. J. Piczak)"


def test_an_empty_copy_of_esc50_gives_way_to_a_good_one(esc50: Path):
    for folder in ("A", "Z"):
        (esc50 / folder).mkdir()
        (esc50 / folder / "5-5000-A-0.wav").touch()
    made = LIBRARIES.get("esc50")(path=str(esc50))
    assert "5-5000-A-0" in clips_of(made)["test"]
    assert made.details["another copy"] == "2"


def test_every_recorded_sound_names_its_author():
    rows = _rows()
    assert len(rows) == 477
    assert all(row["author"].strip() and row["licence"].strip() for row in rows)
