import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { serviceAddress } from "../../http-client/address.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { jsonMembers, ServiceClient } from "../../http-client/service-client.ts";
import { isSuccess } from "../../http-client/status.ts";
import { mailHtml } from "../../text/mail-html.ts";
import { mailFields, sendgridFields } from "./fields.ts";
import { mailOf, templateDataOf } from "./mail.ts";
import { refusal } from "./refusal.ts";

const path = "v3/mail/send";
/** Of a refusal, in bytes; an acceptance has none. */
const largestAnswer = 64 * 1024;

/** Sends mails through Twilio SendGrid. */
export default defineBinding({
  name: "twilio.sendgrid",
  status: "beta",
  summary: "Sends HTML mails through Twilio SendGrid.",
  provedBy: [{ system: "Twilio SendGrid", kind: "stand-in" }],
  metadata: sendgridFields,

  check: ({ apiUrl, dynamicTemplateData }) =>
    problemsOf([
      () => serviceAddress("apiUrl", apiUrl, path),
      () => templateDataOf(dynamicTemplateData),
    ]),

  async open({ metadata, memory, hide }) {
    const { apiUrl, caCert, dynamicTemplateData } = metadata;
    const address = serviceAddress("apiUrl", apiUrl, path);
    templateDataOf(dynamicTemplateData);
    const client = await ServiceClient.open({ url: apiUrl, memory, hide, caCert });
    return { client, address, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
  },

  async examine({ client }, questions) {
    const { metadata, signal, ask, unknown, omit } = questions;
    const { apiKey, apiUrl } = metadata;
    omit("exists");
    let scopes: unknown;
    const request = async (): Promise<void> => {
      const address = serviceAddress("apiUrl", apiUrl, "v3/scopes");
      const headers = { authorization: `Bearer ${apiKey}`, accept: "application/json" };
      const limits = { maxBody: largestAnswer, secret: apiKey };
      const answered = await client.ask({ method: "GET", address, headers, ...limits }, signal);
      if (!isSuccess(answered.status)) throw refusal(answered);
      ({ scopes } = jsonMembers(answered.body));
    };
    const reason = await examineByRequest(questions, request, [["authenticated", ""]]);
    if (reason === "unauthenticated") return;
    const known: readonly unknown[] | undefined = Array.isArray(scopes) ? scopes : undefined;
    if (known === undefined)
      return unknown("may write", "", "the key may not ask for its own permissions");
    await ask("may write", "mail.send", () => {
      if (known.includes("mail.send")) return;
      throw new BindingError("permission_denied", "the API key has no permission Mail Send");
    });
  },

  operations: {
    create: {
      description: "Sends the data, HTML as a JSON text or as it is, as one mail.",
      request: mailFields,
      async invoke({ client, address }, { data, encoding, request, metadata, signal }) {
        const mail = mailOf(metadata, request, mailHtml(data, encoding));
        const { apiKey } = metadata;
        const answered = await prefixed(
          "error from SendGrid: sending email failed: ",
          client.ask(
            {
              method: "POST",
              address,
              headers: {
                authorization: `Bearer ${apiKey}`,
                "content-type": "application/json",
                accept: "application/json",
              },
              body: Buffer.from(JSON.stringify(mail)),
              ...{ maxBody: largestAnswer, secret: apiKey },
            },
            signal,
          ),
        );
        if (!isSuccess(answered.status)) throw refusal(answered);
      },
    },
  },
});
