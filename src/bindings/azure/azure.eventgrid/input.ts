import type { HttpEndpoints, Reader, Reading } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { examineByRequest } from "../../../examine-by-request.ts";
import type { Questions } from "../../../examination.ts";
import { parseAddress } from "../../../http-client/address.ts";
import { ServiceClient } from "../../../http-client/service-client.ts";
import { Exchange } from "../../../http-receiver/exchange.ts";
import { Receiver, type Refusal } from "../../../http-receiver/receiver.ts";
import type { Entra } from "../../../identity/azure/entra.ts";
import type { MemoryShare } from "../../../memory/budget.ts";
import { authorityHostOf, cloudOf } from "../../../identity/azure/settings.ts";
import { answerHandshake, eventsOf } from "./deliveries.ts";
import type { eventGridFields, EventGridMetadata } from "./fields.ts";
import { ensureSubscription, findSubscription, pathOf } from "./subscription.ts";
import { Tokens } from "./tokens.ts";

/** Event Grid sends no more than 1 MiB. */
const maxBodySize = 4 * 1024 * 1024;
const everyInterface = "::";

export type InputSettings = {
  /** As Event Grid is told it. */
  readonly webhook: string;
  /** What of it requests come with. */
  readonly path: string;
  readonly tenant: string;
  readonly application: string;
  readonly scope: string;
  readonly keysUrl: string;
  readonly audiences: ReadonlyMap<string, readonly string[]>;
  readonly management: string;
};

/** Throws a `BindingError`, in Dapr's words where it has some. */
export function readInputSettings(metadata: EventGridMetadata): InputSettings {
  const url = URL.parse(metadata.subscriberEndpoint || "");
  const needed: readonly (readonly [string, string | undefined])[] = [
    ["azureTenantID", metadata.azureTenantId],
    ["azureClientID", metadata.azureClientId],
    ["subscriberEndpoint", metadata.subscriberEndpoint],
    ["scope", metadata.scope],
  ];
  for (const [name, value] of needed)
    if (!value) throw wrong(`metadata field '${name}' is empty in EventGrid binding`);
  if (url === null) throw wrong("property 'subscriberEndpoint' is not a valid URL");
  if (url.pathname === "/") url.pathname = "/api/events";
  const { azureTenantId: tenant = "", azureClientId: application = "", scope = "" } = metadata;
  if (!/^[A-Za-z0-9.-]+$/.test(tenant))
    throw wrong("azureTenantId may have letters, digits, periods and hyphens only");
  pathOf(scope);
  const { managementEndpoint, firstIssuer } = cloudOf(metadata);
  const authority = `${authorityHostOf(metadata)}/${tenant}`;
  const both = [application, url.href];
  const management = metadata.managementEndpoint || managementEndpoint;
  parseAddress(management);
  return {
    ...{ webhook: url.href, path: url.pathname, tenant, application, scope, management },
    keysUrl: `${authority}/discovery/v2.0/keys`,
    audiences: new Map([
      [`${authority}/v2.0`, both],
      [`${firstIssuer}/${tenant}/`, both],
      ["https://eventgrid.azure.net", [url.href]],
    ]),
  };
}

/** Listens for the requests of Event Grid, and makes the subscription by which they come. */
export async function readEvents(
  http: HttpEndpoints,
  entra: Entra,
  reading: Reading<typeof eventGridFields>,
): Promise<Reader> {
  const { metadata, memory, hide, logger, component, signal } = reading;
  const settings = readInputSettings(metadata);
  await using opened = new AsyncDisposableStack();
  const tokens = opened.use(await Tokens.open({ ...settings, memory, caCert: metadata.caCert }));
  const { handshakeHost, handshakePort, responseTimeout } = metadata;
  const host = handshakeHost || everyInterface;
  const endpoint = opened.use(await http.listen(host, handshakePort, settings.path));
  const receiver = new Receiver({
    ...{ methods: ["POST"], maxBodySize, responseTimeout, logger },
    ...{ memory: endpoint.memory, deliver: reading.deliver, eventsOf },
    admit: (exchange) => admit(tokens, exchange),
  });
  const release = endpoint.handle((request, response) => {
    if (request.method === "OPTIONS") answerHandshake(new Exchange(request, response));
    else receiver.take(request, response);
  });
  opened.defer(release);
  opened.defer(() => receiver.close());
  const { management: url } = settings;
  await using client = await ServiceClient.open({ url, memory, hide, caCert: metadata.caCert });
  const name = metadata.eventSubscriptionName || component.name;
  const isOurs = await ensureSubscription(
    { ...settings, endpoint: url, client, entra, name },
    signal,
  );
  if (!isOurs)
    reading.notice(
      `this login may not read or write the event subscription ${name}; it must exist and lead to ${settings.webhook}`,
    );
  logger.debug({ port: endpoint.port, path: settings.path }, "listening for events of Event Grid");
  const open = opened.move();
  return {
    stop() {
      release();
      receiver.stop();
    },
    flush: () => receiver.flush(),
    close: () => open.disposeAsync(),
  };
}

/** Whether the event subscription is there that events come by. Listens to nothing. */
export async function examineInput(
  entra: Entra,
  component: string,
  {
    metadata,
    memory,
    hide,
    questions,
  }: {
    readonly metadata: EventGridMetadata;
    readonly memory: MemoryShare;
    readonly hide: ((secret: string) => void) | undefined;
    readonly questions: Questions;
  },
): Promise<void> {
  const { signal, ask } = questions;
  const settings = readInputSettings(metadata);
  const { management: url } = settings;
  const name = metadata.eventSubscriptionName || component;
  await using client = await ServiceClient.open({ url, memory, hide, caCert: metadata.caCert });
  const options = { ...settings, endpoint: url, client, entra, name };
  const subject = `event subscription ${name}`;
  let said = "";
  const request = async (): Promise<void> => {
    said = await findSubscription(options, signal);
  };
  const told = [
    ["authenticated", ""],
    ["exists", subject],
  ] as const;
  const reason = await examineByRequest(questions, request, told);
  if (reason === undefined) await ask("exists", subject, () => said);
}

/** Nothing of a request without a good token is read. */
async function admit(tokens: Tokens, exchange: Exchange): Promise<Refusal | undefined> {
  const reason = await tokens.problemOf(exchange.headers.authorization);
  return reason === undefined ? undefined : { status: 401, text: "401 Unauthorized", reason };
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
