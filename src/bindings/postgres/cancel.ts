import type { ClientBase, ClientConfig } from "pg";
import { inside, type Driver } from "./driver.ts";

/** How long the request to cancel may take, in milliseconds. */
const longest = 5000;

/** Asks the server, on a connection of its own, to end what the client's connection runs. Nobody waits for it. */
export function cancelStatement(driver: Driver, config: ClientConfig, client: ClientBase): void {
  const { processID, secretKey, host, port } = inside(client);
  if (processID === null || secretKey === null) return;
  const { connection, ssl } = inside(new driver.Client(config));
  const timer = setTimeout(() => connection.stream.destroy(), longest).unref();
  connection.on("error", () => undefined);
  connection.on("end", () => clearTimeout(timer));
  const cancel = (): void => connection.cancel(processID, secretKey);
  connection.on("connect", () => (ssl ? connection.requestSsl() : cancel()));
  connection.on("sslconnect", cancel);
  if (host.startsWith("/")) connection.connect(`${host}/.s.PGSQL.${port}`);
  else connection.connect(port, host);
}
