// An app in plain JavaScript, with nothing installed: Cufflink sends each order to POST /orders, and it is handled once the
// answer is 200. Anything else, and Cufflink tries again, and in the end keeps it as a dead letter.
import { createServer } from "node:http";

const cufflink = process.env.CUFFLINK;
const headers = { "dapr-api-token": process.env.DAPR_API_TOKEN ?? "" };

const server = createServer((request, response) => {
  // Whether it wants the events of this component.
  if (request.method === "OPTIONS") return response.writeHead(200).end();
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    handle(Buffer.concat(chunks).toString())
      .then(() => response.writeHead(200).end())
      .catch((error) => {
        process.stderr.write(`${error.message}\n`);
        response.writeHead(500).end(error.message);
      });
  });
});
server.listen(8080, () => process.stdout.write("the app listens\n"));
process.on("SIGTERM", () => server.close());

async function handle(text) {
  const { id, quantity } = JSON.parse(text);
  if (!(quantity > 0)) throw new Error(`order ${id} has no quantity`);
  const receipt = { operation: "create", data: { order: id, quantity } };
  const body = JSON.stringify(receipt);
  const answer = await fetch(`${cufflink}/v1.0/bindings/receipts`, {
    method: "POST",
    headers,
    body,
  });
  if (!answer.ok) throw new Error(`no receipt: ${answer.status} ${await answer.text()}`);
  process.stdout.write(`order ${id}: ${quantity}\n`);
}
