"""What `pytest --nbval notebooks/` needs, so that it needs no flags, from whichever folder."""

from pathlib import Path

import pytest

SECONDS_PER_CELL = 600  # far above any cell on a busy laptop; nbval alone would wait 2000


def pytest_configure(config: pytest.Config) -> None:
    """Set nbval's options; its outputs stay strictly compared."""
    if not config.getoption("nbval", default=False):
        return
    config.option.nbval_current_env = True  # not whichever kernel a notebook was last saved with
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "sanitize.cfg")
    config.option.nbval_cell_timeout = SECONDS_PER_CELL
    # Imported for the first time on a machine, matplotlib builds its font cache; slow ones say so
    # on stderr. That must not be in the output of a cell.
    import matplotlib.font_manager  # noqa: F401, PLC0415
