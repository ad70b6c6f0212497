"""Tests write no progress beside the notebooks."""

import pytest


@pytest.fixture(autouse=True)
def progress_path(tmp_path_factory, monkeypatch):
    path = tmp_path_factory.mktemp("progress") / "progress.json"
    monkeypatch.setenv("CSGLIB_PROGRESS", str(path))
    return path
