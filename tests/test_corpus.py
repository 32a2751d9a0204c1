"""Files of a corpus: tables, audio, card, and what `verify` finds when they are tampered with."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import make_corpus, small_recipe

from st_audioqa import Corpus, UserError, load_audio
from st_audioqa.corpus.audio import decode_flac, encode_flac
from st_audioqa.corpus.card import card_text
from st_audioqa.corpus.manifest import Manifest
from st_audioqa.corpus.pictures import plot_stats
from st_audioqa.corpus.schema import QA_SCHEMA, SCENES_SCHEMA, scene_from_row
from st_audioqa.corpus.shards import read_rows, write_shard
from st_audioqa.corpus.stats import corpus_stats, stats_text
from st_audioqa.events import activity
from st_audioqa.pipeline.generate import ask_again
from st_audioqa.pipeline.places import with_places
from st_audioqa.pipeline.tools import open_tools
from st_audioqa.pipeline.verify import Report, _check_directions, verify


@pytest.fixture
def copy(corpus_dir, tmp_path):
    """A copy of the corpus that may be damaged."""
    return shutil.copytree(corpus_dir, tmp_path / "copy")


def shard(folder, table="scenes", split="test"):
    return next((folder / table).glob(f"{split}-*.parquet"))


def rewrite(folder, change, table="scenes", split="test"):
    """Changes the rows of a shard and mends the manifest, as a careless editor would."""
    path = shard(folder, table, split)
    rows = list(read_rows(path))
    change(rows)
    write_shard(path, rows, SCENES_SCHEMA if table == "scenes" else QA_SCHEMA, 32)
    manifest = json.loads((folder / "manifest.json").read_text())
    from st_audioqa.files import file_sha256

    for entry in manifest[table]:
        if entry["path"] == path.relative_to(folder).as_posix():
            entry.update(rows=len(rows), bytes=path.stat().st_size, sha256=file_sha256(path))
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_sound_corpus_has_no_faults(corpus_dir):
    report = verify(corpus_dir)
    assert report.faults == []
    assert report.n_scenes == 15
    assert report.max_label_error < 1e-3
    assert len(report.doa_error_deg) == 6
    assert report.median_doa_error_deg < 15.0


def test_a_truncated_shard_is_found(copy):
    path = shard(copy)
    path.write_bytes(path.read_bytes()[:-1000])
    faults = " ".join(verify(copy).faults)
    assert path.name in faults
    assert "SHA-256" in faults
    assert "not readable" in faults


def test_swapped_shards_are_found(copy):
    one, other = sorted((copy / "scenes").glob("train-*.parquet"))
    one.rename(copy / "x")
    other.rename(one)
    (copy / "x").rename(other)
    faults = verify(copy).faults
    assert sum("SHA-256" in fault for fault in faults) == 2


def test_a_missing_shard_and_one_outside_are_found(copy):
    shard(copy).unlink()
    assert any("missing" in fault for fault in verify(copy).faults)


@pytest.mark.parametrize(
    "path", ["../qa/test-00000-of-00001.parquet", "/etc/passwd", "README.md"]
)
def test_a_manifest_cannot_name_a_file_outside(copy, path):
    """Files are read, written and deleted by the names of a manifest."""
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["qa"][0]["path"] = path
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"qa\.0\.path"):
        verify(copy)


def test_a_shard_that_nobody_named_is_found(copy):
    path = shard(copy, "qa")
    shutil.copy(path, path.with_name("test-00000-of-00002.parquet"))
    assert any("not named in the manifest" in fault for fault in verify(copy).faults)


def test_a_split_without_its_questions_is_found(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    for entry in manifest.pop("qa"):
        (copy / entry["path"]).unlink()
    (copy / "manifest.json").write_text(json.dumps({**manifest, "qa": []}))
    assert any("questions in all are not what" in fault for fault in verify(copy).faults)


def test_one_flipped_bit_is_found(copy):
    path = shard(copy)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert any("SHA-256" in fault for fault in verify(copy).faults)


def test_a_wrong_label_is_found_even_where_the_hash_fits(copy):
    def shift(rows):
        rows[0]["sources"][0]["azimuth_deg"][3] += 0.01

    rewrite(copy, shift)
    faults = verify(copy).faults
    assert any("labels differ from positions by 0.01" in fault for fault in faults)


def test_swapped_audio_is_found_by_its_direction(copy):
    """Audio whose sources lie somewhere else cannot pass for the labelled one."""

    def mirror(rows):
        for row in rows:
            if len(row["sources"]) == 1:
                audio = load_audio(row) * np.float32([[1], [-1], [-1], [-1]])
                row["audio"]["bytes"] = encode_flac(audio)

    rewrite(copy, mirror)
    faults = [fault for fault in verify(copy).faults if "away from its label" in fault]
    assert len(faults) == 2


def test_silent_and_foreign_audio_is_found(copy):
    def silence(rows):
        rows[0]["audio"]["bytes"] = encode_flac(np.zeros((4, 320_000)))
        rows[1]["audio"]["bytes"] = b"RIFF nonsense"
        rows[2]["audio"] = None

    rewrite(copy, silence)
    faults = " ".join(verify(copy).faults)
    assert "silent" in faults
    assert "cannot be decoded" in faults
    assert "holds no audio" in faults


def test_a_changed_answer_a_foreign_question_and_a_double_id_are_found(copy):
    def change(rows):
        yes_no = [row for row in rows if row["answer_kind"] == "yes_no"]
        yes_no[0]["answer"] = "no" if yes_no[0]["answer"] == "yes" else "yes"
        yes_no[1]["answer"] = "perhaps"
        yes_no[2]["scene_id"] = "test-999999"
        rows.append(dict(rows[0]))

    rewrite(copy, change, "qa")
    faults = " ".join(verify(copy).faults)
    for text in (
        "not what the scenes give",
        "not an option",
        "not in the corpus",
        "occurs twice",
    ):
        assert text in faults


def test_a_row_with_39_bins_or_nan_is_a_fault_of_its_own_and_names_the_scene(copy):
    def cut(rows):
        rows[2]["listener"]["yaw_deg"] = float("nan")
        rows[3]["sources"] = []
        rows[4]["sources"][0]["labels"] = []
        rows[0]["sources"][0]["distance_m"].pop()
        rows[1]["sources"][0]["elevation_deg"][0] = float("nan")

    rewrite(copy, cut)
    report = verify(copy)
    faults = [fault for fault in report.faults if "schema" in fault]
    assert len(faults) == 5
    assert "test-00000" in faults[0]
    assert report.n_scenes == 10


def test_a_listener_outside_the_room_is_found(copy):
    def lift(rows):
        rows[0]["listener"]["position"][1] = 20.0

    rewrite(copy, lift)
    assert any("not inside the room" in fault for fault in verify(copy).faults)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda row: row.update(sample_rate=44_100), "sample rate"),
        (lambda row: row["renderer"].update(engine="other"), "not the engine of the manifest"),
        (lambda row: row.update(gain_db=50.0), "above the recipe's"),
        (lambda row: row["room"].update(parameters="{}"), "cannot be built again"),
        (lambda row: row["room"].update(provider="zz"), "cannot be built again"),
        (lambda row: row.update(configuration=None), "unknown configuration"),
        (lambda row: row["sources"][0].update(index=7), "has index 7"),
        (lambda row: row["sources"][0].update(line_of_sight=[False] * 40), "line of sight"),
        (
            lambda row: row["sources"][0].update(position=[[30.0, 1.0, 1.0]] * 40),
            "leaves the room",
        ),
    ],
)
def test_a_row_that_contradicts_room_recipe_or_manifest_is_found(copy, change, fault):
    rewrite(copy, lambda rows: change(rows[0]))
    assert any(fault in each for each in verify(copy).faults)


def test_labels_that_are_late_are_found(tmp_path):
    recipe = small_recipe(splits={"test": {"D": 10}})
    folder = make_corpus(tmp_path / "late", recipe)
    assert verify(folder).faults == []
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest["scenes"]:
        path = folder / entry["path"]
        rows = list(read_rows(path))
        for row in rows:
            for key in ("position", "azimuth_deg", "elevation_deg", "distance_m"):
                track = row["sources"][0][key]
                row["sources"][0][key] = track[:1] * 4 + track[:-4]
        write_shard(path, rows, SCENES_SCHEMA, 32)
    assert any("ahead of its labels" in fault for fault in verify(folder).faults)


def test_a_question_without_options_or_answer_is_found(copy):
    def empty(rows):
        rows[0]["options"] = None
        rows[1]["answer"] = None

    rewrite(copy, empty, "qa")
    assert sum("schema" in fault for fault in verify(copy).faults) == 2
    with pytest.raises(UserError, match="not as the schema says"):
        Corpus(copy).questions("test")


def test_questions_that_fail_leave_the_corpus_as_it_was(copy):
    def unname(rows):
        rows[0]["sources"][0]["labels"] = ["No such label"]

    rewrite(copy, unname)
    before = {path.name: path.read_bytes() for path in (copy / "qa").iterdir()}
    with pytest.raises(UserError, match="No such label"):
        ask_again(copy)
    assert {path.name: path.read_bytes() for path in (copy / "qa").iterdir()} == before


def test_a_damaged_shard_is_told_in_one_sentence(copy):
    path = shard(copy)
    data = bytearray(path.read_bytes())
    data[4:-2000] = bytes(len(data) - 2004)
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="st-audioqa verify"):
        Corpus(copy).audio("test-000000")


def test_a_folder_without_a_corpus_is_refused(tmp_path):
    with pytest.raises(UserError, match="no finished corpus"):
        verify(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="not a manifest"):
        verify(tmp_path)


def test_flac_keeps_16_bits_and_four_channels():
    audio = np.random.default_rng(0).uniform(-0.9, 0.9, (4, 3200))
    again = decode_flac(encode_flac(audio))
    assert again.shape == (4, 3200)
    np.testing.assert_allclose(again, audio, atol=0.51 / 32767)
    assert encode_flac(audio) == encode_flac(audio)
    for bad in (audio * 2, audio * np.nan):
        with pytest.raises(ValueError, match="finite and within full scale"):
            encode_flac(bad)


@pytest.mark.parametrize(("channels", "rate"), [(1, 32_000), (2, 32_000), (4, 16_000)])
def test_audio_of_another_kind_is_refused(channels, rate):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((100, channels)), rate, format="FLAC")
    with pytest.raises(UserError, match=f"{channels} channels at {rate} Hz"):
        decode_flac(buffer.getvalue())


def test_load_audio_undoes_the_gain_on_request(corpus_dir):
    row = next(read_rows(shard(corpus_dir)))
    row["gain_db"] = -6.0
    np.testing.assert_allclose(
        load_audio(row, physical=True), load_audio(row) * 10 ** (6 / 20), rtol=1e-6
    )


@pytest.mark.parametrize(
    "row", [{}, {"audio": None}, {"audio": {"path": "x.flac", "bytes": None}}]
)
def test_a_row_without_audio_says_what_to_do(row):
    with pytest.raises(UserError, match="audio"):
        load_audio(row)


def test_the_reader_gives_scenes_questions_audio_and_frames(corpus_dir):
    corpus = Corpus(corpus_dir)
    assert corpus.splits == ["test", "train"]
    scene = next(iter(corpus.scenes("test")))
    assert corpus.audio(scene.scene_id).shape == (4, 320_000)
    assert len(corpus.frame("qa", "test")) == len(corpus.questions("test"))
    assert "audio" not in corpus.frame("scenes", "train").columns
    with pytest.raises(UserError, match="did you mean test"):
        corpus.questions("tset")
    with pytest.raises(UserError, match="no scene"):
        corpus.audio("test-123456")


def test_a_shard_that_finds_no_room_is_told_and_leaves_nothing(corpus_dir, tmp_path):
    """In a process of its own, which the Parquet writer used to end."""
    program = f"""
import pathlib, resource
from st_audioqa.corpus.schema import SCENES_SCHEMA
from st_audioqa.corpus.shards import read_rows, write_shard
rows = list(read_rows(pathlib.Path({str(shard(corpus_dir))!r})))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    write_shard(pathlib.Path("scenes/full.parquet"), rows, SCENES_SCHEMA, 32)
except OSError as error:
    print(error.filename)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "scenes/full.parquet\n"), done.stderr
    assert list((tmp_path / "scenes").iterdir()) == []


def test_shards_have_features_a_page_index_and_uncompressed_audio(corpus_dir):
    with pq.ParquetFile(shard(corpus_dir)) as file:
        features = json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
        assert features["audio"] == {
            "sampling_rate": 32000,
            "num_channels": 4,
            "_type": "Audio",
        }
        group = file.metadata.row_group(0)
        columns = {
            group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)
        }
        assert columns["audio.bytes"].compression == "UNCOMPRESSED"
        assert columns["sources.list.element.azimuth_deg.list.element"].compression == "ZSTD"
        assert columns["scene_id"].has_offset_index


def test_load_dataset_reads_both_configurations(corpus_dir, tmp_path):
    datasets = pytest.importorskip("datasets")
    for streaming in (False, True):
        options = {"split": "test", "streaming": streaming, "cache_dir": str(tmp_path)}
        questions = datasets.load_dataset(str(corpus_dir), "qa", **options)
        scenes = datasets.load_dataset(str(corpus_dir), "scenes", **options)
        held_out = datasets.load_dataset(str(corpus_dir), "robustness", **options)
        assert next(iter(held_out))["answer"] == next(iter(questions))["answer"]
        assert next(iter(questions))["options"] is not None
        feature = scenes.features["audio"]
        assert (feature.sampling_rate, feature.num_channels) == (32000, 4)
        row = next(iter(scenes.cast_column("audio", datasets.Audio(decode=False))))
        assert load_audio(row).shape == (4, 320_000)
        assert scene_from_row(row).scene_id == row["scene_id"]
    assert (
        len(datasets.load_dataset(str(corpus_dir), split="train", cache_dir=str(tmp_path)))
        > 100
    )


def test_the_card_counts_what_is_there_and_warns_of_the_mono_trap(corpus_dir):
    text = (corpus_dir / "README.md").read_text()
    assert text.startswith('---\npretty_name: "tiny"\nlicense: other\n')
    assert "averages the four ambisonic channels" in text
    assert "| test | 1 | 1 | 1 | 1 | 1 | 5 |" in text
    assert "path: scenes/train-*.parquet" in text
    total = len(Corpus(corpus_dir).questions("train"))
    assert f"| {total} |" in text


def test_the_card_promises_no_more_than_the_engine_keeps(corpus_dir):
    manifest = Manifest.load(corpus_dir)
    assert "give the same bytes" in card_text(corpus_dir, manifest)
    engine = {"name": "habitat", "version": "0.2.2 sound-spaces 1", "preset": "default"}
    text = card_text(corpus_dir, manifest.model_copy(update={"engine": engine}))
    assert "give the same bytes" not in text
    assert "license: cc-by-nc-4.0" in text
    assert "repeat only as far as that build of habitat-sim does" in text


def test_stats_count_and_plot(corpus_dir, tmp_path):
    pytest.importorskip("matplotlib")
    corpus = Corpus(corpus_dir)
    stats = corpus_stats(corpus)
    assert stats["scenes"]["test"] == dict.fromkeys(("S", "D", "SS", "SD", "DD"), 1)
    kinds = {(k["type"], k["attribute"]): k for k in stats["questions"]["train"]}
    assert kinds["B", "verification"]["spread"] == 0.0
    assert "verification" in stats_text(stats)
    for path in plot_stats(corpus, tmp_path / "plots"):
        assert path.stat().st_size > 5_000


def everywhere(folder, change):
    """Changes one row of the first shard of each split."""
    for split in ("train", "test"):
        rewrite(folder, lambda rows: change(rows[0]), split=split)


def name_recording(row):
    row["sources"][0]["event"]["recording"] = "one video"


def name_clip(row):
    row["sources"][0]["event"]["clip_id"] = "one clip"


def name_room(row):
    row["room"]["name"] = "one room"


def repeat_trajectory(row):
    row["sources"][0]["position"] = [[1.0, 1.5, 2.0 + 0.01 * i] for i in range(40)]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (name_recording, "recordings: one video serves several splits"),
        (name_clip, "clips: synth/one clip serves several splits"),
        (name_room, "rooms: procedural/one room serves several splits"),
        (repeat_trajectory, "trajectories: "),
    ],
)
def test_what_serves_two_splits_is_found(copy, change, fault):
    everywhere(copy, change)
    faults = verify(copy).faults
    assert [each for each in faults if each.startswith(fault) and "['test', 'train']" in each]
    assert any("leakage is not what the scenes give" in each for each in faults)


def test_one_room_under_two_names_is_found(copy):
    path = shard(copy, split="train")
    parameters = next(iter(read_rows(path)))["room"]["parameters"]

    def same(rows):
        rows[0]["room"]["parameters"] = parameters

    rewrite(copy, same)
    assert any(each.startswith("room shapes: ") for each in verify(copy).faults)


def test_one_room_written_in_two_ways_is_found(copy):
    path = shard(copy, split="train")
    parameters = json.loads(next(iter(read_rows(path)))["room"]["parameters"])

    def same(rows):
        rows[0]["room"]["parameters"] = json.dumps(parameters, indent=1)

    rewrite(copy, same)
    assert any(each.startswith("room shapes: ") for each in verify(copy).faults)


def test_labels_of_one_scene_that_contain_each_other_are_found(copy):
    def relate(rows):
        row = next(row for row in rows if len(row["sources"]) == 2)
        for source, (name, mid) in zip(
            row["sources"], [("Bark", "/m/05tny_"), ("Dog", "/m/0bt9lr")], strict=True
        ):
            source["labels"], source["mids"] = [name], [mid]

    rewrite(copy, relate)
    fault = "two sources have labels that contain each other: Bark and Dog"
    assert any(fault in each for each in verify(copy).faults)


def test_the_manifest_reports_what_serves_each_split_and_that_nothing_serves_two(corpus_dir):
    report = Corpus(corpus_dir).manifest.leakage
    assert set(report) == {"clips", "recordings", "room shapes", "rooms", "trajectories"}
    assert all(counts["shared"] == 0 for counts in report.values())
    scenes = {s: list(Corpus(corpus_dir).scenes(s)) for s in ("train", "test")}
    for split, each in scenes.items():
        sources = [source for scene in each for source in scene.sources]
        assert report["trajectories"][split] == len(sources)
        assert report["clips"][split] == len({source.event.clip_id for source in sources})
        assert report["rooms"][split] == len({scene.room.name for scene in each})
    assert "| trajectories | 8 | 16 | 0 |" in (corpus_dir / "README.md").read_text()


def test_a_library_or_label_that_does_not_fit_is_found(copy):
    def change(rows):
        rows[0]["sources"][0]["event"]["library_version"] = "0.1"
        rows[1]["sources"][0]["mids"] = ["/m/wrong"]

    rewrite(copy, change)
    faults = " ".join(verify(copy).faults)
    assert "another event library" in faults
    assert "'/m/wrong'" in faults


@pytest.fixture(scope="module")
def own_corpus(tmp_path_factory):
    """A corpus of somebody's own recordings, with labels of their own."""
    root = tmp_path_factory.mktemp("own")
    rows = ["file,label,split,recording,licence,attribution"]
    for i, word in enumerate(("coffee_grinder", "Bark; Dog", "Meow", "stapler") * 2):
        split = "train" if i < 4 else "test"
        noise = np.random.default_rng(i).normal(0, 0.1, 4 * 8_000)
        soundfile.write(root / f"{i}.wav", noise, 8_000)
        rows.append(f"{i}.wav,{word},{split},session {i},CC-BY-4.0,Ann ({i})")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    options = {"metadata": "labels.csv", "own_labels": "keep", "repeat": True}
    recipe = small_recipe(
        splits={"train": {"S": 6, "SS": 4}, "test": {"S": 4, "SS": 6}},
        events={"library": "folder", "path": str(root), "options": options},
    )
    return make_corpus(root / "corpus", recipe)


def test_own_labels_go_all_the_way(own_corpus):
    assert verify(own_corpus).faults == []
    corpus = Corpus(own_corpus)
    events = [s.event for scene in corpus.scenes("test") for s in scene.sources]
    assert {event.name for event in events} >= {"coffee_grinder", "stapler"}
    assert {event.mids for event in events} >= {("own:stapler",)}
    questions = corpus.questions("test")
    assert any("coffee grinder" in question.answer for question in questions)


def test_licences_and_names_are_carried_into_rows_and_card(own_corpus):
    events = [
        source.event
        for split in ("train", "test")
        for scene in Corpus(own_corpus).scenes(split)
        for source in scene.sources
    ]
    assert {event.licence for event in events} == {"CC-BY-4.0"}
    card = (own_corpus / "README.md").read_text()
    n = len({event.clip_id for event in events})
    assert f"| folder: CC-BY-4.0 | {n} | {len(events)} | 100.0 % |" in card
    assert f"each of the {n} clips" in card
    with (own_corpus / "ATTRIBUTION.csv").open(newline="") as file:
        owed = {row["clip_id"]: row for row in csv.DictReader(file)}
    assert owed.keys() == {event.clip_id for event in events}
    for event in events:
        assert owed[event.clip_id]["attribution"] == event.attribution
        assert owed[event.clip_id]["recording"] == event.recording


def test_a_row_of_a_recording_is_enough_to_make_its_waveform_again(own_corpus):
    corpus = Corpus(own_corpus)
    # The corpus does not say where the recordings lie: its owner does.
    recipe = with_places(corpus.manifest.recipe, [str(own_corpus.parent)], None)
    library = open_tools(recipe).library
    for scene in corpus.scenes("test"):
        for source in scene.sources:
            assert source.event.repeated
            heard = activity(library.waveform(source.event))
            np.testing.assert_array_equal(heard, source.activity)


def test_a_corpus_without_names_has_no_list_of_them(corpus_dir):
    assert not (corpus_dir / "ATTRIBUTION.csv").exists()


def test_robustness_asks_the_test_questions_in_words_that_qa_never_uses(corpus_dir):
    corpus = Corpus(corpus_dir)
    usual, held_out = corpus.questions("test"), corpus.questions("test", "robustness")
    assert [q.answer for q in usual] == [q.answer for q in held_out]
    assert not {q.question_id for q in usual} & {q.question_id for q in held_out}
    words = {(q.template_id, q.paraphrase_id) for q in held_out}
    everywhere = (q for split in corpus.splits for q in corpus.questions(split))
    assert not words & {(q.template_id, q.paraphrase_id) for q in everywhere}
    assert {entry.split for entry in corpus.manifest.robustness} == {"test"}
    with pytest.raises(UserError, match="robustness"):
        corpus.questions("test", "quests")


def test_a_robustness_question_that_was_changed_is_found(copy):
    def change(rows):
        rows[0]["question"] += " Really?"

    rewrite(copy, change, "robustness")
    assert any("robustness of test" in fault for fault in verify(copy).faults)


@pytest.mark.parametrize(
    ("errors", "found"),
    [([24.9, 25.1], False), ([60.0], True), ([29.0] * 60, True), ([23.0] * 60, False)],
)
def test_the_fewer_scenes_are_measured_the_more_their_median_may_be_off(errors, found):
    report = Report(doa_error_deg={str(i): error for i, error in enumerate(errors)})
    _check_directions(report)
    assert any("median error" in fault for fault in report.faults) == found


def test_24_bits_keep_quiet_audio_cleaner_and_say_so():
    audio = np.random.default_rng(0).normal(0.0, 1e-4, (4, 3200))
    errors = {}
    for bits in (16, 24):
        stored = encode_flac(audio, bits)
        with soundfile.SoundFile(io.BytesIO(stored)) as file:
            assert file.subtype == f"PCM_{bits}"
        errors[bits] = np.abs(decode_flac(stored) - audio).max()
    assert errors[16] < 0.51 / 32767
    assert errors[24] < 0.51 / 8388607 + 1e-11
    loud = np.full((4, 10), 1.0)
    np.testing.assert_array_equal(decode_flac(encode_flac(loud, 24)), loud)
    np.testing.assert_array_equal(decode_flac(encode_flac(-loud, 24)), -loud)


def test_a_recipe_of_24_bits_makes_scenes_of_24_bits(tmp_path):
    corpus = {"scenes_per_shard": 5, "flac_bits": 24}
    recipe = small_recipe(splits={"test": {"S": 1}}, corpus=corpus)
    assert recipe.hash != small_recipe(splits={"test": {"S": 1}}).hash
    row = next(read_rows(shard(make_corpus(tmp_path / "fine", recipe))))
    with soundfile.SoundFile(io.BytesIO(row["audio"]["bytes"])) as file:
        assert file.subtype == "PCM_24"
    assert load_audio(row).shape == (4, 320_000)


@pytest.mark.parametrize(("bits", "most"), [(16, 195), (24, 130)])
def test_shards_of_more_than_500_mb_are_refused(bits, most):
    small_recipe(corpus={"scenes_per_shard": most, "flac_bits": bits})
    with pytest.raises(ValueError, match=f"at most {most} are wanted"):
        small_recipe(corpus={"scenes_per_shard": most + 1, "flac_bits": bits})
