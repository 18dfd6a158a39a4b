import { startLoopback } from "../http/loopback-server.ts";
import type { LoopbackServer } from "../http/loopback-server.ts";

/** What a stand-in knows: its token, organisation and bucket. */
export const account = { token: "canary-t0ken/+", org: "shop & co", bucket: "temperatures" };

/** A server with the calls of InfluxDB's API that the binding makes, by the vendor's reference; it runs no Flux. */
export type InfluxStandIn = LoopbackServer & { readonly lines: string[] };

export async function startInflux(): Promise<InfluxStandIn> {
  const lines: string[] = [];
  const server = await startLoopback(({ method, url, headers, body }, response) => {
    const { pathname, searchParams } = new URL(url ?? "", "http://x");
    const refuse = (status: number, code: string, message: string) => {
      const type = { "content-type": "application/json; charset=utf-8" };
      response.writeHead(status, type).end(JSON.stringify({ code, message }));
    };
    if (headers.authorization !== `Token ${account.token}`)
      return refuse(401, "unauthorized", "unauthorized access");
    if (searchParams.get("org") !== account.org)
      return refuse(404, "not found", "organization name not found");
    if (method === "POST" && pathname.endsWith("/api/v2/write")) {
      if (searchParams.get("bucket") !== account.bucket)
        return refuse(404, "not found", "bucket not found");
      const line = body.toString();
      if (!/^[^ ]+ .*=/s.test(line))
        return refuse(400, "invalid", `unable to parse '${line}': missing fields`);
      lines.push(line);
      return response.writeHead(204).end();
    }
    if (method === "POST" && pathname.endsWith("/api/v2/query")) {
      const { query } = JSON.parse(body.toString()) as { query: string };
      if (!query.startsWith("from("))
        return refuse(400, "invalid", "compilation failed: undefined identifier");
      return response.writeHead(200, { "content-type": "text/csv; charset=utf-8" }).end(csv);
    }
    if (method === "GET" && pathname.endsWith("/api/v2/buckets")) {
      const isKnown = searchParams.get("name") === account.bucket;
      const buckets = isKnown ? [{ id: "0a1b2c3d4e5f6071", name: account.bucket }] : [];
      const type = { "content-type": "application/json; charset=utf-8" };
      return response.writeHead(200, type).end(JSON.stringify({ buckets }));
    }
    return refuse(404, "not found", "path not found");
  });
  return Object.assign(server, { lines });
}

/** An answer in annotated CSV. */
export const csv = [
  "#datatype,string,long,dateTime:RFC3339,double,string",
  "#group,false,false,false,false,true",
  "#default,_result,,,,",
  ",result,table,_time,_value,room",
  ",,0,2026-01-02T03:04:05Z,21.5,hall",
  "",
  "",
].join("\r\n");
