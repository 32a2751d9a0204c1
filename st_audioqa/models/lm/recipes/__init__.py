"""Recipes of ST-AudioLM that come with the package."""
