"""A collector of traces over gRPC: says on which port it listens, then what it is sent, one JSON object a line.

collector.py take|refuse|silent [CERTIFICATE KEY]
"""

import base64
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

MANNER = sys.argv[1]


def say(**what):
    print(json.dumps(what), flush=True)


def export(request, context):
    say(
        path="Export",
        metadata={name: value for name, value in context.invocation_metadata()},
        body=base64.b16encode(request).decode(),
    )
    if MANNER == "refuse":
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "s3cret-quota of tenant 7")
    if MANNER == "silent":
        time.sleep(60)
    return b""


method = grpc.unary_unary_rpc_method_handler(export)
service = grpc.method_handlers_generic_handler(
    "opentelemetry.proto.collector.trace.v1.TraceService", {"Export": method}
)
server = grpc.server(ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((service,))
if len(sys.argv) > 2:
    certificate, key = (open(path, "rb").read() for path in sys.argv[2:4])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
say(port=port)
server.wait_for_termination()
