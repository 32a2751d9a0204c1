"""Recipes of trainings that come with the package."""
