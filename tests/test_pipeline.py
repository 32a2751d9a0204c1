"""The path of a scene: plan, draw, render, store, and back again."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_corpus, small_recipe
from scipy import signal

from st_audioqa import Corpus, Listener, UserError
from st_audioqa.conventions import wrap_deg
from st_audioqa.corpus.audio import decode_flac, encode_flac
from st_audioqa.corpus.schema import scene_from_row, scene_to_row
from st_audioqa.errors import MissingPackageError
from st_audioqa.foa import rotate_yaw
from st_audioqa.pipeline import render as render_module
from st_audioqa.pipeline.draw import Drawn, draw_scene
from st_audioqa.pipeline.generate import finish, plan_corpus, render_scenes
from st_audioqa.pipeline.plan import make_plan
from st_audioqa.pipeline.render import produce, render_stems
from st_audioqa.pipeline.tools import open_tools, resolve
from st_audioqa.pipeline.work import Work
from st_audioqa.rooms.provider import PROVIDERS
from st_audioqa.scene import track_directions


@pytest.fixture(scope="module")
def tools():
    return open_tools(small_recipe())


@pytest.fixture(scope="module")
def specs():
    return [spec for shard in make_plan(small_recipe()).shards for spec in shard.scenes]


def spec_of(specs, configuration):
    return next(spec for spec in specs if spec.configuration == configuration)


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_plan_is_a_pure_function_of_the_recipe(specs):
    assert make_plan(small_recipe()).hash == make_plan(small_recipe()).hash
    assert make_plan(small_recipe(seed=6)).hash != make_plan(small_recipe()).hash
    counts = Counter((spec.split, spec.configuration) for spec in specs)
    assert counts["train", "SD"] == 2
    assert counts["test", "DD"] == 1
    assert len({spec.scene_id for spec in specs}) == 15


def test_aims_are_dealt_evenly():
    recipe = small_recipe(splits={"test": {"S": 240, "D": 240, "SD": 240}})
    scenes = [spec for shard in make_plan(recipe).shards for spec in shard.scenes]
    for configuration in ("S", "D", "SD"):
        dealt = [s.aims["sources"][0] for s in scenes if s.configuration == configuration]
        for key, n in (("azimuth", 8), ("elevation", 3)):
            assert set(Counter(aims[key] for aims in dealt).values()) == {240 // n}
        places = Counter((aims["anchor"], aims["distance"]) for aims in dealt)
        assert len(places) == 30
        if configuration == "D":  # two decks of 38 in 240 places may be begun twice more
            assert places["middle", 9] >= 3 * 6 > places["middle", 4] >= 6
        else:
            assert set(places.values()) == {8}


def test_a_draw_depends_on_scene_and_attempt_alone(specs, tools):
    spec = spec_of(specs, "SD")
    row = scene_to_row(draw_scene(spec, 0, tools).scene, None)
    draw_scene(spec_of(specs, "D"), 3, tools)
    assert scene_to_row(draw_scene(spec, 0, tools).scene, None) == row
    assert scene_to_row(draw_scene(spec, 1, tools).scene, None) != row


@pytest.mark.parametrize("configuration", ["S", "D", "SS", "SD", "DD"])
def test_a_static_source_has_a_constant_track_and_a_moving_one_does_not(
    configuration, specs, tools
):
    scene = draw_scene(spec_of(specs, configuration), 0, tools).scene
    for source, movement in zip(scene.sources, configuration, strict=True):
        travelled = np.ptp(source.position, axis=0).max()
        assert (travelled > 0) == source.moving == (movement == "D")
        if source.moving:
            assert 0.2 <= source.motion["speed_m_s"] <= 2.0
    labels = [label for source in scene.sources for label in source.event.labels]
    assert len(set(labels)) == len(labels)


def test_the_mixture_is_the_sum_of_its_sources(specs, tools):
    drawn = draw_scene(spec_of(specs, "SD"), 0, tools)
    stems, _ = render_stems(drawn, tools)
    produced = produce(spec_of(specs, "SD"), tools)
    assert produced.scene.attempt == 0
    gain = 10 ** (produced.scene.gain_db / 20)
    np.testing.assert_allclose(produced.audio, stems.sum(axis=0) * gain, atol=1e-6)


def test_a_static_source_is_one_convolution(specs, tools):
    drawn = draw_scene(spec_of(specs, "S"), 0, tools)
    stems, _ = render_stems(drawn, tools)
    listener, source = drawn.scene.listener, drawn.scene.sources[0]
    rirs = tools.bank.responses(drawn.room, listener.position, source.position[:1]).rirs
    whole = signal.fftconvolve(
        drawn.waveforms[0][None].astype(float), rirs[0].astype(float), axes=-1
    )
    turned = rotate_yaw(whole, listener.yaw_deg)
    np.testing.assert_allclose(stems[0], turned[:, :320_000], atol=1e-5)


@pytest.mark.parametrize("turn", [90.0, -137.0])
def test_turning_the_listener_turns_labels_and_sound_field(turn, specs, tools):
    drawn = draw_scene(spec_of(specs, "D"), 0, tools)
    before, _ = render_stems(drawn, tools)
    listener = drawn.scene.listener
    turned = Listener(listener.position, float(wrap_deg(listener.yaw_deg + turn)))
    scene = replace(drawn.scene, listener=turned)
    after, _ = render_stems(Drawn(scene, drawn.room, drawn.waveforms), tools)
    np.testing.assert_allclose(after, rotate_yaw(before, turn), atol=2e-6)
    source = scene.sources[0]
    azimuth, elevation, distance = track_directions(source.position, turned)
    np.testing.assert_allclose(wrap_deg(azimuth + turn - source.azimuth_deg), 0, atol=1e-4)
    np.testing.assert_allclose(elevation, source.elevation_deg, atol=1e-4)
    np.testing.assert_allclose(distance, source.distance_m, atol=1e-5)


def test_a_row_is_enough_to_render_the_same_audio_again(corpus_dir):
    corpus = Corpus(corpus_dir)
    tools = open_tools(corpus.manifest.recipe)
    for scene in corpus.scenes("test"):
        room = PROVIDERS.get(scene.room.provider)().build(scene.room)
        waveforms = np.stack([tools.library.waveform(source.event) for source in scene.sources])
        stems, digest = render_stems(Drawn(scene, room, waveforms), tools)
        assert digest == scene.render.rir_hash
        audio = (stems.sum(axis=0, dtype=np.float64) * 10 ** (scene.gain_db / 20)).astype(
            np.float32
        )
        np.testing.assert_array_equal(
            decode_flac(encode_flac(audio)), corpus.audio(scene.scene_id)
        )


def test_scenes_survive_their_rows(corpus_dir):
    for scene in Corpus(corpus_dir).scenes("train"):
        row = scene_to_row(scene, None)
        assert scene_to_row(scene_from_row(row), None) == row


def test_the_number_of_workers_changes_no_byte(tmp_path, corpus_dir):
    again = make_corpus(tmp_path / "again", small_recipe(), workers=2)
    assert digests(again) == digests(corpus_dir)


def test_a_cut_run_resumes_to_the_same_bytes_and_does_nothing_twice(
    tmp_path, corpus_dir, monkeypatch
):
    folder = tmp_path / "cut"
    work = plan_corpus(small_recipe(), folder, with_audio=True)
    done = []

    def stop_after_seven():
        done.append(1)
        if len(done) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_scenes(work, 1, stop_after_seven)
    with pytest.raises(UserError, match="not rendered yet"):
        finish(work)
    with pytest.raises(UserError, match="no finished corpus"):
        Corpus(folder)
    ticks = []
    work = Work.resume(folder)
    assert len(work.todo()) == 2
    render_scenes(work, 1, lambda: ticks.append(1))
    assert len(ticks) == 10
    finish(work)
    assert digests(folder) == digests(corpus_dir)


def test_a_killed_run_leaves_no_worker_behind_and_resumes_to_the_same_bytes(
    tmp_path, corpus_dir
):
    folder = tmp_path / "killed"
    plan_corpus(small_recipe(), folder, with_audio=True)
    program = (
        "from pathlib import Path\n"
        "from st_audioqa.pipeline.generate import render_scenes\n"
        "from st_audioqa.pipeline.work import Work\n"
        "if __name__ == '__main__':\n"
        f"    render_scenes(Work.resume(Path({str(folder)!r})), 2, lambda: None)\n"
    )
    script = tmp_path / "render.py"
    script.write_text(program)
    process = subprocess.Popen([sys.executable, script], start_new_session=True)
    while process.poll() is None and not list((folder / ".work").glob("t*.json")):
        time.sleep(0.02)
    process.kill()
    process.wait()
    (folder / "scenes").mkdir(exist_ok=True)
    (folder / "scenes" / ".test-00000-of-00001.parquet.1.partial").write_bytes(b"half")
    deadline = time.monotonic() + 10
    while _group_lives(process.pid):
        assert time.monotonic() < deadline, "a worker works on without its parent"
        time.sleep(0.1)
    render_scenes(Work.resume(folder), 1, lambda: None)
    finish(Work.resume(folder))
    assert digests(folder) == digests(corpus_dir)


def _group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_shard_cut_after_its_mark_is_made_again(tmp_path):
    recipe = small_recipe(splits={"test": {"S": 2}})
    work = plan_corpus(recipe, tmp_path / "c", with_audio=False)
    render_scenes(work, 1, lambda: None)
    path = work.folder / work.scenes_path(work.plan.shards[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes(20))
    assert len(Work.resume(work.folder).todo()) == 1
    render_scenes(work, 1, lambda: None)
    assert path.read_bytes() == whole


def test_another_recipe_or_a_stranger_in_the_folder_is_refused(tmp_path, corpus_dir):
    with pytest.raises(UserError, match="another recipe"):
        plan_corpus(small_recipe(seed=99), corpus_dir, with_audio=True)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"not empty.*thesis\.tex"):
        plan_corpus(small_recipe(), tmp_path, with_audio=True)
    plan_corpus(small_recipe(), tmp_path / "new", with_audio=True)
    with pytest.raises(UserError, match="another recipe"):
        plan_corpus(small_recipe(), tmp_path / "new", with_audio=False)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written"):
        plan_corpus(small_recipe(), tmp_path / "new", with_audio=True)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        plan_corpus(small_recipe(), tmp_path / "file", with_audio=True)


def test_rejected_draws_are_counted_by_reason_and_drawn_again(specs):
    recipe = small_recipe(checks={"max_rir_step_db": 0.7})
    tools = open_tools(recipe)
    rejections = Counter()
    for spec in specs:
        if "D" in spec.configuration:
            produced = produce(spec, tools)
            rejections += produced.rejections
            assert produced.scene.attempt == produced.rejections.total()
    assert rejections["unstable_rir"] > 0


def test_a_scene_that_never_passes_says_why(specs):
    tools = open_tools(small_recipe(checks={"min_level_dbfs": -1.0, "max_attempts": 3}))
    with pytest.raises(UserError, match=r"drawn 3 times.*inaudible 3"):
        produce(spec_of(specs, "S"), tools)


def test_rejections_reach_the_manifest(tmp_path):
    recipe = small_recipe(splits={"test": {"DD": 2}}, checks={"max_rir_step_db": 0.7})
    manifest = json.loads((make_corpus(tmp_path / "c", recipe) / "manifest.json").read_text())
    assert manifest["rejections"]["unstable_rir"] >= 1


def test_auto_takes_rlr_where_it_works_and_says_what_gives_way_elsewhere(monkeypatch):
    class Broken:
        def __init__(self, preset):
            raise MissingPackageError("rlr-audio-propagation", "soundspaces", "The RLR engine")

    class Works:
        def __init__(self, preset):
            pass

    auto = small_recipe(renderer={"engine": "auto"}, rooms={})
    for rlr, engine, told in ((Works, "rlr", False), (Broken, "image-source", True)):
        monkeypatch.setattr("st_audioqa.registry.Registry.get", lambda self, name, rlr=rlr: rlr)
        resolved, sentence = resolve(auto)
        assert resolved.renderer.engine == engine
        assert bool(sentence) == told
        if told:
            assert "pip install" in sentence
            assert resolved.rooms.options == {"shapes": ["shoebox"], "furniture": [0, 0]}


def test_a_preset_that_rlr_lacks_does_not_change_the_engine(monkeypatch):
    class RLR:
        def __init__(self, preset):
            if preset != "default":
                raise UserError("There is no such preset.")

    monkeypatch.setattr("st_audioqa.registry.Registry.get", lambda self, name: RLR)
    recipe = small_recipe(renderer={"engine": "auto", "preset": "anechoic"}, rooms={})
    resolved, sentence = resolve(recipe)
    assert (resolved.renderer.engine, sentence) == ("rlr", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rooms": {"provider": "procedurel"}}, "did you mean procedural"),
        ({"rooms": {"options": {"shape": ["flat"]}}}, "no option .* named 'shape': .* shapes"),
        ({"rooms": {"provider": "matterport3d", "options": {}}}, r"needs rooms\.options\.path"),
        ({"rooms": {"provider": "habitat", "options": {}}}, r"needs rooms\.options\.path"),
        ({"events": {"library": "sinth"}}, "did you mean synth"),
        ({"renderer": {"engine": "image-sauce"}}, "did you mean image-source"),
        ({"renderer": {"engine": "image-source", "preset": "fastest"}}, "fast"),
    ],
)
def test_what_a_recipe_asks_for_and_is_not_there_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        open_tools(small_recipe(**changes))


@pytest.mark.parametrize("options", [{"furniture": [0, 4]}, {"shapes": ["l_shaped"]}])
def test_rooms_that_the_engine_cannot_render_are_refused_before_any_work(options):
    with pytest.raises(UserError, match=r"image-source renders shoebox rooms.*mesh"):
        open_tools(small_recipe(rooms={"options": options}))


def test_one_process_at_a_time(tmp_path):
    work = plan_corpus(small_recipe(), tmp_path / "c", with_audio=False)
    other = Work.resume(tmp_path / "c")
    with work.alone(), pytest.raises(UserError, match="Another process"):
        render_scenes(other, 1, lambda: None)
    render_scenes(other, 1, lambda: None)


def test_a_start_that_was_cut_is_a_fresh_start_and_a_finish_that_was_cut_is_finished(tmp_path):
    folder = tmp_path / "c"
    (folder / ".work").mkdir(parents=True)
    make_corpus(folder, small_recipe(splits={"test": {"S": 1}}), with_audio=False)
    (folder / ".work").mkdir()
    recipe = small_recipe(splits={"test": {"S": 1}})
    assert plan_corpus(recipe, folder, with_audio=False).finished
    assert not (folder / ".work").exists()


def test_work_of_other_versions_is_not_taken_for_ours(tmp_path, monkeypatch):
    plan_corpus(small_recipe(), tmp_path / "c", with_audio=False)
    monkeypatch.setattr("st_audioqa.pipeline.work.library_versions", lambda: {"numpy": "0.1"})
    with pytest.raises(UserError, match="other versions"):
        Work.resume(tmp_path / "c")


def test_a_listener_stands_below_the_ceiling(specs):
    tall = small_recipe(placement={"listener_height_m": [6.0, 7.0]}, checks={"max_attempts": 5})
    with pytest.raises(UserError, match="no_listener_position 5"):
        produce(spec_of(specs, "S"), open_tools(tall), with_audio=False)


def test_a_missing_package_crosses_processes():
    error = pickle.loads(pickle.dumps(MissingPackageError("habitat", "sim", "The engine")))
    assert "pip install 'st_audioqa[sim]'" in str(error)


def test_no_room_and_no_recording_serves_two_splits(corpus_dir):
    corpus = Corpus(corpus_dir)
    rooms, clips = {}, {}
    for split in corpus.splits:
        scenes = list(corpus.scenes(split))
        rooms[split] = {scene.room.name for scene in scenes}
        clips[split] = {source.event.clip_id for scene in scenes for source in scene.sources}
    assert not rooms["train"] & rooms["test"]
    assert not clips["train"] & clips["test"]


def test_no_crash_of_a_check_is_mistaken_for_a_rejection(specs, tools, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(render_module, "check_levels", broken)
    with pytest.raises(ZeroDivisionError):
        produce(spec_of(specs, "S"), tools)
