"""Publishing: bench file, held answers, cards, Croissant, the Hub (a stand-in) and buckets."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import make_corpus, small_recipe
from hub_standin import TOKEN, hub_server
from s3 import s3_server

from st_audioqa import Corpus, UserError, load_audio
from st_audioqa.cli import cli
from st_audioqa.corpus.bench import choose
from st_audioqa.corpus.front_matter import front_matter, schema_of, tables_of
from st_audioqa.corpus.manifest import Manifest
from st_audioqa.corpus.schema import BENCH_SCHEMA
from st_audioqa.corpus.shards import read_rows, write_shard
from st_audioqa.files import file_sha256
from st_audioqa.leaderboard.questions import load_questions
from st_audioqa.pipeline.generate import ask_again
from st_audioqa.pipeline.publish import add_bench
from st_audioqa.pipeline.verify import verify
from st_audioqa.storage import located

SEED = 2**61 + 5
"""Too long to be guessed, as answers that are held back need it."""


def command(*arguments):
    done = CliRunner().invoke(cli, [str(each) for each in arguments])
    if isinstance(done.exception, UserError):
        return f"Error: {done.exception}"
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


@pytest.fixture(scope="module")
def secret_dir(tmp_path_factory):
    """A corpus with a bench file and a seed that nobody guesses; not to be written to."""
    splits = {"train": {"S": 1, "SD": 1, "DD": 1}, "test": small_recipe().splits["test"]}
    recipe = small_recipe(seed=SEED, splits=splits)
    folder = make_corpus(tmp_path_factory.mktemp("publish") / "tiny", recipe)
    add_bench(folder, 128)
    return folder


@pytest.fixture
def copy(secret_dir, tmp_path):
    return shutil.copytree(secret_dir, tmp_path / "copy")


@pytest.fixture(scope="module")
def held(secret_dir, tmp_path_factory):
    """The corpus published without answers: its public and its private folder."""
    out = tmp_path_factory.mktemp("held")
    command("publish", secret_dir, "--hold-answers", "--out", out)
    return out / "public", out / "private"


# The bench file


def test_the_bench_file_joins_test_questions_with_their_audio(secret_dir):
    corpus = Corpus(secret_dir)
    rows = [
        row for entry in corpus.manifest.bench for row in read_rows(secret_dir / entry.path)
    ]
    assert len({row["scene_id"] for row in rows}) == len(rows) == 5
    asked = {each.question_id: each for each in corpus.questions("test")}
    for row in rows:
        assert row["question"] == asked[row["question_id"]].question
        assert row["answer"] == asked[row["question_id"]].answer
        np.testing.assert_array_equal(load_audio(row), corpus.audio(row["scene_id"]))
    assert verify(secret_dir).faults == []


def test_a_changed_bench_file_is_found(copy):
    path = copy / Manifest.load(copy).bench[0].path
    rows = list(read_rows(path))
    rows[1]["answer"] += "!"
    rows[2]["audio"], rows[3]["audio"] = rows[3]["audio"], rows[2]["audio"]
    write_shard(path, rows, BENCH_SCHEMA, 32)
    faults = [fault for fault in verify(copy).faults if fault.startswith("bench: ")]
    assert len(faults) == 3


def test_questions_made_anew_take_the_old_bench_file_away(copy):
    assert ask_again(copy).bench == []
    assert not list((copy / "bench").iterdir())
    assert "bench" not in (copy / "README.md").read_text()


def test_bench_questions_come_from_every_kind_and_answer_in_turn(secret_dir):
    corpus = Corpus(secret_dir)
    asked = [each for split in corpus.splits for each in corpus.questions(split)]
    chosen = choose(asked, 5)
    assert len({(each.type, each.family, each.attribute) for each in chosen}) == 5
    assert [each.question_id for each in choose(list(reversed(asked)), 5)] == [
        each.question_id for each in chosen
    ]
    assert len(choose(asked, 1000)) == 8


# Cards and descriptions


def test_the_card_has_the_columns_that_datasets_would_write(secret_dir):
    datasets = pytest.importorskip("datasets")
    import yaml

    text = (secret_dir / "README.md").read_text()
    told = yaml.safe_load(text.split("---\n")[1])
    assert [each["config_name"] for each in told["configs"]] == [
        *("qa", "scenes", "robustness", "bench")
    ]
    assert [each["config_name"] for each in told["dataset_info"]] == [
        *("qa", "scenes", "robustness", "bench")
    ]
    for each in told["dataset_info"]:
        features = datasets.Features.from_arrow_schema(schema_of(each["config_name"]))
        assert each["features"] == features._to_yaml_list()
    for word in ("## Intended use", "## Limits", "## Biases", "## How even answers are"):
        assert word in text


def test_a_gated_card_asks_for_agreement(secret_dir):
    import yaml

    from st_audioqa.corpus.attribution import Sounds

    manifest = Manifest.load(secret_dir)
    for gated in (False, True):
        told = yaml.safe_load(front_matter(manifest, Sounds(), gated=gated).strip("-"))
        assert ("extra_gated_prompt" in told) == gated
    assert told["extra_gated_fields"]["I do not train on the test split"] == "checkbox"


def test_every_configuration_loads_streaming_and_not(secret_dir, tmp_path):
    datasets = pytest.importorskip("datasets")
    manifest = Manifest.load(secret_dir)
    for table, entries in tables_of(manifest).items():
        for split in {entry.split for entry in entries}:
            rows = sum(entry.rows for entry in entries if entry.split == split)
            for streaming in (False, True):
                options = {"split": split, "streaming": streaming, "cache_dir": str(tmp_path)}
                found = datasets.load_dataset(str(secret_dir), table, **options)
                if "audio" in found.features:
                    found = found.cast_column("audio", datasets.Audio(decode=False))
                read = list(found)
                assert len(read) == rows
                assert read[0].keys() == set(schema_of(table).names)
                if table == "bench":
                    assert load_audio(read[0]).shape == (4, 320_000)


def test_croissant_is_valid_and_gives_the_records(secret_dir):
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(secret_dir / "croissant.json")
    assert described.metadata.issues.errors == set()
    for table, entries in tables_of(Manifest.load(secret_dir)).items():
        records = list(described.records(table))
        assert len(records) == sum(entry.rows for entry in entries)
        assert f"{table}/scene_id" in records[0]
    assert records[0]["bench/audio"].startswith(b"fLaC")
    files = json.loads((secret_dir / "croissant.json").read_text())["distribution"]
    for each in files:
        if each["@type"] == "cr:FileObject":
            assert each["sha256"] == file_sha256(secret_dir / each["contentUrl"])


# Held answers


def test_nothing_of_the_held_split_is_told_but_audio_and_questions(secret_dir, held):
    public, _ = held
    whole = Corpus(secret_dir)
    manifest = json.loads((public / "manifest.json").read_text())
    assert manifest["seed"] is None
    assert manifest["recipe"]["seed"] == 0
    assert manifest["held"] == ["test"]
    assert "bench" not in manifest
    for path in sorted(public.rglob("*")):
        if path.is_file():
            assert str(SEED).encode() not in path.read_bytes(), path
    clips = {s.event.clip_id for scene in whole.scenes("test") for s in scene.sources}
    hashes = {scene.render.rir_hash for scene in whole.scenes("test")}
    seeds = {scene.seed for scene in whole.scenes("test")}
    ids = {each.question_id for each in whole.questions("test")}
    for path in sorted(public.rglob("test-*.parquet")):
        for row in read_rows(path):
            told = json.dumps({**row, "audio": None})
            assert not any(clip in told for clip in (*clips, *hashes, *ids))
            assert row["configuration"] == ""
            assert "test-0000" not in told
            if "sources" in row:
                assert row["sources"] == []
                assert row["listener"] is None
                assert row["seed"] is None
                assert row["seed"] not in seeds
                assert row["room"]["parameters"] == "{}"
                assert row["audio"]["path"] == f"{row['scene_id']}.flac"
            else:
                assert row["answer"] == ""
                assert row["targets"] == []
    assert [row["scene_id"] for row in read_rows(next((public / "scenes").glob("test-*")))] != [
        scene.scene_id for scene in whole.scenes("test")
    ]


def test_held_audio_is_that_of_the_corpus_and_train_is_untouched(secret_dir, held):
    public, private = held
    whole, shown = Corpus(secret_dir), Corpus(public)
    rows = list(read_rows(private / "answers-test.parquet"))
    for row in rows[:3]:
        np.testing.assert_array_equal(
            shown.audio(row["scene_id"]), whole.audio(row["source_scene_id"])
        )
    assert shown.questions("train") == whole.questions("train")
    kept = [entry for entry in whole.manifest.scenes if entry.split == "train"]
    assert kept == [entry for entry in shown.manifest.scenes if entry.split == "train"]
    with pytest.raises(UserError, match="held back"):
        next(shown.scenes("test"))
    with pytest.raises(UserError, match="held back"):
        shown.scene(rows[0]["scene_id"])
    tracks = list(read_rows(private / "scenes-test.parquet"))
    assert {row["scene_id"] for row in tracks} == {row["scene_id"] for row in rows}
    assert len(tracks[0]["sources"][0]["azimuth_deg"]) == 40


def test_predictions_for_held_questions_are_scored_with_the_answers(secret_dir, held, tmp_path):
    """What is right in the corpus is right by its public id, in every table."""
    public, private = held
    answers = private / "answers-test.parquet"
    for table in ("qa", "robustness"):
        predictions, result = tmp_path / f"{table}.jsonl", tmp_path / "result.json"
        predictions.write_text(
            "".join(
                json.dumps({"question_id": row["question_id"], "response": row["answer"]})
                + "\n"
                for row in read_rows(answers)
                if row["table"] == table
            )
        )
        score = ["eval", "score", predictions, public, "--table", table, "--resamples", "0"]
        assert "Error: The answers of test are held back" in command(*score)
        command(*score, "--answers", answers, "--json", result)
        averages = json.loads(result.read_text())["averages"].values()
        assert {each["value"] for each in averages if each["value"] is not None} == {100.0}
    other = tmp_path / "other.parquet"
    rows = list(read_rows(answers))
    rows[-1]["question_id"] = "test-x"
    write_shard(other, rows, pq.read_schema(answers), 100)
    assert "it is about others" in command(*score, "--answers", other)
    wrong = next((secret_dir / "qa").glob("test-*"))
    assert "no file of answers" in command(*score, "--answers", wrong)


def test_a_leaderboard_takes_the_private_answers(secret_dir, held):
    public, private = held
    answers = private / "answers-test.parquet"
    for table in ("qa", "robustness"):
        asked = load_questions(corpus=public, answers=answers, split="test", table=table)
        right = sorted(each.answer for each in Corpus(secret_dir).questions("test", table))
        assert sorted(each.answer for each in asked.questions) == right
    with pytest.raises(UserError, match="held back"):
        load_questions(corpus=public, answers=None, split="test", table="qa")


def test_a_model_is_asked_held_questions_and_told_no_answer(held, tmp_path):
    public, _ = held
    predictions = tmp_path / "oracle.jsonl"
    command("eval", "run", "oracle", public, "--out", predictions)
    said = [json.loads(line) for line in predictions.read_text().splitlines()[1:]]
    assert len(said) == len(Corpus(public).questions("test"))
    assert not any(each["response"] for each in said)


def test_the_same_corpus_is_held_back_in_the_same_bytes(secret_dir, held, tmp_path):
    command("publish", secret_dir, "--hold-answers", "--out", tmp_path)
    for folder, again in zip(held, (tmp_path / "public", tmp_path / "private"), strict=True):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".png":
                assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes()


def test_a_held_corpus_loads_and_its_card_says_so(held, tmp_path):
    datasets = pytest.importorskip("datasets")
    public, _ = held
    text = (public / "README.md").read_text()
    assert "Answers are held back" in text
    assert "seed held back" in text
    for split in ("train", "test"):
        for table in ("qa", "scenes"):
            found = datasets.load_dataset(
                str(public), table, split=split, cache_dir=str(tmp_path)
            )
            assert len(found) > 0


def test_makers_of_held_clips_are_named_without_their_clips(copy, tmp_path):
    for split in ("train", "test"):
        path = sorted((copy / "scenes").glob(f"{split}-*"))[0]
        rows = list(read_rows(path))
        for i, row in enumerate(rows):
            row["sources"][0]["event"]["attribution"] = f"Maker {split} {i}"
        write_shard(path, rows, schema_of("scenes"), 32)
    command("publish", copy, "--hold-answers", "--out", tmp_path / "out")
    with (tmp_path / "out" / "public" / "ATTRIBUTION.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    for row in rows:
        assert bool(row["clip_id"]) == row["attribution"].startswith("Maker train")


def test_a_seed_that_can_be_guessed_is_refused(corpus_dir, tmp_path):
    told = command("publish", corpus_dir, "--hold-answers", "--out", tmp_path)
    assert "The seed 5 is found by trying" in told
    assert not (tmp_path / "public").exists()


@pytest.mark.parametrize("work", [verify, ask_again, lambda folder: add_bench(folder, 5)])
def test_what_needs_answers_refuses_a_held_corpus(held, work):
    with pytest.raises(UserError, match="held back in this corpus"):
        work(held[0])


# The Hub


def hub_command(hub, *arguments, token=TOKEN):
    """The command line with another Hub, in this process."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setenv("HF_TOKEN", token)
        return command(*arguments)


def user_command(hub, home, *arguments, code=0):
    """A run of the command line in a process of its own, as a user points it at another Hub."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    program = "import sys; from st_audioqa.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_cut_upload_goes_on_and_the_repository_reads_as_a_corpus(copy, tmp_path):
    (copy / "notes.txt").write_text("private")
    with hub_server() as hub:
        publish = ["publish", copy, "--repo", "team/tiny", "--tag", "v1.0", "--gated"]
        hub.cut_after = 3
        told = user_command(hub, tmp_path, *publish, code=2)
        assert "The upload to team/tiny was cut" in told
        assert "run the same command again" in told
        repo = hub.repos["team/tiny"]
        assert len(repo.commits) == 1
        assert repo.tags == {}

        first, hub.cut_after = list(hub.sent), None
        user_command(hub, tmp_path, *publish)
        assert len(first) == 3
        assert len(set(hub.sent)) == len(hub.sent)  # nothing was sent twice
        oid, files, _ = repo.commits[-1]
        assert repo.tags == {"v1.0": oid}
        assert repo.gated == "manual"
        assert "notes.txt" not in files
        assert "extra_gated_prompt" in files["README.md"].decode()
        for name, data in files.items():
            if name != ".gitattributes":
                assert data == (copy / name).read_bytes()
        named = {entry.path for entry in Manifest.load(copy).files}
        assert named | {"figures/places.png", "manifest.json"} <= files.keys()

        told = hub_command(hub, *publish)
        assert "The tag v1.0 of team/tiny stands for what was published before" in told

        # A corpus with other shards leaves none of the old ones behind.
        ask_again(copy)
        hub_command(hub, *publish[:4])
        assert not [name for name in repo.files() if name.startswith("bench/")]
        assert [name for name in repo.files("v1.0") if name.startswith("bench/")]

        place = "hf://datasets/team/tiny"
        asking = ["eval", "run", "oracle", place, "--out", tmp_path / "o.jsonl"]
        told = user_command(hub, tmp_path, *asking)
        assert f"{len(Corpus(copy).questions('test'))} questions asked, 0 failed" in told


def test_held_answers_go_to_a_private_repository_of_their_own(secret_dir, tmp_path):
    with hub_server() as hub:
        publish = ["publish", secret_dir, "--hold-answers", "--out", tmp_path / "out"]
        publish += ["--repo", "team/tiny", "--answers-repo", "team/tiny-answers"]
        hub_command(hub, *publish)
        assert not hub.repos["team/tiny"].private
        assert hub.repos["team/tiny-answers"].private
        private = hub.repos["team/tiny-answers"].files().keys() - {".gitattributes"}
        assert private == {"answers-test.parquet", "scenes-test.parquet"}
        assert not private & hub.repos["team/tiny"].files().keys()


def test_a_wrong_token_is_told_in_one_sentence(copy):
    with hub_server() as hub:
        told = hub_command(hub, "publish", copy, "--repo", "a/b", token="hf_wrong")
    assert "Error: The upload to a/b was cut" in told
    assert "HF_TOKEN" in told
    assert hub.repos == {}


def test_a_dry_run_lists_files_and_sends_and_writes_nothing(secret_dir):
    before = {path: path.read_bytes() for path in secret_dir.rglob("*") if path.is_file()}
    with hub_server() as hub:
        told = hub_command(hub, "publish", secret_dir, "--repo", "team/tiny", "--dry-run")
        assert hub.log == []
    for entry in Manifest.load(secret_dir).files:
        assert f"{entry.bytes:>13}  {entry.path}\n" in told
    assert "Nothing was sent to team/tiny" in told
    assert before == {
        path: path.read_bytes() for path in secret_dir.rglob("*") if path.is_file()
    }


def test_nothing_damaged_is_published(copy):
    path = copy / Manifest.load(copy).scenes[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with hub_server() as hub:
        told = hub_command(hub, "publish", copy, "--repo", "team/tiny")
        assert "st-audioqa verify" in told
        assert hub.repos == {}
    path.unlink()
    assert "missing or has another size" in command("publish", copy, "--dry-run")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "needs --repo ORG/NAME or --to"),
        (["--hold-answers"], "needs --out FOLDER"),
        (["--repo", "a/b", "--answers-repo", "a/c"], "needs --hold-answers"),
        (["--to", "s3://b/c", "--tag", "v1"], "give --repo as well"),
        (["--to", "hf://datasets/a/b"], "give --repo ORG/NAME"),
        (["--to", "/tmp/folder"], "is the address of a bucket"),
    ],
)
def test_options_that_do_not_go_together_are_told(secret_dir, options, told):
    assert told in command("publish", secret_dir, *options)


# Buckets


def test_a_corpus_goes_to_a_bucket_and_a_cut_copy_goes_on(copy):
    with s3_server("releases") as bucket:
        address = f"{bucket}/tiny"
        told = command("publish", copy, "--to", address)
        files = located(address).files()
        assert f"{len(files)} files sent to {address}, 0 were there." in told
        assert Corpus(address).questions("test") == Corpus(copy).questions("test")
        with (located(address) / "qa/test-00000-of-00001.parquet").open("wb") as file:
            file.write(b"cut")
        told = command("publish", copy, "--to", address)
        assert f"1 files sent to {address}, {len(files) - 1} were there." in told
        with (located(address) / "qa/test-00001-of-00002.parquet").open("wb") as file:
            file.write(b"from before")
        told = command("publish", copy, "--to", address)
        assert (
            "files that are not of this corpus (first: qa/test-00001-of-00002.parquet)" in told
        )


def test_a_bucket_with_another_corpus_is_refused(copy, corpus_dir):
    with s3_server("releases") as bucket:
        command("publish", copy, "--to", f"{bucket}/tiny")
        other = shutil.copytree(corpus_dir, copy.parent / "other")
        told = command("publish", other, "--to", f"{bucket}/tiny")
        assert "Error: " in told
        assert "another corpus" in told or "not of this corpus" in told
