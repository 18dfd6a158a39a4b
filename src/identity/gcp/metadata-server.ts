import { request } from "node:http";
import { boundedText, largestTokenAnswer } from "../../memory/bounded-text.ts";
import { jsonOf, tokenOf } from "./exchange.ts";
import { noCredentials, type CredentialSource } from "./source.ts";
import type { Uses } from "./service-account.ts";

/** What every machine of Google's cloud can ask who it is. */
const usualHost = "metadata.google.internal";
const account = "/computeMetadata/v1/instance/service-accounts/default";
/** Milliseconds to answer: it is on the machine itself, or there is none. */
const answerTimeout = 3_000;

/** Where it is asked; `undefined`: the environment says that there is none. */
export function metadataHost(environment: NodeJS.ProcessEnv): string | undefined {
  if (/^(true|1)$/i.test(environment["NO_GCE_CHECK"] ?? "")) return undefined;
  return environment["GCE_METADATA_HOST"] || environment["GCE_METADATA_IP"] || usualHost;
}

/** The service account that this machine, container or function runs as. */
export function machineAccount(host: string, { scopes, hide }: Uses): CredentialSource {
  const query = `?scopes=${encodeURIComponent(scopes.join(","))}`;
  return {
    described: `service account of the machine (metadata server ${host})`,
    token: async (signal) => {
      const text = await ask(host, `${account}/token${query}`, signal);
      const token = tokenOf(jsonOf(text), `the metadata server ${host}`);
      hide(token.token);
      return token;
    },
    email: async (signal) => (await ask(host, `${account}/email`, signal)).trim(),
  };
}

/** Never through a proxy: the answer is for this machine alone. */
function ask(host: string, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      headers: { "metadata-flavor": "Google" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeout)]),
    };
    const outgoing = request(`http://${host}${path}`, options);
    outgoing.on("error", (error) => {
      const isLate = error.name === "AbortError" && !signal.aborted;
      reject(isLate ? noCredentials(`no answer within ${answerTimeout} ms`) : error);
    });
    outgoing.on("response", (response) => {
      boundedText(response, largestTokenAnswer).then((text) => {
        const { statusCode = 0, headers } = response;
        if (headers["metadata-flavor"] !== "Google")
          reject(noCredentials("what answers there is no metadata server"));
        else if (statusCode === 200) resolve(text);
        else reject(noCredentials(`it answered HTTP ${statusCode}`));
      }, reject);
    });
    outgoing.end();
  });
}
