import { describe, expect, onTestFinished, test, vi } from "vitest";
import eventGrid from "../../../../src/bindings/azure/azure.eventgrid/index.ts";
import { createHttpEndpoints } from "../../../../src/server/http-endpoints.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { reservePort } from "../../../servers/ports.ts";
import { endAfterTest, read } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import { startBoth } from "./both.ts";
import { accessKey, application, cloudEvent, startEventGrid } from "./stand-in.ts";

const soon = { timeout: 20_000, interval: 5 };
const event = JSON.stringify(cloudEvent("1", { total: 42 }));

async function publisher(properties: Record<string, string> = { accessKey }) {
  const server = await startEventGrid();
  onTestFinished(async () => server[Symbol.asyncDispose]());
  const topicEndpoint = `${server.url}/api/events`;
  const output = await openOutput(eventGrid, { topicEndpoint, ...properties });
  onTestFinished(async () => output[Symbol.asyncDispose]());
  return { server, output };
}

describe("create", () => {
  test("publishes the data as they are, by the topic's key", async () => {
    const { server, output } = await publisher();
    expect(await output.invoke("create", { any: "x" }, { data: event })).toBeUndefined();
    expect(server.published).toEqual([event]);
  });

  test.each([
    [400, "invalid_argument", "rejected"],
    [413, "resource_exhausted", "rejected"],
    [429, "resource_exhausted", "unsent"],
    [503, "unavailable", "ambiguous"],
  ])("%s by the service, in Dapr's words", async (status, reason, effect) => {
    const { server, output } = await publisher();
    server.state.status = status;
    await expect(output.invoke("create", {}, { data: event })).rejects.toMatchObject({
      ...{ reason, effect, systemCode: String(status) },
      message: `invalid status code (${status}) - response: {"error":{"code":"Refused","message":"Refused."}}`,
    });
  });

  test("a service that is away: unsent, in Dapr's words", async () => {
    const { server, output } = await publisher();
    await server[Symbol.asyncDispose]();
    await expect(output.invoke("create", {}, { data: event })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent" },
      message: expect.stringMatching(/^request error: /) as string,
    });
  });

  test("without a key a token of Entra ID is sent, and another when it is refused", async () => {
    const entra = await EntraServer.start(application);
    onTestFinished(() => entra[Symbol.asyncDispose]());
    let revoked = "";
    const server = await startEventGrid(
      (token) => token !== revoked && entra.knows(token, "https://eventgrid.azure.net/.default"),
    );
    onTestFinished(async () => server[Symbol.asyncDispose]());
    const output = await openOutput(eventGrid, {
      ...{ topicEndpoint: `${server.url}/api/events`, azureTenantId: entra.tenant },
      ...{ azureClientId: application.clientId, azureClientSecret: application.secret },
      azureAuthorityHost: entra.url,
    });
    onTestFinished(async () => output[Symbol.asyncDispose]());
    await output.invoke("create", {}, { data: "1" });
    revoked = entra.given[0]?.token ?? "";
    await output.invoke("create", {}, { data: "2" });
    expect(server.published).toEqual(["1", "2"]);
    expect(entra.given).toHaveLength(2);
  });

  test("a component that only reads publishes nothing", async () => {
    const output = await openOutput(eventGrid, { accessKey });
    onTestFinished(async () => output[Symbol.asyncDispose]());
    await expect(output.invoke("create", {}, { data: event })).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining("metadata field 'TopicEndpoint' is empty") as string,
    });
  });
});

const reading = { binding: eventGrid };

test("a component that only publishes reads nothing, though the app would", async () => {
  const { server } = await publisher();
  const topicEndpoint = `${server.url}/api/events`;
  const properties = { topicEndpoint, accessKey, direction: "input, output" };
  const { runtime, status } = await read(reading, { properties });
  await vi.waitFor(() => expect(status().state).toBe("running"), soon);
  expect(status().reason).toContain("nothing is read");
  await runtime.close();
});

async function begun(more: Record<string, string> = {}) {
  const both = await startBoth(await reservePort());
  const running = await read(reading, { properties: { ...both.properties, ...more } });
  await vi.waitFor(() => expect(running.status().state).toBe("running"), soon);
  return { ...both, ...running };
}

/** Without a runtime, so that a test settles each event itself. */
async function opened() {
  const both = await startBoth(await reservePort());
  const input = await openInput(eventGrid, both.properties, { http: createHttpEndpoints() });
  return { ...both, input };
}

describe("the subscription", () => {
  test("is made as Dapr makes it, once Event Grid has asked the webhook", async () => {
    const both = await startBoth(await reservePort());
    let answered: Response | undefined;
    both.grid.state.handshake = async (webhook) => {
      const headers = { "webhook-request-origin": "eventgrid.azure.net" };
      answered = await fetch(webhook, { method: "OPTIONS", headers });
      return answered.headers.get("webhook-allowed-origin") === "eventgrid.azure.net";
    };
    const { status } = await read(reading, { properties: both.properties });
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    expect(both.grid.state.puts).toEqual([
      {
        destination: {
          endpointType: "WebHook",
          properties: {
            endpointUrl: both.webhook,
            azureActiveDirectoryTenantId: both.entra.tenant,
            azureActiveDirectoryApplicationIdOrUri: application.clientId,
          },
        },
        eventDeliverySchema: "CloudEventSchemaV1_0",
      },
    ]);
    expect(answered?.status).toBe(200);
    expect(answered?.headers.get("webhook-allowed-rate")).toBe("*");
    expect([...both.grid.subscriptions.keys()]).toEqual(["orders"]);
  });

  test("stays if it leads here, and else keeps what it has beside", async () => {
    const { grid, runtime, properties } = await begun({ eventSubscriptionName: "mine" });
    const name = { eventSubscriptionName: "mine" };
    await runtime.close();
    const again = await read(reading, { properties: { ...properties, ...name } });
    await vi.waitFor(() => expect(again.status().state).toBe("running"), soon);
    expect(grid.state.puts).toHaveLength(1);
    await again.runtime.close();
    const filter = { includedEventTypes: ["order.placed"] };
    grid.subscriptions.set("mine", { filter, eventDeliverySchema: "EventGridSchema" });
    const third = await read(reading, { properties: { ...properties, ...name } });
    await vi.waitFor(() => expect(third.status().state).toBe("running"), soon);
    expect(grid.state.puts[1]).toMatchObject({
      filter,
      eventDeliverySchema: "CloudEventSchemaV1_0",
    });
  });

  test.each(["GET", "PUT"])("need not be for this login to see or make: %s", async (methods) => {
    const both = await startBoth(await reservePort());
    both.grid.state.refusal = { status: 403, code: "AuthorizationFailed", methods };
    const { status, app } = await read(reading, { properties: both.properties });
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    expect((await both.post(event)).status).toBe(200);
    expect(app.texts).toEqual([event]);
  });

  test("that cannot be made is told", async () => {
    const both = await startBoth(await reservePort());
    both.grid.state.handshake = async () => false;
    const { status } = await read(reading, { properties: both.properties });
    await vi.waitFor(() => expect(status().reason).toContain("is Failed"), soon);
    both.grid.state.refusal = { status: 409, code: "Conflict", methods: "GET" };
    await vi.waitFor(() => expect(status().reason).toContain("Conflict: Refused."), soon);
  });
});

describe("a request", () => {
  test("is answered 200 only once its event is handled", async () => {
    const { input, post } = await opened();
    let answered = false;
    const answer = post(event, { "aeg-delivery-count": "1" }).then((one) => {
      answered = true;
      return one;
    });
    const came = await input.next();
    expect(answered).toBe(false);
    expect(came).toMatchObject({ id: "/shop#1", attempt: 2, redelivered: true, idIsMadeUp: false });
    expect(came.metadata).toMatchObject({
      ...{ id: "1", source: "/shop", type: "order.placed", subject: "orders/1" },
      time: "2026-11-30T06:00:00Z",
    });
    expect(Buffer.from(came.data ?? []).toString()).toBe(event);
    expect(came.headers.some(({ name }) => name === "authorization")).toBe(false);
    came.settle({ outcome: "handled" });
    expect((await answer).status).toBe(200);
  });

  test("with several events is settled whole, each event as it was written", async () => {
    const { input, post } = await opened();
    const odd = ' { "id" : "2", "source":"/s]{,", "specversion":"1.0", "n": 1.50, "t":"\\"}" } ';
    const first = post(`[${event},${odd}]`);
    const events = [await input.next(), await input.next()];
    expect(events.map(({ data }) => Buffer.from(data ?? []).toString())).toEqual([
      event,
      odd.trim(),
    ]);
    events[0]?.settle({ outcome: "handled" });
    events[1]?.settle({ outcome: "returned", reason: "later", after: 2_000 });
    const answer = await first;
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("2");
    expect((await post("[]")).status).toBe(200);
  });

  test("in Event Grid's own schema, with its handshake", async () => {
    const { input, post } = await opened();
    const asked = {
      ...{ id: "1", topic: "/subscriptions/s", subject: "", eventTime: "2026-11-30T06:00:00Z" },
      eventType: "Microsoft.EventGrid.SubscriptionValidationEvent",
      data: { validationCode: "512d38b6", validationUrl: "https://rp/validate" },
    };
    const answer = await post(JSON.stringify([asked]), {
      "aeg-event-type": "SubscriptionValidation",
    });
    expect([answer.status, await answer.json()]).toEqual([200, { validationResponse: "512d38b6" }]);
    expect(input.events).toEqual([]);
    const own = { ...asked, eventType: "order.placed", data: {} };
    const second = post(JSON.stringify([own]));
    const came = await input.next();
    expect(came.metadata).toMatchObject({ type: "order.placed", source: "/subscriptions/s" });
    came.settle({ outcome: "handled" });
    expect((await second).status).toBe(200);
  });

  test("that nobody handles in time is asked for again", async () => {
    const both = await startBoth(await reservePort());
    const properties = { ...both.properties, responseTimeout: "50ms" };
    const input = await openInput(eventGrid, properties, { http: createHttpEndpoints() });
    expect((await both.post(event)).status).toBe(503);
    expect((await input.next()).revoked?.aborted).toBe(true);
  });

  test("by another method, to another path, or too large is refused", async () => {
    const { webhook, post } = await opened();
    expect((await fetch(webhook)).status).toBe(405);
    expect((await fetch(webhook.replace("/api/", "/"), { method: "POST" })).status).toBe(404);
    expect((await post(Buffer.alloc(5 * 1024 * 1024))).status).toBe(413);
  });
});

describe("a token", () => {
  test.each([
    ["of version 2, for the application", {}, 200],
    ["for the webhook", { aud: "webhook" }, 200],
    ["of version 1", { iss: "https://sts.windows.net/tenant/" }, 200],
    ["of Event Grid itself", { iss: "https://eventgrid.azure.net", aud: "webhook" }, 200],
    ["of Event Grid itself, for the application", { iss: "https://eventgrid.azure.net" }, 401],
    ["of another issuer", { iss: "https://example.org" }, 401],
    ["for another application", { aud: "other" }, 401],
    ["that has expired", { exp: Math.floor(Date.now() / 1000) - 600 }, 401],
    ["that has just expired: clocks differ", { exp: Math.floor(Date.now() / 1000) - 60 }, 200],
    ["that never expires", { exp: undefined }, 401],
    ["that is not good yet", { nbf: Math.floor(Date.now() / 1000) + 600 }, 401],
  ])("%s", async (_what, claims, status) => {
    const { input, entra, webhook, post } = await opened();
    const filled = Object.fromEntries(
      Object.entries({ aud: application.clientId, ...claims }).map(([name, value]) => [
        name,
        value === "webhook" ? webhook : String(value).replace("/tenant/", `/${entra.tenant}/`),
      ]),
    );
    const numbers = Object.fromEntries(
      ["exp", "nbf"].flatMap((name) =>
        name in claims ? [[name, (claims as Record<string, number | undefined>)[name]]] : [],
      ),
    );
    const token = await entra.sign({ ...filled, ...numbers });
    const answer = post(event, { authorization: `Bearer ${token}` });
    if (status === 200) (await input.next()).settle({ outcome: "handled" });
    expect((await answer).status).toBe(status);
  });

  test.each([
    ["none", undefined],
    ["no JWT", "Bearer a.b.c"],
    ["another scheme", "Basic c2hvcA=="],
    ["unsigned", "alg: none"],
    ["signed by a secret", "HS256"],
  ])("is needed: %s", async (what, authorization) => {
    const { input, entra, webhook } = await opened();
    const part = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = part({
      ...{ iss: `${entra.url}/${entra.tenant}/v2.0`, aud: application.clientId },
      exp: Math.floor(Date.now() / 1000) + 600,
    });
    const kid = entra.keys[0]?.kid;
    const forged: Record<string, string> = {
      unsigned: `Bearer ${part({ alg: "none", kid })}.${claims}.x`,
      "signed by a secret": `Bearer ${part({ alg: "HS256", kid })}.${claims}.c2lnbmF0dXJl`,
    };
    const sent = forged[what] ?? authorization;
    const headers: Record<string, string> = sent === undefined ? {} : { authorization: sent };
    const answer = await fetch(webhook, { method: "POST", body: event, headers });
    expect([answer.status, await answer.text()]).toEqual([401, "401 Unauthorized\n"]);
    expect(input.events).toEqual([]);
    expect(input.logger.warn).toHaveBeenCalledOnce();
    expect(JSON.stringify(input.logger.warn.mock.calls)).not.toContain(claims);
  });

  test("is checked by the keys of the moment; a stranger's key makes for no more requests", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    endAfterTest(() => {
      vi.useRealTimers();
    });
    const { input, entra, post } = await opened();
    const send = async (): Promise<number> => {
      const answer = post(event);
      void input.next().then((one) => one.settle({ outcome: "handled" }));
      return (await answer).status;
    };
    expect(await send()).toBe(200);
    expect(entra.keysAsked).toBe(1);
    await entra.rotate({ publish: false });
    for (let n = 0; n < 5; n++) expect((await post(event)).status).toBe(401);
    expect(entra.keysAsked).toBe(1);
    await entra.rotate();
    vi.advanceTimersByTime(31_000);
    expect(await send()).toBe(200);
    expect(entra.keysAsked).toBe(2);
    // What is known stays good while Entra ID is away.
    entra.outage = { status: 503, body: "" };
    vi.advanceTimersByTime(3_700_000);
    expect(await send()).toBe(200);
  });

  test("that nobody can check is asked for again", async () => {
    const { entra, post } = await opened();
    entra.outage = { status: 503, body: "" };
    const answer = await post(event);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("5");
  });
});

test.each([
  [{}, "metadata field 'azureTenantID' is empty in EventGrid binding"],
  [{ azureTenantId: "t" }, "metadata field 'azureClientID' is empty in EventGrid binding"],
  [
    { azureTenantId: "t", azureClientId: "c" },
    "metadata field 'subscriberEndpoint' is empty in EventGrid binding",
  ],
  [
    { azureTenantId: "t", azureClientId: "c", subscriberEndpoint: "https://x" },
    "metadata field 'scope' is empty in EventGrid binding",
  ],
  [
    { azureTenantId: "t", azureClientId: "c", subscriberEndpoint: "x", scope: "/s" },
    "property 'subscriberEndpoint' is not a valid URL",
  ],
  [
    { azureTenantId: "../t", azureClientId: "c", subscriberEndpoint: "https://x", scope: "/s" },
    "azureTenantId may have",
  ],
  [
    { azureTenantId: "t", azureClientId: "c", subscriberEndpoint: "https://x", scope: "/a/../b" },
    "scope is no resource",
  ],
])("an input with %j is refused", async (properties, message) => {
  await expect(openInput(eventGrid, properties)).rejects.toThrow(message);
});
