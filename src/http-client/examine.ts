import { BindingError } from "../errors.ts";
import type { Questions } from "../examination.ts";
import { parseAddress } from "./address.ts";
import type { HttpClient } from "./client.ts";
import type { RequestHeaders } from "./headers.ts";
import type { ServiceClient } from "./service-client.ts";
import { failureOfStatus } from "./status.ts";

/**
 * Whether a server answers and knows the credentials, by a HEAD request, which is safe (RFC 9110, 9.2.1): any answer below
 * 500 shows that it is there. That it refuses the method says nothing of the credentials.
 */
export async function examineServer(
  client: HttpClient,
  headers: RequestHeaders,
  { ask, unknown, signal }: Questions,
): Promise<void> {
  let status = 0;
  const answers = await ask("reachable", client.home.origin, async () => {
    const request = { method: "HEAD", address: client.home, headers, body: undefined, maxBody: 0 };
    ({ status } = await client.send(request, signal));
    const text = `HEAD is answered with ${status}`;
    if (status >= 500) throw new BindingError(failureOfStatus(status).reason, text);
    return text;
  });
  if (!answers) return;
  if (status >= 300 && status !== 401)
    return unknown("authenticated", "", `HEAD is answered with ${status}, which does not tell`);
  await ask("authenticated", "", () => {
    if (status === 401)
      throw new BindingError("unauthenticated", "the server answers 401: it does not know them");
  });
}

/**
 * Whether a service is there that tells of credentials only when it is given work: by a HEAD request to its origin,
 * without credentials. Any answer below 500 shows it.
 */
export async function examineOrigin(
  client: Pick<ServiceClient, "ask">,
  url: string,
  { ask, signal }: Questions,
): Promise<void> {
  const { origin } = parseAddress(url);
  await ask("reachable", origin, async () => {
    const address = parseAddress(origin);
    const { status } = await client.ask(
      { method: "HEAD", address, headers: {}, secret: "" },
      signal,
    );
    if (status < 500) return;
    const text = `HEAD is answered with ${status}`;
    throw new BindingError(failureOfStatus(status).reason, text);
  });
}
