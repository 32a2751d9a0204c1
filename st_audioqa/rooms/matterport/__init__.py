"""Matterport3D's files: a reader for each format, and the rooms of a building."""
