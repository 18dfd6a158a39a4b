import type { AnyTarget } from "../target.ts";
import { events } from "./events.ts";
import { grpc } from "./grpc.ts";
import { http } from "./http.ts";
import { http2 } from "./http2.ts";
import { dialledIn, dialledOut } from "./streams.ts";
import { webhook } from "./webhook.ts";
import { yamlFiles } from "./yaml.ts";

export const targets: readonly AnyTarget[] = [
  yamlFiles,
  http,
  http2,
  grpc,
  dialledIn,
  dialledOut,
  events,
  webhook,
];
