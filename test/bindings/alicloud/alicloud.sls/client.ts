import { writeGroup } from "../../../servers/sls/log-group.ts";
import { project } from "../../../servers/sls/service.ts";
import { accessKeyId, headersFor, secret } from "../../../servers/sls/signature.ts";
import { request } from "undici";

/** How a component reaches the stand-in. */
export const account = { accessKeyID: accessKeyId, accessKeySecret: secret, project };

type Place = { readonly host: string; readonly port: number };

/** Another client of the stand-in. */
export class LogClient {
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  async createLogstore(name: string, shards: number): Promise<void> {
    const body = Buffer.from(JSON.stringify({ logstoreName: name, ttl: 1, shardCount: shards }));
    await this.#ask("POST", "/logstores", body);
  }

  /** Writes one log; those with the same key are in the same shard. */
  async put(
    logstore: string,
    texts: Readonly<Record<string, string | Buffer>>,
    { key, tags = {} }: { key?: string; tags?: Readonly<Record<string, string>> } = {},
  ): Promise<void> {
    const group = writeGroup({
      ...{ topic: "checkout", source: "10.0.0.1" },
      logs: [
        {
          time: 1_700_000_000,
          contents: Object.entries(texts).map(([name, value]) => [name, Buffer.from(value)]),
        },
      ],
      tags: Object.entries(tags).map(([name, value]) => [name, Buffer.from(value)]),
    });
    const path = key === undefined ? "lb" : `route?key=${hashOf(key)}`;
    await this.#ask(
      "POST",
      `/logstores/${logstore}/shards/${path}`,
      group,
      "application/x-protobuf",
    );
  }

  async #ask(method: "POST", path: string, body: Buffer, type?: string): Promise<void> {
    const { host, port } = this.#place;
    const answer = await request(`http://${host}:${port}${path}`, {
      ...{ method, body, reset: true, headersTimeout: 5000, bodyTimeout: 5000 },
      headers: {
        ...headersFor(method, path, { body, ...(type === undefined ? {} : { type }) }),
        host: `${project}.${host}`,
      },
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text}`);
  }
}

/** The hash of a key, by which the first sixteen numbers are in shards of their own where there are so many. */
function hashOf(key: string): string {
  const named = key === "end" ? 10 : key === "last" ? 11 : key.charCodeAt(0);
  const number = /^\d+$/.test(key) ? Number(key) : named;
  return (number % 16).toString(16).padStart(8, "0");
}
