"""What segmentation_node publishes for one camera; what nobody listens to is not computed."""

from array import array
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from ...classes import ClassTable
from ...images import encode_jpeg, encode_png
from ...overlay import Overlay, colourise
from ...timing import FrameTiming, monotonic_ns

LABELS_DEPTH = 10
TIMING_DEPTH = 100      # small, and frames that were superseded come in runs


class Wanted(NamedTuple):
    """Which outputs have a listener right now."""

    timing: bool
    labels: bool
    overlay: bool
    labels_compressed: bool
    overlay_compressed: bool
    labels_colour: bool
    confidence: bool = False


class CameraOutputs:
    """The publishers of one camera, and the messages that they use again and again."""

    def __init__(self, node: LifecycleNode, prefix: str, timing: 'TimingOutput', encoding: str,
                 confidence: bool = False) -> None:
        """Create publishers under ``~/<prefix>``; they drop everything until the node is active."""
        def publisher(kind: Any, name: str, depth: int) -> Any:
            return node.create_lifecycle_publisher(
                kind, f'~/{prefix}{name}', QoSProfile(depth=depth),
                qos_overriding_options=QoSOverridingOptions.with_default_policies())

        self._node = node
        self._encoding = encoding
        self._timing = timing
        self._labels = publisher(Image, 'labels', LABELS_DEPTH)
        self._overlay = publisher(Image, 'overlay', 1)
        self._labels_compressed = publisher(CompressedImage, 'labels/compressed', LABELS_DEPTH)
        self._overlay_compressed = publisher(CompressedImage, 'overlay/compressed', 1)
        self._labels_colour = publisher(Image, 'labels_colour', 1)
        self._confidence: Any = publisher(Image, 'confidence', LABELS_DEPTH) if confidence else None
        self._publishers = tuple(filter(None, (
            self._labels, self._overlay, self._labels_compressed, self._overlay_compressed,
            self._labels_colour, self._confidence)))
        self._label_image = _ImageBuffer()
        self._confidence_image = _ImageBuffer()
        self._overlay_image = _ImageBuffer()
        self._colour_image = _ImageBuffer()

    def wanted(self) -> Wanted:
        """Ask the graph who listens."""
        return Wanted(*self._have_listeners())

    def heard(self) -> bool:
        """Whether anybody listens to anything."""
        return any(self._have_listeners())

    def listeners(self) -> Dict[str, int]:
        """Return how many listeners each output has, by topic: those that messages reach now."""
        return {publisher.topic_name: publisher.get_subscription_count()
                for publisher in (self._timing.publisher,) + self._publishers}

    def _have_listeners(self) -> Iterator[bool]:
        return (publisher.get_subscription_count() > 0
                for publisher in (self._timing.publisher,) + self._publishers)

    def publish(self, wanted: Wanted, header: Any, image: np.ndarray, order: str, labels: np.ndarray,
                overlay: Overlay, confidence: Optional[np.ndarray] = None) -> Tuple[int, int]:
        """
        Publish (H, W) labels of an (H, W, 3) image in `order` under the image's own header.

        Labels go first: they are what a robot acts on. Returns when they were out, monotonic and ROS clock
        in ns; where nobody hears labels, when the overlay was.
        """
        if wanted.labels:
            self._labels.publish(self._label_image.filled(header, labels, self._encoding))
        if wanted.labels_compressed:
            self._labels_compressed.publish(
                _compressed(header, f'{self._encoding}; png compressed ', encode_png(labels)))
        published = self._now()
        if confidence is not None:
            self._confidence.publish(self._confidence_image.filled(header, confidence, 'mono8'))
        if wanted.overlay or wanted.overlay_compressed:
            blended = overlay(image, labels, order)
            if wanted.overlay:
                self._overlay.publish(self._overlay_image.filled(header, blended, 'rgb8', order == 'bgr'))
            if wanted.overlay_compressed:
                self._overlay_compressed.publish(
                    _compressed(header, 'rgb8; jpeg compressed bgr8', encode_jpeg(blended, order)))
        if wanted.labels_colour:
            colours = colourise(labels, overlay.palette)
            self._labels_colour.publish(self._colour_image.filled(header, colours, 'rgb8'))
        return published if wanted.labels or wanted.labels_compressed else self._now()

    def _now(self) -> Tuple[int, int]:
        return monotonic_ns(), self._node.get_clock().now().nanoseconds

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)


class TimingOutput:
    """``~/timing``: what became of every received frame, and when."""

    def __init__(self, node: LifecycleNode) -> None:
        """Create the publisher; it drops everything until the node is active."""
        self._node = node
        self.publisher = node.create_lifecycle_publisher(
            DiagnosticArray, '~/timing', QoSProfile(depth=TIMING_DEPTH),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def publish(self, header: Any, timing: FrameTiming) -> None:
        """Publish one frame's record under its image's header, if anybody listens."""
        if self.publisher.get_subscription_count() == 0:
            return
        level = DiagnosticStatus.OK if timing.published_ros_ns is not None else DiagnosticStatus.WARN
        status = DiagnosticStatus(
            level=level, name=timing.camera, message=timing.outcome,
            values=[KeyValue(key=key, value=value) for key, value in timing.to_items()])
        self.publisher.publish(DiagnosticArray(header=header, status=[status]))

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self.publisher)


class _ImageBuffer:
    """One Image message whose pixels are written in place: memory moves once, nothing is allocated."""

    def __init__(self) -> None:
        self._message = Image()
        self._pixels: Optional[np.ndarray] = None

    def filled(self, header: Any, pixels: np.ndarray, encoding: str, swap_channels: bool = False) -> Image:
        """Return the message holding `pixels`, (H, W) or (H, W, 3) uint8; the next call overwrites it."""
        message = self._message
        if self._pixels is None or self._pixels.shape != pixels.shape:
            self._pixels = None
            message.data = array('B', bytes(pixels.size))
            self._pixels = np.frombuffer(message.data, np.uint8).reshape(pixels.shape)
            message.height, message.width = pixels.shape[:2]
            message.step = pixels.size // pixels.shape[0]
        if swap_channels:
            cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=self._pixels)
        else:
            self._pixels[...] = pixels
        message.header = header
        message.encoding = encoding
        return message


def _compressed(header: Any, format_: str, picture: np.ndarray) -> CompressedImage:
    message = CompressedImage(header=header, format=format_)
    message.data.frombytes(picture.data)
    return message


def publish_label_info(publisher: Any, classes: ClassTable, stamp: Any) -> None:
    """Publish the class names as vision_msgs/LabelInfo, latched by the publisher."""
    from vision_msgs.msg import LabelInfo, VisionClass
    message = LabelInfo()
    message.header.stamp = stamp
    names = list(enumerate(classes.names)) + [(classes.ignore_index, classes.ignore_name)]
    message.class_map = [VisionClass(class_id=index, class_name=name) for index, name in names]
    publisher.publish(message)


def label_info_type() -> Any:
    """Return vision_msgs/LabelInfo; None where vision_msgs, or this message in it, is not installed."""
    try:
        from vision_msgs.msg import LabelInfo
    except ImportError:
        return None
    return LabelInfo
