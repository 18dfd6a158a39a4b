import { createSecureContext } from "node:tls";
import type { ImapFlowOptions, SearchObject } from "imapflow";
import { BindingError } from "../../errors.ts";
import { clientCredentials } from "../../oauth/client-credentials.ts";
import { keptToken } from "../../oauth/token.ts";
import { pemOrFile } from "../../tls/pem.ts";
import type { ImapMetadata } from "./fields.ts";

/** In bytes. Servers take some hundred. */
const longestName = 1024;

/** Milliseconds. A heartbeat every 30 s keeps the socket from being silent for longer, unless the way to the server is cut. */
const timeouts = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 45_000 };

/** What a server is asked with, without the log-in. Throws a `BindingError`. */
export async function connectionOptions(metadata: ImapMetadata): Promise<ImapFlowOptions> {
  const { host, tls, port = tls === "implicit" ? 993 : 143, caCert, clientCert } = metadata;
  const { clientKey, skipTLSVerify, maxMessageSize } = metadata;
  if (Boolean(clientCert) !== Boolean(clientKey))
    throw refused("the metadata have one of clientCert and clientKey; give both or neither");
  const material = {
    ...(caCert ? { ca: await pemOrFile("caCert", caCert) } : {}),
    ...(clientCert ? { cert: await pemOrFile("clientCert", clientCert) } : {}),
    ...(clientKey ? { key: await pemOrFile("clientKey", clientKey) } : {}),
  };
  try {
    createSecureContext(material);
  } catch {
    // What OpenSSL says may quote what it could not read.
    throw refused("caCert, clientCert or clientKey is no PEM, or the key is not the certificate's");
  }
  return {
    ...{ host, port, ...timeouts },
    secure: tls === "implicit",
    ...(tls === "implicit" ? {} : { doSTARTTLS: tls === "starttls" }),
    tls: { ...material, rejectUnauthorized: !skipTLSVerify, minVersion: "TLSv1.2" },
    clientInfo: { name: "cufflink" },
    logger: false,
    disableAutoIdle: true,
    // A few bytes may become many.
    disableCompression: true,
    maxLiteralSize: maxMessageSize + slack,
    maxResponseSize: maxMessageSize + slack,
  };
}

/** What surrounds a message in a response, and answers that are none, in bytes. */
const slack = 4 * 1024 * 1024;

export type LogIn = () => Promise<NonNullable<ImapFlowOptions["auth"]>>;

/** How each connection logs in. Throws a `BindingError` where a field is missing. */
export function logInOf(metadata: ImapMetadata, hide?: (secret: string) => void): LogIn {
  const { username: user, authType, password } = metadata;
  refuseControls("username", user);
  if (authType === "password") {
    if (!password) throw refused("authType password needs password");
    refuseControls("password", password);
    return async () => ({ user, pass: password });
  }
  const { oidcTokenEndpoint: endpoint, oidcClientID: clientId, oidcScopes: scopes } = metadata;
  const { oidcClientSecret: secret } = metadata;
  if (!endpoint || !clientId || !secret)
    throw refused("authType oidc needs oidcTokenEndpoint, oidcClientID and oidcClientSecret");
  const prove = async (): Promise<{ client_secret: string }> => ({ client_secret: secret });
  const client = { endpoint, clientId, scopes, prove, prefix: "imap: ", hide };
  const token = keptToken(clientCredentials(client));
  return async () => ({ user, accessToken: await token() });
}

/** Which messages are events. Throws a `BindingError`. */
export function searchOf(metadata: ImapMetadata): SearchObject {
  const { mailbox, onHandled, flag, moveTo, from, to, subject } = metadata;
  checkMailbox("mailbox", mailbox);
  const filters: SearchObject = {};
  for (const [name, text] of Object.entries({ from, to, subject })) {
    if (!text) continue;
    refuseControls(name, text);
    if (Buffer.byteLength(text) > longestName) throw refused(`${name} is longer than 1 KiB`);
    Object.assign(filters, { [name]: text });
  }
  if (onHandled === "seen") return { ...filters, seen: false };
  if (onHandled === "flag") {
    const known = flag ?? "";
    if (!/^\\?[A-Za-z0-9$_.:+-]{1,200}$/.test(known) || /^\\(deleted|recent)$/i.test(known))
      throw refused("onHandled flag needs flag, a keyword such as $Handled, or \\Flagged");
    return { ...filters, ...(systemFlags[known.toLowerCase()] ?? { unKeyword: known }) };
  }
  if (!moveTo) throw refused("onHandled move needs moveTo, the mailbox for handled messages");
  checkMailbox("moveTo", moveTo);
  if (moveTo === mailbox) throw refused("moveTo is the mailbox itself");
  return { ...filters, deleted: false };
}

const systemFlags: Readonly<Record<string, SearchObject>> = {
  "\\seen": { seen: false },
  "\\flagged": { flagged: false },
  "\\answered": { answered: false },
  "\\draft": { draft: false },
};

function checkMailbox(field: string, name: string): void {
  if (name === "") throw refused(`${field} is empty`);
  refuseControls(field, name);
  if (Buffer.byteLength(name) > longestName) throw refused(`${field} is longer than 1 KiB`);
}

function refuseControls(field: string, text: string): void {
  // oxlint-disable-next-line no-control-regex -- they are what must not be there
  if (/[\0-\x1f\x7f]/.test(text))
    throw refused(`${field} has a line break or another control character`);
}

function refused(problem: string): BindingError {
  return new BindingError("invalid_argument", `imap: ${problem}`);
}
