"""Handles the events of an input, and writes each to an output: python3 app.py INPUT OUTPUT

It dials the runtime and needs no port. docs/event-streams.md tells the rules that EventStream follows.
"""

import os
import queue
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import grpc

sys.path.append(os.path.join(os.path.dirname(__file__), "gen"))
from cufflink.v1 import event_streams_pb2 as streams
from dapr.proto.runtime.v1 import dapr_pb2 as dapr


class EventStream:
    """One stream: events of a lane one after another, lanes beside each other."""

    def __init__(self, binding, handle, pool, credit=100):
        self.handle = handle
        self.pool = pool
        self.ended = False
        self.lock = threading.Lock()
        self.waiting = {}  # by lane, while one of its events is being handled: those behind it
        self.stopped = {}  # by lane: the epoch in which an event was not handled
        self.outbox = queue.Queue()
        wanted = streams.Subscription(bindings=[binding], ordered_pipelining=True)
        self.outbox.put(streams.AppMessage(subscription=wanted, credit=credit))

    def messages(self):
        """What is sent to the runtime."""
        while (message := self.outbox.get()) is not None:
            yield message

    def take(self, batch):
        for event in batch.events:
            with self.lock:
                if event.lane and self.stopped.get(event.lane) == event.epoch:
                    self.settle(event, not_attempted=streams.NotAttempted())
                    continue
                self.stopped.pop(event.lane, None)
                if event.lane in self.waiting:
                    self.waiting[event.lane].append(event)
                    continue
                if event.lane:
                    self.waiting[event.lane] = deque()
            self.pool.submit(self.run, event)

    def run(self, event):
        """Handles an event, and those that come behind it in its lane."""
        while event is not None:
            try:
                self.handle(event)
                failure = None
            except Exception as error:
                failure = streams.Retry(reason=str(error))
            with self.lock:
                if failure is None:
                    self.settle(event)
                else:
                    self.settle(event, retry=failure)
                event = self.next(event, failure is not None)

    def next(self, event, failed):
        behind = self.waiting.get(event.lane, deque())
        if failed and event.lane:
            self.stopped[event.lane] = event.epoch
            for one in behind:
                self.settle(one, not_attempted=streams.NotAttempted())
            behind.clear()
        if behind and not self.ended:
            return behind.popleft()
        self.waiting.pop(event.lane, None)
        return None

    def settle(self, event, **outcome):
        """Settles an event and lets the runtime send another one."""
        if outcome:
            settlement = streams.Settlement(delivery=event.delivery, **outcome)
            self.outbox.put(streams.AppMessage(settlements=[settlement], credit=1))
        else:
            self.outbox.put(streams.AppMessage(handled=[event.delivery], credit=1))

    def end(self):
        """The stream is gone: what waits is forgotten, for the runtime delivers it again."""
        with self.lock:
            self.ended = True
            for behind in self.waiting.values():
                behind.clear()
        self.outbox.put(None)


def main(source, target):
    token = os.environ.get("DAPR_API_TOKEN")
    metadata = [("dapr-api-token", token)] if token else []
    port = os.environ.get("DAPR_GRPC_PORT", "50001")
    address = os.environ.get("DAPR_GRPC_ENDPOINT") or f"127.0.0.1:{port}"
    with grpc.insecure_channel(address) as channel:
        subscribe = channel.stream_stream(
            "/cufflink.v1.Bindings/SubscribeBindings",
            request_serializer=streams.AppMessage.SerializeToString,
            response_deserializer=streams.EventBatch.FromString,
        )
        invoke_binding = channel.unary_unary(
            "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
            request_serializer=dapr.InvokeBindingRequest.SerializeToString,
            response_deserializer=dapr.InvokeBindingResponse.FromString,
        )

        def handle(event):
            # What is raised here, by a failing output too, has the event delivered again.
            request = dapr.InvokeBindingRequest(
                name=target, operation="create", data=event.event.data
            )
            invoke_binding(request, timeout=10, metadata=metadata)
            print(f"attempt {event.attempt}: {event.event.data.decode()}", flush=True)

        while True:
            # Leaving the pool waits for its handlers: the event of one that still runs comes again.
            with ThreadPoolExecutor() as pool:
                stream = EventStream(source, handle, pool)
                try:
                    for batch in subscribe(stream.messages(), metadata=metadata):
                        stream.take(batch)
                except grpc.RpcError as error:
                    print(f"no events for now: {error.details()}", file=sys.stderr, flush=True)
                finally:
                    stream.end()
            time.sleep(0.5)


try:
    main(*sys.argv[1:])
except KeyboardInterrupt:
    pass
