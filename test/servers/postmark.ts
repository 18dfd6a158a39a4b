import { startLoopback } from "../bindings/http/loopback-server.ts";

export const serverToken = "e5a4c4a2-server-token";

/** A mail that was accepted. */
export type SentMail = Readonly<Record<string, unknown>>;

/**
 * A stand-in for `POST /email` and `GET /server` of Postmark, written from Postmark's reference of it and of its error codes: the token,
 * the content type, the members that are required, and that there are at most fifty addresses, each of which looks like
 * one. `listen`: see {@link startLoopback}.
 */
export async function startPostmark(...listen: ListenOptions) {
  const mails: SentMail[] = [];
  const state: {
    status: number;
    body: string;
    /** Refuses each mail that it would take with what it was sent, its members sorted. */
    echo: boolean;
  } = { status: 0, body: "", echo: false };
  const server = await startLoopback(
    ({ method, url, headers, body }, response) => {
      const answer = (status: number, value: object): void =>
        void response
          .writeHead(status, { "content-type": "application/json; charset=utf-8" })
          .end(JSON.stringify(value));
      const refuse = (status: number, ErrorCode: number, Message: string): void =>
        answer(status, { ErrorCode, Message });
      if (state.status !== 0) return void response.writeHead(state.status).end(state.body);
      const isServer = url === "/server" && method === "GET";
      if (!isServer && (url !== "/email" || method !== "POST"))
        return void response.writeHead(404).end();
      if (headers["x-postmark-server-token"] !== serverToken)
        return refuse(401, 10, "Request does not contain a valid Server token.");
      if (isServer) return answer(200, { ID: 1, Name: "Shop", DeliveryType: "Live" });
      if (!/^application\/json\b/.test(headers["content-type"] ?? ""))
        return refuse(422, 409, "The request is no JSON.");
      const mail = parsed(body);
      if (mail === undefined) return refuse(422, 402, "Received invalid JSON input.");
      const wrong = wrongIn(mail);
      if (wrong !== undefined) return refuse(422, 300, wrong);
      if (String(mail["From"]).includes("stranger@"))
        return refuse(422, 400, "The 'From' address you supplied is no Sender Signature.");
      if (String(mail["To"]).includes("inactive@"))
        return refuse(
          422,
          406,
          "You tried to send to a recipient that has been marked as inactive.",
        );
      if (state.echo) {
        const members = Object.entries(mail).toSorted(([one], [other]) => (one < other ? -1 : 1));
        return refuse(422, 300, JSON.stringify(Object.fromEntries(members)));
      }
      mails.push(mail);
      return answer(200, {
        ...{ To: mail["To"], SubmittedAt: "2026-01-31T12:00:00.0000000-05:00" },
        ...{ MessageID: "0a129aee-e1cd-480d-b08d-4f48548ff48d", ErrorCode: 0, Message: "OK" },
      });
    },
    ...listen,
  );
  return Object.assign(server, { mails, state });
}

type ListenOptions =
  Parameters<typeof startLoopback> extends [unknown?, ...infer Rest] ? Rest : never;

function parsed(body: Buffer): SentMail | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function wrongIn(mail: SentMail): string | undefined {
  const { From, To, Cc = "", Bcc = "", Subject = "", HtmlBody = "", TextBody = "" } = mail;
  if (!isList(From, 1)) return "Invalid 'From' value.";
  if (!isList(To, 50)) return "Invalid 'To' value.";
  for (const list of [Cc, Bcc])
    if (list !== "" && !isList(list, 50)) return "Invalid 'Cc' or 'Bcc' value.";
  if (typeof Subject !== "string") return "Invalid 'Subject' value.";
  if (`${String(HtmlBody)}${String(TextBody)}` === "")
    return "Provide either email TextBody or HtmlBody or both.";
  return undefined;
}

/** Addresses separated by commas, each perhaps with a name. */
function isList(value: unknown, most: number): boolean {
  if (typeof value !== "string") return false;
  const all = value.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).map((one) => one.trim());
  const address = /^(?:(?:"[^"]*"|[^"<>@,]*)\s*<[^\s<>@,]+@[^\s<>@,]+>|[^\s<>@,]+@[^\s<>@,]+)$/;
  return all.length <= most && all.every((one) => address.test(one));
}
