"""The metrics in Prometheus' text formats, written by its own client library."""

from __future__ import annotations

from collections.abc import Iterator

from generalbots_api.admin.model import Metrics
from generalbots_api.errors import NotSupported

PLAIN = "text/plain"
OPENMETRICS = "application/openmetrics-text"

_COUNTERS = {
    "requests_total": "Requests answered",
    "errors_total": "Answers of 500 and up",
    "rate_limited_total": "Requests refused for their quota",
    "messages_total": "Users' messages stored",
    "cpu_seconds": "Processor time of this process",
}
_GAUGES = {
    "uptime_seconds": "Time since the start",
    "active_sessions": "Login sessions that have not expired",
    "open_sockets": "Open WebSockets",
    "running_replies": "Replies being written",
    "memory_rss_bytes": "Resident memory of this process",
    "event_loop_lag_ms": "How late the event loop woke up, lately, at worst",
}


def exposition(metrics: Metrics, media_type: str) -> tuple[bytes, bytes]:
    """The content type and the body.

    Raises:
        NotSupported: prometheus-client is not installed (extra `metrics`).
    """
    try:
        from prometheus_client import exposition as plain  # noqa: PLC0415 - an extra
        from prometheus_client.openmetrics import exposition as openmetrics  # noqa: PLC0415
    except ModuleNotFoundError:
        raise NotSupported("This needs the package prometheus-client: install generalbots-api[metrics]") from None
    writer = openmetrics if media_type == OPENMETRICS else plain
    return writer.CONTENT_TYPE_LATEST.encode(), writer.generate_latest(_Collector(metrics))


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[object]:
        from prometheus_client.core import (  # noqa: PLC0415 - an extra
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        for name, text in _COUNTERS.items():
            value = getattr(self._metrics, name)
            yield CounterMetricFamily(f"generalbots_{name.removesuffix('_total')}", text, value=value)
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"generalbots_{name}", text, value=getattr(self._metrics, name))
        latency = GaugeMetricFamily("generalbots_latency_ms", "Time to answer, by quantile", labels=["quantile"])
        for quantile, value in (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99")):
            latency.add_metric([quantile], getattr(self._metrics.latency_ms, value))
        yield latency
