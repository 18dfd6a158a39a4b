import type { ServerControl } from "../../servers/kinds.ts";

/**
 * An Azurite that is asked to end where others are killed: it saves what it has every five seconds and at its end, so
 * that killed it has lost what it said it has.
 */
export function endedForKilled<Server extends ServerControl>(server: Server): Server {
  const members = Object.getOwnPropertyDescriptors(server);
  const copy = Object.defineProperties({}, members) as Server;
  return Object.assign(copy, { kill: () => server.stop() });
}
