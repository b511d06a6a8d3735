"""JSON files: read with a limit, written whole or not at all."""

import json
import math
from pathlib import Path
from typing import Any, Union

from .errors import InputError
from .files import read_bytes, write_bytes

MAX_JSON_BYTES = 1 << 30


def read_json(path: Union[str, Path]) -> Any:
    """Read a JSON file; InputError where it is none."""
    try:
        return json.loads(read_bytes(path, MAX_JSON_BYTES, 'result').decode('utf-8'))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f'{path}: not JSON: {error}') from None


def write_json(path: Union[str, Path], data: Any) -> None:
    """Write JSON atomically; NaN and infinities, which JSON has not, become null.

    InputError where the file cannot be written.
    """
    text = json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False) + '\n'
    write_bytes(path, text.encode('utf-8'), 'the result was')


def plain(value: Any) -> Any:
    """Reduce numpy scalars and arrays, tuples and paths to what JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if hasattr(value, 'tolist'):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
