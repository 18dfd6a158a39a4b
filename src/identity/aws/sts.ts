import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import type { HttpClient } from "../../http-client/client.ts";
import { setKnownHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { parseXml, textAt } from "../../text/xml.ts";
import type { AwsCredentials } from "./credentials.ts";
import { endpointOf } from "./region.ts";
import { loadSigning, signedHeaders } from "./signing.ts";

/** What asks the security token service. */
export type Sts = {
  readonly region: string;
  readonly client: () => Promise<HttpClient>;
  readonly hide: (secret: string) => void;
};

const largestAnswer = 64 * 1024;
const longestMessage = 1024;
/** Milliseconds. */
const patience = 10_000;

/** Assumes a role with the credentials. Rejects with a `BindingError` that is `unsent`: nothing of a call was sent. */
export async function assumeRole(
  sts: Sts,
  { parameters, with: credentials }: { parameters: Parameters; with: AwsCredentials },
  signal: AbortSignal,
): Promise<AwsCredentials> {
  return ask(sts, "AssumeRole", parameters, credentials, signal);
}

/** Assumes a role by the token of an identity provider, which proves all. */
export async function assumeRoleWithWebIdentity(
  sts: Sts,
  parameters: Parameters,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  sts.hide(String(parameters["WebIdentityToken"] ?? ""));
  return ask(sts, "AssumeRoleWithWebIdentity", parameters, undefined, signal);
}

/** As the service names them. */
export type Parameters = Readonly<Record<string, string | number | undefined>>;

async function ask(
  sts: Sts,
  action: string,
  parameters: Parameters,
  credentials: AwsCredentials | undefined,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const form = new URLSearchParams({ Action: action, Version: "2011-06-15" });
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== "") form.set(name, String(value));
  const body = form.toString();
  const address = parseAddress(endpointOf({ host: "sts", variable: "STS", region: sts.region }));
  const plain = {
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
  };
  const written =
    credentials === undefined
      ? plain
      : signedHeaders(
          await loadSigning(),
          {
            service: "sts",
            region: sts.region,
            host: new URL(address.origin).host,
            method: "POST",
            path: address.path,
            headers: plain,
            body,
          },
          credentials,
        );
  const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
  for (const [name, value] of Object.entries(written))
    setKnownHeader(headers, name.toLowerCase(), String(value));
  const role = String(parameters["RoleArn"] ?? "");
  const client = await sts.client();
  const answered = await client
    .send(
      {
        method: "POST",
        address,
        headers,
        body: Buffer.from(body),
        maxBody: largestAnswer,
        origins: new Set(),
      },
      AbortSignal.any([signal, AbortSignal.timeout(patience)]),
    )
    .catch((error: unknown) => {
      const { message, cause } = BindingError.from(error);
      throw notAssumed(role, message, "unavailable", cause);
    });
  if (answered.cut) {
    const why = `the answer is larger than ${largestAnswer} bytes`;
    throw notAssumed(role, why, "unavailable");
  }
  const answer = parseXml(answered.body.toString("utf8"));
  const given = (name: string): string | undefined =>
    textAt(answer, `${action}Result`, "Credentials", name);
  const [accessKeyId, secretAccessKey, sessionToken, expiration] = [
    given("AccessKeyId"),
    given("SecretAccessKey"),
    given("SessionToken"),
    given("Expiration"),
  ];
  if (!accessKeyId || !secretAccessKey) {
    const said = textAt(answer, "Error", "Message") ?? answered.body.toString("utf8").trim();
    // Of a text that is cut, half a secret would be shown.
    const why = said.length > longestMessage ? "" : said;
    const code = textAt(answer, "Error", "Code") ?? `HTTP ${answered.status}`;
    const reason = answered.status >= 500 ? "unavailable" : "unauthenticated";
    throw notAssumed(role, why === "" ? code : `${code}: ${why}`, reason);
  }
  sts.hide(secretAccessKey);
  if (sessionToken) sts.hide(sessionToken);
  const ends = new Date(expiration ?? "");
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken ? { sessionToken } : {}),
    ...(Number.isNaN(ends.getTime()) ? {} : { expiration: ends }),
  };
}

function notAssumed(
  role: string,
  why: string,
  reason: "unauthenticated" | "unavailable",
  cause?: unknown,
): BindingError {
  return new BindingError(reason, `the role ${role} could not be assumed: ${why}`, {
    effect: "unsent",
    cause,
  });
}
