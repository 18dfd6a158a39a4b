import { generateKeyPairSync } from "node:crypto";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** The key of a service account that was made for this run. */
export const accountKey = {
  privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
  publicKey,
};

export const accountEmail = "orders@my-project.iam.gserviceaccount.com";

/** As metadata have it. */
export const accountFields = {
  type: "service_account",
  privateKeyID: "key-1",
  privateKey: accountKey.privateKey,
  clientEmail: accountEmail,
};
