import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { messageOf } from "../../errors.ts";
import { admit, type Admission, type AdmissionOptions } from "./admission.ts";
import type { ServerCertificate } from "./certificate.ts";

export type InjectorServerOptions = AdmissionOptions & {
  readonly isReady: () => boolean;
  readonly onAdmission: (admission: Admission) => void;
  readonly onProblem: (message: string) => void;
};

/** An object of Kubernetes has up to 1.5 MiB in its store, and a review has it up to two times, with what JSON adds. */
const largestReview = 8 * 1024 * 1024;
/** API servers wait for a webhook for 30 seconds at most. */
const requestTimeout = 30_000;
const idleTimeout = 60_000;
const mostConnections = 256;

/** Serves `POST /inject` (AdmissionReview), and `GET /livez` and `/readyz`, over HTTPS. */
export class InjectorServer {
  readonly #options: InjectorServerOptions;
  #server: Server | undefined;
  #isEnding = false;

  constructor(options: InjectorServerOptions) {
    this.#options = options;
  }

  /** Resolves to the port. */
  async listen(certificate: ServerCertificate, port: number, host: string): Promise<number> {
    const server = createServer(
      {
        ...{ cert: certificate.certificate, key: certificate.key, minVersion: "TLSv1.2" },
        ...{ requestTimeout, headersTimeout: requestTimeout, keepAliveTimeout: idleTimeout },
      },
      (request, response) => void this.#answer(request, response),
    );
    server.maxConnections = mostConnections;
    server.on("tlsClientError", () => undefined);
    server.listen(port, host);
    await once(server, "listening");
    this.#server = server;
    return (server.address() as AddressInfo).port;
  }

  /** New connections are shown this one. */
  show({ certificate, key }: ServerCertificate): void {
    this.#server?.setSecureContext({ cert: certificate, key, minVersion: "TLSv1.2" });
  }

  /** Is not ready any more, and goes on. */
  retire(): void {
    this.#isEnding = true;
  }

  /** Takes no more connections, and waits for those that are at work. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.close();
    server.closeIdleConnections();
    const late = setTimeout(() => server.closeAllConnections(), requestTimeout);
    await once(server, "close");
    clearTimeout(late);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#isEnding) response.setHeader("connection", "close");
    const path = request.url?.split("?")[0];
    const isGet = request.method === "GET";
    if (isGet && path === "/livez") return end(response, 200, "ok\n");
    if (isGet && path === "/readyz") {
      if (this.#isEnding) return end(response, 503, "ending\n");
      if (this.#options.isReady()) return end(response, 200, "ok\n");
      return end(response, 503, "the API server does not know the certificate yet\n");
    }
    if (path !== "/inject") return end(response, 404, "there is POST /inject\n");
    if (request.method !== "POST") return end(response, 405, "only POST\n");
    if (request.headers["content-type"]?.split(";")[0]?.trim() !== "application/json")
      return end(response, 415, "only application/json\n");
    try {
      const text = await textOf(request);
      if (text === undefined) {
        response.setHeader("connection", "close");
        return end(response, 413, `a review has up to ${largestReview} bytes\n`);
      }
      const admission = admit(JSON.parse(text), this.#options);
      this.#options.onAdmission(admission);
      const json = JSON.stringify(admission.review);
      response.writeHead(200, { "content-type": "application/json" }).end(json);
    } catch (error) {
      // The parser's own text may quote the pod.
      const why = error instanceof SyntaxError ? "it is no JSON" : messageOf(error);
      this.#options.onProblem(`a review could not be read: ${why}`);
      response.setHeader("connection", "close");
      end(response, 400, `the review could not be read: ${why}\n`);
    }
  }
}

/** `undefined`: it is too large. */
async function textOf(request: AsyncIterable<Buffer>): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > largestReview) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts, size).toString("utf8");
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
