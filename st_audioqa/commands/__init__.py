"""Groups of the command line, one file each; `st_audioqa.cli` registers them."""
