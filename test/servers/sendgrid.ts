import { startLoopback } from "../bindings/http/loopback-server.ts";

export const apiKey = "SG.the-key.of-the-account";

/** A mail that was accepted. */
export type SentMail = Readonly<Record<string, unknown>> & {
  readonly from: { readonly email: string; readonly name?: string };
  readonly personalizations: readonly (Readonly<Record<string, unknown>> & {
    readonly to: readonly { readonly email: string; readonly name?: string }[];
    readonly subject?: string;
  })[];
  readonly content?: readonly { readonly type: string; readonly value: string }[];
};

type Refusal = { readonly message: string; readonly field: string | null; readonly help: null };

/**
 * A stand-in for `POST /v3/mail/send` and `GET /v3/scopes` of SendGrid, written from Twilio's reference of it and of its errors: the key, the
 * content type, the members that are required, their types, and that every address looks like one. `listen`: see
 * {@link startLoopback}.
 */
export async function startSendgrid(...listen: ListenOptions) {
  const mails: SentMail[] = [];
  const state: {
    status: number;
    headers: Readonly<Record<string, string>>;
    body: string;
    /** Refuses each mail that it would take with what it was sent, its members sorted. */
    echo: boolean;
    /** The permissions of the key; `undefined`: it may not ask for them. */
    scopes: readonly string[] | undefined;
  } = { status: 0, headers: {}, body: "", echo: false, scopes: ["mail.send"] };
  const server = await startLoopback(
    ({ method, url, headers, body }, response) => {
      const refuse = (status: number, ...errors: readonly Refusal[]): void =>
        void response
          .writeHead(status, { "content-type": "application/json" })
          .end(JSON.stringify({ errors }));
      if (state.status !== 0)
        return void response.writeHead(state.status, state.headers).end(state.body);
      if (url === "/v3/scopes" && headers.authorization === `Bearer ${apiKey}`) {
        const { scopes } = state;
        if (scopes === undefined) return refuse(403, error("access forbidden", null));
        const type = { "content-type": "application/json" };
        return void response.writeHead(200, type).end(JSON.stringify({ scopes }));
      }
      if (url !== "/v3/mail/send" && url !== "/v3/scopes")
        return refuse(404, error("not found", null));
      if (method !== "POST" && url !== "/v3/scopes")
        return refuse(405, error("method not allowed", null));
      if (headers.authorization !== `Bearer ${apiKey}`)
        return refuse(
          401,
          error("The provided authorization grant is invalid, expired, or revoked", null),
        );
      if (!/^application\/json\b/.test(headers["content-type"] ?? ""))
        return refuse(415, error("Unsupported content type", null));
      const mail = parsed(body);
      if (mail === undefined) return refuse(400, error("Bad Request", null));
      const errors = wrongIn(mail);
      if (errors.length > 0) return refuse(400, ...errors);
      if (state.echo) return refuse(400, error(JSON.stringify(sorted(mail)), null));
      mails.push(mail as SentMail);
      const id = `message-${mails.length}`;
      return void response.writeHead(202, { "x-message-id": id, "content-length": "0" }).end();
    },
    ...listen,
  );
  return Object.assign(server, { mails, state });
}

/** The same value with the members of each object in the order of their names. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMembers(value)) return value;
  const members = Object.entries(value).map(([name, one]) => [name, sorted(one)] as const);
  return Object.fromEntries(members.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

type ListenOptions =
  Parameters<typeof startLoopback> extends [unknown?, ...infer Rest] ? Rest : never;

function error(message: string, field: string | null): Refusal {
  return { message, field, help: null };
}

type Members = Readonly<Record<string, unknown>>;

function parsed(body: Buffer): Members | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrongIn({ from, personalizations, subject, content, template_id }: Members): Refusal[] {
  const errors: Refusal[] = [];
  const blocks = Array.isArray(personalizations) ? personalizations.filter(isMembers) : [];
  if (blocks.length === 0)
    errors.push(
      error(
        "The personalizations field is required and must have at least one personalization.",
        "personalizations",
      ),
    );
  for (const [at, block] of blocks.entries()) errors.push(...wrongInBlock(block, at, subject));
  if (!isAddress(from))
    errors.push(error("The from object must be provided for every email send.", "from"));
  const parts = Array.isArray(content) ? content.filter(isMembers) : [];
  if (parts.length === 0 && template_id === undefined)
    errors.push(
      error(
        "Unless a valid template_id is provided, the content parameter is required.",
        "content",
      ),
    );
  for (const [at, { type, value }] of parts.entries())
    if (typeof type !== "string" || typeof value !== "string" || value === "")
      errors.push(
        error(
          "The content value must be a string at least one character in length.",
          `content.${at}.value`,
        ),
      );
  return errors;
}

function wrongInBlock(block: Members, at: number, whole: unknown): Refusal[] {
  const errors: Refusal[] = [];
  for (const name of ["to", "cc", "bcc"] as const) {
    const { [name]: list } = block;
    if (list === undefined && name !== "to") continue;
    const isList = Array.isArray(list) && list.length > 0;
    if (!isList || !list.every(isAddress))
      errors.push(
        error("Does not contain a valid address.", `personalizations.${at}.${name}.0.email`),
      );
  }
  const subject = block["subject"] ?? whole;
  if (typeof subject !== "string" || subject === "")
    errors.push(error("The subject is required.", `personalizations.${at}.subject`));
  const data = block["dynamic_template_data"];
  if (data !== undefined && !isMembers(data))
    errors.push(error("Invalid type.", `personalizations.${at}.dynamic_template_data`));
  return errors;
}

function isAddress(value: unknown): boolean {
  if (!isMembers(value)) return false;
  const { email, name = "" } = value;
  return (
    typeof email === "string" && /^[^\s<>@,;]+@[^\s<>@,;]+$/.test(email) && typeof name === "string"
  );
}
