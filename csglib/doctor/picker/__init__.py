"""The clip picker."""
