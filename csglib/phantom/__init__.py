"""The simulator: arteries, plaques, speckle and cohorts whose truth is known."""
