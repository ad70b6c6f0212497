"""Scanners by name: what one machine and its settings make of the same neck.

The paper's videos come in two sizes and name no machine (section 3). Which scanner a clip was taken
with must not matter for its grade, so the cohort mixes these.
"""

SCANNERS: dict[str, dict[str, float | int]] = {
    # Matched to real transverse frames of the common carotid artery: see benchmarks/realism.py.
    "matched": {
        "frequency": 7.5,
        "bandwidth": 0.40,
        "aperture": 2.4,
        "beams": 5,
        "steer": 4.0,
        "noise": -39.0,
        "haze": -22.0,
        "gain": -5.0,
        "dynamic_range": 60.0,
        "gamma": 1.25,
        "smoothing": 0.05,
        "persistence": 0.2,
    },
    # One beam a line: grainy, dark, every wall broken.
    "grainy": {
        "frequency": 8.0,
        "bandwidth": 0.55,
        "aperture": 1.9,
        "beams": 1,
        "noise": -44.0,
        "haze": -22.0,
        "gain": -2.0,
        "dynamic_range": 62.0,
        "gamma": 1.1,
        "smoothing": 0.03,
        "persistence": 0.0,
    },
    # High frequency, many beams, a wide range: fine, even, grey.
    "smooth": {
        "frequency": 9.5,
        "bandwidth": 0.50,
        "aperture": 2.0,
        "beams": 5,
        "steer": 5.0,
        "noise": -46.0,
        "haze": -24.0,
        "gain": -7.0,
        "dynamic_range": 70.0,
        "gamma": 1.0,
        "smoothing": 0.06,
        "persistence": 0.35,
    },
    # A small machine: low frequency, wide spots, noise, much haze.
    "portable": {
        "frequency": 6.2,
        "bandwidth": 0.40,
        "aperture": 2.8,
        "beams": 3,
        "steer": 5.0,
        "noise": -38.0,
        "haze": -18.0,
        "gain": -2.0,
        "dynamic_range": 58.0,
        "gamma": 1.0,
        "smoothing": 0.08,
        "persistence": 0.3,
    },
    # Hard contrast: little between black and white.
    "hard": {
        "frequency": 7.0,
        "bandwidth": 0.45,
        "aperture": 2.2,
        "beams": 3,
        "steer": 4.0,
        "noise": -42.0,
        "haze": -21.0,
        "gain": -4.0,
        "dynamic_range": 50.0,
        "gamma": 0.9,
        "smoothing": 0.04,
        "persistence": 0.1,
    },
}
