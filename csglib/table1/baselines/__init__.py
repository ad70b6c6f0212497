"""The eight networks that Table 1 compares CSG-3DCT with, and the CNN-LSTM that the paper cites."""
