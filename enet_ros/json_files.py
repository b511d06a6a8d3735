"""JSON files: read with a limit, written whole or not at all."""

import json
import math
from pathlib import Path
from typing import Any, Union

from .errors import InputError, one_line
from .files import read_bytes, write_bytes

MAX_JSON_BYTES = 32 << 20


def read_json(path: Union[str, Path], what: str = 'result') -> Any:
    """Read a JSON file; InputError where it is none, or larger than any `what`."""
    return parse_json(read_bytes(path, MAX_JSON_BYTES, what), str(path))


def parse_json(text: Union[str, bytes], origin: str) -> Any:
    """Return the value of a JSON text; InputError, which names its `origin`, where it is none."""
    try:
        return json.loads(text.decode('utf-8') if isinstance(text, bytes) else text)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{origin}: not JSON: {one_line(str(error), 200)}') from None


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
