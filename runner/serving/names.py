"""Everything of Hypercorn 0.18 that the runner relies on. Pinned to that version; a test checks each name's shape.

What is mended, and why: the protocols are kept (HTTP/1.1 on h11, HTTP/2 on h2,
WebSockets on wsproto), the connection below them is ours, and the three classes
above are subclassed where they were seen to wait for ever, to grow without
bound, or to fail with a traceback.
"""

from __future__ import annotations

from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as WireEvent
from hypercorn.protocol.events import Body, Data, EndBody, EndData, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import STREAM_ID, H2ProtocolAssumedError, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.typing import ConnectionState
from hypercorn.utils import filter_pseudo_headers, suppress_body

VERSION = "0.18.0"

__all__ = [
    "STREAM_ID",
    "VERSION",
    "ASGIHTTPState",
    "ASGIWebsocketState",
    "Body",
    "Closed",
    "Config",
    "ConnectionState",
    "Data",
    "EndBody",
    "EndData",
    "H2Protocol",
    "H2ProtocolAssumedError",
    "H11Protocol",
    "H11WSConnection",
    "HTTPStream",
    "RawData",
    "Request",
    "Response",
    "StreamBuffer",
    "StreamClosed",
    "StreamEvent",
    "Updated",
    "WSStream",
    "WireEvent",
    "WorkerContext",
    "filter_pseudo_headers",
    "suppress_body",
]
