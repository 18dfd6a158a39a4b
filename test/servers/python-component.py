"""A queue as a pluggable component: a plain gRPC server, by grpcio and Dapr's protos, without any SDK of Dapr's.

Arguments: the folder of the protos, the path of the socket. Operations and events as of dapr-component (Go).
"""

import json
import os
import queue
import sys
import threading
from concurrent import futures

import grpc
from grpc_reflection.v1alpha import reflection

protos, socket = sys.argv[1:]
sys.path.insert(0, protos)
common = grpc.protos("dapr/proto/components/v1/common.proto")
messages, services = grpc.protos_and_services("dapr/proto/components/v1/bindings.proto")

lock = threading.Lock()
queues = {}
instances = {}


class Queue:
    def __init__(self):
        self.events = queue.Queue()
        self.acknowledged = []


def instance_of(context):
    return dict(context.invocation_metadata()).get("x-component-instance", "")


def initialize(request, context):
    properties = dict(request.metadata.properties)
    if not properties.get("queue"):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "missing queue")
    with lock:
        one = queues.setdefault(properties["queue"], Queue())
        instances[instance_of(context)] = (one, properties)


class Input(services.InputBindingServicer):
    def Init(self, request, context):
        initialize(request, context)
        return messages.InputBindingInitResponse()

    def Ping(self, request, context):
        return common.PingResponse()

    def Read(self, requests, context):
        one, _ = instances[instance_of(context)]
        sent = {}
        ended = threading.Event()

        def acknowledge():
            try:
                for ack in requests:
                    event = sent.pop(ack.message_id)
                    failed = ack.HasField("response_error")
                    error = ack.response_error.message if failed else ""
                    note = {"data": event.data.decode(), "reply": ack.response_data.decode()}
                    one.acknowledged.append({**note, "error": error})
                    if failed:
                        one.events.put(event)
            except grpc.RpcError:
                pass
            except Exception:
                # The call was cut.
                pass
            finally:
                ended.set()
                while sent:
                    one.events.put(sent.popitem()[1])

        threading.Thread(target=acknowledge, daemon=True).start()
        number = 0
        while not ended.is_set() and context.is_active():
            try:
                event = one.events.get(timeout=0.05)
            except queue.Empty:
                continue
            number += 1
            event.message_id = str(number)
            sent[event.message_id] = event
            yield event


class Output(services.OutputBindingServicer):
    def Init(self, request, context):
        initialize(request, context)
        return messages.OutputBindingInitResponse()

    def Ping(self, request, context):
        return common.PingResponse()

    def ListOperations(self, request, context):
        return messages.ListOperationsResponse(operations=["create", "list", "fail", "exit"])

    def Invoke(self, request, context):
        one, properties = instances[instance_of(context)]
        if request.operation == "create":
            event = messages.ReadResponse(data=request.data, metadata=dict(request.metadata))
            one.events.put(event)
            return messages.InvokeResponse(metadata={"queue": properties["queue"]})
        if request.operation == "list":
            content = {"acknowledged": one.acknowledged, "properties": properties}
            return messages.InvokeResponse(data=json.dumps(content).encode())
        if request.operation == "exit":
            os._exit(1)
        raise Exception("the queue is broken: " + request.data.decode())


server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
services.add_InputBindingServicer_to_server(Input(), server)
services.add_OutputBindingServicer_to_server(Output(), server)
names = [
    messages.DESCRIPTOR.services_by_name[name].full_name for name in ("InputBinding", "OutputBinding")
]
reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
if os.path.exists(socket):
    os.remove(socket)
server.add_insecure_port("unix:" + socket)
server.start()
print("listening", flush=True)
server.wait_for_termination()
