"""What the neural models share; for now the input features of the ST-Audio Encoder."""

from st_audioqa.models.features import FeatureSpec, foa_features

__all__ = ["FeatureSpec", "foa_features"]
