"""The path of a scene, from recipe to corpus: the one place that joins the areas."""
