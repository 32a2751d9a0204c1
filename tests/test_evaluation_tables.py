"""Tables in plain text and Markdown."""

import json

from st_audioqa.evaluation import (
    compare,
    format_comparison,
    format_readings,
    format_tables,
    score,
)
from st_audioqa.evaluation.columns import COLUMNS
from st_audioqa.scene import Prediction
from tests.test_evaluation_questions import VOCABULARY, make_questions

QUESTIONS = make_questions(10)
ORACLE = score(
    QUESTIONS,
    [Prediction(q.question_id, q.answer) for q in QUESTIONS],
    vocabulary=VOCABULARY,
    resamples=20,
)
NOTHING = score(QUESTIONS, [], vocabulary=VOCABULARY, resamples=20)


def test_plain_tables_line_up():
    text = format_tables({"oracle": ORACLE.tables, "nothing": NOTHING.tables})
    blocks = text.split("\n\n")
    assert len(blocks) == 3
    assert blocks[0].startswith("Table 4, type A")
    for block in blocks:
        _, *lines = block.splitlines()
        assert len({len(line) for line in lines}) == 1
        assert [line.split("  ")[0].strip() for line in lines[-3:]] == [
            "Random chance",
            "oracle",
            "nothing",
        ]
    assert "22.9" in blocks[1]
    assert text.count("100.0") == 7 + 10 + 4


def test_markdown_has_one_cell_for_each_column():
    text = format_tables({"a|b": ORACLE.tables}, style="markdown", intervals=True, chance=False)
    rows = [line for line in text.splitlines() if line.startswith("| a")]
    assert [row.count("100.0 [100.0, 100.0]") for row in rows] == [7, 10, 4]
    assert all(row.startswith("| a\\|b |") for row in rows)


def test_results_from_json_show_the_same():
    loaded = json.loads(ORACLE.to_json())["tables"]
    assert format_tables({"m": loaded}) == format_tables({"m": ORACLE.tables})


def test_unscored_columns_show_a_dash():
    few = score(QUESTIONS[:1], [], vocabulary=VOCABULARY, resamples=0)
    row = format_tables({"m": few.tables}, chance=False).split("\n\n")[2].splitlines()[-1]
    assert row.split() == ["m", "-", "-", "-", "-"]
    assert format_tables({})


def test_readings_stand_side_by_side():
    lines = format_readings(ORACLE.tables).splitlines()
    assert lines[1].split() == ["Column", "n", "lenient", "strict", "read", "chance"]
    assert len(lines) == 3 + len(COLUMNS)
    assert lines[3].split()[-4:-1] == ["100.0", "100.0", "100.0"]
    wrapped = [Prediction(q.question_id, f"I think it is {q.answer}") for q in QUESTIONS]
    found = score(QUESTIONS, wrapped, vocabulary=VOCABULARY, resamples=0)
    yes_no = next(line for line in format_readings(found.tables).splitlines() if "Y/N" in line)
    assert yes_no.split()[-4:] == ["100.0", "0.0", "100.0", "50.0"]


def test_comparisons_mark_differences_that_leave_out_zero():
    differences = compare(NOTHING, ORACLE)
    tables = {"nothing": NOTHING.tables, "oracle": ORACLE.tables}
    text = format_comparison("nothing", "oracle", tables, differences)
    assert len(text.splitlines()) == 3 + len(differences)
    row = next(line for line in text.splitlines() if "Y/N" in line)
    assert row.split()[-6:] == ["0.0", "100.0", "+100.0", "[+100.0,", "+100.0]", "*"]
    same = format_comparison("a", "b", {"a": ORACLE.tables, "b": ORACLE.tables},
                             compare(ORACLE, ORACLE), style="markdown")  # fmt: skip
    assert "| +0.0 | [+0.0, +0.0] |  |" in same
