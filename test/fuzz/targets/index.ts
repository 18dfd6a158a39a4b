import type { AnyTarget } from "../target.ts";
import { answers } from "./answers.ts";
import { bodies } from "./bodies.ts";
import { eventStream } from "./event-stream.ts";
import { events } from "./events.ts";
import { resourceFolders } from "./folders.ts";
import { grpc } from "./grpc.ts";
import { hpack } from "./hpack.ts";
import { http } from "./http.ts";
import { http2 } from "./http2.ts";
import { http2Client, http2Server } from "./http2-connections.ts";
import { mqtt5 } from "./mqtt5.ts";
import { dialledIn, dialledOut } from "./streams.ts";
import { plainYaml } from "./plain-yaml.ts";
import { webhook } from "./webhook.ts";
import { yamlFiles } from "./yaml.ts";

/** What our own HTTP/2 is compared with others by. */
export const wireTargets: readonly AnyTarget[] = [hpack, http2Server, http2Client];

export const targets: readonly AnyTarget[] = [
  yamlFiles,
  plainYaml,
  resourceFolders,
  http,
  bodies,
  http2,
  ...wireTargets,
  grpc,
  dialledIn,
  dialledOut,
  events,
  answers,
  mqtt5,
  webhook,
  eventStream,
];
