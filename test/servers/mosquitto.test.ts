import { expect, test } from "vitest";
import { describeWith, uniqueName } from "./describe-with.ts";
import { exchange } from "./exchange.ts";
import { isAlive } from "./ports.ts";

/** MQTT 3.1.1, clean session, no client id. */
const hello = packet(0x10, Buffer.from("00044d5154540402000a0000", "hex"));

describeWith("mosquitto", (mosquitto) => {
  test("answers at its address", async () => {
    expect(await exchange(mosquitto, hello, /^.{4}/s)).toBe("\x20\x02\x00\x00");
  });

  test("sends on what is published", async () => {
    const topic = uniqueName("orders");
    const all = Buffer.concat([hello, subscribe(topic), publish(topic, "one", 0)]);
    expect(await exchange(mosquitto, all, /one$/)).toContain(topic);
  });
});

describeWith("mosquitto", { own: true, config: ["max_packet_size 50"] }, (mosquitto) => {
  test("keeps retained messages over a restart", async () => {
    const retain = 1;
    // The PINGRESP at the end tells that the message was taken.
    const ping = packet(0xc0, Buffer.alloc(0));
    await exchange(
      mosquitto,
      Buffer.concat([hello, publish("kept", "yes", retain), ping]),
      /\xd0\0/,
    );
    const before = mosquitto.pid;
    await mosquitto.restart();
    expect(mosquitto.pid).not.toBe(before);
    const said = await exchange(mosquitto, Buffer.concat([hello, subscribe("kept")]), /yes$/);
    expect(said).toContain("kept");
  });

  test("has the options it was given", async () => {
    const large = publish("large", "x".repeat(60), 0);
    const all = Buffer.concat([hello, subscribe("large"), large, publish("large", "small", 0)]);
    await expect(exchange(mosquitto, all, /small/)).rejects.toThrow(/closed|ECONNRESET/);
  });

  test("is gone after stop", async () => {
    const pid = mosquitto.pid ?? 0;
    expect(isAlive(pid)).toBe(true);
    await mosquitto.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(exchange(mosquitto, hello, /./)).rejects.toThrow(/ECONNREFUSED/);
  });
});

function publish(topic: string, text: string, flags: number): Buffer {
  return packet(0x30 | flags, Buffer.concat([prefixed(topic), Buffer.from(text)]));
}

function subscribe(topic: string): Buffer {
  return packet(0x82, Buffer.concat([Buffer.from([0, 1]), prefixed(topic), Buffer.from([0])]));
}

function prefixed(text: string): Buffer {
  return Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);
}

/** Short packets only: their length fits into one byte. */
function packet(first: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([first, body.length]), body]);
}
