"""Recordings with annotations in the DCASE format: read, cut into scenes, written."""
