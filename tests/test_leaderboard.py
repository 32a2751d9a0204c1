"""Submissions, packed and unpacked without trust, and the leaderboard made of them."""

import csv
import dataclasses
import hashlib
import importlib.util
import json
import stat
import struct
import sys
import types
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_audioqa.cli import main
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.schema import QA_SCHEMA, question_to_row
from st_audioqa.errors import UserError
from st_audioqa.leaderboard import archive, board, site, submission
from st_audioqa.leaderboard.eval_results import TASKS, Published, eval_results_yaml
from st_audioqa.leaderboard.packing import Claims, PublishedDataset, submit
from st_audioqa.leaderboard.questions import Asked, load_questions
from tests.test_evaluation_questions import VOCABULARY, make_questions

QUESTIONS = tuple(make_questions(8))
HASH = "c" * 64
DATASET = PublishedDataset("tiny", "v1", "test", "qa", HASH, QUESTIONS)
ASKED = Asked(QUESTIONS, "test", "qa", submission.asked_sha256(QUESTIONS), HASH, "tiny")
CLAIMS = Claims(zero_shot=False, training_data="train of tiny")
HEADER = {
    "type": "run",
    "model": "echo",
    "revision": "r1",
    "audio": {"layout": "foa", "sample_rate": 32000},
    "settings": {"temperature": 0.0},
    "prompt": {"name": "options", "sha256": "ab" * 32},
}


def lines(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def answers(questions=QUESTIONS, **header):
    rows = [{"question_id": q.question_id, "response": q.answer} for q in questions]
    return [{**HEADER, **header}, *rows]


@pytest.fixture
def packed(tmp_path):
    """Packs answers into an archive of the folder `subs`."""

    def make(name="a", rows=None, claims=CLAIMS, dataset=DATASET, **options):
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(lines(rows or answers()))
        out = tmp_path / "subs" / f"{name}.zip"
        submit(path, dataset, claims, out, **options)
        return out

    return make


def rewritten(path, manifest=None, predictions=None, **changes):
    """The archive with other content; `changes` are those of the manifest."""
    with zipfile.ZipFile(path) as file:
        content = json.loads(file.read("submission.json"))
        found = file.read("predictions.jsonl") if predictions is None else predictions
    for key, value in changes.items():
        place, name = key.split("__") if "__" in key else (key, None)
        if name is None:
            content[place] = value
        else:
            content[place][name] = value
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("submission.json", manifest or json.dumps(content))
        file.writestr("predictions.jsonl", found)
    return path


def built(folder, **options):
    return board.build(folder, ASKED, vocabulary=VOCABULARY, resamples=10, **options)


def command(capsys, *arguments):
    try:
        main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code
    return (code, *capsys.readouterr())


def test_the_shipped_schema_is_that_of_the_code():
    assert json.loads(submission.SCHEMA_FILE.read_text()) == submission.json_schema()
    assert not submission.json_schema()["additionalProperties"]


def test_packing_says_where_the_answers_come_from_and_repeats_its_bytes(packed):
    path = packed()
    with zipfile.ZipFile(path) as file:
        manifest = submission.parse_submission(file.read("submission.json"))
        predictions = file.read("predictions.jsonl")
    assert manifest.model.name == "echo"
    assert manifest.input.channels == ["W", "Y", "Z", "X"]
    assert manifest.decoding == {"temperature": 0.0}
    assert manifest.prompt.sha256 == "ab" * 32
    assert not manifest.training.zero_shot
    assert manifest.dataset.manifest_sha256 == HASH
    assert manifest.dataset.revision == "v1"
    assert manifest.predictions.sha256 == hashlib.sha256(predictions).hexdigest()
    assert manifest.predictions.rows == manifest.dataset.questions == len(QUESTIONS)
    assert packed("b").read_bytes() == path.read_bytes()


def test_packing_keeps_the_answer_that_counts_and_needs_no_right_ones(packed):
    rows = answers()
    late = {"question_id": QUESTIONS[0].question_id, "response": "late", "request_key": "k2"}
    rows = [rows[0], {**rows[1], "response": None, "error": "cut"}, *rows[2:], late]
    blank = tuple(dataclasses.replace(q, answer="") for q in QUESTIONS)
    path = packed(rows=rows, dataset=dataclasses.replace(DATASET, questions=blank))
    with zipfile.ZipFile(path) as file:
        kept = [json.loads(line) for line in file.read("predictions.jsonl").splitlines()][1:]
    assert [row["question_id"] for row in kept] == [q.question_id for q in QUESTIONS]
    assert kept[0]["response"] == "late"


@pytest.mark.parametrize(
    ("rows", "claims", "said"),
    [
        (answers(QUESTIONS[1:]), CLAIMS, "1 have no response"),
        ([*answers(), {"question_id": "nobody", "response": "x"}], CLAIMS, "to others"),
        ([*answers(), answers()[1]], CLAIMS, "keep one line"),
        (answers(split="train"), CLAIMS, "another split"),
        (answers(manifest_sha256="d" * 64), CLAIMS, "another corpus"),
        (answers(revision=""), CLAIMS, "--revision"),
        (answers(audio=None), CLAIMS, "--audio"),
        (answers()[1:], CLAIMS, "--model"),
        (answers(model="=cmd()"), CLAIMS, "model.name"),
        (answers(), dataclasses.replace(CLAIMS, url="javascript:alert(1)"), "model.url"),
        (answers(), dataclasses.replace(CLAIMS, prompt_sha256="short"), "prompt.sha256"),
        (answers(settings={"x": "y" * 20_000}), CLAIMS, "decoding"),
    ],
)
def test_packing_refuses_what_a_leaderboard_would(packed, tmp_path, rows, claims, said):
    with pytest.raises(UserError, match=said):
        packed(rows=rows, claims=claims)
    assert not (tmp_path / "subs" / "a.zip").exists()


def test_missing_answers_can_be_packed_and_count_as_wrong(packed):
    path = packed(rows=answers(QUESTIONS[: len(QUESTIONS) // 2]), allow_missing=True)
    entry = built(path.parent).entries[0]
    assert entry.statuses["missing"] == len(QUESTIONS) - len(QUESTIONS) // 2
    assert entry.parse_rate == pytest.approx(100 * (len(QUESTIONS) // 2) / len(QUESTIONS))


def member(name="x", mode=stat.S_IFREG | 0o644):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = mode << 16
    return info


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for info, content in members:
            file.writestr(info, content)
    return path


GOOD = (member("submission.json"), b"{}"), (member("predictions.jsonl"), b"{}\n")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "said"),
    [
        ((GOOD[0], (member("../predictions.jsonl"), b"")), "points elsewhere"),
        ((GOOD[0], (member("/etc/passwd"), b"")), "points elsewhere"),
        ((GOOD[0], (member("C:/x"), b"")), "points elsewhere"),
        ((GOOD[0], (member("..\\x"), b"")), "points elsewhere"),
        (
            (GOOD[0], (member("predictions.jsonl", stat.S_IFLNK | 0o777), b"/etc/passwd")),
            "a link",
        ),
        ((GOOD[0], (member("predictions.jsonl", stat.S_IFIFO), b"")), "a link"),
        ((GOOD[0], GOOD[0]), "comes twice"),
        ((GOOD[0], (member("run.py"), b"")), "nothing else"),
        ((GOOD[0], (member("predictions.jsonl/"), b"")), "nothing else"),
        ((*GOOD, (member("more"), b"")), "3 members"),
        ((GOOD[0],), "1 members"),
        (((member("submission.json"), b"x" * 2**20 + b"x"), GOOD[1]), "may have 1 MB"),
    ],
)
def test_archives_that_are_not_as_they_should_be_are_refused(tmp_path, members, said):
    path = zipped(tmp_path / "a.zip", members)
    with pytest.raises(UserError, match=said):
        archive.unpack(path, tmp_path / "out" / "p", 10)
    outside = {file for file in tmp_path.rglob("*") if file != path and file.is_file()}
    assert not outside


def test_a_zip_bomb_is_stopped_while_it_unpacks(tmp_path):
    bomb = (member("predictions.jsonl"), bytes(30 * 2**20))
    path = zipped(tmp_path / "a.zip", (GOOD[0], bomb))
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="zip bomb"):
        archive.unpack(path, tmp_path / "p", 10)
    most = archive.Limits.ratio * path.stat().st_size
    assert (tmp_path / "p").stat().st_size <= most < 10 * 2**20


def test_sizes_are_counted_and_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(archive.Limits, "predictions_bytes", 1000)
    path = zipped(tmp_path / "a.zip", (GOOD[0], (member("predictions.jsonl"), b"x" * 5000)))
    data = path.read_bytes().replace(struct.pack("<L", 5000), struct.pack("<L", 10))
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"broken|may have"):
        archive.unpack(path, tmp_path / "p", 10)
    many = zipped(tmp_path / "b.zip", (GOOD[0], (member("predictions.jsonl"), b"{}\n" * 50)))
    with pytest.raises(UserError, match="may have 10 lines"):
        archive.unpack(many, tmp_path / "p", 10)
    monkeypatch.setattr(archive.Limits, "archive_bytes", 10)
    with pytest.raises(UserError, match="An archive may have"):
        archive.unpack(many, tmp_path / "p", 100)


def test_end_records_that_promise_too_much_are_not_followed(tmp_path):
    path = zipped(tmp_path / "a.zip", GOOD)
    data = path.read_bytes()
    cases = {
        "many": data[:-14] + struct.pack("<2H", 65535, 65535) + data[-10:],
        "comment": data[:-2] + b"\x04\x00note",
        "cut": data[:-5],
        "flipped": data[:40] + bytes(b ^ 255 for b in data[40:60]) + data[60:],
        "empty": b"",
        "zip64": data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:],
    }
    for name, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"^[A-Z].*\.$"):
            archive.unpack(path, tmp_path / f"{name}.out", 10)


def test_encrypted_members_and_odd_methods_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", GOOD)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="not encrypted"):
        archive.unpack(path, tmp_path / "p", 10)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        for info, content in GOOD:
            file.writestr(info.filename, content)
    with pytest.raises(UserError, match="stored or deflated"):
        archive.unpack(path, tmp_path / "p", 10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"predictions": lines(answers()[:-1])}, "SHA-256"),
        ({"predictions__sha256": "0" * 64}, "SHA-256"),
        ({"predictions__rows": 3}, "says 3 predictions"),
        ({"dataset__questions": 3}, "a number of questions"),
        ({"dataset__revision": "v0"}, "the dataset revision v1"),
        ({"dataset__manifest_sha256": "0" * 64}, "the corpus with the manifest"),
        ({"dataset__asked_sha256": "0" * 64}, "the questions with the hash"),
        ({"dataset__split": "train"}, "the split test"),
        ({"dataset__table": "extended"}, "the table qa"),
        ({"model__name": "<script>"}, "model.name"),
        ({"model__more": 1}, "model.more"),
        ({"schema_version": 2}, "schema_version"),
        ({"decoding": {"a": "b" * 20_000}}, "decoding"),
        ({"manifest": "[" * 100_000}, "JSON"),
        ({"manifest": "[1]"}, "JSON object"),
        ({"manifest": '{"a": NaN}'}, "no JSON number"),
        ({"manifest": b"\xff\xfe"}, "UTF-8"),
    ],
)
def test_submissions_that_do_not_fit_are_refused_and_stop_no_other(packed, changes, said):
    good = packed("good")
    rewritten(packed("bad", rows=answers(model="other")), **changes)
    found = built(good.parent, dataset_revision="v1")
    assert [entry.file for entry in found.entries] == ["good.zip"]
    (refusal,) = found.refused
    assert refusal.file == "bad.zip"
    assert said in refusal.reason
    assert "\n" not in refusal.reason


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*answers()[:-1], {"question_id": "nobody", "response": "x"}], "are for others"),
        ([*answers()[:-1], answers()[1]], "one prediction"),
        ([*answers()[:-1], {"question_id": 7, "response": "x"}], "question_id"),
        (["broken"], "predictions.jsonl"),
    ],
)
def test_predictions_inside_are_checked_as_everywhere(packed, rows, said):
    path = packed("bad")
    content = lines(rows) if rows != ["broken"] else b"{not json\n"
    rewritten(
        path,
        predictions=content,
        predictions__sha256=hashlib.sha256(content).hexdigest(),
        predictions__bytes=len(content),
        predictions__rows=max(1, len(rows) - 1),
    )
    (refusal,) = built(path.parent).refused
    assert said in refusal.reason


def test_folders_links_and_copies_are_refused(packed, tmp_path):
    path = packed("a")
    folder = path.parent
    (folder / "b.zip").symlink_to(path)
    (folder / "c.zip").mkdir()
    (folder / "d.zip").write_bytes(path.read_bytes())
    (folder / "e.tar").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"")
    found = built(folder)
    assert [entry.file for entry in found.entries] == ["a.zip"]
    reasons = {refusal.file: refusal.reason for refusal in found.refused}
    assert reasons.keys() == {"b.zip", "c.zip", "d.zip", "e.tar"}
    assert "same submission as a.zip" in reasons["d.zip"]
    with pytest.raises(UserError, match="cannot be read"):
        built(tmp_path / "nowhere")


def three(packed):
    packed("right")
    packed("half", answers(QUESTIONS[::2], model="half a model"), allow_missing=True)
    wrong = [{**row, "response": "no idea"} for row in answers()[1:]]
    return packed("wrong", [{**HEADER, "model": "wrong"}, *wrong]).parent


def test_results_are_ranked_and_the_same_in_every_format(packed, tmp_path):
    found = built(three(packed), dataset_revision="v1")
    written = site.write_site(found, tmp_path / "site")
    assert all(path.is_file() for path in written)
    table = pq.read_table(tmp_path / "site" / "results.parquet").to_pylist()
    assert [row["model"] for row in table] == ["echo", "half a model", "wrong"]
    assert [row["rank"] for row in table] == [1, 2, 3]
    assert table[0]["overall"] == table[0]["avg_c"] == 100.0
    assert table[2]["parse_rate"] == 0.0
    assert table[1]["answered"] == len(QUESTIONS[::2])
    entries = json.loads((tmp_path / "site" / "results.json").read_text())["entries"]
    assert entries == table
    with (tmp_path / "site" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["overall"]) for row in rows] == [row["overall"] for row in table]
    before = {path: path.read_bytes() for path in written}
    site.write_site(built(three(packed), dataset_revision="v1"), tmp_path / "site")
    assert before == {path: path.read_bytes() for path in written}


def test_the_page_escapes_what_strangers_wrote_and_loads_nothing(packed, tmp_path):
    claims = dataclasses.replace(
        CLAIMS,
        submitted_by="<img src=x onerror=alert(1)>",
        training_data='"><script>alert(2)</script>',
        url="https://example.org/?a=1&b=2",
    )
    folder = packed("a", answers(), claims).parent
    (folder / "<b>.zip").write_bytes(b"")
    site.write_site(built(folder), tmp_path / "site")
    text = (tmp_path / "site" / "index.html").read_text()
    assert text.count("<script>") == text.count("</script>") == 1
    assert "<img" not in text
    assert "<b>.zip" not in text
    assert "&lt;img src=x" in text
    assert "a=1&amp;b=2" in text
    assert "default-src &#x27;none&#x27;" in text
    assert "src=" not in text.replace("src=x", "")
    assert "@import" not in text


def test_an_empty_leaderboard_is_a_page_too(tmp_path):
    (tmp_path / "subs").mkdir()
    site.write_site(built(tmp_path / "subs"), tmp_path / "site")
    assert "no submission yet" in (tmp_path / "site" / "index.html").read_text()
    assert pq.read_table(tmp_path / "site" / "results.parquet").num_rows == 0


def test_eval_results_are_read_by_the_hub_library(packed):
    hub = pytest.importorskip("huggingface_hub")
    yaml = pytest.importorskip("yaml")
    found = built(three(packed), dataset_revision="v1")
    files = eval_results_yaml(found, Published("some/one", "https://example.org", "2026-11-23"))
    tasks = yaml.safe_load(files["eval.yaml"])["tasks"]
    assert [task["id"] for task in tasks] == list(TASKS)
    assert files.keys() == {"eval.yaml", *(f"eval_results/{n}.yaml" for n in
                                           ("right", "half", "wrong"))}  # fmt: skip
    entries = hub.parse_eval_result_entries(yaml.safe_load(files["eval_results/right.yaml"]))
    assert [(e.task_id, e.value) for e in entries] == [(task, 100.0) for task in TASKS]
    assert {(e.dataset_id, e.dataset_revision, e.date) for e in entries} == {
        ("some/one", "v1", "2026-11-23")
    }
    assert hub.eval_result_entries_to_yaml(entries) == yaml.safe_load(
        files["eval_results/right.yaml"]
    )
    for wrong in (("one",), ("some/one", None, "today")):
        with pytest.raises(UserError):
            Published(*wrong)


def test_the_space_shows_every_entry(packed, tmp_path, monkeypatch):
    """With a stand-in for gradio, which is not a dependency."""
    tables = []

    class Anything:
        def __init__(self, *arguments, **options):
            self.__exit__ = None

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    def dataframe(value, **options):
        tables.append(value)

    stand_in = types.SimpleNamespace(
        Blocks=Anything, Markdown=Anything, Tab=Anything, Dataframe=dataframe
    )
    monkeypatch.setitem(sys.modules, "gradio", stand_in)
    site.write_site(built(three(packed)), tmp_path / "site")
    spec = importlib.util.spec_from_file_location("space_app", tmp_path / "site" / "app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    app.build()
    assert [len(table["data"]) for table in tables] == [3] * 4
    assert [row[1] for row in tables[0]["data"]] == ["echo", "half a model", "wrong"]
    assert [len(table["headers"]) for table in tables[1:]] == [8, 11, 5]


def test_questions_come_from_a_corpus_or_a_private_file(corpus_dir, tmp_path):
    whole = load_questions(corpus=corpus_dir, answers=None, split="test", table="qa")
    questions = Corpus(corpus_dir).questions("test")
    assert whole.questions == tuple(questions)
    rows = [{"table": "qa", "extra": "x", **question_to_row(q)} for q in questions]
    rows.append({**rows[0], "table": "robustness", "question_id": "other"})
    private = tmp_path / "answers-test.parquet"
    pq.write_table(pa.Table.from_pylist(rows), private)
    both = load_questions(corpus=corpus_dir, answers=private, split="test", table="qa")
    alone = load_questions(corpus=None, answers=private, split="test", table="qa")
    assert both == whole
    assert alone.questions == whole.questions
    assert (alone.asked_sha256, alone.manifest_sha256) == (whole.asked_sha256, "")
    few = [{k: v for k, v in row.items() if k not in ("targets", "split")} for row in rows]
    pq.write_table(pa.Table.from_pylist(few), private)
    least = load_questions(corpus=None, answers=private, split="test", table="qa")
    assert least.asked_sha256 == whole.asked_sha256
    pq.write_table(pa.Table.from_pylist(rows[:-2]), private)
    for options, said in (
        ({"corpus": corpus_dir, "answers": private}, "about other questions"),
        ({"corpus": None, "answers": None}, "--answers FILE"),
        ({"corpus": None, "answers": tmp_path / "nowhere"}, "cannot be read"),
    ):
        with pytest.raises(UserError, match=said):
            load_questions(**options, split="test", table="qa")
    pq.write_table(pa.table({"question_id": ["a"]}), private)
    with pytest.raises(UserError, match="no file of answers"):
        load_questions(corpus=None, answers=private, split="test", table="qa")
    assert set(QA_SCHEMA.names) <= rows[0].keys()


def test_from_predictions_to_a_page_by_commands(capsys, corpus_dir, tmp_path):
    predictions = tmp_path / "oracle.jsonl"
    assert command(capsys, "eval", "run", "oracle", corpus_dir, "--out", predictions)[0] == 0
    out = tmp_path / "subs" / "oracle.zip"
    code, said, err = command(
        capsys, "submit", predictions, corpus_dir, "--out", out, "--zero-shot"
    )
    assert (code, "answers to" in said) == (0, True), err
    (out.parent / "bad.zip").write_bytes(b"PK")
    code, said, err = command(
        capsys, "leaderboard", "build", out.parent, "--corpus", corpus_dir,
        "--out", tmp_path / "site", "--resamples", 10, "--dataset-id", "some/one",
    )  # fmt: skip
    assert code == 0, err
    assert "refused: bad.zip: " in said
    assert "1 scored, 1 refused" in said
    assert (tmp_path / "site" / "eval_results" / "oracle.yaml").is_file()
    schema = json.loads(command(capsys, "leaderboard", "schema")[1])
    assert schema == submission.json_schema()
    for wrong in (
        ("submit", predictions, corpus_dir, "--out", tmp_path / "x.tar", "--zero-shot"),
        ("submit", predictions, corpus_dir, "--out", tmp_path / "x.zip", "--trained"),
        ("submit", predictions, corpus_dir, "--out", tmp_path / "x.zip"),
        ("leaderboard", "build", out.parent, "--out", tmp_path / "y"),
        ("leaderboard", "build", tmp_path / "none", "--corpus", corpus_dir, "--out", "y"),
    ):
        code, _, err = command(capsys, *wrong)
        assert code == 2
        assert "Traceback" not in err
    assert not Path("y").exists()
