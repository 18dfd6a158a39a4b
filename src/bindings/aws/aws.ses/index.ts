import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { prefixed } from "../../../http-client/prefixed.ts";
import { chainDriverVersions, needsAwsDriver } from "../../../identity/aws/identity.ts";
import { AwsClient } from "../client.ts";
import { checkMetadata } from "../settings.ts";
import { createFields, sesFields } from "./fields.ts";
import { mailOf } from "./mail.ts";

const version = "2010-12-01";

/** Sends mails by Amazon SES. */
export default defineBinding({
  name: "aws.ses",
  status: "beta",
  summary: "Sends HTML mails by Amazon SES.",
  provedBy: [{ system: "moto", kind: "emulator" }],
  drivers: chainDriverVersions,
  needsDriver: needsAwsDriver,
  metadata: sesFields,

  check: (metadata) => problemsOf([() => checkMetadata(metadata)]),

  async open({ metadata, memory, driver, hide, signal }) {
    checkMetadata(metadata);
    const opening = { metadata, memory, driver, ...(hide ? { hide } : {}) };
    const client = await AwsClient.open(opening, { id: "SES", host: "email", signedAs: "ses" });
    try {
      await probe(client, signal);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
    return client;
  },

  operations: {
    create: {
      description: "Sends the data, HTML as a JSON text or as it is, as one mail.",
      request: createFields,
      async invoke(client, { data, properties, metadata, signal }) {
        const mail = mailOf(metadata, properties, data);
        await prefixed(
          "SES binding error. Sending email failed: ",
          client.query({ operation: "SendEmail", version }, mail, signal),
        );
      },
    },
  },

  async ping(client, signal) {
    await probe(client, signal);
  },

  async examine(_client, { ask, omit }) {
    omit("exists");
    await ask("authenticated", "", () => {});
  },
});

async function probe(client: AwsClient, signal: AbortSignal): Promise<void> {
  try {
    await client.query({ operation: "GetSendQuota", version }, {}, signal);
  } catch (error) {
    // The service is there, and has said who may ask what.
    if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
  }
}
