import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { examineByRequest } from "../../examine-by-request.ts";
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

  async examine({ client }, questions) {
    const { metadata, signal, unknown, omit } = questions;
    const { serverToken, apiUrl } = metadata;
    omit("exists");
    const request = async (): Promise<void> => {
      const address = serviceAddress("apiUrl", apiUrl, "server");
      const headers = { "x-postmark-server-token": serverToken, accept: "application/json" };
      const limits = { maxBody: largestAnswer, secret: serverToken };
      const answered = await client.ask({ method: "GET", address, headers, ...limits }, signal);
      const refusal = refusalIn(answered, "error from Postmark, asking for the server failed: ");
      if (refusal !== undefined) throw refusal;
    };
    await examineByRequest(questions, request, [["authenticated", ""]]);
    unknown("may write", "", "only sending a mail tells: the sender must be confirmed");
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
