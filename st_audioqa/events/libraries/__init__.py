"""One file per event library; each defines `Library`."""
