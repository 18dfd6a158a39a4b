import type { RequestHead } from "../grpc/request-head.ts";

/** Dapr's building blocks that are not here, by the first word of their paths. */
const blocks: ReadonlyMap<string, string> = new Map([
  ["actors", "the actors API"],
  ["configuration", "the configuration API"],
  ["conversation", "the conversation API"],
  ["crypto", "the cryptography API"],
  ["invoke", "service invocation"],
  ["jobs", "the jobs API"],
  ["lock", "the lock API"],
  ["publish", "publish and subscribe"],
  ["secrets", "the secrets API"],
  ["state", "the state API"],
  ["subscribe", "publish and subscribe"],
  ["unlock", "the lock API"],
  ["workflows", "the workflows API"],
]);

/** What is said of what is Dapr's and not Cufflink's. */
export const notHere = "is not part of Cufflink, which has Dapr's bindings alone";
/** What Dapr answers to a path that it knows nothing of: it takes it for a call of another app. */
const unknown = "failed getting app id either from the URL path or the header dapr-app-id";

/**
 * The message of `ERR_DIRECT_INVOKE` for a path that nothing here serves: what the caller wants that is Dapr's and not
 * Cufflink's, else Dapr's own words.
 */
export function notServedText(path: string, request: RequestHead): string {
  const [, word = "", target = ""] =
    /^\/v1\.0(?:-alpha\d|-beta\d)?\/([a-z]+)(?:\/([^/]+))?/.exec(path) ?? [];
  const block = blocks.get(word);
  if (block !== undefined && word !== "invoke") return `${block} ${notHere}`;
  const app = block === undefined ? request.get("dapr-app-id") : target;
  if (app !== undefined && app !== "")
    return `service invocation ${notHere}: call app ${app} at its own address`;
  return block === undefined ? unknown : `${block} ${notHere}`;
}
