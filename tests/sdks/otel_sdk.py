"""Sends events with OpenTelemetry's SDK over HTTP, through a proxy that loses the first answer: the SDK sends again.

    otel_sdk.py NODE TOKEN GZIP

Prints as JSON how often the SDK sent, and what the node answered at the end.
"""

import http.server
import json
import sys
import threading
import time
import urllib.request

from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

node, token, gzip = sys.argv[1:4]
answers = []


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes requests on, and says the first time that the node is not there."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        request = urllib.request.Request(node + self.path, data=body, headers=headers, method="POST")
        with urllib.request.urlopen(request) as response:
            answers.append((response.status, response.read()))
        status, answer = (503, b"") if len(answers) == 1 else answers[-1]
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()

exporter = OTLPLogExporter(
    endpoint=f"http://127.0.0.1:{proxy.server_address[1]}/v1/logs",
    headers={"Authorization": f"Bearer {token}"},
    compression=Compression.Gzip if gzip == "gzip" else Compression.NoCompression,
)
provider = LoggerProvider(resource=Resource.create({"service.name": "case-editor", "service.instance.id": gzip}))
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("ui", "1.0.0")
for number in range(3):
    # Two of them are equal in everything.
    at = time.time_ns() if number != 1 else at
    logger.emit(
        LogRecord(timestamp=at, observed_timestamp=at, event_name="case.opened", attributes={"case_id": "case-17", "user.id": "u7"})
    )
logger.emit(LogRecord(timestamp=time.time_ns(), event_name="https://jana:tajneheslo@db.firma-praha.cz/x"))
logger.emit(LogRecord(timestamp=time.time_ns(), body="a line of a log"))
provider.force_flush()
provider.shutdown()

partial = ExportLogsServiceResponse.FromString(answers[-1][1]).partial_success
print(json.dumps({"sent": len(answers), "rejected": partial.rejected_log_records, "message": partial.error_message}))
