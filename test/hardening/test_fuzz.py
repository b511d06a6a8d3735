"""A short slice of `make fuzz`: every reader against damaged files, the same ones each time."""

from fuzz import by_chance
from fuzz_targets import TARGETS, check
import pytest


@pytest.mark.parametrize('name', sorted(TARGETS))
def test_damaged_files(name: str, tmp_path, monkeypatch) -> None:
    """The seeds are read; two hundred damaged copies are read or refused in one line, within bounds."""
    monkeypatch.chdir(tmp_path)
    for data in TARGETS[name].seeds():
        check(name, data)
    assert by_chance(name, 0, 0.0, least=200) == 200
