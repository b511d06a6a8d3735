"""Stamps of messages as whole nanoseconds."""

from typing import Any


def nanoseconds(stamp: Any) -> int:
    """Return a builtin_interfaces/Time in ns; Time.from_msg raises for negative ones, as bad cameras send."""
    return int(stamp.sec) * 10 ** 9 + int(stamp.nanosec)
