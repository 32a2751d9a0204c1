"""The package as it is built and shipped, and the structure it promises."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "st_audioqa"
AREAS = ("renderers", "templates", "evaluation", "baselines", "models")
VOCABULARY = (
    "conventions",
    "scene",
    "scene_table",
    "noun",
    "errors",
    "files",
    "child",
    "storage",
    "seeding",
    "registry",
    "foa",
    "hrtf",
    "sofa",
    "decoding",
)


def imports(path):
    """Modules of ours that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.startswith("st_audioqa")
        ):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("st_audioqa"))


def test_the_five_areas_stand_at_the_root_as_doors():
    for area in AREAS:
        assert (ROOT / area).is_symlink()
        assert (ROOT / area).resolve() == (PACKAGE / area).resolve()


def test_vocabulary_imports_vocabulary_alone():
    allowed = {f"st_audioqa.{name}" for name in VOCABULARY}
    for name in VOCABULARY:
        assert set(imports(PACKAGE / f"{name}.py")) <= allowed


@pytest.mark.parametrize(
    ("area", "others"),
    [
        ("renderers", ("rooms",)),
        ("templates", ("recipes",)),
        ("evaluation", ("dcase", "events")),
        ("baselines", ("evaluation", "events", "models", "templates", "validity")),
        ("models", ("corpus", "evaluation", "events", "execution")),
        ("validity", ("evaluation",)),
        ("rooms", ("recipes",)),
        ("events", ()),
        ("recipes", ()),
        ("corpus", ("recipes",)),
        ("viewer", ("corpus",)),
        ("dcase", ("corpus", "events")),
        ("execution", ()),
        ("leaderboard", ("corpus", "evaluation")),
    ],
)
def test_areas_know_vocabulary_and_little_else(area, others):
    allowed = {*VOCABULARY, area, *others}
    for path in (PACKAGE / area).rglob("*.py"):
        used = {module.split(".")[1] for module in imports(path) if "." in module}
        assert used <= allowed, path


def test_nothing_optional_is_imported_with_the_package():
    code = (
        "import sys, st_audioqa.cli, st_audioqa.pipeline.generate, st_audioqa.evaluation\n"
        "print([m for m in ('datasets', 'torch', 'matplotlib', 'huggingface_hub', "
        "'rlr_audio_propagation', 'habitat_sim', 'sklearn', 'netCDF4') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("st_audioqa, st_audioqa.cli", ("pandas", "pyarrow", "pydantic", "scipy", "soundfile")),
        ("st_audioqa.pipeline.generate, st_audioqa.evaluation", ("pandas",)),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(modules, heavy):
    code = f"import sys, {modules}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_wheel_has_one_top_level_name_and_every_file(tmp_path):
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.split():
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(path.read_bytes())
    for area in AREAS:
        (source / area).symlink_to(f"st_audioqa/{area}")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(tmp_path),
            ".",
        ],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {"st_audioqa"}
    shipped = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file()
        and path.suffix in (".py", ".toml", ".csv", ".typed", ".html", ".css", ".js", ".svg")
    }
    assert shipped <= set(names)
