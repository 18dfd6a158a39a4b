import { createHmac } from "node:crypto";

/** Who may enter the stand-in: a shared access key, and JWTs that it was told of. */
export type Access = {
  readonly keyName: string;
  readonly key: string;
  /** Names of keys that are good no more. A key has the name `keyName`, or begins with it. */
  readonly revoked: Set<string>;
  /** When a JWT that is let in ends, in milliseconds since 1970. */
  jwt: (token: string) => number | undefined;
};

export type Verdict = { readonly until: number } | { readonly refused: string };

/** Reads a token that was put for an audience, as Azure's claims-based security does. */
export function verdictOf(
  access: Access,
  type: unknown,
  audience: string,
  token: unknown,
  now: number,
): Verdict {
  if (typeof token !== "string") return { refused: "InvalidToken: the body is no string" };
  if (type === "jwt") {
    const until = access.jwt(token);
    if (until === undefined)
      return { refused: "InvalidSignature: The token has an invalid signature." };
    return until > now ? { until } : { refused: "ExpiredToken: The token is expired." };
  }
  if (type !== "servicebus.windows.net:sastoken")
    return { refused: "the token's type is not known" };
  const [scheme = "", fields = ""] = token.split(" ");
  if (scheme !== "SharedAccessSignature")
    return { refused: "MalformedToken: no SharedAccessSignature" };
  const read = new Map(
    fields.split("&").map((field) => {
      const at = field.indexOf("=");
      return [field.slice(0, at), field.slice(at + 1)] as const;
    }),
  );
  const { sr = "", sig = "", se = "", skn = "" } = Object.fromEntries(read);
  const signed = createHmac("sha256", access.key).update(`${sr}\n${se}`).digest("base64");
  const name = decodeURIComponent(skn);
  const isKnown = name.startsWith(access.keyName) && !access.revoked.has(name);
  if (!isKnown || decodeURIComponent(sig) !== signed)
    return { refused: "InvalidSignature: The token has an invalid signature." };
  const until = Number(se) * 1000;
  if (!(until > now)) return { refused: "ExpiredToken: The token is expired." };
  const resource = pathOf(decodeURIComponent(sr));
  const wanted = pathOf(audience);
  return resource === "" || wanted === resource || wanted.startsWith(`${resource}/`)
    ? { until }
    : { refused: `InvalidAudience: ${audience} is not below ${decodeURIComponent(sr)}` };
}

/** The path of an audience such as `sb://host/orders`, without slashes around it, in lower case. */
export function pathOf(audience: string): string {
  const path = /^[a-z]+:\/\/[^/]*\/?(.*)$/i.exec(audience)?.[1] ?? audience;
  return path.replace(/\/+$/, "").toLowerCase();
}
