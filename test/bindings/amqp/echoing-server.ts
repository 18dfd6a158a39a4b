import type { EchoingServer, Spelling } from "../echoing-servers.ts";
import { startStandIn } from "./stand-in.ts";

/** Lets everybody in, and closes each connection with what it was sent at the login. */
export async function echoingAmqp1(
  wanted: (text: string) => boolean,
  spelling: Spelling,
): Promise<EchoingServer> {
  const echoed: string[] = [];
  const sent: string[] = [];
  const server = await startStandIn({
    enter(user, password) {
      sent.push(user, password);
      return true;
    },
    connected(connection) {
      const said = sent.filter(wanted).map(spelling).join(" ");
      echoed.push(said);
      connection.close({ condition: "amqp:unauthorized-access", description: `not ${said}` });
    },
  });
  return { host: "127.0.0.1", port: server.port, echoed };
}
