"""Clips: reading, grading, splitting, augmenting; no network."""
