"""Widgets for networks and runs: one Python class and one ES module each."""
