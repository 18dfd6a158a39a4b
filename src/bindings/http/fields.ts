import { bool, byteSize, duration, integer, oneOf, string } from "../../metadata/fields.ts";
import type { Field } from "../../metadata/fields.ts";
import { inputFields } from "./input-fields.ts";

/** The metadata of an HTTP component, as Dapr names it. */
export const httpFields = {
  url: string({
    description: "The server's URL. A request's `path` is appended to it.",
    required: true,
    example: "https://api.example.com/v1",
  }),
  errorIfNot2XX: trueUnlessSaid(
    "Whether a status other than 2xx is an error. The answer has its status and headers in both cases.",
  ),
  responseTimeout: duration({
    description: "Maximum duration of a call, including redirects and body. 0 or unset: no limit.",
    example: "10s",
  }),
  maxResponseBodySize: zeroIsNoLimit(
    byteSize({
      description:
        "Maximum size of a response body. A longer one is cut, and the metadata say `truncated: true`. 0 or less: no limit. A gRPC caller gets at most the server's `--max-body-size` (4 MiB by default).",
      default: "100Mi",
      within: "answer",
    }),
  ),
  maxConnections: integer({
    description:
      "Maximum number of connections to one origin (scheme, host and port). Further calls wait, in their order and within their deadlines, until one is free.",
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
      "Certificates of the authorities to trust instead of the system's, as PEM text or a file.",
    example: "/etc/certificates/ca.pem",
  }),
  MTLSClientCert: string({
    description:
      "The client's certificate, as PEM text or a file. Used together with MTLSClientKey.",
    example: "/etc/certificates/client.pem",
  }),
  MTLSClientKey: string({
    description: "The key of the client's certificate, as PEM text or a file.",
    sensitive: true,
  }),
  MTLSRenegotiation: oneOf(
    ["RenegotiateNever", "RenegotiateOnceAsClient", "RenegotiateFreelyAsClient"],
    {
      description:
        "Accepted for compatibility with Dapr: renegotiation by a TLS 1.2 server is always allowed.",
    },
  ),
  ...inputFields,
} as const;

/** What a call reads of its metadata. Each name that begins with a capital letter is a header, too. */
export const callFields = {
  path: string({
    description: "Path and query to append to the component's URL.",
    example: "orders/42?full=1",
  }),
  errorIfNot2XX: string({
    description: "Overrides the component's setting for this call.",
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
