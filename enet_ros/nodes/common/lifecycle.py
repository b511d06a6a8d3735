"""A lifecycle node that tells its errors, survives wrong requests and can start itself."""

from typing import Any, Callable

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ...errors import InputError, one_line
from .main import Stop

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE


class ManagedNode(LifecycleNode):
    """
    Base of lifecycle nodes: subclasses override `configure`, `activate`, `deactivate` and `release`.

    They may raise: rclpy swallows what a transition raises without a word; here it is logged in one line
    and the transition fails. `release` frees whatever the other three made and must bear being called in
    any state.
    """

    def __init__(self, name: str, stop: Stop, **options: Any) -> None:
        """Create the node unconfigured."""
        super().__init__(name, **options)
        self.stop = stop
        self.state = 'unconfigured'
        # A transition that is impossible in the current state raises out of rclpy's service and would end
        # the node.
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._change_state_logged

    def configure(self) -> None:
        """Make what the node needs to work."""

    def activate(self) -> None:
        """Begin to work; publishers are already enabled."""

    def deactivate(self) -> None:
        """Stop working; publishers are disabled afterwards."""

    def release(self) -> None:
        """Free everything that `configure` and `activate` made."""

    def start_by_itself(self) -> None:
        """Configure and activate once the executor spins; where that fails the node ends with code 2."""
        def start() -> None:
            timer.cancel()
            self.destroy_timer(timer)
            if self.state != 'unconfigured' or self.stop.is_set():
                return
            if self.trigger_configure() != SUCCESS or self.trigger_activate() != SUCCESS:
                self.stop.request(2)
        timer = self.create_timer(0.0, start, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `configure`; what it made is freed again where it fails."""
        result = self._logged('configure', self.configure)
        if result != SUCCESS:
            self._logged('clean up', self.release)
            return result
        self._enter('inactive', 'configured')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable publishers, then run `activate`."""
        super().on_activate(state)
        result = self._logged('activate', self.activate)
        if result != SUCCESS:
            self._logged('deactivate', self.deactivate)
            super().on_deactivate(state)
            return result
        self._enter('active', 'activated')
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `deactivate`, then disable publishers."""
        result = self._logged('deactivate', self.deactivate)
        self._enter('inactive', 'deactivated')
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `release`."""
        super().on_cleanup(state)
        result = self._logged('clean up', self.release)
        self._enter('unconfigured', 'cleaned up')
        return result

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate where active, release, and end the process: a finalized node is of no use."""
        self._end()
        self.get_logger().info('shut down')
        self.stop.request(0)
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything, so that the node can be configured again."""
        self._end()
        self._enter('unconfigured', 'released after an error')
        return SUCCESS

    def close(self) -> None:
        """Come to an orderly end from any state; called by `spin_main`."""
        self._end()

    def _end(self) -> None:
        if self.state == 'active':
            self._logged('deactivate', self.deactivate)
        if self.state != 'finalized':
            self._logged('clean up', self.release)
        self.state = 'finalized'

    def _enter(self, state: str, done: str) -> None:
        self.state = state
        self.get_logger().info(f'{done}: {state}')

    def _logged(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
            return SUCCESS
        except InputError as error:
            if not self.stop.is_set():
                self.get_logger().error('cannot {}: {}'.format(what, one_line(str(error))))
        except Exception as error:
            self.get_logger().error('cannot {}: {}: {}'.format(
                what, type(error).__name__, one_line(str(error))))
        return FAILURE

    def _change_state_logged(self, request: Any, response: Any) -> Any:
        try:
            return self._change_state(request, response)
        except Exception as error:
            self.get_logger().warning('transition refused in state {}: {}'.format(
                self.state, one_line(str(error), 200)))
            response.success = False
            return response
