"""Where work runs; the work itself is the same everywhere."""
