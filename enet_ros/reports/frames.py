"""One line of CSV a frame, written as frames are scored."""

import csv
import math
from pathlib import Path
from typing import Any, Union

from ..errors import InputError
from ..evaluation.examples import FrameScore


class FrameCsv:
    """A CSV file of FrameScores (its fields are the columns; empty where NaN or unknown)."""

    def __init__(self, path: Union[str, Path]) -> None:
        """Create the file, its folder if need be, and its header; InputError where that fails."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open('w', newline='', encoding='utf-8')
        except OSError as error:
            raise InputError(f'{path}: {error.strerror}; no CSV can be written there') from None
        self._rows = csv.writer(self._file)
        self._rows.writerow(FrameScore._fields)

    def write(self, frame: FrameScore) -> None:
        """Add one line."""
        self._rows.writerow([_cell(value) for value in frame])

    def close(self) -> None:
        """Write what is buffered."""
        self._file.close()

    def __enter__(self) -> 'FrameCsv':
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, float) and math.isnan(value):
        return ''
    return f'{value:.6f}' if isinstance(value, float) else value
