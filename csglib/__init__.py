"""CSG-3DCT, the inflated 3D convolution-transformer that grades carotid stenosis, part by part."""
