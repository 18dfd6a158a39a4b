import { testRestart, testSource } from "../contract.ts";
import { sseSource } from "./contract-source.ts";
import type { EventServer } from "./event-server.ts";

testSource("sse", sseSource());

let server: EventServer | undefined;
testRestart(
  "sse",
  sseSource((made) => (server = made)),
  {
    restart: async () => server?.restart(),
  },
);
