"""Finished bags of a run over many, written one by one, so that the same command resumes after a kill."""

import hashlib
from pathlib import Path
import shutil
from typing import Any, Optional

from ..errors import InputError
from ..json_files import read_json, write_json
from .examples import FrameScore
from .offline import Evaluation
from .sharding import Job, Part


class Finished:
    """A folder with one JSON file per finished bag; it is removed when the run is complete."""

    def __init__(self, folder: Optional[Path]) -> None:
        """Use a folder, which need not exist; None keeps nothing."""
        self.folder = folder
        self.resumed = 0

    def take(self, job: Job) -> Optional[Part]:
        """Return an earlier run's result for this job on these files; None where there is none."""
        path = self._path(job)
        if path is None or not path.is_file():
            return None
        try:
            data = read_json(path)
            outcome = Evaluation.from_json(data, str(path))
            outcome.latency_ms = [float(value) for value in data['latency_ms']]
            rows = [FrameScore(*row) for row in data['rows']]
        except (InputError, KeyError, TypeError, ValueError):
            return None
        self.resumed += 1
        return Part(outcome, rows)

    def keep(self, job: Job, part: Part) -> None:
        """Write the result of a bag; InputError where that fails."""
        path = self._path(job)
        if path is not None:
            outcome = part.evaluation
            write_json(path, dict(
                outcome.coverage.to_dict(), parts=outcome.evaluator.to_dict(), rows=part.rows,
                latency_ms=outcome.latency_ms, provenance=outcome.provenance))

    def close(self) -> None:
        """Remove the folder: the run is complete."""
        if self.folder is not None:
            shutil.rmtree(str(self.folder), ignore_errors=True)

    def _path(self, job: Job) -> Optional[Path]:
        if self.folder is None:
            return None
        named = hashlib.sha256(repr((job, [_state(path) for path in (
            job.choice.bag, dict(job.segmenter).get('weights'))])).encode('utf-8')).hexdigest()
        return self.folder / f'{named[:32]}.json'


def _state(name: Any) -> Any:
    """Return what changes when a file, or one in a folder, is written again."""
    path = Path(str(name))
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
