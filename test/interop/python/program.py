import json
import sys

from dapr.clients import DaprClient
from dapr.ext.grpc import App

mode, protocol, *rest = sys.argv[1:]


def write(value):
    print("=" + json.dumps(value), flush=True)


if mode == "app":
    port, *names = rest
    app = App()
    refused = False

    def serve(name):
        @app.binding(name)
        def handle(request):
            global refused
            text = request.text()
            refuses = "refuse once" in text and not refused
            write({"binding": name, "data": text, "refused": refuses})
            if refuses:
                refused = True
                raise RuntimeError("refused once")

    for name in names:
        serve(name)
    app.run(int(port))
else:
    with DaprClient() as client:
        for line in sys.stdin:
            call = json.loads(line)
            data = call.get("data", "")
            try:
                answer = client.invoke_binding(
                    call["binding"],
                    call["operation"],
                    data if isinstance(data, str) else json.dumps(data),
                    call.get("metadata", {}),
                )
                write({"data": answer.text(), "metadata": answer.binding_metadata})
            except Exception as error:
                write({"error": str(error)})
