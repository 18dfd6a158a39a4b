import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { messageOf } from "../../errors.ts";
import { admit, type Admission, type AdmissionOptions } from "./admission.ts";
import type { ServerCertificate } from "./certificate.ts";

/** Looks at each request before anything of it is done. False: it may not go on, and is answered. */
type RequestGate = {
  admitsRequest(request: IncomingMessage, response: ServerResponse): boolean;
};

export type InjectorServerOptions = AdmissionOptions & {
  /** Keeps web pages out. Absent: all may ask. */
  readonly gate?: RequestGate;
  readonly isReady: () => boolean;
  readonly onAdmission: (admission: Admission) => void;
  readonly onProblem: (message: string) => void;
};

/** An object of Kubernetes has up to 1.5 MiB in its store, and a review has it up to two times, with what JSON adds. */
const largestReview = 8 * 1024 * 1024;
/**
 * So many bytes of reviews are held at one time, and what comes beyond is to be sent again: with what one takes while it is read, the
 * chart's limit has room for them.
 */
const mostHeld = 24 * 1024 * 1024;
/** How long the rest of a refused review is read and thrown away, so that the sender sees the answer. Milliseconds. */
const lingering = 2_000;
/** API servers wait for a webhook for 30 seconds at most. */
const requestTimeout = 30_000;
const idleTimeout = 60_000;
const mostConnections = 256;

/** Serves `POST /inject` (AdmissionReview), and `GET /livez` and `/readyz`, over HTTPS. */
export class InjectorServer {
  readonly #options: InjectorServerOptions;
  #server: Server | undefined;
  #isEnding = false;
  #held = 0;

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
    if (this.#options.gate?.admitsRequest(request, response) === false) return;
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
    const held = { bytes: 0 };
    try {
      const text = await this.#textOf(request, held);
      if (typeof text === "number") {
        linger(request);
        response.setHeader("connection", "close");
        if (text === 413) return end(response, 413, `a review has up to ${largestReview} bytes\n`);
        this.#options.onProblem("too many reviews come at one time; some were refused");
        return end(response, 503, "too many reviews come at one time; please send it again\n");
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
    } finally {
      this.#held -= held.bytes;
    }
  }

  /** The text of the request, or why it is not taken: 413 or 503. `held`: what is counted for it. */
  #textOf(request: IncomingMessage, held: { bytes: number }): Promise<string | 413 | 503> {
    const parts: Buffer[] = [];
    // Not an iterator: leaving one early would destroy the connection before the answer is out.
    return new Promise((resolve, reject) => {
      const onData = (part: Buffer): void => {
        held.bytes += part.length;
        this.#held += part.length;
        parts.push(part);
        const problem = held.bytes > largestReview ? 413 : this.#held > mostHeld ? 503 : undefined;
        if (problem === undefined) return;
        request.off("data", onData);
        parts.length = 0;
        resolve(problem);
      };
      request.on("data", onData);
      request.once("end", () => resolve(Buffer.concat(parts).toString("utf8")));
      request.once("error", reject);
      request.once("close", () => reject(new Error("the sender has hung up")));
    });
  }
}

function linger(request: IncomingMessage): void {
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), lingering);
  request.once("close", () => clearTimeout(timer));
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
