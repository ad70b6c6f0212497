"""The detector behind `csglib.detect`: its network, what it learns from, and how."""
