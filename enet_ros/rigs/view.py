"""A page on this machine that shows a segmentation node at work: `demo --view`.

It is served by the standard library: one reader on loopback needs no framework, and the demo's lock has none.
On a robot in the field use web_video_server or Foxglove (docs/nodes.md).
"""

from http.server import BaseHTTPRequestHandler, HTTPServer
import json
from socketserver import ThreadingMixIn
import threading
from typing import TYPE_CHECKING, Any, Dict, Type

from ..classes import ClassTable
from ..errors import InputError
from ..images import encode_jpeg
from ..reports.page import render

if TYPE_CHECKING:       # it imports rclpy, and the port is asked for before that
    from .watcher import Watcher

HOST = '127.0.0.1'


class View:
    """The page, served in threads of their own. Used as a context manager."""

    def __init__(self, watcher: 'Watcher', classes: ClassTable, server: HTTPServer) -> None:
        """Answer what comes to `server`, which is `listen`'s."""
        self._watcher, self._classes = watcher, classes
        self._page = render('view.html', classes=[
            (name, 'rgb({}, {}, {})'.format(*rgb)) for name, rgb in zip(classes.names, classes.rgb)]).encode()
        self._server = server
        server.RequestHandlerClass = _handler(self)
        self.url = 'http://{}:{}/'.format(*self._server.server_address[:2])
        threading.Thread(target=self._server.serve_forever, name='view', daemon=True).start()

    def state(self) -> Dict[str, Any]:
        """Return what the page shows now, under the names of the tools' JSON."""
        watcher = self._watcher
        labels = watcher.labels()
        return {'frames_in': watcher.seen, 'frames_segmented': watcher.segmented,
                'dropped_by': {reason: count for reason, count in watcher.outcomes.items()
                               if reason != 'segmented'},
                'rate_hz': watcher.rate(), 'delay_ms': watcher.delay_ms,
                'class_shares': None if labels is None else self._classes.shares(labels)[:-1].tolist(),
                'overlay': watcher.overlays}

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if handler.path == '/':
            _send(handler, 'text/html; charset=utf-8', self._page)
        elif handler.path.startswith('/overlay.jpg'):
            picture = self._watcher.overlay()
            if picture is None:
                handler.send_error(404)
            else:
                _send(handler, 'image/jpeg', encode_jpeg(picture[0], picture[1], 85).tobytes())
        elif handler.path == '/state':
            _send(handler, 'application/json', json.dumps(self.state()).encode())
        else:
            handler.send_error(404)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> 'View':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True


def listen(port: int = 0) -> HTTPServer:
    """Return a server that holds `port`, any free one where 0; InputError where it is taken."""
    try:
        return _Server((HOST, port), BaseHTTPRequestHandler)
    except OSError as error:
        raise InputError(f'--view: port {port}: {error.strerror}; name another one') from None


def _handler(view: View) -> Type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Gives requests to the view, and says nothing of them."""

        def do_GET(self) -> None:  # noqa: N802  # the base class's name
            # A page elsewhere that resolves its name to this machine would have another Host.
            if self.headers.get('Host', '').rsplit(':', 1)[0] not in (HOST, 'localhost'):
                self.send_error(403)
                return
            try:
                view.answer(self)
            except OSError:     # the reader has left
                pass

        def log_message(self, *_: Any) -> None:
            pass
    return Handler


def _send(handler: BaseHTTPRequestHandler, kind: str, body: bytes) -> None:
    handler.send_response(200)
    for name, value in (('Content-Type', kind), ('Content-Length', str(len(body))),
                        ('Cache-Control', 'no-store')):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
