"""The attention explorer: `AttentionExplorer`."""

from csglib.widgets.explorer.widget import AttentionExplorer as AttentionExplorer
