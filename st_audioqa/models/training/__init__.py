"""Trains encoders: recipe, feature cache, batches, loop, checkpoints, validation."""

from st_audioqa.models.training.recipe import StageRecipe, TrainingRecipe, load_training_recipe
from st_audioqa.models.training.run import train_encoder

__all__ = ["StageRecipe", "TrainingRecipe", "load_training_recipe", "train_encoder"]
