import { boundedText, largestTokenAnswer } from "../../memory/bounded-text.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { KafkaMetadata } from "./fields.ts";

type Hide = (secret: string) => void;
type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

/**
 * Gives the tokens that Amazon MSK takes as OAUTHBEARER: a signed URL, base64url. Keys come from the
 * metadata or the environment; with `assumeRoleArn` they assume that role first. `hide` is told what must not be shown:
 * keys that are not in the metadata, signatures and tokens.
 */
export function awsToken(
  metadata: KafkaMetadata,
  hide: (secret: string) => void = () => undefined,
): () => Promise<string> {
  const { region } = metadata;
  if (!region) throw failed("failed_precondition", "authType awsiam needs region");
  let role: { credentials: Credentials; until: number } | undefined;
  return async () => {
    let credentials = keysOf(metadata);
    hideKeys(credentials, hide);
    if (metadata.assumeRoleArn) {
      if (role === undefined || Date.now() >= role.until)
        role = await assume(metadata.assumeRoleArn, region, metadata, credentials, hide);
      credentials = role.credentials;
    }
    return sign(region, credentials, hide);
  };
}

function hideKeys({ secretAccessKey, sessionToken }: Credentials, hide: Hide): void {
  hide(secretAccessKey);
  if (sessionToken !== undefined) hide(sessionToken);
}

async function sign(region: string, credentials: Credentials, hide: Hide): Promise<string> {
  const { sign: presign } = await import("aws4");
  const host = `kafka.${region}.amazonaws.com`;
  const request = presign(
    {
      service: "kafka-cluster",
      region,
      host,
      method: "GET",
      path: "/?Action=kafka-cluster%3AConnect&X-Amz-Expires=900",
      signQuery: true,
    },
    credentials,
  );
  hide(/X-Amz-Signature=([0-9a-f]+)/.exec(request.path ?? "")?.[1] ?? "");
  const token = Buffer.from(`https://${host}${request.path}&User-Agent=cufflink`).toString(
    "base64url",
  );
  hide(token);
  return token;
}

function keysOf(metadata: KafkaMetadata): Credentials {
  const { accessKey, secretKey, sessionToken } = metadata;
  if (accessKey && secretKey) {
    return {
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      ...(sessionToken ? { sessionToken } : {}),
    };
  }
  const {
    AWS_ACCESS_KEY_ID: id,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_SESSION_TOKEN: token,
  } = process.env;
  if (id && secret)
    return { accessKeyId: id, secretAccessKey: secret, ...(token ? { sessionToken: token } : {}) };
  throw failed(
    "unauthenticated",
    "no AWS keys: set accessKey and secretKey, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment. Profiles and the roles of instances are not looked up",
  );
}

async function assume(
  roleArn: string,
  region: string,
  { sessionName }: KafkaMetadata,
  credentials: Credentials,
  hide: Hide,
): Promise<{ credentials: Credentials; until: number }> {
  const { sign: signRequest } = await import("aws4");
  const body = new URLSearchParams({
    Action: "AssumeRole",
    Version: "2011-06-15",
    RoleArn: roleArn,
    RoleSessionName: sessionName,
  }).toString();
  const { host = "", headers = {} } = signRequest(
    {
      service: "sts",
      region,
      host: `sts.${region}.amazonaws.com`,
      method: "POST",
      path: "/",
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" },
      body,
    },
    credentials,
  );
  hide(/Signature=([0-9a-f]+)/.exec(String(headers["Authorization"]))?.[1] ?? "");
  const base = process.env["AWS_ENDPOINT_URL_STS"] ?? `https://${host}`;
  let response: Response;
  let answer: AssumeRoleAnswer;
  try {
    const sent = Object.entries(headers).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]);
    // fetch writes these two itself.
    const own = sent.filter(([name]) => !/^(host|content-length)$/i.test(name));
    response = await fetch(base, {
      method: "POST",
      headers: own,
      body,
      signal: AbortSignal.timeout(10_000),
    });
    const text = await boundedText(response.body, largestTokenAnswer);
    answer = JSON.parse(text) as AssumeRoleAnswer;
  } catch (error) {
    throw failed("unavailable", `the role ${roleArn} could not be assumed: ${messageOf(error)}`);
  }
  const given = answer.AssumeRoleResponse?.AssumeRoleResult?.Credentials;
  if (given === undefined) {
    throw failed(
      "unauthenticated",
      `the role ${roleArn} could not be assumed: ${answer.Error?.Message ?? `HTTP ${response.status}`}`,
    );
  }
  const assumed = {
    accessKeyId: given.AccessKeyId,
    secretAccessKey: given.SecretAccessKey,
    sessionToken: given.SessionToken,
  };
  hideKeys(assumed, hide);
  return {
    credentials: assumed,
    until: given.Expiration * 1000 - 60_000,
  };
}

type AssumeRoleAnswer = {
  AssumeRoleResponse?: {
    AssumeRoleResult?: {
      Credentials?: {
        AccessKeyId: string;
        SecretAccessKey: string;
        SessionToken: string;
        Expiration: number;
      };
    };
  };
  Error?: { Message?: string };
};

function failed(
  reason: "failed_precondition" | "unauthenticated" | "unavailable",
  message: string,
): BindingError {
  return new BindingError(reason, `kafka error: ${message}`, { effect: "unsent" });
}
