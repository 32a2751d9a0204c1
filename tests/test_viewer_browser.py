"""The page in a real browser: headless Chromium, where there is one."""

from __future__ import annotations

import functools
import json
import shutil
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pyarrow.parquet as pq
import pytest
from chromium import PROGRAM, Chromium
from conftest import make_corpus, small_recipe

from st_audioqa.conventions import BIN_TIMES_S
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.schema import QA_SCHEMA, SCENES_SCHEMA
from st_audioqa.corpus.shards import write_shard
from st_audioqa.pipeline.view import open_site
from st_audioqa.viewer import choose, export, open_server

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")

EVIL = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
LISTED = "[...document.querySelectorAll('#list .id')].map(e => e.textContent)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Chromium(tmp_path_factory.mktemp("chromium"))
    found.size(1300, 900)
    yield found
    found.close()


@pytest.fixture
def served():
    """Serves sites and gives their addresses."""
    servers = []

    def serve(site):
        server = site if isinstance(site, ThreadingHTTPServer) else open_server(site, 0)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def answered(corpus_dir, tmp_path):
    """A predictions file, right in all but one question, and that question."""
    asked = Corpus(corpus_dir).questions("test")
    wrong = next(question for question in asked if question.answer == "yes")
    path = tmp_path / "p.jsonl"
    rows = [
        {"question_id": q.question_id, "response": "no" if q == wrong else q.answer}
        for q in asked
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path, wrong


def choose_in_form(browser, name, value):
    browser.run(
        f"(() => {{ const f = document.querySelector('#filters [name={name}]'); "
        f"f.value = {json.dumps(value)}; "
        "f.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )


def at_time(browser):
    """Time of the audio, and where the first source's mark is, in one frame as it is drawn."""
    return browser.run(
        "new Promise(told => requestAnimationFrame(() => told("
        "[document.querySelector('audio').currentTime, "
        "...document.querySelector('.source').getAttribute('transform').match(/[-.0-9]+/g)"
        ".map(Number)])))"
    )


def test_the_page_loads_without_errors_and_from_here_alone(browser, served, corpus_dir):
    address = served(open_site(corpus_dir))
    browser.open(address)
    browser.wait("document.querySelector('image[href]')")
    assert browser.run("document.querySelectorAll('#list li').length") == 15
    assert browser.run("document.querySelectorAll('svg.plot').length") == 4
    assert browser.run("document.querySelector('#count').textContent") == "15 of 15 scenes"
    assert browser.errors == []
    assert browser.asked
    assert all(url.startswith((address, "blob:" + address, "data:")) for url in browser.asked)


def test_every_control_has_a_name(browser, served, corpus_dir, answered):
    browser.open(served(open_site(corpus_dir, [answered[0]])))
    browser.wait("document.querySelector('h2')")
    assert (
        browser.run(
            "[...document.querySelectorAll('input, select, button, svg[role=img]')].filter(e => "
            "!(e.ariaLabel || e.labels?.[0]?.textContent.trim() || e.textContent.trim()))"
            ".map(e => e.outerHTML)"
        )
        == []
    )


def test_filters_leave_the_scenes_they_name(browser, served, corpus_dir, answered):
    path, wrong = answered
    site = open_site(corpus_dir, [path])
    browser.open(served(site))
    browser.wait("document.querySelectorAll('#list li').length === 15")
    for name, value, wanted in (
        ("split", "test", lambda each: each.split == "test"),
        ("conf", "SD", lambda each: each.configuration == "SD"),
        ("family", "spatial_change", lambda each: "spatial_change" in each.families),
        (
            "label",
            site.entries[3].labels[0].upper(),
            lambda each: site.entries[3].labels[0] in each.labels,
        ),
        ("room", site.entries[0].room, lambda each: each.room == site.entries[0].room),
        ("text", "test-00000", lambda each: each.split == "test"),
        ("answers", "wrong", lambda each: each.scene_id == wrong.scene_id),
    ):
        choose_in_form(browser, name, value)
        expected = [each.scene_id for each in site.entries if wanted(each)]
        assert 0 < len(expected) < 15
        assert browser.run(LISTED) == expected, name
        browser.run("document.querySelector('#filters').reset()")
        browser.wait("document.querySelectorAll('#list li').length === 15")


def test_a_wrong_answer_is_shown_as_wrong(browser, served, corpus_dir, answered):
    path, wrong = answered
    browser.open(served(open_site(corpus_dir, [path])) + f"#{wrong.scene_id}")
    browser.wait("document.querySelector('.said')")
    shown = browser.run(
        "[...document.querySelectorAll('.said .wrong')].map(e => "
        "[e.closest('.question').querySelector('.asked').textContent, e.innerText])"
    )
    assert [question for question, _ in shown].count(wrong.question) == 1
    told = dict(shown)[wrong.question].split("\n")
    assert [part.strip() for part in told if part.strip()] == ["✗", "p", "no", "wrong"]
    mine = [q for q in Corpus(corpus_dir).questions("test") if q.scene_id == wrong.scene_id]
    score = browser.run("document.querySelector('.score').textContent")
    assert score == f"p: {len(mine) - 1} of {len(mine)} right"
    browser.run("document.querySelector('#only-wrong').click()")
    visible = "[...document.querySelectorAll('.question')].filter(e => e.offsetParent).length"
    assert browser.run(visible) == len(shown)


def test_the_animation_runs_in_time_with_the_audio(browser, served, corpus_dir):
    corpus = Corpus(corpus_dir)
    scene = next(scene for scene in corpus.scenes("test") if scene.configuration == "D")
    browser.open(served(open_site(corpus_dir)) + f"#{scene.scene_id}")
    browser.wait(
        "document.querySelector('image[href]') && document.querySelector('audio').readyState > 2"
    )
    points = browser.run("document.querySelector('.path').getAttribute('points')")
    path = np.array([pair.split(",") for pair in points.split()], dtype=float)
    browser.run("document.querySelector('.play').click()")
    browser.wait("document.querySelector('audio').currentTime > 0.3")
    begun, seen = time.monotonic(), [at_time(browser)]
    while time.monotonic() - begun < 1.5:
        seen.append(at_time(browser))
        time.sleep(0.1)
    waited, gone = time.monotonic() - begun, seen[-1][0] - seen[0][0]
    assert waited - 1.2 < gone < waited + 0.3
    for heard, x, y in seen:
        # The audio goes on between the drawing and the reading of a frame.
        near = [
            [np.interp(heard + late, BIN_TIMES_S, path[:, axis]) for axis in (0, 1)]
            for late in np.linspace(-0.15, 0.02, 18)
        ]
        assert np.abs(np.array(near) - (x, y)).max(axis=1).min() < 0.6
    browser.run("document.querySelector('.play').click()")
    browser.run(
        "(() => { const s = document.querySelector('.transport input'); s.value = 7.4; "
        "s.dispatchEvent(new Event('input')) })()"
    )
    browser.wait("!document.querySelector('audio').seeking")
    heard, x, y = at_time(browser)
    assert heard == pytest.approx(7.4, abs=0.06)
    assert [x, y] == pytest.approx(
        [np.interp(heard, BIN_TIMES_S, path[:, axis]) for axis in (0, 1)], abs=0.15
    )


def test_front_is_up_and_left_is_left(browser, served, corpus_dir):
    for scene in list(Corpus(corpus_dir).scenes("train"))[:4]:
        browser.open(served(open_site(corpus_dir)) + f"#{scene.scene_id}")
        browser.wait("document.querySelector('.listener')")
        x, y, *marks = browser.run(
            "[document.querySelector('.listener'), ...document.querySelectorAll('.source')]"
            ".flatMap(e => e.getAttribute('transform').match(/[-.0-9]+/g).map(Number))"
        )
        for source, (px, py) in zip(
            scene.sources, zip(marks[::2], marks[1::2], strict=True), strict=True
        ):
            drawn = np.degrees(np.arctan2(x - px, y - py))
            turned = (drawn - source.azimuth_deg[0] + 180) % 360 - 180
            assert abs(turned) < 1


def test_clicking_a_track_goes_to_that_time(browser, served, corpus_dir):
    browser.open(served(open_site(corpus_dir)))
    browser.wait("document.querySelector('audio')?.readyState > 2")
    browser.run(
        "(() => { const p = document.querySelector('svg.plot'), b = p.getBoundingClientRect(); "
        "const clientX = b.left + b.width * (44 + 590 / 2) / 640; "
        "p.dispatchEvent(new MouseEvent('click', {clientX})) })()"
    )
    assert browser.run("document.querySelector('audio').currentTime") == pytest.approx(
        5, abs=0.05
    )


def test_markup_in_a_corpus_is_shown_as_text(browser, served, corpus_dir, tmp_path):
    folder = shutil.copytree(corpus_dir, tmp_path / "evil")
    corpus = Corpus(folder)
    for entry in corpus.manifest.scenes:
        rows = pq.read_table(folder / entry.path).to_pylist()
        for row in rows:
            row["room"]["name"] = row["room"]["category"] = row["renderer"]["engine"] = EVIL
            for source in row["sources"]:
                source["labels"] = [EVIL, *source["labels"][1:]]
                source["event"]["clip_id"] = source["event"]["attribution"] = EVIL
        write_shard(folder / entry.path, rows, SCENES_SCHEMA, 32)
    for entry in corpus.manifest.qa:
        rows = pq.read_table(folder / entry.path).to_pylist()
        for row in rows:
            row["question"], row["answer"], row["answer_kind"] = EVIL, EVIL, "events"
            row["options"] = [EVIL]
        write_shard(folder / entry.path, rows, QA_SCHEMA, 512)
    told = json.loads((folder / "manifest.json").read_text())
    told["recipe"]["description"] = EVIL
    (folder / "manifest.json").write_text(json.dumps(told))
    asked = corpus.questions("test")
    path = tmp_path / "p.jsonl"
    header = {"type": "run", "model": EVIL}
    path.write_text(
        "".join(
            json.dumps(row) + "\n"
            for row in (
                header,
                *({"question_id": q.question_id, "response": EVIL} for q in asked),
            )
        )
    )
    browser.open(served(open_site(folder, [path])) + f"#{asked[0].scene_id}")
    browser.wait("document.querySelector('.said')")
    time.sleep(0.2)
    for place in (
        "#description",
        ".facts",
        ".labels",
        ".legend strong",
        ".legend small",
        ".asked",
        ".answer",
        ".response",
        ".options",
        ".said .model",
    ):
        assert EVIL in browser.run(f"document.querySelector('{place}').textContent"), place
    assert browser.run(
        "window.hacked === undefined && !document.querySelector('img, body script')"
    )
    assert browser.errors == []


def test_the_page_fits_a_narrow_window(browser, served, corpus_dir):
    browser.size(390, 800)
    try:
        browser.open(served(open_site(corpus_dir)))
        browser.wait("document.querySelector('.question')")
        assert browser.run("document.documentElement.scrollWidth") <= 390
    finally:
        browser.size(1300, 900)


def test_a_scene_that_is_not_there_is_told(browser, served, corpus_dir):
    browser.open(served(open_site(corpus_dir)) + "#test-999999")
    browser.wait("document.querySelector('main [role=alert]')")
    assert "There is no such file" in browser.run("document.querySelector('main').innerText")


def test_silent_scenes_are_animated_by_their_own_clock(browser, served, tmp_path):
    recipe = small_recipe(splits={"test": {"D": 1}})
    browser.open(served(open_site(make_corpus(tmp_path / "q", recipe, with_audio=False))))
    browser.wait("document.querySelector('h2')")
    place = "document.querySelector('.source').getAttribute('transform')"
    before = browser.run(place)
    browser.run("document.querySelector('.play').click()")
    time.sleep(0.6)
    now = float(browser.run("document.querySelector('.clock').textContent").split()[0])
    assert 0.3 < now < 3
    assert browser.run(place) != before
    assert browser.errors == []


def test_four_sources_have_four_looks(browser, served, tmp_path):
    recipe = small_recipe(splits={"test": {"SSDD": 1}})
    site = open_site(make_corpus(tmp_path / "q", recipe, with_audio=False))
    browser.open(served(site))
    browser.wait("document.querySelector('h2')")
    assert browser.run("document.querySelectorAll('.source').length") == 4
    for what in ("e.getAttribute('d')", "getComputedStyle(e).fill"):
        looks = browser.run(f"[...document.querySelectorAll('.legend path')].map(e => {what})")
        assert len(set(looks)) == 4
    names = browser.run(
        "[...document.querySelectorAll('.legend strong')].map(e => e.textContent)"
    )
    assert names == list(site.entries[0].labels)


def test_an_export_works_on_a_plain_file_server(browser, served, corpus_dir, tmp_path):
    site = open_site(corpus_dir)
    site.show(choose(site.entries, 4))
    export(site, tmp_path / "out")
    files = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "out"))
    files.log_message = lambda *_: None
    browser.open(served(ThreadingHTTPServer(("127.0.0.1", 0), files)))
    browser.wait("document.querySelector('image[href]')")
    assert browser.run(LISTED) == [each.scene_id for each in site.entries]
    assert browser.errors == []
