"""Makes `clip_files`, the writers of clips beside the tests, importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
