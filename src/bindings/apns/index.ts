import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { ApnsConnection, originOf } from "./connection.ts";
import { apnsFields, createFields, headerFields } from "./fields.ts";
import type { CreateRequest } from "./fields.ts";
import { ProviderToken, signerOf } from "./provider-token.ts";
import { refusal } from "./refusal.ts";

/** Sends push notifications by Apple's service. */
export default defineBinding({
  name: "apns",
  status: "beta",
  summary: "Sends push notifications by the Apple Push Notification service.",
  provedBy: [{ system: "Apple Push Notification service", kind: "stand-in" }],
  metadata: apnsFields,
  // The key of an example in RFC 7515 (A.3): any other would look like a secret.
  example: {
    "private-key": `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
-----END PRIVATE KEY-----`,
  },

  check: (metadata) => problemsOf([() => originOf(metadata), () => signerOf(metadata)]),

  async open({ metadata, memory, hide }) {
    const provider = new ProviderToken(signerOf(metadata));
    const connection = await ApnsConnection.open(metadata, memory);
    return {
      ...{ connection, provider, hide },
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  },

  async examine({ connection }, { signal, ask, unknown, omit }) {
    omit("exists");
    await ask("reachable", "", () => connection.reach(signal));
    unknown("authenticated", "", "Apple checks the key only when a notification is sent");
    unknown("may write", "", "only sending a notification tells");
  },

  operations: {
    create: {
      description:
        'Sends the data, a notification of Apple\'s in JSON, to one device, and answers `{"messageID":…}`.',
      request: createFields,
      async invoke({ connection, provider, hide }, { data, request, signal }) {
        const path = `/3/device/${deviceOf(request)}`;
        const own = headersOf(request);
        const token = await provider.get();
        const headers = { authorization: `bearer ${token}`, ...own };
        const body = data ?? new Uint8Array();
        const answer = await connection.post(path, headers, body, signal);
        if (answer.status === 200) {
          const id = answer.headers["apns-id"];
          const messageID = typeof id === "string" ? id : "";
          return { data: Buffer.from(`${JSON.stringify({ messageID })}\n`) };
        }
        hide?.(token);
        const error = refusal(answer);
        if (error.systemCode !== "ExpiredProviderToken" || !provider.expired()) throw error;
        // Nothing was done; another attempt has another token.
        const { reason, message, systemCode } = error;
        throw new BindingError(reason, message, { effect: "unsent", systemCode });
      },
    },
  },
});

function deviceOf({ "device-token": token }: CreateRequest): string {
  if (!token) throw refused("the device-token parameter is required");
  if (/^[\da-f]+$/i.test(token)) return token;
  throw refused("the device-token parameter is no text of hexadecimal digits");
}

/** The headers that the call names. Throws a `BindingError` for what no header can carry. */
function headersOf(request: CreateRequest): Readonly<Record<string, string>> {
  const names = Object.keys(headerFields) as (keyof typeof headerFields)[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = request[name];
      if (!value) return [];
      if (/^[\x20-\x7e]*$/.test(value)) return [[name, value] as const];
      throw refused(`invalid header field value for ${JSON.stringify(name)}`);
    }),
  );
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
