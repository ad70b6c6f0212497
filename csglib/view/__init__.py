"""Ways to look at the network: may look at anything, and nothing of `csglib` looks at it."""
