"""Training: configuration, loop, runs on disk, experiments, networks by name."""
