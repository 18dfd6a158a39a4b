import type { OwnServer, ServerName, ServerOptions } from "../../test/servers/kinds.ts";
import { startServer } from "../../test/servers/start-server.ts";
import { type Clouds, startClouds } from "./clouds.ts";
import { type Nginx, startNginx } from "./nginx.ts";

/** The systems that a row binds to: each started when it is first asked for, ended with the row. */
export class Systems implements AsyncDisposable {
  readonly #folder: string;
  readonly #started = new Map<string, Promise<AsyncDisposable>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** In memory only, since a disk would be measured with it. */
  redis(): Promise<OwnServer<"redis">> {
    return this.#server("redis", { arguments: ["--appendonly", "no"] });
  }

  rabbitmq(): Promise<OwnServer<"rabbitmq">> {
    return this.#server("rabbitmq");
  }

  /** Keeps all that waits for a session; 20 unacknowledged at a time, as is its default. */
  mosquitto(): Promise<OwnServer<"mosquitto">> {
    return this.#server("mosquitto", { config: ["max_queued_messages 0"] });
  }

  kafka(): Promise<OwnServer<"kafka">> {
    return this.#server("kafka");
  }

  postgres(): Promise<OwnServer<"postgres">> {
    return this.#server("postgres");
  }

  openssh(): Promise<OwnServer<"openssh">> {
    return this.#server("openssh");
  }

  nats(): Promise<OwnServer<"nats">> {
    return this.#server("nats");
  }

  nginx(): Promise<Nginx> {
    return this.#once("nginx", () => startNginx(this.#folder));
  }

  /** The clouds' services, as far as a row needs them, that answer at once. */
  clouds(): Promise<Clouds> {
    return this.#once("clouds", () => startClouds());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started.values()) {
      const system = await started.catch(() => undefined);
      await system?.[Symbol.asyncDispose]();
    }
  }

  #server<Name extends ServerName>(
    name: Name,
    options?: ServerOptions<Name>,
  ): Promise<OwnServer<Name>> {
    return this.#once(name, () => startServer(name, options));
  }

  #once<System extends AsyncDisposable>(
    name: string,
    startSystem: () => Promise<System>,
  ): Promise<System> {
    const known = this.#started.get(name) as Promise<System> | undefined;
    if (known !== undefined) return known;
    const started = startSystem();
    this.#started.set(name, started);
    return started;
  }
}
