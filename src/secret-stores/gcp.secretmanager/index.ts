import { BindingError, messageOf } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import { grantOfJson } from "../../identity/gcp/denied-permission.ts";
import { Identity, identityDrivers, needsLibrary } from "../../identity/gcp/identity.ts";
import { string, type Values } from "../../metadata/fields.ts";
import { googleFields } from "../../metadata/google-fields.ts";
import { defineSecretStore, singleValue } from "../../secret-store.ts";
import { member, restFailure, RestClient } from "../rest.ts";

const fields = {
  ...googleFields,
  endpoint: string({
    description:
      "The server's URL, for a private access point or an emulator. Without TLS only the fields of a key are used to log in, no default credentials. Dapr has no such field.",
    default: "https://secretmanager.googleapis.com",
    example: "https://secretmanager.shop.internal",
  }),
} as const;

type Metadata = Values<typeof fields>;

const scopes = ["https://www.googleapis.com/auth/cloud-platform"];

/** Secrets of Google's Secret Manager, each in its newest version. */
export default defineSecretStore({
  name: "gcp.secretmanager",
  status: "beta",
  summary: "Reads secrets from Google Cloud Secret Manager.",
  provedBy: ["a stand-in for Secret Manager, written for the tests"],
  isRemote: true,
  drivers: identityDrivers,
  needsDriver: (_, metadata) => isSecure(metadata) && needsLibrary(metadata),
  metadata: fields,

  check(metadata) {
    try {
      checkProject(metadata.projectID);
      parseAddress(metadata.endpoint);
      return [];
    } catch (error) {
      return [messageOf(error)];
    }
  },

  async open({ metadata, memory, driver, hide, env, signal }) {
    const project = checkProject(metadata.projectID);
    const client = await RestClient.open(metadata.endpoint, memory);
    const options = { credentials: metadata, scopes, memory, hide, driver, environment: env };
    const isAnonymous = !isSecure(metadata) && !metadata.privateKeyID;
    let identity: Identity | undefined;
    try {
      identity = isAnonymous ? undefined : await Identity.open(options, signal);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
    return {
      async read(name, context) {
        const path = `/v1/projects/${project}/secrets/${checkName(name)}/versions/latest:access`;
        const headers = (await identity?.headers(context.signal)) ?? {};
        const answer = await client.ask({ path, headers, signal: context.signal });
        if (answer.status === 404) return undefined;
        if (answer.status === 401) identity?.refused(headers);
        const what = `Secret Manager, asked for the secret ${JSON.stringify(name)},`;
        if (answer.status !== 200) {
          const words = ["status", "message"].map((part) => member(answer.json, "error", part));
          const said = words.filter((word) => typeof word === "string").join(": ");
          throw restFailure(what, answer, said + grantOfJson(member(answer.json, "error"), said));
        }
        // An empty secret has no data.
        const data = member(answer.json, "payload", "data") ?? "";
        if (member(answer.json, "name") === undefined || typeof data !== "string")
          throw new BindingError("internal", `${what} answered without one`);
        return singleValue(name, Buffer.from(data, "base64").toString("utf8"));
      },
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        await identity?.[Symbol.asyncDispose]();
      },
    };
  },
});

function isSecure({ endpoint }: Metadata): boolean {
  return /^https:/i.test(endpoint);
}

/** It becomes part of a path. An older project's id has its organization's domain before a colon. */
function checkProject(id: string): string {
  if (/^(?:[a-z\d.-]+:)?[a-z\d][a-z\d-]*$/.test(id)) return id;
  const text = "projectID must be the id of a project, or its number";
  throw new BindingError("invalid_argument", text);
}

function checkName(name: string): string {
  if (/^[\w-]{1,255}$/.test(name)) return name;
  const shown = JSON.stringify(name.slice(0, 300));
  const text = `${shown} is no name of a secret: up to 255 letters, digits, "-" and "_"`;
  throw new BindingError("invalid_argument", text);
}
