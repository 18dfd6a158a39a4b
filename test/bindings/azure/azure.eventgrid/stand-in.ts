import type { EntraServer } from "../../../servers/entra.ts";
import { startLoopback } from "../../http/loopback-server.ts";

export const accessKey = "a2V5IG9mIHRoZSB0b3BpYw==";
export const application = { clientId: "c7dd251f-811f-4ba2-a905-acd4d3f8f08b", secret: "hush" };
const scope =
  "/subscriptions/cd4b2887/resourceGroups/shop/providers/Microsoft.EventGrid/topics/orders";

type Properties = Record<string, unknown>;

/**
 * A stand-in for a topic of Event Grid (`aeg-sas-key`, or a token of Entra ID) and for its event subscriptions at Azure
 * Resource Manager, written from Microsoft's reference. With `handshake`, what is subscribed is `Creating` until that has
 * validated the webhook, as Event Grid does.
 */
export async function startEventGrid(knows: (token: string) => boolean = () => false) {
  const published: string[] = [];
  const subscriptions = new Map<string, Properties>();
  const state = {
    /** Answered to what is published, in place of success. */
    status: 0,
    /** Answered to requests about subscriptions. */
    refusal: undefined as { status: number; code: string; methods: string } | undefined,
    handshake: undefined as ((webhook: string) => Promise<boolean>) | undefined,
    puts: [] as Properties[],
  };
  const server = await startLoopback(({ method = "", url = "", headers, body }, response) => {
    const answer = (status: number, value: object): void =>
      void response
        .writeHead(status, { "content-type": "application/json; charset=utf-8" })
        .end(JSON.stringify(value));
    const refuse = (status: number, code: string): void =>
      answer(status, { error: { code, message: "Refused." } });
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
    const asked = new URL(url, "http://here");
    if (asked.pathname === "/api/events") {
      if (headers["aeg-sas-key"] !== accessKey && !knows(token)) return refuse(401, "Unauthorized");
      if (headers["content-type"] !== "application/cloudevents+json")
        return refuse(415, "UnsupportedMediaType");
      if (state.status !== 0) return refuse(state.status, "Refused");
      published.push(body.toString());
      return void response.writeHead(200).end();
    }
    const prefix = `${scope}/providers/Microsoft.EventGrid/eventSubscriptions/`;
    if (
      !asked.pathname.startsWith(prefix) ||
      asked.searchParams.get("api-version") !== "2022-06-15"
    )
      return refuse(404, "ResourceNotFound");
    if (!knows(token)) return refuse(401, "InvalidAuthenticationToken");
    const { refusal } = state;
    if (refusal?.methods.includes(method)) return refuse(refusal.status, refusal.code);
    const name = decodeURIComponent(asked.pathname.slice(prefix.length));
    if (method === "PUT") {
      const { properties } = JSON.parse(body.toString()) as { properties: Properties };
      state.puts.push(properties);
      const { properties: given } = properties["destination"] as { properties: Properties };
      const webhook = String(given["endpointUrl"]);
      const { handshake } = state;
      const made = (provisioningState: string): Properties => {
        // The service shows where it leads without what may be secret.
        const shown = { ...given, endpointUrl: undefined, endpointBaseUrl: webhook };
        const destination = { endpointType: "WebHook", properties: shown };
        const all = { ...properties, destination, provisioningState };
        subscriptions.set(name, all);
        return all;
      };
      const first = made(handshake === undefined ? "Succeeded" : "Creating");
      void handshake?.(webhook).then((isGood) => made(isGood ? "Succeeded" : "Failed"));
      return answer(201, { name, properties: first });
    }
    const properties = subscriptions.get(name);
    if (properties === undefined) return refuse(404, "ResourceNotFound");
    answer(200, { name, properties });
  });
  return Object.assign(server, { published, subscriptions, state });
}

export function inputProperties(
  entra: Pick<EntraServer, "tenant" | "url">,
  management: string,
  port: number,
): Record<string, string> {
  return {
    ...{ subscriberEndpoint: `http://127.0.0.1:${port}`, handshakePort: String(port) },
    ...{ handshakeHost: "127.0.0.1", scope, direction: "input" },
    ...{ azureTenantId: entra.tenant, azureClientId: application.clientId },
    ...{ azureClientSecret: application.secret, azureAuthorityHost: entra.url },
    managementEndpoint: management,
  };
}

/** An event in the schema of CloudEvents. */
export function cloudEvent(id: string, data: unknown, more: object = {}): object {
  return {
    ...{ specversion: "1.0", id, source: "/shop", type: "order.placed", subject: `orders/${id}` },
    ...{ time: "2026-11-30T06:00:00Z", datacontenttype: "application/json", data, ...more },
  };
}
