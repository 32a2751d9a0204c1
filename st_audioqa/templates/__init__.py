"""Questions from metadata: families as data, rules as small functions, balanced selection.

Families and wordings stand in `families/*.toml`; `rules.py` says what the right answer is;
`engine.py` asks every well-posed question and `balance.py` keeps as many of each answer.
"""

from st_audioqa.templates.engine import QuestionEngine
from st_audioqa.templates.family import Family, Kind, load_families

__all__ = ["Family", "Kind", "QuestionEngine", "load_families"]
