import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { serviceAddress } from "../../http-client/address.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { ServiceClient } from "../../http-client/service-client.ts";
import { mailHtml } from "../../text/mail-html.ts";
import { mailFields, postmarkFields } from "./fields.ts";
import { mailOf } from "./mail.ts";
import { refusalIn, textPrefix } from "./refusal.ts";

const path = "email";
/** In bytes; it is a line of JSON. */
const largestAnswer = 64 * 1024;

/** Sends mails through Postmark. */
export default defineBinding({
  name: "postmark",
  status: "beta",
  summary: "Sends HTML mails through Postmark.",
  provedBy: [{ system: "Postmark", kind: "stand-in" }],
  metadata: postmarkFields,

  check: ({ apiUrl }) => problemsOf([() => serviceAddress("apiUrl", apiUrl, path)]),

  async open({ metadata, memory, hide }) {
    const { apiUrl, caCert } = metadata;
    const address = serviceAddress("apiUrl", apiUrl, path);
    const client = await ServiceClient.open({ url: apiUrl, memory, hide, caCert });
    return { client, address, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
  },

  operations: {
    create: {
      description: "Sends the data, HTML as a JSON text or as it is, as one mail.",
      request: mailFields,
      async invoke({ client, address }, { data, encoding, request, metadata, signal }) {
        const mail = mailOf(metadata, request, mailHtml(data, encoding));
        const { serverToken } = metadata;
        const answered = await prefixed(
          textPrefix,
          client.ask(
            {
              method: "POST",
              address,
              headers: {
                "x-postmark-server-token": serverToken,
                "content-type": "application/json",
                accept: "application/json",
              },
              body: Buffer.from(JSON.stringify(mail)),
              ...{ maxBody: largestAnswer, secret: serverToken },
            },
            signal,
          ),
        );
        const refusal = refusalIn(answered);
        if (refusal !== undefined) throw refusal;
      },
    },
  },
});
