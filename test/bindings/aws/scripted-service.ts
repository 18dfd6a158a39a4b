import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { endAfterTest } from "../contract.ts";

type Input = Readonly<Record<string, unknown>>;
/** What an operation answers with; text: the code of an error. Nothing: the connection is cut. */
type Answered = object | string | undefined;
type Script = Readonly<
  Record<string, (input: Input, call: number) => Answered | Promise<Answered>>
>;

/** Answers one service's operations as a test says, and counts them: for what no emulator can be made to do. */
export async function scriptedService(script: Script) {
  const calls: { operation: string; input: Input; at: number }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const operation = String(request.headers["x-amz-target"]).replace(/^.*\./, "");
      const input = JSON.parse(body) as Input;
      calls.push({ operation, input, at: performance.now() });
      const count = calls.filter((call) => call.operation === operation).length;
      void Promise.resolve(
        operation in script ? script[operation]?.(input, count) : "InvalidAction",
      ).then((answer) => {
        if (answer === undefined) request.socket.destroy();
        else if (typeof answer === "string") {
          const refusal = { __type: answer, message: "as scripted" };
          response.writeHead(answer.startsWith("Internal") ? 500 : 400);
          response.end(JSON.stringify(refusal));
        } else response.end(JSON.stringify(answer));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endAfterTest(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    of: (operation: string) => calls.filter((call) => call.operation === operation),
  };
}
