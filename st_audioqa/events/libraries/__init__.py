"""One file per event library; each defines `Library`.

To add one, write `libraries/<name>.py` with a class `Library` that does what
`st_audioqa.events.library.EventLibrary` says; `draw_label` and `draw_level` of that module do
the part all libraries share. One that reads files is derived from
`st_audioqa.events.recordings.RecordingLibrary`, and has to list its clips. Other
packages add theirs through the entry-point group "st_audioqa.events".
"""
