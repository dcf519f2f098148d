"""A client in another language, made from proto/ alone: says what it is answered, one JSON object a line.

client.py COMMAND HOST:PORT [ARGUMENT...]; the token, where one is needed, is in the variable TOKEN.
"""

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../proto")
MADE = tempfile.TemporaryDirectory()
FILE = "mdsctl/v1/backpressure.proto"
WELL_KNOWN = os.path.join(os.path.dirname(protoc.__file__), "_proto")
made = protoc.main(
    ["", f"-I{PROTO}", f"-I{WELL_KNOWN}", f"--python_out={MADE.name}", f"--grpc_python_out={MADE.name}", FILE]
)
assert made == 0, "protoc"
sys.path.insert(0, MADE.name)
from mdsctl.v1 import backpressure_pb2, backpressure_pb2_grpc  # noqa: E402

TOKEN = os.environ.get("TOKEN")


def metadata():
    return [("authorization", f"Bearer {TOKEN}")] if TOKEN else []


def say(**what):
    print(json.dumps(what), flush=True)


def code(error):
    return {"code": error.code().name, "details": error.details()}


def plain(message):
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def attempt(call):
    try:
        return {"code": "OK", "answer": call()}
    except grpc.RpcError as error:
        return code(error)


def main(command, target, arguments):
    # One connection of its own for each channel, as different programs have.
    channel = grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)])
    ours = backpressure_pb2_grpc.BackpressureStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    if command == "watch":
        try:
            for pressure in ours.Watch(backpressure_pb2.WatchRequest(), metadata=metadata()):
                say(**plain(pressure))
            say(code="OK")
        except grpc.RpcError as error:
            say(**code(error))
    elif command == "get":
        call = lambda: plain(ours.Get(backpressure_pb2.GetRequest(), metadata=metadata(), timeout=20))  # noqa: E731
        say(**attempt(call))
    elif command == "health":
        for name in arguments:
            request = health_pb2.HealthCheckRequest(service=name)
            call = lambda: plain(health.Check(request, metadata=metadata(), timeout=20))["status"]  # noqa: E731
            say(**attempt(call))
    elif command == "watch-health":
        request = health_pb2.HealthCheckRequest(service=arguments[0] if arguments else "")
        for answer in health.Watch(request, metadata=metadata()):
            say(**plain(answer))
        say(code="OK")
    elif command == "reflect":
        database = ProtoReflectionDescriptorDatabase(channel)
        service = DescriptorPool(database).FindServiceByName("mdsctl.v1.Backpressure")
        methods = {m.name: [m.input_type.name, m.output_type.name] for m in service.methods}
        fields = [field.name for field in service.methods_by_name["Get"].output_type.fields]
        say(services=list(database.get_services()), methods=methods, fields=fields)
    elif command == "other":
        # What is not there, and what is no message.
        for path, body in [
            ("/mdsctl.v1.Backpressure/Set", b""),
            ("/mdsctl.v2.Other/Get", b""),
            ("/mdsctl.v1.Backpressure/Get", b"\xff\xff\xff"),
            ("/mdsctl.v1.Backpressure/Get", b"x" * 100_000),
        ]:
            call = channel.unary_unary(path)
            say(**attempt(lambda: call(body, metadata=metadata(), timeout=20).hex()))
    elif command == "crowd":
        # So many streams on each of so many connections.
        connections, streams = map(int, arguments)
        channels = [grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(connections)]
        # Over the limit of one connection they wait in the client.
        calls = [
            backpressure_pb2_grpc.BackpressureStub(one).Watch(
                backpressure_pb2.WatchRequest(), metadata=metadata(), timeout=10
            )
            for one in channels
            for _ in range(streams)
        ]

        def first(call):
            try:
                return f"LEVEL_{backpressure_pb2.Level.Name(next(call).level).removeprefix('LEVEL_')}"
            except grpc.RpcError as error:
                return error.code().name

        with ThreadPoolExecutor(len(calls)) as pool:
            firsts = list(pool.map(first, calls))
        say(firsts={word: firsts.count(word) for word in sorted(set(firsts))})
        for call in calls:
            call.cancel()
        say(**attempt(lambda: plain(ours.Get(backpressure_pb2.GetRequest(), metadata=metadata(), timeout=20))))
    elif command == "full":
        # So many connections that each have a stream, then one more; and again when those are gone.
        channels = [
            grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(int(arguments[0]))
        ]
        calls = [
            backpressure_pb2_grpc.BackpressureStub(one).Watch(backpressure_pb2.WatchRequest(), metadata=metadata())
            for one in channels
        ]
        for call in calls:
            next(call)
        get = lambda: plain(ours.Get(backpressure_pb2.GetRequest(), metadata=metadata(), timeout=60))  # noqa: E731
        say(**attempt(get))
        for one in channels:
            one.close()
        for _ in range(600):
            told = attempt(get)
            if told["code"] == "OK":
                break
            time.sleep(0.1)
        say(**told)
    else:
        raise SystemExit(f"no such command: {command}")


main(sys.argv[1], sys.argv[2], sys.argv[3:])
