/** The part of every Python client that is the same: calls and events over HTTP, with the standard library alone. */
export const pythonRuntime = String.raw`M = TypeVar("M")
P = TypeVar("P")


class BindingError(Exception):
    """An invocation that failed. effect: unsent (it may be repeated), rejected, or ambiguous (nobody knows)."""

    def __init__(self, message: str, reason: str, effect: str, system_code: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.effect = effect
        self.system_code = system_code


class NotHandled(Exception):
    """What a handler raises to say what becomes of the event. Any other exception is a Retry."""

    outcome = "retry"
    after: Optional[float] = None


class Retry(NotHandled):
    """It comes again, after at least so many seconds."""

    def __init__(self, reason: str = "", *, after: Optional[float] = None) -> None:
        super().__init__(reason)
        self.after = after


class DeadLetter(NotHandled):
    """It gets no further attempt."""

    outcome = "dead_letter"


class Drop(NotHandled):
    """It is acknowledged and dropped."""

    outcome = "drop"


@dataclass(frozen=True)
class Answer(Generic[M]):
    """The answer of an operation."""

    data: bytes
    metadata: M

    def text(self) -> str:
        return self.data.decode()

    def json(self) -> Any:
        return json.loads(self.data)


@dataclass(frozen=True)
class Event(Generic[P, M]):
    """An event of an input."""

    name: str
    data: bytes
    metadata: M
    # Everything beside the data, headers of the message included, by names in lower case.
    headers: Mapping[str, str]
    attempt: int
    # None: there is no limit.
    attempts: Optional[int]
    last_error: str

    def text(self) -> str:
        return self.data.decode()

    def json(self) -> P:
        return cast(P, json.loads(self.data))


Handler = Callable[[Event[P, M]], Awaitable[Union[bytes, str, None]]]


class Client:
    """A runtime, by the address of its HTTP port. By default what cufflink run has put into the environment."""

    def __init__(self, runtime: Optional[str] = None, *, token: Optional[str] = None) -> None:
        port = os.environ.get("DAPR_HTTP_PORT", "3500")
        address = runtime or os.environ.get("DAPR_HTTP_ENDPOINT") or f"http://127.0.0.1:{port}"
        self._address = urllib.parse.urlsplit(address)
        self._token = os.environ.get("DAPR_API_TOKEN", "") if token is None else token
        self._handlers: dict[str, tuple[Handler[Any, Any], Mapping[str, str]]] = {}

    async def invoke(
        self,
        component: str,
        operation: str,
        data: Union[bytes, str, None] = None,
        metadata: Optional[Mapping[str, str]] = None,
        timeout: Optional[float] = 30.0,
    ) -> Answer[Mapping[str, str]]:
        """Runs an operation once. Raises a BindingError."""
        content = data.encode() if isinstance(data, str) else data or b""
        request = {
            "name": component,
            "operation": operation,
            "data": base64.b64encode(content).decode(),
            "metadata": dict(metadata or {}),
        }
        sent = [False]
        try:
            status, body = await asyncio.wait_for(self._post(request, timeout, sent), timeout)
        except (asyncio.TimeoutError, OSError, EOFError, ValueError) as error:
            is_late = isinstance(error, asyncio.TimeoutError)
            reason = "deadline_exceeded" if is_late else "unavailable"
            effect = "ambiguous" if sent[0] else "unsent"
            said = "no answer in time" if is_late else str(error)
            raise BindingError(f"{component} {operation}: {said}", reason, effect) from error
        answer = _object(body)
        if status != 200:
            raise _failure(status, answer)
        return Answer(base64.b64decode(answer.get("data", "")), answer.get("metadata", {}))

    async def _post(
        self, request: Mapping[str, Any], timeout: Optional[float], sent: list[bool]
    ) -> tuple[int, bytes]:
        address = self._address
        body = json.dumps(request).encode()
        if address.scheme == "unix":
            path = address.netloc + address.path
            reader, writer = await asyncio.open_unix_connection(path, limit=_most_header_bytes)
        else:
            secure = address.scheme == "https"
            port = address.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(
                address.hostname, port, ssl=secure or None, limit=_most_header_bytes
            )
        try:
            headers = {
                "host": address.netloc if address.scheme != "unix" else "localhost",
                "content-type": "application/json",
                "content-length": str(len(body)),
                "connect-protocol-version": "1",
            }
            if timeout is not None:
                headers["connect-timeout-ms"] = str(max(1, int(timeout * 1000)))
            if self._token:
                headers["dapr-api-token"] = self._token
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"POST {address.path if address.scheme != 'unix' else ''}{_invoke} HTTP/1.0\r\n{lines}\r\n"
            sent[0] = True
            writer.write(head.encode() + body)
            await writer.drain()
            # HTTP/1.0: the answer ends where the connection does, or where it says.
            status, received = await _read_head(reader)
            length = received.get("content-length")
            content = await (reader.read() if length is None else reader.readexactly(int(length)))
            return int(status.split(" ", 2)[1]), content
        finally:
            writer.close()

    async def serve(
        self, port: Optional[int] = None, *, host: str = "127.0.0.1", token: Optional[str] = None
    ) -> None:
        """Takes events until it is cancelled, from a runtime with --app-port PORT --app-protocol http."""
        number = int(os.environ.get("APP_PORT", "0")) if port is None else port
        secret = os.environ.get("APP_API_TOKEN", "") if token is None else token
        running: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                running.add(task)
            try:
                await self._connection(reader, writer, secret)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                pass
            finally:
                if task is not None:
                    running.discard(task)
                writer.close()

        server = await asyncio.start_server(connected, host, number, limit=_most_header_bytes)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for task in running:
                task.cancel()

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: str
    ) -> None:
        while True:
            line, headers = await _read_head(reader)
            method, target, _ = line.split(" ", 2)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            given = headers.get("dapr-api-token", "")
            path = urllib.parse.unquote(target.split("?", 1)[0]).lstrip("/")
            status, content, more = 401, b"", dict[str, str]()
            if not secret or hmac.compare_digest(given.encode(), secret.encode()):
                status, content, more = await self._answer(method, path, headers, body)
            more["content-length"] = str(len(content))
            lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            writer.write(f"HTTP/1.1 {status} {_phrases[status]}\r\n{lines}\r\n".encode() + content)
            await writer.drain()

    async def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        if method == "GET" and path == "healthz":
            return 200, b"", {}
        found = self._handlers.get(path)
        if found is None:
            return 404, b"", {}
        if method == "OPTIONS":
            return 200, b"", {}
        handler, names = found
        told = {name: value for name, value in headers.items() if name not in _of_http}
        metadata = {names.get(name, name): value for name, value in told.items()}
        attempts = int(headers.get("cufflink-attempts", "0"))
        event: Event[Any, Any] = Event(
            name=path,
            data=body,
            metadata={name: metadata[name] for name in names.values() if name in metadata}
            if names
            else metadata,
            headers=told,
            attempt=int(headers.get("cufflink-attempt", "1")),
            attempts=attempts or None,
            last_error=urllib.parse.unquote(headers.get("cufflink-last-error", "")),
        )
        try:
            reply = await handler(event)
        except NotHandled as refused:
            said = urllib.parse.quote(str(refused), safe=" ")
            more = {"cufflink-outcome": f"{refused.outcome}; {said}" if said else refused.outcome}
            if refused.after is not None:
                more["cufflink-retry-after"] = f"{refused.after}s"
            return 500, b"", more
        except Exception as error:
            return 500, (str(error) or type(error).__name__).encode(), {}
        return 200, reply.encode() if isinstance(reply, str) else reply or b"", {}

    def _on(self, name: str, handler: Handler[Any, Any], names: Mapping[str, str]) -> None:
        if name in self._handlers:
            raise ValueError(f"{name} has a handler already; an input has one handler")
        self._handlers[name] = (handler, names)


_invoke = "/dapr.proto.runtime.v1.Dapr/InvokeBinding"
_most_header_bytes = 1024 * 1024
_phrases = {200: "OK", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}
# What belongs to the request and not to the event.
_of_http = frozenset(
    "connection content-length content-type cufflink-attempt cufflink-attempts cufflink-last-error"
    " dapr-api-token host keep-alive transfer-encoding user-agent".split()
)


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    head = await reader.readuntil(b"\r\n\r\n")
    # The bytes of values are UTF-8.
    first, *lines = head[:-4].decode(errors="replace").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return first, headers


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _failure(status: int, answer: Mapping[str, Any]) -> BindingError:
    told: dict[str, str] = {}
    for detail in answer.get("details", []):
        if detail.get("type") == "google.rpc.ErrorInfo":
            value = str(detail.get("value", ""))
            told.update(_facts(base64.b64decode(value + "=" * (-len(value) % 4))))
    message = str(answer.get("message") or f"the runtime answered HTTP {status}")
    reason = told.get("reason", str(answer.get("code", "unknown")))
    return BindingError(
        message, reason, told.get("effect", "ambiguous"), told.get("systemCode", "")
    )


def _facts(message: bytes) -> Iterator[tuple[str, str]]:
    """The map of a google.rpc.ErrorInfo."""
    for number, value in _fields(message):
        if number == 3:
            entry = dict(_fields(value))
            yield entry.get(1, b"").decode(), entry.get(2, b"").decode()


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message that has texts and messages alone."""
    at = 0
    while at < len(message):
        tag, at = message[at], at + 1
        length = shift = 0
        while True:
            byte, at = message[at], at + 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield tag >> 3, message[at : at + length]
        at += length


def _texts(*parts: Optional[Mapping[str, object]]) -> dict[str, str]:
    """Metadata as texts: true and false as the runtime reads them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for part in parts
        for name, value in (part or {}).items()
    }`;
