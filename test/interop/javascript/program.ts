// Calls bindings, and is called by them, by Dapr's SDK for JavaScript.
import { createInterface } from "node:readline";
import { CommunicationProtocolEnum, DaprClient, DaprServer } from "@dapr/dapr";

type Call = { binding: string; operation: string; data?: unknown; metadata?: object };

const [mode = "", protocol = "", serverPort = "", ...names] = process.argv.slice(2);
const communicationProtocol =
  protocol === "grpc" ? CommunicationProtocolEnum.GRPC : CommunicationProtocolEnum.HTTP;
const daprPort = process.env[protocol === "grpc" ? "DAPR_GRPC_PORT" : "DAPR_HTTP_PORT"] ?? "";
const clientOptions = { daprHost: "127.0.0.1", daprPort, communicationProtocol };

if (mode === "app") await serve();
else await call();

async function serve(): Promise<void> {
  const server = new DaprServer({
    ...{ serverHost: "127.0.0.1", serverPort, communicationProtocol, clientOptions },
  });
  let refused = false;
  for (const name of names) {
    await server.binding.receive(name, async (data: unknown) => {
      // The SDK parses JSON.
      const text = textOf(data);
      const refuses = text.includes("refuse once") && !refused;
      write({ binding: name, data: text, refused: refuses });
      if (!refuses) return;
      refused = true;
      throw new Error("refused once");
    });
  }
  await server.start();
}

async function call(): Promise<void> {
  const client = new DaprClient(clientOptions);
  for await (const line of createInterface({ input: process.stdin })) {
    const { binding, operation, data, metadata } = JSON.parse(line) as Call;
    try {
      const answer: unknown = await client.binding.send(binding, operation, data, metadata);
      const isAnswer = typeof answer === "object" && answer !== null && "data" in answer;
      write({ data: textOf(isAnswer ? answer.data : answer) });
    } catch (error) {
      write({ error: String(error) });
    }
  }
  await client.stop();
}

function textOf(data: unknown): string {
  if (data === undefined || data === null) return "";
  if (data instanceof Uint8Array) return Buffer.from(data).toString();
  return typeof data === "string" ? data : JSON.stringify(data);
}

function write(value: object): void {
  process.stdout.write(`=${JSON.stringify(value)}\n`);
}
