"""A client and a server of grpcio's for messages that are plain bytes. Lines of JSON on standard input say what to do."""

import base64
import json
import os
import queue
import sys
import threading
from collections import Counter
from concurrent import futures

import grpc

LARGEST = 64 << 20
SIZES = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
printing = threading.Lock()


def say(value):
    with printing:
        print("=" + json.dumps(value), flush=True)


def to_base64(data):
    return base64.b64encode(data).decode()


def to_entries(metadata):
    """Values whose names end in -bin are base64 here."""
    entries = []
    for name, value in metadata or ():
        entries.append([name, to_base64(value) if isinstance(value, bytes) else value])
    return entries


def from_entries(entries):
    return [(name, base64.b64decode(value) if name.endswith("-bin") else value) for name, value in entries]


# The server


class Peer(grpc.GenericRpcHandler):
    def __init__(self):
        self.released = threading.Event()
        self.holding = 0
        self.lock = threading.Lock()

    def service(self, details):
        name = details.method.rsplit("/", 1)[1]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Expand": grpc.unary_stream_rpc_method_handler(self.expand),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
            "OnBindingEvent": grpc.unary_unary_rpc_method_handler(self.deliver),
            "ListInputBindings": grpc.unary_unary_rpc_method_handler(lambda _, context: b"\n\x04tick"),
        }.get(name)

    def hold(self, context):
        done = threading.Event()
        with self.lock:
            released = self.released
            self.holding += 1
            say({"event": "holding", "count": self.holding})
        state = {"ended": False}

        def ended():
            if not state["ended"]:
                say({"event": "cancelled"})
            done.set()

        context.add_callback(ended)
        while not released.wait(0.05) and not done.is_set():
            pass
        state["ended"] = released.is_set()
        with self.lock:
            self.holding -= 1

    def release(self):
        with self.lock:
            self.released.set()
            self.released = threading.Event()

    def begin(self, context):
        metadata = context.invocation_metadata()
        self.headers(context, metadata)
        context.set_trailing_metadata([entry for entry in metadata if entry[0].startswith("trail-")])
        return dict(metadata)

    def headers(self, context, metadata):
        context.send_initial_metadata([entry for entry in metadata if entry[0].startswith("echo-")])

    def fail(self, context, asked):
        trailers = [entry for entry in context.invocation_metadata() if entry[0].startswith("trail-")]
        context.set_trailing_metadata([*trailers, ("grpc-status-details-bin", asked.get("details-bin", b""))])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: grüße, 100 %")

    def unary(self, message, context):
        asked = self.begin(context)
        if asked.get("do") == "hold":
            self.hold(context)
        elif asked.get("do") == "fail":
            self.fail(context, asked)
        return message

    def expand(self, _, context):
        asked = self.begin(context)
        message = b"a" * int(asked.get("size", 0))
        for _ in range(int(asked.get("count", 1))):
            yield message
        if asked.get("do") == "hold":
            self.hold(context)
        elif asked.get("do") == "fail":
            self.fail(context, asked)

    def collect(self, messages, context):
        self.begin(context)
        count = size = 0
        for message in messages:
            count += 1
            size += len(message)
        return f"{count} {size}".encode()

    def chat(self, messages, context):
        self.begin(context)
        yield from messages

    def deliver(self, message, _):
        say({"event": "delivered", "data": to_base64(message)})
        return b""


def serve(port, files):
    peer = Peer()
    options = [*SIZES, ("grpc.http2.min_ping_interval_without_data_ms", 500), ("grpc.http2.max_ping_strikes", 0)]
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=64), handlers=(peer,), options=options, compression=grpc.Compression.Gzip
    )
    address = f"127.0.0.1:{port}"
    if files:
        cert, key = (open(path, "rb").read() for path in files)
        server.add_secure_port(address, grpc.ssl_server_credentials([(key, cert)]))
    else:
        server.add_insecure_port(address)
    server.start()
    say({"event": "listening"})

    def shut_down():
        server.stop(60).wait()
        say({"event": "closed"})
        os._exit(0)

    for line in sys.stdin:
        if json.loads(line)["op"] == "release":
            peer.release()
        else:
            threading.Thread(target=shut_down).start()
    os._exit(0)


# The client


class Outcome:
    def __init__(self, messages):
        self.messages = messages
        self.count = self.size = 0
        self.same = True
        self.first = None

    def take(self, message):
        self.same = self.same and self.count < len(self.messages) and message == self.messages[self.count]
        self.count += 1
        self.size += len(message)
        if self.first is None and len(message) <= 4096:
            self.first = to_base64(message)


def requests(asked):
    if asked.get("messages") is not None:
        return [base64.b64decode(one) for one in asked["messages"]]
    size = asked.get("size", 0)
    message = (bytes(range(251)) * (size // 251 + 1))[:size]
    return [message] * asked.get("count", 1)


def options_of(asked):
    return {
        "metadata": from_entries(asked.get("metadata", [])),
        "timeout": asked["timeout"] / 1000 if "timeout" in asked else None,
        "compression": grpc.Compression.Gzip if asked.get("gzip") else None,
        "wait_for_ready": True,
    }


def run(channel, asked):
    op = asked["op"]
    path = asked.get("path") or f"/cufflink.peers.Peer/{op.capitalize()}"
    options = options_of(asked)
    outcome = Outcome(requests(asked))
    messages = outcome.messages
    code, text, details = 0, "", None
    call = None
    try:
        if op == "unary":
            call = channel.unary_unary(path).future(messages[0], **options)
            outcome.take(call.result())
        elif op == "collect":
            call = channel.stream_unary(path).future(iter(messages), **options)
            outcome.take(call.result())
        else:
            if op == "expand":
                call = channel.unary_stream(path)(messages[0], **options)
            else:
                call = channel.stream_stream(path)(iter(messages), **options)
            for message in call:
                outcome.take(message)
                if outcome.count == asked.get("cancelAfter"):
                    call.cancel()
    except grpc.RpcError as error:
        code, text = error.code().value[0], error.details()
        call = error if call is None else call
    except grpc.FutureCancelledError:
        code, text = 1, "cancelled"
    trailers = to_entries(call.trailing_metadata())
    for name, value in trailers:
        if name == "grpc-status-details-bin":
            details = value
    return {
        **{"id": asked["id"], "code": code, "text": text, "details": details, "count": outcome.count},
        **{"bytes": outcome.size, "same": outcome.same, "first": outcome.first},
        **{"headers": to_entries(call.initial_metadata()), "trailers": trailers},
    }


def many(channel, asked):
    """By futures: threads would be as many as calls."""
    [message] = requests({**asked, "count": 1})
    options = options_of(asked)
    method = channel.unary_unary(asked.get("path") or "/cufflink.peers.Peer/Unary")
    places = threading.Semaphore(asked.get("concurrency") or asked["count"])
    done = queue.SimpleQueue()

    def ended(call):
        places.release()
        done.put(call)

    def start():
        for _ in range(asked["count"]):
            places.acquire()
            method.future(message, **options).add_done_callback(ended)

    threading.Thread(target=start).start()
    codes, size, same, texts = Counter(), 0, True, []
    for _ in range(asked["count"]):
        call = done.get()
        code = call.code().value[0]
        codes[str(code)] += 1
        if code == 0:
            size += len(call.result())
            same = same and call.result() == message
        elif len(texts) < 3:
            texts.append(call.details())
    return {"id": asked["id"], "codes": codes, "bytes": size, "same": same, "text": texts}


def call(address, files):
    options = list(SIZES)
    if "KEEPALIVE_MS" in os.environ:
        options += [
            ("grpc.keepalive_time_ms", int(os.environ["KEEPALIVE_MS"])),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    if files:
        options.append(("grpc.ssl_target_name_override", "localhost"))
        secure = grpc.ssl_channel_credentials(open(files[0], "rb").read())
        channel = grpc.secure_channel(address, secure, options)
    else:
        channel = grpc.insecure_channel(address, options)
    for line in sys.stdin:
        asked = json.loads(line)
        work = many if asked["op"] == "many" else run
        threading.Thread(target=lambda asked=asked, work=work: say(work(channel, asked)), daemon=True).start()
    os._exit(0)


if sys.argv[1] == "server":
    serve(sys.argv[2], sys.argv[3:])
else:
    call(sys.argv[2], sys.argv[3:])
