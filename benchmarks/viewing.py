"""How fast a large corpus opens in `st-audioqa view`, and what one look at a scene costs.

    python benchmarks/viewing.py CORPUS [--scenes 1000 16000] [--browser]

CORPUS is a rendered corpus, whose rows are repeated under new names, the audio of the first copy
alone, until there are as many scenes as asked for. Prints Markdown. Each line is measured in a
process of its own. `--browser` also opens the page in headless Chromium.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.pipeline.view import open_site
from st_audioqa.viewer import open_server

PER_SHARD = 250
PER_GROUP = {"scenes": 32, "qa": 5000}


def renamed(table: pa.Table, copy: int) -> pa.Table:
    """The same rows under the names of another copy."""
    for name in ("scene_id", "question_id"):
        if copy and name in table.column_names:
            place = table.column_names.index(name)
            ids = pc.binary_join_element_wise(table[name], pa.scalar(f"c{copy}"), "-")
            table = table.set_column(place, name, ids)
    return table


def repeated(corpus: Path, folder: Path, scenes: int) -> None:
    """A corpus of so many scenes, all of one split."""
    manifest = json.loads((corpus / MANIFEST).read_text())
    (folder / "scenes").mkdir(parents=True)
    (folder / "qa").mkdir()
    for name, per_file in (("scenes", PER_SHARD), ("qa", 50_000)):
        paths = [corpus / each["path"] for each in manifest[name] if each["split"] == "test"]
        with_audio = pa.concat_tables([pq.read_table(path) for path in paths])
        plain = with_audio
        if name == "scenes":
            place, kind = with_audio.column_names.index("audio"), with_audio["audio"].type
            plain = with_audio.set_column(place, "audio", pa.nulls(len(with_audio), kind))
            copies = -(-scenes // len(plain))
        pieces = [renamed(plain if copy else with_audio, copy) for copy in range(copies)]
        whole = pa.concat_tables(pieces)
        if name == "scenes":
            whole = whole.slice(0, scenes)
        count = -(-len(whole) // per_file)
        entries = []
        for i in range(count):
            path = f"{name}/test-{i:05d}-of-{count:05d}.parquet"
            piece = whole.slice(i * per_file, per_file)
            pq.write_table(piece, folder / path, row_group_size=PER_GROUP[name])
            size = (folder / path).stat().st_size
            entry = {"path": path, "split": "test", "rows": len(piece), "bytes": size}
            entries.append({**entry, "sha256": "0" * 64})
        manifest[name] = entries
    manifest["robustness"] = []
    (folder / MANIFEST).write_text(json.dumps(manifest))


def seconds(call, times: int = 1) -> float:
    begun = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun) / times


def measure(corpus: Path, scenes: int, browser: bool) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "corpus"
        # Made elsewhere, so that its memory is not counted here.
        subprocess.run(
            [sys.executable, __file__, str(corpus), "--make", str(folder), str(scenes)],
            check=True,
        )
        made = []

        def first_look() -> None:
            made.append(open_site(folder))
            made[0].get(f"data/scenes/{made[0].entries[0].scene_id}.json")

        opened = seconds(first_look)
        site = made[0]
        index = seconds(lambda: [site.get(name) for name in site.index_files])
        size = sum(len(site.get(name)[1]) for name in site.index_files)
        first, last = site.entries[0].scene_id, site.entries[-1].scene_id
        scene = seconds(lambda: site.get(f"data/scenes/{last}.json"), 10)
        site.get(f"data/audio/{first}.flac")
        audio = seconds(lambda: site.get(f"data/audio/{first}.flac"), 5)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        page = shown_in_browser(site, Path(temporary)) if browser else ("", "")
    cells = [
        f"{scenes:,}",
        f"{opened:.1f} s",
        f"{index:.2f} s, {size / 1e6:.1f} MB",
        f"{scene * 1000:.0f} ms",
        f"{audio * 1000:.0f} ms",
        f"{memory:.0f} MB",
        *page,
    ]
    return "| " + " | ".join(cells) + " |"


def shown_in_browser(site, folder: Path) -> tuple[str, str]:
    """Wall time until the whole list and the first scene are there, and that of one filter."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from chromium import Chromium

    server = open_server(site, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = Chromium(folder / "profile")
    try:
        begun = time.monotonic()
        found.open(f"http://127.0.0.1:{server.server_address[1]}/")
        full = f"{len(site.entries)} of {len(site.entries)} scenes"
        found.wait(f"document.querySelector('#count')?.textContent === '{full}'", 120)
        found.wait("document.querySelector('h2')")
        whole = time.monotonic() - begun
        filtering = found.run(
            "(() => { const f = document.querySelector('[name=label]'), t = performance.now(); "
            "f.value = 'a'; f.dispatchEvent(new Event('input', {bubbles: true})); "
            "return performance.now() - t })()"
        )
    finally:
        found.close()
        server.shutdown()
    return f"{whole:.1f} s", f"{filtering:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--scenes", type=int, nargs="+", default=[1000, 16_000])
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        repeated(given.corpus, Path(given.make[0]), int(given.make[1]))
        return
    if given.one:
        print(measure(given.corpus, given.one, given.browser))
        return
    heads = [
        "scenes",
        "to open, with the first scene",
        "index",
        "another scene",
        "its audio",
        "memory",
    ]
    heads += ["page with full list", "a filter"] if given.browser else []
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    for scenes in given.scenes:
        command = [sys.executable, __file__, str(given.corpus), "--one", str(scenes)]
        subprocess.run(command + ["--browser"] * given.browser, check=True)


if __name__ == "__main__":
    main()
