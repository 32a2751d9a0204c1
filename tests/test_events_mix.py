"""Several event libraries as one, and folders named beside the recipe."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from conftest import make_corpus, small_recipe

from st_audioqa.cli import cli
from st_audioqa.corpus.leakage import Leakage
from st_audioqa.corpus.manifest import Manifest
from st_audioqa.corpus.shards import read_rows
from st_audioqa.errors import UserError
from st_audioqa.events import LIBRARIES
from st_audioqa.pipeline.generate import plan_corpus, render_scenes
from st_audioqa.pipeline.places import with_places
from st_audioqa.pipeline.tools import open_tools
from st_audioqa.pipeline.verify import verify
from st_audioqa.pipeline.work import Work
from st_audioqa.seeding import generator

SPLITS = ("train", "validation", "test")


def tone(path: Path, seconds: float = 2.0, hz: float = 440.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * 8_000)) / 8_000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * t), 8_000)


def table(root: Path, rows: list[tuple[str, str, str, str]]) -> dict[str, object]:
    """A part of a mix: a folder with tones and a table of file, label, split and recording."""
    for i, (file, *_) in enumerate(rows):
        tone(root / file, hz=300.0 + 40 * i)
    with (root / "table.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([("file", "label", "split", "recording"), *rows])
    return {
        "library": "folder",
        "path": str(root),
        "name": root.name,
        "options": {"metadata": "table.csv"},
    }


@pytest.fixture
def street(tmp_path: Path) -> dict[str, object]:
    rows = [
        (f"{split}-{i}.wav", "Bark", split, f"{split}{i}") for split in SPLITS for i in (0, 1)
    ]
    rows += [(f"whip-{split}.wav", "Whip", split, f"whip {split}") for split in SPLITS]
    return table(tmp_path / "street", rows)


def mix(*parts: dict[str, object]):
    return LIBRARIES.get("mix")(parts=list(parts))


def drawn(made, split: str, label: str | None = None, n: int = 60):
    return [made.draw(generator(7, i), split, label) for i in range(n)]


def test_labels_are_the_union_and_events_come_from_the_part_they_name(street):
    made = mix({"library": "synth"}, street)
    synth = LIBRARIES.get("synth")()
    assert made.labels("test") == sorted({*synth.labels("test"), "Bark", "Whip"})
    assert {event.library for event in drawn(made, "test", "Whip", 5)} == {"street"}
    assert {event.library for event in drawn(made, "test", "Moo", 5)} == {"synth"}
    event = next(e for e in drawn(made, "test", "Bark") if e.library == "synth")
    np.testing.assert_array_equal(made.waveform(event), synth.waveform(event))
    event = next(e for e in drawn(made, "test", "Bark") if e.library == "street")
    np.testing.assert_array_equal(mix(street).waveform(event), made.waveform(event))
    with pytest.raises(UserError, match="has no part 'street'"):
        mix({"library": "synth"}).waveform(event)


@pytest.mark.parametrize(("weight", "least", "most"), [(1.0, 70, 130), (9.0, 165, 195)])
def test_a_label_of_several_parts_is_shared_out_by_weight(street, weight, least, most):
    made = mix({"library": "synth"}, {**street, "weight": weight})
    counts = Counter(event.library for event in drawn(made, "train", "Bark", 200))
    assert least <= counts["street"] <= most


def test_draws_repeat_and_levels_are_those_of_the_mix(street):
    options = {"parts": [{"library": "synth"}, street]}
    made = LIBRARIES.get("mix")(**options, level_dbfs=-20.0, level_spread_db=0.0)
    assert drawn(made, "test", n=20) == drawn(
        LIBRARIES.get("mix")(**options, level_dbfs=-20.0, level_spread_db=0.0), "test", n=20
    )
    assert {event.level_dbfs for event in drawn(made, "test", n=20)} == {-20.0}


def test_a_recording_of_two_parts_keeps_to_one_split(tmp_path):
    one = table(
        tmp_path / "one",
        [("a.wav", "Bark", "train", "kennel"), ("b.wav", "Bark", "train", "park")],
    )
    other = table(
        tmp_path / "other",
        [("c.wav", "Meow", "test", "kennel"), ("d.wav", "Meow", "train", "home")],
    )
    made = mix(one, other)
    found = {split: {e.recording for e in drawn(made, split)} for split in ("train", "test")}
    assert found == {"train": {"park", "home"}, "test": {"kennel"}}
    assert made.details["one: shared with another library"] == "1"
    assert made.details["one: used"] == "1"
    assert made.details["other: shared with another library"] == "0"


def test_one_freesound_clip_of_two_collections_keeps_to_one_split(tmp_path):
    esc, fsd = tmp_path / "esc", tmp_path / "fsd"
    tone(esc / "audio" / "5-100-A-0.wav")  # fold 5: test
    tone(esc / "audio" / "1-300-A-0.wav")
    truth = fsd / "FSD50K.ground_truth"
    truth.mkdir(parents=True)
    (truth / "dev.csv").write_text(
        "fname,labels,mids,split\n100,Bark,/m/05tny_,train\n200,Bark,/m/05tny_,train\n"
    )
    (truth / "eval.csv").write_text("fname,labels,mids\n300,Bark,/m/05tny_\n")
    for number, part in ((100, "dev"), (200, "dev"), (300, "eval")):
        tone(fsd / f"FSD50K.{part}_audio" / f"{number}.wav")
    (fsd / "FSD50K.metadata").mkdir()
    (fsd / "FSD50K.metadata" / "dev_clips_info_FSD50K.json").write_text(
        json.dumps({"100": {"uploader": "ann"}, "200": {"uploader": "ann"}})
    )
    made = mix({"library": "esc50", "path": str(esc)}, {"library": "fsd50k", "path": str(fsd)})
    found = {split: {e.clip_id for e in drawn(made, split)} for split in ("train", "test")}
    assert found == {"train": {"200"}, "test": {"5-100-A-0", "300"}}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least 1 item"),
        ([{"library": "synth"}, {"library": "synth"}], "2 parts of the mix are called 'synth'"),
        ([{"library": "mix"}], "A part of a mix is a mix"),
        ([{"library": "sinth"}], "did you mean synth"),
        ([{"library": "folder"}], "needs a path.*--events"),
        ([{"library": "folder", "path": "sounds"}], "relative path 'sounds'"),
        ([{"library": "folder", "path": "/no/such"}], "no folder /no/such"),
        ([{"library": "synth", "wait": 2}], r"parts\.0\.wait"),
        ([{"library": "synth", "weight": 0}], r"parts\.0\.weight"),
        ([{"library": "synth", "weight": float("nan")}], r"parts\.0\.weight"),
        ([{"library": "synth", "options": {"lable_set": 1}}], r"parts \(synth\).*lable_set"),
        ([{"library": "synth", "options": {"level_dbfs": -9}}], "does not take.*level_dbfs"),
    ],
)
def test_impossible_parts_are_refused_by_name(parts, message):
    with pytest.raises(UserError, match=f"(?s){message}"):
        open_tools(small_recipe(events={"library": "mix", "options": {"parts": parts}}))


def test_a_mix_without_parts_or_with_a_path_of_its_own_is_refused():
    with pytest.raises(UserError, match="parts"):
        open_tools(small_recipe(events={"library": "mix"}))
    parts = {"parts": [{"library": "synth"}]}
    with pytest.raises(UserError, match="no folder of its own"):
        open_tools(small_recipe(events={"library": "mix", "path": "/tmp", "options": parts}))


def test_a_mixed_corpus_names_all_parts_and_is_verified(street, tmp_path):
    home = [
        (f"{label}-{split}.wav", label, split, "")
        for label in ("Meow", "Cough")
        for split in SPLITS
    ]
    parts = [street, table(tmp_path / "home", home)]
    recipe = small_recipe(events={"library": "mix", "options": {"parts": parts}})
    corpus = make_corpus(tmp_path / "corpus", recipe)
    assert verify(corpus).faults == []
    manifest = Manifest.load(corpus)
    assert manifest.event_libraries == {("home", "2.0"), ("street", "2.0")}
    assert manifest.events["street: used"] == "9"
    rows = [row for file in sorted(corpus.glob("scenes/*")) for row in read_rows(file)]
    used = Counter(source["event"]["library"] for row in rows for source in row["sources"])
    assert set(used) == {"home", "street"}
    leakage = Leakage()
    for row in rows:
        leakage.add(row)
    assert not list(leakage.shared())


def test_one_recording_under_two_libraries_in_two_splits_is_a_leak(corpus_dir):
    rows = [row for file in sorted(corpus_dir.glob("scenes/*")) for row in read_rows(file)]
    train = next(row for row in rows if row["split"] == "train")
    test = next(row for row in rows if row["split"] == "test")
    for row, library in ((train, "esc50"), (test, "folder")):
        row["sources"][0]["event"].update(library=library, recording="freesound:1")
    leakage = Leakage()
    leakage.add(train)
    leakage.add(test)
    assert [name for _, name, _ in leakage.shared()] == ["freesound:1"]


# Folders named beside the recipe.


def recipe_of(parts: list[dict[str, object]]):
    return small_recipe(events={"library": "mix", "options": {"parts": parts}})


def paths_of(recipe) -> list[str | None]:
    return [part.get("path") for part in recipe.events.options["parts"]]


def test_a_folder_goes_to_the_one_part_that_waits_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = recipe_of([{"library": "synth"}, {"library": "folder"}, {"library": "recorded"}])
    assert paths_of(with_places(recipe, ["mine"])) == [None, str(tmp_path / "mine"), None]
    assert paths_of(recipe) == [None, None, None]
    one = with_places(small_recipe(events={"library": "folder", "path": "/a"}), ["mine"])
    assert one.events.path == str(tmp_path / "mine")
    rooms = with_places(small_recipe(), rooms="flats").rooms.options
    assert rooms == {**small_recipe().rooms.options, "path": str(tmp_path / "flats")}


def test_a_part_is_named_where_several_wait_for_a_folder():
    recipe = recipe_of([{"library": "folder"}, {"library": "folder", "name": "street"}])
    with pytest.raises(UserError, match="folder, street of folder, street"):
        with_places(recipe, ["/a"])
    assert paths_of(with_places(recipe, ["street=/a", "folder=/b"])) == ["/b", "/a"]
    with pytest.raises(UserError, match="none of synth"):
        with_places(recipe_of([{"library": "synth"}]), ["/a"])


def test_the_command_line_makes_a_corpus_from_a_folder_it_is_told(street, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine"\n[splits.test]\nS = 2\n[events]\nlibrary = "mix"\n'
        'options.parts = [{library = "folder", options = {metadata = "table.csv"}}]\n'
        '[rooms]\noptions = {shapes = ["shoebox"], furniture = [0, 0]}\n'
        '[renderer]\nengine = "image-source"\n'
    )
    arguments = ["generate", str(recipe), "--out", str(tmp_path / "out"), "--questions-only"]
    arguments += ["--workers", "1"]
    refused = CliRunner().invoke(cli, arguments)
    assert "needs a path" in str(refused.exception)
    done = CliRunner().invoke(cli, [*arguments, "--events", str(street["path"])])
    assert done.exit_code == 0, done.output
    assert "folder: used" in (tmp_path / "out" / "manifest.json").read_text()


# Where files lie is a matter of the machine.


def files_of(corpus: Path) -> dict[str, bytes]:
    return {str(p.relative_to(corpus)): p.read_bytes() for p in sorted(corpus.rglob("*.*"))}


@pytest.mark.parametrize("mixed", [False, True])
def test_the_same_recordings_elsewhere_make_the_same_corpus(street, tmp_path, mixed):
    def recipe(path):
        part = {**street, "path": str(path)}
        options = {"parts": [{"library": "synth"}, part]} if mixed else street["options"]
        library = {"library": "mix"} if mixed else {"library": "folder", "path": str(path)}
        events = {**library, "options": options}
        return small_recipe(events=events, splits={"train": {"S": 2}, "test": {"S": 2}})

    here, there = tmp_path / "street", tmp_path / "elsewhere" / "street"
    one = make_corpus(tmp_path / "one", recipe(here), with_audio=False)
    shutil.copytree(here, there)
    other = make_corpus(tmp_path / "other", recipe(there), with_audio=False)
    assert files_of(one) == files_of(other)
    assert not any(str(tmp_path).encode() in content for content in files_of(one).values())
    assert verify(one).faults == []


def test_other_recordings_make_another_corpus_and_are_refused_by_a_begun_one(street, tmp_path):
    events = {key: street[key] for key in ("library", "path", "options")}
    recipe = small_recipe(events=events)
    pinned = open_tools(recipe).recipe
    work = plan_corpus(recipe, tmp_path / "corpus", with_audio=False)
    assert work.plan.recipe.hash == pinned.hash != recipe.hash
    tone(tmp_path / "street" / "more.wav")
    with (tmp_path / "street" / "table.csv").open("a") as lines:
        lines.write("more.wav,Bark,train,more\n")
    assert open_tools(recipe).recipe.hash != pinned.hash
    with pytest.raises(UserError, match="digest"):
        render_scenes(Work.resume(tmp_path / "corpus"), 1, lambda: None)
    with pytest.raises(UserError, match="another recipe"):
        plan_corpus(recipe, tmp_path / "corpus", with_audio=False)


def test_rooms_and_other_places_are_not_published():
    options = {"path": "/data/mp3d", "materials": "/data/mp3d_material_config.json"}
    rooms = {"provider": "matterport3d", "options": options}
    events = {"library": "audioset", "path": "/data/as", "options": {"index": "/tmp/i.parquet"}}
    recipe = small_recipe(rooms=rooms, events=events)
    assert "/data" not in recipe.published.model_dump_json()
    assert "/tmp" not in recipe.published.model_dump_json()
    assert recipe.published.rooms.options == {"materials": "mp3d_material_config.json"}
    assert recipe.published.hash == recipe.hash
    assert recipe.rooms.options == options
