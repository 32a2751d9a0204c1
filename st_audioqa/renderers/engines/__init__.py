"""One file per RIR engine; each defines `Engine`."""
