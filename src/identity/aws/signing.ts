import type { sign } from "aws4";
import type { AwsCredentials } from "./credentials.ts";

type Sign = typeof sign;

let loaded: Sign | undefined;

/** The signing (SigV4), loaded when the first request is to be signed. */
export async function loadSigning(): Promise<Sign> {
  // Node finds no names in a module of the older kind that is written as this one is.
  loaded ??= (await import("aws4")).default.sign;
  return loaded;
}

export type Unsigned = {
  /** The name that requests are signed for, as `sqs`. */
  readonly service: string;
  readonly region: string;
  /** With its port, where it is not the scheme's own. */
  readonly host: string;
  readonly method: string;
  /** Percent-encoded, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | undefined;
};

/** The headers of a request, signed. */
export function signedHeaders(
  signRequest: Sign,
  request: Unsigned,
  credentials: AwsCredentials,
): Readonly<Record<string, string | number>> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signed = signRequest(
    {
      service: request.service,
      region: request.region,
      host: request.host,
      method: request.method,
      path: request.path,
      headers: { ...request.headers },
      // Its declared type is narrower than what it takes.
      ...(request.body === undefined ? {} : { body: request.body as string }),
    },
    { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
  );
  return signed.headers as Record<string, string | number>;
}

export type Presigned = {
  readonly service: string;
  readonly region: string;
  readonly host: string;
  /** Percent-encoded, with the query that is signed too. */
  readonly path: string;
  readonly method?: string;
  /** Seconds from now on. */
  readonly expires: number;
};

/** Path and query of a URL that carries its signature. `hide` is told it. */
export async function presignedPath(
  { service, region, host, path, method = "GET", expires }: Presigned,
  { accessKeyId, secretAccessKey, sessionToken }: AwsCredentials,
  hide: (secret: string) => void,
): Promise<string> {
  const signRequest = await loadSigning();
  const separator = path.includes("?") ? "&" : "?";
  const signed = signRequest(
    {
      service,
      region,
      host,
      method,
      path: `${path}${separator}X-Amz-Expires=${expires}`,
      signQuery: true,
    },
    { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
  );
  const result = signed.path ?? "";
  hide(/X-Amz-Signature=([0-9a-f]+)/.exec(result)?.[1] ?? "");
  return result;
}
