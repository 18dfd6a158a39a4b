// Many connections, each of which asks for more than it reads, against a server in a process of its own.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isLong } from "../../long.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { Neighbour } from "../served.ts";
import type { ServerState } from "./answers-process.ts";

const mib = 1024 * 1024;
/** In `npm run test:long` as many as an attacker would have. */
const connections = isLong ? 500 : 40;
const budget = isLong ? 64 * mib : 4 * mib;
/** The young generation, the buffers for reading, and what the allocator keeps. */
const beside = 96 * mib;

let server: ChildProcess;
beforeAll(() => {
  const program = join(import.meta.dirname, "answers-process.ts");
  server = fork(program, [String(budget)], { execArgv: ["--expose-gc"] });
});
afterAll(() => server.kill("SIGKILL"));

async function state(): Promise<ServerState> {
  server.send("state");
  const [said] = (await once(server, "message")) as [ServerState];
  return said;
}

/** What each connection does, and then never reads nor says anything again. */
const slow: readonly [string, (peer: RawPeer) => Promise<void>][] = [
  [
    "windows are wide, and the socket is not read",
    async (peer) => {
      const ask = raw.requestBlock(`/bytes/${64 * mib}`);
      await peer.send(
        raw.settings(raw.Settings.initialWindowSize, 2 ** 31 - 1),
        raw.windowUpdate(0, 2 ** 31 - 1 - 65_535),
        ...Array.from({ length: 20 }, (_, at) => raw.headers(1 + 2 * at, ask)),
      );
    },
  ],
  [
    "no window is left",
    async (peer) => {
      const ask = raw.requestBlock(`/bytes/${64 * mib}`);
      await peer.send(
        raw.settings(raw.Settings.initialWindowSize, 0),
        ...Array.from({ length: 20 }, (_, at) => raw.headers(1 + 2 * at, ask)),
      );
    },
  ],
  [
    "bodies are sent that nobody reads",
    async (peer) => {
      const part = raw.data(1, Buffer.alloc(16_384));
      await peer.send(
        raw.headers(1, raw.requestBlock("/pause"), false),
        ...Array.from({ length: 60 }, () => part),
      );
    },
  ],
];

test.each(slow)(
  `${connections} connections: %s`,
  async (_, slowDown) => {
    const before = await state();
    const peers: RawPeer[] = [];
    let peak = 0;
    let counted = 0;
    const look = async (): Promise<ServerState> => {
      const now = await state();
      peak = Math.max(peak, now.resident);
      counted = Math.max(counted, now.counted);
      return now;
    };
    for (let count = 0; count < connections; count++) {
      const peer = await RawPeer.connect(before.port, { forgetsData: true });
      peers.push(peer);
      peer.socket.pause();
      void slowDown(peer);
      if (count % 10 === 9) await look();
    }
    // Those that have had enough are refused or closed, and the others hold what they hold.
    let last = await look();
    await expect
      .poll(
        async () => {
          const now = await look();
          const isSame = now.counted === last.counted && now.closed === last.closed;
          last = now;
          return isSame;
        },
        { timeout: 60_000, interval: isLong ? 500 : 100 },
      )
      .toBe(true);
    expect(counted).toBeLessThan(budget * 1.5);
    expect(peak - before.resident).toBeLessThan(budget * 1.5 + beside);
    for (const peer of peers) peer.end();
    await expect.poll(async () => (await look()).connections, { timeout: 10_000 }).toBe(0);
    expect((await look()).counted).toBe(0);
    using neighbour = await Neighbour.connect(before.port);
    await neighbour.ask();
  },
  120_000,
);
