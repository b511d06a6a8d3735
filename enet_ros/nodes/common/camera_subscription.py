"""A subscription that follows the reliability of the camera's publishers."""

from typing import Any, Callable, List, Optional, Tuple

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from ...errors import InputError
from ...timing import monotonic_ns

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:     # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

FOLLOW_PERIOD = 0.1     # seconds between looks at who publishes the cameras' images
RELIABILITIES = {'reliable': ReliabilityPolicy.RELIABLE, 'best_effort': ReliabilityPolicy.BEST_EFFORT}
HISTORIES = {'keep_last': HistoryPolicy.KEEP_LAST, 'keep_all': HistoryPolicy.KEEP_ALL}
# Since Iron a callback with two arguments is given the message's numbers.
TELLS_NUMBERS = hasattr(Subscription, 'CallbackType')
# One would do, as only the newest is worked on, but what a reader of depth 1 overwrites is lost uncounted:
# 5 % of 1280x720 at 30 Hz on a busy machine. All that has arrived is taken at once: nothing gets old here.
DEPTH = 5
DISCOVERY_NS = 5 * 10 ** 9      # within which publishers are found that were there before
_UNKNOWN_NUMBERS = (0, 2 ** 64 - 1)     # of middlewares that do not number


class _Apart(ReentrantCallbackGroup):
    """A group whose subscriptions the node's executor leaves alone."""

    def can_execute(self, entity: Any) -> bool:
        return not isinstance(entity, Subscription)


class CameraSubscription:
    """
    Subscribes one camera once it is there: reliable if all of its publishers are, best effort if one is not.

    Before a publisher is seen there is no subscription: whichever kind it were, it would be the wrong one
    for some camera, and the camera's first images, sent as soon as it has a listener, would be lost while
    the right one takes its place. The parameters ``qos_overrides.<topic>.subscription.{reliability,depth,
    history}`` win where they are set; with a set reliability the subscription is there from the beginning
    (ros1_bridge wants to see one). Call `follow` often, it is cheap; where the middleware tells of matches,
    as since Iron, it is also called by itself.
    """

    def __init__(self, node: Node, message_type: Any, topic: str,
                 received: Callable[[Any, Optional[int]], None], changed: Callable[[bool], None],
                 apart: bool = False) -> None:
        """
        Declare the overrides; nothing is subscribed before `open`.

        `topic` is fully resolved. `received` gets each message and the publisher's number of it, None where
        the middleware does not number; `changed` is called when another publisher, or another number of
        them, sends: with True where it is one that was started while this node listened. Where it is
        `apart`, no executor calls `received`: `receive` does.
        """
        self.topic = topic
        self.more = 0   # images that have arrived after the one being received
        self.reliable = False
        self.publishers = 0
        self._node = node
        self._type = message_type
        self._received = received
        self._changed = changed
        self._group = _Apart() if apart else None
        self._subscription: Optional[Subscription] = None
        self._open = False
        self._all_reliable = False
        self._sources: List[bytes] = []
        self._opened_ns = monotonic_ns()
        self._override = _Override(node, topic)

    def open(self) -> None:
        """Subscribe now or, where no publisher is there yet, when `follow` sees one."""
        self._open = True
        self._opened_ns = monotonic_ns()
        self._changed(False)    # what was sent while nobody subscribed is not lost
        self.follow()

    def follow(self) -> None:
        """Subscribe, or subscribe again where what the publishers offer has changed."""
        if not self._open:
            return
        before = set(self._sources)
        if self._look():
            settled = monotonic_ns() - self._opened_ns > DISCOVERY_NS
            self._changed(settled and len(self._sources) == 1 and self._sources[0] not in before)
        wanted = self._wanted()
        if wanted is None or (self._subscription is not None and wanted == self.reliable):
            return
        self.reliable = wanted
        # The new one first: in between, the camera would find no listener and its images would be lost.
        old, self._subscription = self._subscription, self._subscribe()
        if old is not None:
            self._node.destroy_subscription(old)

    def close(self) -> None:
        """Unsubscribe; `open` may follow."""
        self._open = False
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    @property
    def handle(self) -> Any:
        """The middleware's subscription; None while there is none."""
        return None if self._subscription is None else self._subscription.handle

    def is_near(self) -> bool:
        """Whether all publishers are on this machine, as far as Fast DDS's ids tell: they name the host."""
        node = self._node.get_name(), self._node.get_namespace()
        own = [bytes(bytearray(info.endpoint_gid))[:4]
               for info in self._node.get_subscriptions_info_by_topic(self.topic)
               if (info.node_name, info.node_namespace) == node]
        return bool(own and self._sources) and all(source[:4] == own[0] for source in self._sources)

    def receive(self) -> None:
        """Take all that has arrived and hand it on."""
        self._hand_on(self._waiting())

    def _look(self) -> bool:
        """Read the publishers from the graph; tell whether they are others than before."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        sources = sorted(bytes(bytearray(info.endpoint_gid)) for info in infos)
        changed = sources != self._sources
        self._sources = sources
        self.publishers = len(infos)
        self._all_reliable = bool(infos) and all(
            info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in infos)
        return changed

    def _wanted(self) -> Optional[bool]:
        """Whether to subscribe reliably; None where nothing speaks for a change."""
        if self._override.reliability is not None:
            return bool(self._override.reliability == ReliabilityPolicy.RELIABLE)
        return self._all_reliable if self.publishers else None

    def _subscribe(self) -> Subscription:
        qos = QoSProfile(
            history=self._override.history, depth=self._override.depth,
            reliability=ReliabilityPolicy.RELIABLE if self.reliable else ReliabilityPolicy.BEST_EFFORT)
        # Each event costs every wait of the executor; only a change of the publishers is of interest.
        if TELLS_NUMBERS and self._group is None:
            events = SubscriptionEventCallbacks(matched=lambda _: self.follow(), use_default_callbacks=False)
        else:
            events = SubscriptionEventCallbacks(use_default_callbacks=False)
        arrived: Any = self._numbered if TELLS_NUMBERS else self._unnumbered
        return self._node.create_subscription(self._type, self.topic, arrived, qos, event_callbacks=events,
                                              callback_group=self._group)

    def _numbered(self, message: Any, info: Any) -> None:
        self._hand_on([(message, info)] + self._waiting())

    def _unnumbered(self, message: Any) -> None:
        self._hand_on([(message, {})] + self._waiting())

    def _hand_on(self, batch: List[Tuple[Any, Any]]) -> None:
        for self.more in reversed(range(len(batch))):
            message, info = batch[-1 - self.more]
            number = info.get('publication_sequence_number', 0) if self.publishers == 1 else 0
            self._received(message, None if number in _UNKNOWN_NUMBERS else number)

    def _waiting(self) -> List[Tuple[Any, Any]]:
        """Take what else has arrived: the executor would hand it out one by one, the oldest first."""
        taken: List[Tuple[Any, Any]] = []
        subscription = self._subscription
        while subscription is not None and len(taken) < self._override.depth:
            with subscription.handle:
                item = subscription.handle.take_message(subscription.msg_type, False)
            if item is None:
                break
            taken.append(item)
        return taken


class _Override:
    """
    The user's QoS for one subscription, under ROS's own parameter names.

    Declared here and not by rclpy: its parameter would hold the first automatic choice ever after.
    """

    def __init__(self, node: Node, topic: str) -> None:
        prefix = f'qos_overrides.{topic}.subscription.'
        reliability = _declared(node, prefix + 'reliability', '',
                                "reliable or best_effort; '': as the camera's publishers offer")
        history = _declared(node, prefix + 'history', 'keep_last', 'keep_last or keep_all')
        self.depth = _declared(node, prefix + 'depth', DEPTH, 'images that the middleware keeps')
        self.reliability = None  # the camera's
        if reliability:
            self.reliability = _policy(prefix + 'reliability', reliability, RELIABILITIES)
        self.history = _policy(prefix + 'history', history, HISTORIES)
        if self.depth < 1:
            raise InputError(f'{prefix}depth is {self.depth}; at least 1 is needed')


def _declared(node: Node, name: str, default: Any, description: str) -> Any:
    """Declare a read-only parameter once; later configurations find it there."""
    if not node.has_parameter(name):
        node.declare_parameter(name, default, ParameterDescriptor(description=description, read_only=True))
    return node.get_parameter(name).value


def _policy(name: str, value: str, known: Any) -> Any:
    if value not in known:
        raise InputError("{} is '{}'; it is one of: {}".format(name, value, ', '.join(known)))
    return known[value]
