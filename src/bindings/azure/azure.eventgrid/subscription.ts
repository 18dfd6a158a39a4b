import { delay } from "../../../delay.ts";
import { BindingError } from "../../../errors.ts";
import { parseAddress } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import {
  isObject,
  jsonMembers,
  serviceFailure,
  type ServiceClient,
} from "../../../http-client/service-client.ts";
import { isSuccess, retryAfterOf } from "../../../http-client/status.ts";
import type { Entra } from "../../../identity/azure/entra.ts";

export type SubscriptionOptions = {
  /** Of Azure Resource Manager. */
  readonly endpoint: string;
  readonly client: ServiceClient;
  readonly entra: Entra;
  readonly scope: string;
  readonly name: string;
  readonly webhook: string;
  readonly tenant: string;
  readonly application: string;
};

const apiVersion = "2022-06-15";
/** What events come as. */
const schema = "CloudEventSchemaV1_0";
const requestLimit = 30_000;
/** Milliseconds until it is asked again whether the subscription is made, at first and at most. */
const firstPause = 250;
const longestPause = 10_000;
/** Event Grid gives up a webhook that does not answer its handshake before that. Milliseconds. */
const longestMaking = 10 * 60_000;
const unready = new Set(["Creating", "Updating", "AwaitingManualAction"]);

type Members = Readonly<Record<string, unknown>>;

/**
 * Makes the event subscription, or changes where it leads, as Dapr does. False: this login may not look at it or may
 * not make it. Rejects with a `BindingError`.
 */
export async function ensureSubscription(
  options: SubscriptionOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await ask(options, "GET", undefined, signal);
  if (found.status === 403) return false;
  if (found.status !== 404 && !isSuccess(found.status))
    throw failure("failed to check existing event subscription", found);
  const properties = found.status === 404 ? {} : propertiesOf(found);
  let answered = found;
  if (found.status === 404 || !leadsHere(properties, options)) {
    const body = Buffer.from(JSON.stringify({ properties: leadingHere(properties, options) }));
    answered = await ask(options, "PUT", body, signal);
    if (answered.status === 403) return false;
    if (!isSuccess(answered.status))
      throw failure("failed to create or update event subscription", answered);
  }
  await untilMade(options, answered, signal);
  return true;
}

/** Whether the event subscription is there, and leads to the component. Rejects with a `BindingError`. */
export async function findSubscription(
  options: SubscriptionOptions,
  signal: AbortSignal,
): Promise<string> {
  const found = await ask(options, "GET", undefined, signal);
  if (found.status === 404) return "it is made when the component reads";
  if (!isSuccess(found.status)) throw failure("failed to check existing event subscription", found);
  if (leadsHere(propertiesOf(found), options)) return "";
  return `it leads elsewhere, and is led to ${options.webhook} when the component reads`;
}

async function untilMade(
  options: SubscriptionOptions,
  answered: Answered,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + longestMaking;
  let last = answered;
  for (let pause = firstPause; ; pause = Math.min(longestPause, pause * 2)) {
    const state = propertiesOf(last)["provisioningState"];
    if (typeof state !== "string" || state === "Succeeded") return;
    if (!unready.has(state) || performance.now() > until)
      throw new BindingError(
        "failed_precondition",
        `failed to create or update event subscription: ${options.name} is ${state}; Event Grid must reach ${options.webhook}`,
        { systemCode: state },
      );
    await delay(Math.max(pause, retryAfterOf(last.headers["retry-after"]) ?? 0), signal);
    signal.throwIfAborted();
    last = await ask(options, "GET", undefined, signal);
    if (!isSuccess(last.status)) throw failure("failed to check existing event subscription", last);
  }
}

async function ask(
  { endpoint, client, entra, scope, name }: SubscriptionOptions,
  method: "GET" | "PUT",
  body: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Answered> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(requestLimit)]);
  const base = endpoint.replace(/\/+$/, "");
  const token = await entra.token(`${base}/.default`, limited);
  const path = `${pathOf(scope)}/providers/Microsoft.EventGrid/eventSubscriptions/${encodeURIComponent(name)}`;
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  const address = parseAddress(`${base}${path}?api-version=${apiVersion}`);
  const answered = await client.ask({ method, address, headers, body, secret: token }, limited);
  if (answered.status === 401) entra.refused(token);
  return answered;
}

/** Throws a `BindingError` for a scope that is no resource. */
export function pathOf(scope: string): string {
  const segments = scope.split("/").filter((segment) => segment !== "");
  const isOdd = segments.some((segment) => segment === "." || segment === "..");
  if (segments.length === 0 || isOdd)
    throw new BindingError("invalid_argument", "scope is no resource such as /subscriptions/ID");
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
}

function propertiesOf({ body }: Answered): Members {
  const { properties } = jsonMembers(body);
  return isObject(properties) ? properties : {};
}

function webhookOf(properties: Members): Members | undefined {
  const { destination } = properties;
  if (!isObject(destination) || destination["endpointType"] !== "WebHook") return undefined;
  return isObject(destination["properties"]) ? destination["properties"] : undefined;
}

function leadsHere(properties: Members, options: SubscriptionOptions): boolean {
  const webhook = webhookOf(properties);
  if (webhook === undefined || properties["eventDeliverySchema"] !== schema) return false;
  const urls = [webhook["endpointUrl"], webhook["endpointBaseUrl"]];
  return (
    urls.includes(options.webhook) &&
    webhook["azureActiveDirectoryApplicationIdOrUri"] === options.application &&
    webhook["azureActiveDirectoryTenantId"] === options.tenant
  );
}

/** All that it has stays, but where it leads and what events come as. */
function leadingHere(
  properties: Members,
  { webhook, tenant, application }: SubscriptionOptions,
): Members {
  return {
    ...properties,
    destination: {
      endpointType: "WebHook",
      properties: {
        ...webhookOf(properties),
        endpointUrl: webhook,
        azureActiveDirectoryTenantId: tenant,
        azureActiveDirectoryApplicationIdOrUri: application,
      },
    },
    eventDeliverySchema: schema,
  };
}

function failure(what: string, answered: Answered): BindingError {
  const { error } = jsonMembers(answered.body);
  const { code, message } = isObject(error) ? error : {};
  const words = [code, message].filter((one) => typeof one === "string" && one !== "");
  const said = words.length === 0 ? `HTTP ${answered.status}` : words.join(": ");
  const systemCode = typeof code === "string" ? { systemCode: code } : {};
  return serviceFailure(`${what}: ${said}`, answered, systemCode);
}
