"""One line of CSV a frame, in the operating system's hands before the next frame is scored."""

import csv
import io
import math
from pathlib import Path
from typing import Any, Optional, Union

from ..errors import InputError
from ..evaluation.examples import FrameScore

SCHEMA = 'enet_ros/frames 1'


class FrameCsv:
    """A CSV file of FrameScores (its fields are the columns; empty where NaN or unknown).

    A killed process loses no line that was written. A full disk costs lines and nothing else; `loss` counts
    them.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        """Create the file, its folder if need be, and its header; InputError where that fails."""
        self.path = Path(path)
        self._lost, self._reason = 0, ''
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open('wb', buffering=0)
        except OSError as error:
            raise InputError(f'{path}: {error.strerror}; no CSV can be written there') from None
        self._put(FrameScore._fields + ('schema',))

    def write(self, frame: FrameScore) -> None:
        """Add one line; never raises."""
        self._put([_cell(value) for value in frame] + [SCHEMA])

    @property
    def loss(self) -> Optional[str]:
        """What the file lacks; None where it has every line."""
        return f'{self.path}: {self._lost} lines are missing: {self._reason}' if self._lost else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> 'FrameCsv':
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _put(self, cells: Any) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerow(cells)
        data = text.getvalue().encode('utf-8', 'replace')
        try:
            whole = self._file.write(data) == len(data)
        except OSError as error:
            whole, self._reason = False, str(error.strerror)
        if not whole:
            self._lost += 1
            self._reason = self._reason or 'no space left'


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, float) and math.isnan(value):
        return ''
    return f'{value:.6f}' if isinstance(value, float) else value
