"""One file per room provider; each defines `Provider`."""
