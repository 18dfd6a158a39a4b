"""Invokes an operation of a component: python3 main.py COMPONENT OPERATION DATA"""

import os
import sys

import grpc

sys.path.append(os.path.join(os.path.dirname(__file__), "gen"))
from dapr.proto.runtime.v1 import dapr_pb2 as dapr

address = os.environ.get("DAPR_GRPC_ENDPOINT") or f"127.0.0.1:{os.environ.get('DAPR_GRPC_PORT', '50001')}"
with grpc.insecure_channel(address) as channel:
    invoke_binding = channel.unary_unary(
        "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
        request_serializer=dapr.InvokeBindingRequest.SerializeToString,
        response_deserializer=dapr.InvokeBindingResponse.FromString,
    )
    name, operation, data = sys.argv[1:]
    response = invoke_binding(
        dapr.InvokeBindingRequest(name=name, operation=operation, data=data.encode()), timeout=10
    )
    print(response.data.decode())
