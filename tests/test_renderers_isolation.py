"""Engines in processes of their own: what native code may do, nobody else has to suffer."""

import dataclasses
import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import small_recipe
from fake_engines import ERRORS, Fake, Unguarded
from test_renderers_support import CENTRE, needs_rlr, shoebox

from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.pipeline import tools as tools_module
from st_audioqa.pipeline.plan import make_plan
from st_audioqa.pipeline.render import produce
from st_audioqa.renderers import ENGINES, EngineError, isolation
from st_audioqa.renderers.bank import RIRBank
from st_audioqa.renderers.isolation import IsolatedEngine

ROOM = shoebox()
SOURCES = np.array([[1.0, 1.2, 1.0], [1.5, 1.2, 1.0]])


def isolated(time_limit_s=20.0, marks=None):
    make = functools.partial(Fake, marks=marks)
    return IsolatedEngine(make, time_limit_s=time_limit_s, memory_limit_gb=1.0)


@pytest.fixture(scope="module")
def engine():
    """One for many tests: to start a child takes more than a second."""
    shared = isolated()
    yield shared
    shared.close()


def ask(engine, seed, room=ROOM):
    return engine.rirs(room, CENTRE, SOURCES, seed=seed)


def child_of(engine):
    return engine._child._child.process.pid


def gone(pid, within_s=5.0):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_answers_arrive_and_one_child_serves_many(engine):
    assert (engine.name, engine.version, engine.preset) == ("fake", "1", "fast")
    assert engine.shapes == Fake.shapes
    np.testing.assert_array_equal(ask(engine, 7), np.full((2, 4, 5), 21.0, np.float32))
    first = child_of(engine)
    other = shoebox(size=(6.0, 2.5, 5.0))
    assert ask(engine, 8, other)[0, 0, 0] == 20.0
    assert ask(engine, 8)[0, 0, 0] == 24.0
    assert child_of(engine) == first


def test_errors_of_the_engine_arrive_unchanged(engine):
    for number, error in enumerate(ERRORS[:-1]):
        with pytest.raises(type(error)) as raised:
            ask(engine, 10 + number)
        assert str(raised.value) == str(error)
        if number == 0:
            first = child_of(engine)
    with pytest.raises(RuntimeError, match="Unpicklable: odd"):
        ask(engine, 15)
    assert child_of(engine) == first


@pytest.mark.parametrize(
    ("seed", "reason"),
    [(2, "engine_crash"), (4, "engine_memory")],
)
def test_a_failure_is_a_rejected_draw_and_the_engine_goes_on(engine, seed, reason):
    with pytest.raises(RejectedDraw) as raised:
        ask(engine, seed)
    assert raised.value.reason == reason
    assert raised.value.detail
    assert ask(engine, 7).shape == (2, 4, 5)


def test_a_hang_ends_at_the_time_limit():
    engine = isolated(time_limit_s=0.5)
    ask(engine, 7)
    hanging = child_of(engine)
    with pytest.raises(RejectedDraw, match=r"engine_timeout: no answer within 0\.5 s"):
        ask(engine, 1)
    assert gone(hanging)
    assert engine._child is None


def test_a_crash_that_does_not_repeat_changes_nothing(tmp_path):
    engine = isolated(marks=tmp_path / "crashed")
    np.testing.assert_array_equal(ask(engine, 5), np.full((2, 4, 5), 15.0, np.float32))
    assert (tmp_path / "crashed").exists()


def failing(engine, monkeypatch):
    """Makes queries of seed 0 time out, without the wait."""

    def answer(room, query):
        if query[-1] == 0:
            raise isolation._ChildFailed("engine_timeout", "no answer")
        return np.zeros((2, 4, 5), np.float32)

    monkeypatch.setattr(engine, "_answer", answer)


def test_an_engine_that_always_fails_ends_in_one_sentence(monkeypatch):
    engine = isolated()
    failing(engine, monkeypatch)
    for _ in range(2):
        with pytest.raises(RejectedDraw):
            ask(engine, 0)
    with pytest.raises(UserError, match=r"failed at 3 draws in a row .*renderer\.time_limit_s"):
        ask(engine, 0)


def test_failures_that_are_not_in_a_row_do_not_end_it(monkeypatch):
    engine = isolated()
    failing(engine, monkeypatch)
    for _ in range(5):
        with pytest.raises(RejectedDraw):
            ask(engine, 0)
        ask(engine, 7)


def test_an_interrupted_query_leaves_no_stale_answer(engine):
    ask(engine, 7)

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            ask(engine, 1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ask(engine, 9)[0, 0, 0] == 27.0


def test_the_child_ends_with_a_killed_parent():
    """Even while it hangs in code that lets no other thread run."""
    here = Path(__file__).parent
    program = (
        "import functools, threading, time\n"
        "from test_renderers_isolation import Fake, IsolatedEngine, ask\n"
        "engine = IsolatedEngine(Fake)\n"
        "ask(engine, 7)\n"
        "threading.Thread(target=ask, args=(engine, 6)).start()\n"
        "time.sleep(0.3)\n"
        "print(engine._child._child.process.pid, flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{here}:{here.parent}"},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid, within_s=0.1)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


def test_scripts_without_a_main_guard_work_and_hear_nothing():
    here = Path(__file__).parent
    program = (
        "from test_renderers_isolation import Fake, IsolatedEngine, ask\n"
        "print(ask(IsolatedEngine(Fake), 7).shape)\n"
    )
    result = subprocess.run(
        [sys.executable, "-"],
        input=program,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{here}:{here.parent}"},
        check=True,
    )
    assert (result.stdout, result.stderr) == ("(2, 4, 5)\n", "")


def test_native_engines_of_a_recipe_are_isolated_and_failures_counted(monkeypatch):
    class Flaky(Fake):
        def rirs(self, *arguments, **settings):
            raise AssertionError("in the parent")

    calls = []

    def rirs(self, room, listener, sources, *, seed):
        calls.append(seed)
        if len(calls) == 1:
            raise RejectedDraw("engine_timeout", "no answer")
        if len(calls) == 2:
            raise EngineError("code 7")
        rir = np.zeros((len(sources), 4, 12_800), np.float32)
        rir[:, 0, 100] = 1.0
        return rir

    monkeypatch.setattr(
        ENGINES.__class__, "get", lambda self, name: Flaky if name == "fake" else None
    )
    recipe = small_recipe()
    renderer = recipe.renderer.model_copy(update={"engine": "fake", "time_limit_s": 9.0})
    engine = tools_module._engine(renderer)
    assert isinstance(engine, IsolatedEngine)
    assert (engine.time_limit_s, engine.memory_limit_gb) == (9.0, 8.0)
    monkeypatch.undo()

    monkeypatch.setattr(IsolatedEngine, "rirs", rirs)
    tools = tools_module.open_tools(recipe)
    assert not isinstance(tools.engine, IsolatedEngine)
    tools = dataclasses.replace(tools, bank=RIRBank(engine, 12_800))
    spec = next(s for shard in make_plan(recipe).shards for s in shard.scenes)
    rejections = produce(spec, tools).rejections
    assert (rejections["engine_timeout"], rejections["engine_error"]) == (1, 1)


def test_limits_of_the_machine_are_no_part_of_the_recipe():
    recipe = small_recipe()
    other = recipe.model_copy(
        update={"renderer": recipe.renderer.model_copy(update={"time_limit_s": 9.0})}
    )
    assert other.hash == recipe.hash
    preset = recipe.renderer.model_copy(update={"preset": "reference"})
    assert recipe.model_copy(update={"renderer": preset}).hash != recipe.hash


@pytest.mark.rlr
@needs_rlr[1]
@pytest.mark.parametrize("seed", [Unguarded.NOT_A_NUMBER, Unguarded.WILD_FACE])
def test_real_hazards_behind_the_guards(seed):
    """They crash, or hang and fill memory; without memory the library crashes as well."""
    engine = IsolatedEngine(Unguarded, time_limit_s=5.0, memory_limit_gb=0.5)
    with pytest.raises(RejectedDraw, match=r"engine_crash|engine_timeout"):
        ask(engine, seed)
    assert engine._child is None


@pytest.mark.rlr
@needs_rlr[1]
def test_rlr_gives_the_same_bits_in_a_child():
    make = functools.partial(ENGINES.get("rlr"), preset="fast")
    engine = IsolatedEngine(make)
    room = shoebox(0.5)
    np.testing.assert_array_equal(
        engine.rirs(room, CENTRE, SOURCES, seed=3), make().rirs(room, CENTRE, SOURCES, seed=3)
    )
    with pytest.raises(UserError, match="not finite"):
        engine.rirs(room, CENTRE, SOURCES * np.nan, seed=3)
    engine.close()
