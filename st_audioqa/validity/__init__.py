"""Whether questions can be answered without listening, and what else could make them unfit.

One file per check; each takes questions with their scenes and returns JSON values. `report` puts
them together and into words.
"""

from st_audioqa.validity.posed import Posed, posed
from st_audioqa.validity.report import measure, report_markdown, report_text

__all__ = ["Posed", "measure", "posed", "report_markdown", "report_text"]
