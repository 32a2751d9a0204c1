"""Sound events: their labels, their loudness and the libraries they come from."""

from st_audioqa.events.labels import Label, all_labels, ancestors, label, related, spoken_name
from st_audioqa.events.library import LIBRARIES, EventLibrary
from st_audioqa.events.loudness import active_level_dbfs, activity, set_level

__all__ = [
    "LIBRARIES",
    "EventLibrary",
    "Label",
    "active_level_dbfs",
    "activity",
    "all_labels",
    "ancestors",
    "label",
    "related",
    "set_level",
    "spoken_name",
]
