"""Clips: made by a phantom whose truth is exact, or read from files. Knows nothing of models."""
