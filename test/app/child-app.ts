// An app in a process of its own, to be killed: node child-app.ts grpc|http PORT. It prints a line when it
// listens and one for each event, handles what does not say "hang", and never answers what does.
import http from "node:http";
import http2 from "node:http2";
import process from "node:process";
import { refusesStream } from "./unary-app.ts";

const [protocol, port] = process.argv.slice(2);

function take(body: Buffer, answer: () => void): void {
  const hangs = body.includes("hang");
  process.stdout.write(`${hangs ? "hang" : "event"}\n`);
  if (!hangs) answer();
}

const server =
  protocol === "grpc"
    ? http2.createServer().on("stream", (stream: http2.ServerHttp2Stream, headers) => {
        if (refusesStream(stream, headers)) return;
        const chunks: Buffer[] = [];
        stream.on("error", () => {});
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("end", () =>
          take(Buffer.concat(chunks), () => {
            const headers = { ":status": 200, "content-type": "application/grpc" };
            stream.respond(headers, { waitForTrailers: true });
            stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
            stream.end(Buffer.alloc(5));
          }),
        );
      })
    : http.createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => take(Buffer.concat(chunks), () => response.end()));
      });

server.listen(Number(port), "127.0.0.1", () => process.stdout.write("listening\n"));
