import { ImapFlow } from "imapflow";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, type OpenedSource, type Source } from "../opened-source.ts";

/** A mailbox whose messages are marked as seen. */
export const imap: Source = {
  name: "imap",
  // What the app has, and what was handled and is not marked yet; together the runtime has no more than `maxInFlight`.
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const server = await kit.servers.dovecot(kit.ownServer);
    const proxy = await startProxy(server);
    const user = uniqueName("user").toLowerCase();
    await server.setPassword(user, "right");
    const { send, close } = sender(async () => {
      const client = new ImapFlow({
        ...{ host: server.host, port: server.port, secure: false, doSTARTTLS: false },
        ...{ auth: { user, pass: "right" }, logger: false as const },
      });
      client.on("error", () => undefined);
      await client.connect();
      return {
        // Headers there are none, so that the data are JSON with an empty line before it.
        send: async (event) =>
          void (await client.append("INBOX", Buffer.from(`\r\n${JSON.stringify(event)}\r\n`))),
        close: async () => client.close(),
      };
    });
    return {
      component: {
        ...{ name: "mails", type: "bindings.imap" },
        metadata: {
          ...{ host: proxy.host, port: String(proxy.port), tls: "none" },
          ...{ username: user, password: "right", format: "raw", pollInterval: "5s" },
        },
      },
      ordered: false,
      ...{ server, proxy, send },
      credentials: {
        async revoke() {
          await server.setPassword(user, "wrong");
          proxy.cut();
        },
        restore: () => server.setPassword(user, "right"),
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
