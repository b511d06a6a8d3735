"""``/diagnostics`` of a node: its statuses, once a second, whatever state it is in."""

from typing import Any, Callable, Dict, List, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

LEVELS = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)
PERIOD = 1.0


class Status(NamedTuple):
    """One line of rqt_robot_monitor; `level` is one of `enet_ros.severity`."""

    name: str
    level: int
    message: str
    values: Dict[str, str]


class DiagnosticsPublisher:
    """Publishes the statuses that `report` returns, in every lifecycle state."""

    def __init__(self, node: Node, report: Callable[[], List[Status]], period: float = PERIOD) -> None:
        """Start at once, on a steady clock: simulated time may stand still, and that is when one looks."""
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._timer = node.create_timer(period, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publish now."""
        name = self._node.get_fully_qualified_name().lstrip('/')
        message = DiagnosticArray(status=[self._status(name, status) for status in self._report()])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    @staticmethod
    def _status(node: str, status: Status) -> Any:
        return DiagnosticStatus(
            level=LEVELS[status.level], name=f'{node}: {status.name}', message=status.message,
            hardware_id='enet_ros',
            values=[KeyValue(key=key, value=value) for key, value in status.values.items()])
