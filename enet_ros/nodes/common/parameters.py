"""A node's parameters as one table: declared with descriptors, checked at the start and when they change."""

import difflib
import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node

from ...errors import InputError, one_line


class Parameter(NamedTuple):
    """One row of the table; a parameter is read-only unless it is `live`."""

    default: Any
    description: str
    limits: Optional[Tuple[float, float]] = None    # least and greatest value of a number
    choices: Tuple[str, ...] = ()                   # '' stands for the node's own choice
    live: bool = False                              # may change while the node runs
    step: int = 1                                   # of a whole number
    least_but_zero: float = 0.0                     # a number below that, other than 0, is refused


Table = Mapping[str, Parameter]
_OF_ROS = ('use_sim_time', 'start_type_description_service')   # every node has them


def declare(node: Node, table: Table) -> Dict[str, Any]:
    """Declare every parameter and return the values.

    InputError names the parameter that is wrong and what it may be; rclpy's own exceptions for a value of
    another type pass through. Names that the node does not know are warned about: ROS drops them in silence.
    """
    values = {}
    unknown = [name for name in getattr(node, '_parameter_overrides', ())
               if name not in table and name not in _OF_ROS and not name.startswith('qos_overrides.')]
    for name in unknown:
        near = difflib.get_close_matches(name, table, 1)
        node.get_logger().warning(f'there is no parameter {one_line(name, 100)}'
                                  + (f'; is {near[0]} meant?' if near else ''))
    for name, parameter in table.items():
        values[name] = node.declare_parameter(name, parameter.default, _descriptor(parameter)).value
        wrong = problem(table, name, values[name])
        if wrong:
            raise InputError(wrong)
    return values


def problem(table: Table, name: str, value: Any) -> Optional[str]:
    """Say what is wrong with a value; None where nothing is, or the parameter is not in the table."""
    parameter = table.get(name)
    if parameter is None:
        return None
    if parameter.choices and value not in parameter.choices:
        return f"{name} is '{value}'; it is one of: {', '.join(filter(None, parameter.choices))}"
    if parameter.limits is None:
        return None
    least, greatest = parameter.limits
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and math.isfinite(value) and least <= value <= greatest and (
            not value or abs(value) >= parameter.least_but_zero):
        return None
    if parameter.least_but_zero:
        return f'{name} is {value!r}; it is 0, or a number from {parameter.least_but_zero:g} to {greatest:g}'
    return f'{name} is {value!r}; it is a number from {least:g} to {greatest:g}'


def check_change(table: Table, changes: List[Any]) -> SetParametersResult:
    """Validate a change while running; parameters of others (QoS overrides, say) are let through."""
    for change in changes:
        wrong = problem(table, change.name, change.value)
        if wrong:
            return SetParametersResult(successful=False, reason=wrong)
    return SetParametersResult(successful=True)


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=parameter.description, read_only=not parameter.live)
    if parameter.choices:
        descriptor.additional_constraints = 'one of: ' + ', '.join(name or "''" for name in parameter.choices)
    if parameter.limits and isinstance(parameter.default, int):
        least, greatest = (int(limit) for limit in parameter.limits)
        descriptor.integer_range = [IntegerRange(from_value=least, to_value=greatest, step=parameter.step)]
    elif parameter.limits:
        # With a fixed type rclpy would refuse rate:=15 for a double.
        descriptor.dynamic_typing = True
        descriptor.floating_point_range = [FloatingPointRange(
            from_value=parameter.limits[0], to_value=parameter.limits[1])]
    return descriptor
