"""A leaderboard as a Gradio Space: shows `results.json`, which lies beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

HERE = Path(__file__).parent
TYPES = {"a": "Type A: one source", "b": "Type B: two sources", "c": "Type C: composed"}
NOTES = ("training", "layout", "prompt", "parse_rate", "revision", "submitted_by")


def table(entries: list[dict[str, Any]], columns: list[str]) -> dict[str, Any]:
    """Rows of some columns, in the form that `gr.Dataframe` takes."""
    rows = [[_shown(entry.get(name)) for name in columns] for entry in entries]
    return {"headers": [name.replace("_", " ") for name in columns], "data": rows}


def _shown(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value


def build(folder: Path = HERE) -> gr.Blocks:
    """The app over the results in a folder."""
    content = json.loads((folder / "results.json").read_text("utf-8"))
    entries = content["entries"]
    first = entries[0] if entries else {}
    averages = ["overall", *(f"avg_{kind}" for kind in TYPES)]
    views = {"Overall": ["rank", "model", *averages, *NOTES]}
    for kind, title in TYPES.items():
        cells = [
            name
            for name in first
            if name.startswith(f"{kind}_") and not name.endswith(("_low", "_high"))
        ]
        views[title] = ["model", *cells]
    with gr.Blocks(title="Spatio-temporal audio question answering") as app:
        gr.Markdown(
            "# Spatio-temporal audio question answering\n"
            f"{content['questions']} questions, split {content['split']}, table "
            f"{content['table']}, scorer {content['scorer_version']}. Percent; missing and "
            "unreadable answers count as wrong. Intervals are in results.json."
        )
        for title, columns in views.items():
            with gr.Tab(title):
                gr.Dataframe(table(entries, columns), interactive=False, wrap=True)
        with gr.Tab("Submit"):
            gr.Markdown(
                "```\npip install st_audioqa\n"
                "st-audioqa submit predictions.jsonl CORPUS --out mine.zip --zero-shot\n```\n"
                "Then send the archive to those who keep this leaderboard."
            )
    return app


if __name__ == "__main__":
    build().launch()
