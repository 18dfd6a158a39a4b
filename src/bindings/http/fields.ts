import { bool, byteSize, duration, integer, oneOf, string } from "../../metadata/fields.ts";
import type { Field } from "../../metadata/fields.ts";

/** The metadata of an HTTP component, as Dapr names it. */
export const httpFields = {
  url: string({
    description: "The server's URL; a request's `path` is put behind it.",
    required: true,
    example: "https://api.example.com/v1",
  }),
  errorIfNot2XX: trueUnlessSaid(
    "Whether a status other than 2xx is an error. Its status and headers are told either way.",
  ),
  responseTimeout: duration({
    description:
      "How long a call may take, redirects and body included; 0 and none: as long as it takes.",
    example: "10s",
  }),
  maxResponseBodySize: zeroIsNoLimit(
    byteSize({
      description:
        "The most of a response's body that is kept; of a longer one the metadata says `truncated: true`. 0 and less: no limit. A gRPC caller gets no more than the server's `--max-body-size` (4 MiB by default).",
      default: "100Mi",
      within: "answer",
    }),
  ),
  maxConnections: integer({
    description:
      "The most connections to one origin (scheme, host and port). Further calls wait, in their order and within their deadlines, until one is free.",
    default: "512",
    min: 1,
    max: 65_535,
  }),
  securityToken: string({
    description:
      "A token that is sent with each call, in the header that securityTokenHeader names.",
    sensitive: true,
  }),
  securityTokenHeader: string({
    description: "The header of securityToken.",
    example: "X-Security-Token",
  }),
  MTLSRootCA: string({
    description:
      "Certificates of the authorities to trust in place of the system's: PEM text, or a file of it.",
    example: "/etc/certificates/ca.pem",
  }),
  MTLSClientCert: string({
    description:
      "The client's certificate: PEM text, or a file of it. Used together with MTLSClientKey.",
    example: "/etc/certificates/client.pem",
  }),
  MTLSClientKey: string({
    description: "The key of the client's certificate: PEM text, or a file of it.",
    sensitive: true,
  }),
  MTLSRenegotiation: oneOf(
    ["RenegotiateNever", "RenegotiateOnceAsClient", "RenegotiateFreelyAsClient"],
    {
      description: "Read for Dapr's sake: a TLS 1.2 server's wish to negotiate anew is followed.",
    },
  ),
} as const;

/** What a call reads of its metadata. Each name that begins with a capital letter is a header, too. */
export const callFields = {
  path: string({
    description: "Path and query to put behind the component's URL.",
    example: "orders/42?full=1",
  }),
  errorIfNot2XX: string({
    description: "For this call in place of the component's.",
    example: "false",
  }),
} as const;

/** A boolean whose empty text means the default, as Dapr reads it. */
function trueUnlessSaid(description: string): Field<boolean, true> {
  const field = bool({ description, default: "true" });
  return { ...field, parse: (text) => (text === "" ? { value: true } : field.parse(text)) };
}

/** A size of which zero and less stand for any. */
function zeroIsNoLimit(field: Field<number, true>): Field<number, true> {
  return {
    ...field,
    parse(text) {
      const parsed = field.parse(text);
      return "value" in parsed && parsed.value <= 0 ? { value: Number.POSITIVE_INFINITY } : parsed;
    },
  };
}
