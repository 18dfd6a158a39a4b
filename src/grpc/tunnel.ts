import net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";

/** A longer head of an answer is none of a proxy. */
const longestHead = 16 * 1024;
const endOfHead = "\r\n\r\n";

/**
 * The bytes to and from a host by an HTTP proxy (`CONNECT`), whose URL may name a user. What is written before the
 * proxy has agreed waits until it has. It is destroyed with an error where the proxy refuses, and with the
 * connection to the proxy.
 */
export class Tunnel extends Duplex {
  readonly #socket: net.Socket;
  #head = Buffer.alloc(0);
  #isOpen = false;
  #waiting: (() => void) | undefined;

  /** Throws for a proxy that is no http or https URL. */
  constructor(proxy: string, host: string, port: number) {
    super();
    const url = new URL(proxy);
    if (!/^https?:$/.test(url.protocol)) throw new Error("the proxy is no http or https URL");
    const isSecure = url.protocol === "https:";
    const address = url.hostname.replaceAll(/[[\]]/g, "");
    const where = { host: address, port: Number(url.port) || (isSecure ? 443 : 80), noDelay: true };
    this.#socket = isSecure
      ? tls.connect({ ...where, ...(net.isIP(address) === 0 && { servername: address }) })
      : net.connect(where);
    const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const proof =
      url.username === "" && url.password === ""
        ? []
        : [`Proxy-Authorization: Basic ${userOf(url).toString("base64")}`];
    const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`, ...proof];
    this.#socket.once(isSecure ? "secureConnect" : "connect", () => {
      this.#socket.write(lines.join("\r\n") + endOfHead);
    });
    this.#socket.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#socket.on("end", () => {
      if (this.#isOpen) this.push(null);
      else this.destroy(new Error("the proxy ended the connection"));
    });
    this.#socket.on("error", (error) => this.destroy(error));
    this.#socket.on("close", () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void) {
    if (this.#isOpen) this.#socket.write(bytes, done);
    else this.#waiting = () => this.#socket.write(bytes, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    if (this.#isOpen) {
      if (!this.push(bytes)) this.#socket.pause();
      return;
    }
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf(endOfHead);
    if (end === -1 && this.#head.length <= longestHead) return;
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(this.#head.toString("latin1", 0, 64))?.[1];
    if (end === -1 || status?.startsWith("2") !== true) {
      const why = status === undefined ? "it answers no HTTP" : `HTTP ${status}`;
      this.destroy(new Error(`the proxy does not connect: ${why}`));
      return;
    }
    this.#isOpen = true;
    const rest = this.#head.subarray(end + endOfHead.length);
    this.#head = Buffer.alloc(0);
    this.#waiting?.();
    this.#waiting = undefined;
    if (rest.length > 0) this.push(rest);
  }
}

function userOf({ username, password }: URL): Buffer {
  return Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
}
