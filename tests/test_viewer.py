"""The page for looking through a corpus: its files, its server, its export."""

from __future__ import annotations

import functools
import http.client
import io
import json
import shutil
import threading

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from conftest import make_corpus, small_recipe

from st_audioqa.cli import cli
from st_audioqa.conventions import SECTORS, sector
from st_audioqa.corpus.reader import Corpus
from st_audioqa.decoding import Decoder
from st_audioqa.errors import UserError
from st_audioqa.pipeline.view import open_site
from st_audioqa.viewer import choose, export, open_server, site
from st_audioqa.viewer.listing import Entry


@pytest.fixture(scope="module")
def whole(corpus_dir):
    return open_site(corpus_dir)


def loaded(shown, name):
    kind, content = shown.get(name)
    assert kind == "application/json"
    return json.loads(content)


def written(path, rows, **header):
    lines = [{"type": "run", "model": "m", **header}] if header else []
    lines += [{"question_id": question_id, "response": text} for question_id, text in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def ask(whole):
    """Answers of a running server: status, headers, content."""
    server = open_server(whole, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address[:2]

    def get(path, method="GET", **headers):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    get.address = (host, port)
    yield get
    server.shutdown()
    server.server_close()


def test_the_index_names_every_scene_once_in_pieces(corpus_dir, monkeypatch):
    monkeypatch.setattr(site, "CHUNK", 4)
    shown, corpus = open_site(corpus_dir), Corpus(corpus_dir)
    overview = loaded(shown, "data/corpus.json")
    assert overview["chunks"] == 4
    rows = [row for i in range(4) for row in loaded(shown, f"data/index-{i}.json")]
    assert shown.get("data/index-4.json") is None
    scenes = {
        scene.scene_id: scene for split in corpus.splits for scene in corpus.scenes(split)
    }
    assert len(rows) == overview["scenes"] == len(scenes)
    for row in rows:
        scene = scenes.pop(row["id"])
        assert row["conf"] == scene.configuration
        assert row["room"] == scene.room.name
        assert row["labels"] == [source.event.name for source in scene.sources]


def test_the_index_knows_which_families_are_asked_of_a_scene(corpus_dir, whole):
    overview, rows = loaded(whole, "data/corpus.json"), loaded(whole, "data/index-0.json")
    asked = {}
    for split in whole.corpus.splits:
        for question in whole.corpus.questions(split):
            asked.setdefault(question.scene_id, set()).add(question.family)
    for row in rows:
        found = {overview["families"][i] for i in row["fam"]}
        assert asked.get(row["id"], set()) <= found


def test_the_drawn_paths_lie_in_the_labelled_directions(whole):
    for entry in whole.entries:
        detail = loaded(whole, f"data/scenes/{entry.scene_id}.json")
        for source in detail["sources"]:
            front, left, up = np.array(source["path"]).T
            azimuth = np.degrees(np.arctan2(left, front))
            turned = (azimuth - source["azimuth_deg"] + 180) % 360 - 180
            assert np.abs(turned * np.hypot(front, left)).max() < 0.2
            distance = np.sqrt(front**2 + left**2 + up**2)
            np.testing.assert_allclose(distance, source["distance_m"], atol=0.01)


def test_listener_and_sources_are_within_the_drawn_floor(whole):
    for entry in whole.entries:
        detail = loaded(whole, f"data/scenes/{entry.scene_id}.json")
        floor = np.array(detail["room"]["floor"])
        inside = [[0.0, 0.0], *(p[:2] for s in detail["sources"] for p in s["path"])]
        edges = np.roll(floor, -1, axis=0) - floor
        for point in inside:
            offset = np.array(point) - floor
            sides = edges[:, 0] * offset[:, 1] - edges[:, 1] * offset[:, 0]
            assert (sides >= 0).all() or (sides <= 0).all()  # the rooms here are convex


def test_a_sector_answer_agrees_with_the_drawn_path(whole):
    checked = 0
    for entry in whole.entries:
        detail = loaded(whole, f"data/scenes/{entry.scene_id}.json")
        for question in detail["questions"]:
            if question["anchor"] == "end" and question["answer"] in SECTORS:
                (target,) = question["targets"]
                front, left, _ = detail["sources"][target]["path"][38]
                found = int(sector(np.degrees(np.arctan2(left, front))))
                assert SECTORS[found] == question["answer"]
                checked += 1
    assert checked


def test_audio_is_what_two_ears_hear_and_never_clips(whole):
    scene_id = whole.entries[0].scene_id
    kind, content = whole.get(f"data/audio/{scene_id}.flac")
    found, rate = soundfile.read(io.BytesIO(content), always_2d=True)
    wanted = Decoder("binaural")(whole.corpus.audio(scene_id)).T
    assert (kind, rate, found.shape) == ("audio/flac", 32_000, wanted.shape)
    assert np.abs(found).max() <= 0.9901
    gain = (found * wanted).sum() / (wanted**2).sum()
    assert gain <= 1.001
    np.testing.assert_allclose(found, gain * wanted, atol=1e-4)


def test_verdicts_are_the_scorers_and_left_out_questions_are_wrong(corpus_dir, tmp_path):
    asked = Corpus(corpus_dir).questions("test")
    right, wrong, missing = [q for q in asked if q.answer in ("yes", "no")][:3]
    other = {"yes": "no", "no": "yes"}[wrong.answer]
    path = written(
        tmp_path / "p.jsonl",
        [(right.question_id, right.answer), (wrong.question_id, other)],
        split="test",
    )
    shown = open_site(corpus_dir, [path])
    said = {}
    for scene_id in {right.scene_id, wrong.scene_id, missing.scene_id}:
        for question in loaded(shown, f"data/scenes/{scene_id}.json")["questions"]:
            said[question["id"]] = question["said"]
    assert said[right.question_id]["m"]["correct"] is True
    assert said[wrong.question_id]["m"] == {"response": other, "status": "ok", "correct": False}
    assert said[missing.question_id]["m"]["status"] == "missing"
    families = loaded(shown, "data/corpus.json")["families"]
    rows = {row["id"]: row for row in loaded(shown, "data/index-0.json")}
    assert families.index(right.family) in rows[right.scene_id]["right"][0]
    assert families.index(wrong.family) in rows[wrong.scene_id]["wrong"][0]
    train = next(row for row in rows.values() if row["split"] == "train")
    assert train["right"] == train["wrong"] == [[]]


@pytest.mark.parametrize(
    ("rows", "header", "told"),
    [
        ([("nothing-known", "yes")], {}, "are about others"),
        ([], {"manifest_sha256": "0" * 64}, "answers another corpus"),
    ],
)
def test_predictions_about_something_else_are_refused(corpus_dir, tmp_path, rows, header, told):
    with pytest.raises(UserError, match=told):
        open_site(corpus_dir, [written(tmp_path / "p.jsonl", rows, **header)])


def test_one_split_can_be_shown_alone_and_an_unknown_one_is_named(corpus_dir):
    assert {entry.split for entry in open_site(corpus_dir, splits=["test"]).entries} == {"test"}
    with pytest.raises(UserError, match="did you mean test"):
        open_site(corpus_dir, splits=["tset"])


def test_a_corpus_without_audio_is_shown_in_silence(tmp_path):
    folder = make_corpus(
        tmp_path / "q", small_recipe(splits={"test": {"D": 1}}), with_audio=False
    )
    shown = open_site(folder)
    scene_id = shown.entries[0].scene_id
    assert loaded(shown, f"data/scenes/{scene_id}.json")["audio"] is None
    assert shown.get(f"data/audio/{scene_id}.flac") is None


@pytest.mark.parametrize(
    "path",
    [
        "/../site.py",
        "/..%2fsite.py",
        "/%2e%2e/%2e%2e/cli.py",
        "//etc/passwd",
        "/data/scenes/../../../../etc/passwd",
        "/data/scenes/%2e%2e%2fmanifest.json",
        "/data/audio/none.flac",
        "/data/index-99.json",
        "/data/index--1.json",
        "/manifest.json",
    ],
)
def test_only_known_names_are_served(ask, path):
    assert ask(path)[0] == 404


def test_the_server_reads_for_this_machine_alone(ask, whole):
    assert ask.address[0] == "127.0.0.1"
    status, headers, content = ask("/")
    assert status == 200
    assert b"main.js" in content
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask("/", Host="evil.example")[0] == 403
    assert ask("/%ff")[0] == 400
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask("/", method)[0] == 501
    name = f"/data/scenes/{whole.entries[0].scene_id}.json"
    assert ask(name)[2] == whole.get(name[1:])[1]
    assert ask(name, "HEAD")[2] == b""


def test_a_taken_port_is_told(whole, ask):
    with pytest.raises(UserError, match="choose another one with --port"):
        open_server(whole, ask.address[1])


def test_scenes_of_an_export_are_even_over_splits_and_configurations():
    entry = functools.partial(Entry, room="", category="", labels=())
    entries = [
        entry(f"{split}-{configuration}-{i}", split, configuration)
        for split in ("test", "train")
        for configuration in ("S", "DD")
        for i in range(1 if (split, configuration) == ("test", "S") else 9)
    ]
    chosen = choose(entries, 7)
    counts = {each.rpartition("-")[0]: 0 for each in chosen}
    for each in chosen:
        counts[each.rpartition("-")[0]] += 1
    assert counts == {"test-S": 1, "test-DD": 2, "train-S": 2, "train-DD": 2}
    assert choose(entries, 1000) == [each.scene_id for each in entries]


def test_an_export_holds_what_the_server_serves(corpus_dir, tmp_path):
    out = tmp_path / "out"
    done = CliRunner().invoke(
        cli, ["view", str(corpus_dir), "--export", str(out), "--scenes", "3"]
    )
    assert done.exit_code == 0, done.output
    shown = open_site(corpus_dir)
    shown.show(choose(shown.entries, 3))
    files = {
        p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()
    }
    assert sum(name.startswith("data/audio/") for name in files) == 3
    assert files == {name: shown.get(name)[1] for name in files}
    with pytest.raises(UserError, match="new or empty folder"):
        export(shown, out)


def test_an_export_writes_nothing_outside_its_folder(corpus_dir, tmp_path):
    shown = open_site(corpus_dir)
    shown.entries = [Entry("../evil", "test", "S", "", "", ())]
    with pytest.raises(UserError, match="is none"):
        export(shown, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_splits_that_are_held_back_are_not_shown(corpus_dir, tmp_path):
    folder = shutil.copytree(corpus_dir, tmp_path / "held")
    told = json.loads((folder / "manifest.json").read_text())
    told["held"] = ["test"]
    (folder / "manifest.json").write_text(json.dumps(told))
    assert {entry.split for entry in open_site(folder).entries} == {"train"}
    with pytest.raises(UserError, match="held back"):
        open_site(folder, splits=["test"])
