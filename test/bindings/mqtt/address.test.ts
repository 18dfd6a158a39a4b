import { expect, test } from "vitest";
import { brokerAddress } from "../../../src/bindings/mqtt/address.ts";

const read = (url: string, more: object = {}): ReturnType<typeof brokerAddress> =>
  brokerAddress({ url, ...more });

test.for([
  ["mqtt://broker", "tcp", "broker", 1883],
  ["tcp://broker:1884", "tcp", "broker", 1884],
  ["mqtts://broker", "tls", "broker", 8883],
  ["ssl://broker", "tls", "broker", 8883],
  ["tls://broker", "tls", "broker", 8883],
  ["tcps://broker:1", "tls", "broker", 1],
  ["ws://broker/mqtt", "ws", "broker", 80],
  ["wss://broker:8084/mqtt", "ws", "broker", 8084],
  ["mqtt://[::1]:1883/ignored", "tcp", "::1", 1883],
  ["MQTT://Broker", "tcp", "Broker", 1883],
] as const)("reads %s", ([url, transport, host, port]) => {
  expect(read(url)).toMatchObject({ transport, port });
  expect(read(url).host.toLowerCase()).toBe(host.toLowerCase());
});

test("takes user and password from the URL, and leaves them out of a WebSocket's", () => {
  expect(read("wss://us%40er:p%2Fw@broker/mqtt?x=1")).toMatchObject({
    username: "us@er",
    password: "p/w",
    webSocketUrl: "wss://broker/mqtt?x=1",
  });
  expect(read("mqtt://broker")).toMatchObject({ username: undefined, password: undefined });
});

test.for(["broker:1883", "http://:hidden@broker", "mqtt://", "hidden"])(
  "refuses %s without quoting it",
  (url) => {
    expect(() => read(url)).toThrow("is not a broker's");
    expect(() => read(url)).not.toThrow("hidden");
  },
);

test("refuses certificates that are none, without quoting them", () => {
  expect(() => read("mqtts://broker", { caCert: "/etc/ca.pem" })).toThrow("caCert is not in PEM");
  expect(() => read("mqtts://broker", { clientKey: "hidden" })).not.toThrow("hidden");
  expect(() => read("mqtts://broker", { clientCert: "-----BEGIN CERTIFICATE-----" })).toThrow(
    "clientCert without clientKey",
  );
});
