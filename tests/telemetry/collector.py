"""A collector that keeps what comes, over gRPC or HTTP, on a port of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
from opentelemetry.proto.collector.logs.v1 import (  # pyright: ignore[reportMissingTypeStubs] - generated
    logs_service_pb2,
    logs_service_pb2_grpc,
)
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Generator

_HTTP: Any = {
    "/v1/traces": (
        "traces",
        trace_service_pb2.ExportTraceServiceRequest,
        trace_service_pb2.ExportTraceServiceResponse,
    ),
    "/v1/metrics": (
        "metrics",
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
    ),
    "/v1/logs": (
        "logs",
        logs_service_pb2.ExportLogsServiceRequest,
        logs_service_pb2.ExportLogsServiceResponse,
    ),
}


@dataclass
class Collected:
    """What came so far, and where to send more."""

    protocol: str
    endpoint: str = ""
    holding: threading.Event = field(default_factory=threading.Event)
    """Requests that come while it is set are answered once `let_go` is."""
    let_go: threading.Event = field(default_factory=threading.Event)
    requests: dict[str, list[Any]] = field(
        default_factory=lambda: {"traces": [], "metrics": [], "logs": []}
    )

    def keep(self, signal: str, request: Any) -> None:
        """Keep a request, and answer when it may be answered."""
        held = self.holding.is_set()
        self.requests[signal].append(request)
        if held:
            self.let_go.wait(60)

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests["traces"]
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> dict[str, list[Any]]:
        """Metrics by name, each as often as it came."""
        found: dict[str, list[Any]] = {}
        for request in self.requests["metrics"]:
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        found.setdefault(metric.name, []).append(metric)
        return found

    @property
    def logs(self) -> list[Any]:
        return [
            record
            for request in self.requests["logs"]
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program export here."""
        protocol = "grpc" if self.protocol == "grpc" else "http/protobuf"
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }


class _Service(
    trace_service_pb2_grpc.TraceServiceServicer,
    metrics_service_pb2_grpc.MetricsServiceServicer,
    logs_service_pb2_grpc.LogsServiceServicer,
):
    """All three services; each has an `Export` of its own, told apart by what it is given."""

    def __init__(self, collected: Collected) -> None:
        self._collected = collected

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by the protocol
        for signal, kind, answer in _HTTP.values():
            if isinstance(request, kind):
                self._collected.keep(signal, request)
                return answer()
        raise TypeError(request)


@contextmanager
def collector(protocol: str) -> Generator[Collected]:
    """Collect over `grpc` or `http` while inside."""
    collected = Collected(protocol)
    if protocol == "grpc":
        server = grpc.server(ThreadPoolExecutor(4))
        service = _Service(collected)
        services: Any = (trace_service_pb2_grpc, metrics_service_pb2_grpc, logs_service_pb2_grpc)
        for module, name in zip(services, ("Trace", "Metrics", "Logs"), strict=True):
            getattr(module, f"add_{name}ServiceServicer_to_server")(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        collected.endpoint = f"http://127.0.0.1:{port}"
        server.start()
        yield collected
        server.stop(None).wait()
        return

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            signal, kind, answer = _HTTP[self.path]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                raise AssertionError("not asked for")
            collected.keep(signal, kind.FromString(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(answer().SerializeToString())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the server
            """Write nothing."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected.endpoint = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield collected
    web.shutdown()
    thread.join()
    web.server_close()
