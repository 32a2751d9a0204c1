"""Recipes: everything that decides what a corpus holds, in one readable file."""

from st_audioqa.recipes.recipe import (
    PlacementRecipe,
    QuestionsRecipe,
    Recipe,
    bundled_recipes,
    load_recipe,
)

__all__ = ["PlacementRecipe", "QuestionsRecipe", "Recipe", "bundled_recipes", "load_recipe"]
