import { createSecureServer } from "node:http2";
import { apnsLogin, asHttp2, deviceToken, startApns, unregistered } from "../../servers/apns.ts";
import { inPlaceOf } from "../in-place-of.ts";
import type { Call, Suite } from "../suite.ts";

const hosts = ["api.push.apple.com", "api.sandbox.push.apple.com"];

/** With the stand-in of the tests in Apple's place. */
export const apns: Suite = {
  name: "apns",
  servers: [],
  async prepare() {
    const place = await inPlaceOf(hosts, startApns, (pair, listener) =>
      createSecureServer(pair, asHttp2(listener)),
    );
    const { standIn, environment, caCert } = place;
    const component = (name: string, metadata: Record<string, string> = {}) => ({
      ...{ name, type: "bindings.apns", metadata: { ...apnsLogin, caCert, ...metadata } },
    });
    const device = { "device-token": deviceToken, "apns-topic": "com.example.shop" };
    const call =
      (echo: boolean) =>
      (
        name: string,
        metadata: Record<string, string> = device,
        more: { data?: unknown; binding?: string; operation?: string } = {},
      ): Call => ({
        ...{ name, binding: "phones", operation: "create", metadata },
        ...{ data: { aps: { alert: "Hello" } }, ...more },
        before: () => {
          standIn.state.echo = echo;
        },
      });
    const [one, echo] = [call(false), call(true)];
    const id = { "apns-id": "123e4567-e89b-12d3-a456-426614174000" };
    const all = {
      ...{ ...device, ...id, "apns-push-type": "alert", "apns-expiration": "0" },
      ...{ "apns-priority": "10", "apns-collapse-id": "order 1", other: "x" },
    };
    return {
      environment,
      components: [
        component("phones"),
        component("sandbox", { development: "true" }),
        component("stranger", { "team-id": "ANOTHER000" }),
      ],
      calls: [
        one("create"),
        one("an id of the caller's", { ...device, ...id }),
        one("for development", device, { binding: "sandbox" }),
        echo("what is sent", all),
        echo("empty headers", { ...device, "apns-priority": "" }),
        one("no device", {}),
        one("an empty device", { "device-token": "" }),
        one("a device that is none", { ...device, "device-token": "abc" }),
        one("a device whose app is gone", { ...device, "device-token": unregistered }),
        one("no topic", { "device-token": deviceToken }),
        one("a team that is none", device, { binding: "stranger" }),
        one("an operation that is not there", device, { operation: "get" }),
      ],
      close: () => place.close(),
    };
  },
};
