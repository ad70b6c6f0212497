"""Attention maps, Grad-CAM, and the scores and controls that judge them."""
