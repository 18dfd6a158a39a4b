import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parseConnectionString } from "../../../src/bindings/postgres/connection-string.ts";
import { postgresFields } from "../../../src/bindings/postgres/fields.ts";
import { readSettings } from "../../../src/bindings/postgres/settings.ts";
import { parseFields } from "../../../src/metadata/parse.ts";

beforeEach(() => void vi.stubEnv("PGSSLMODE", undefined));
afterEach(() => void vi.unstubAllEnvs());

function settings(properties: Record<string, string>) {
  return readSettings(parseFields(postgresFields, properties).values, "shop");
}

test.each([
  ["postgres://u:p%40ss@h:5433/db?sslmode=disable", "u p@ss h 5433 db disable"],
  ["postgresql://u@[::1]/db", "u  ::1  db "],
  [
    "user=u password='it\\'s a \\\\' host=h port=1 dbname=db sslmode=require",
    "u it's a \\ h 1 db require",
  ],
  ["  host = h   database=db ", "  h  db "],
])("%j is read", (text, expected) => {
  const words = parseConnectionString(text);
  const names = ["user", "password", "host", "port", "dbname", "sslmode"];
  expect(names.map((name) => words.get(name) ?? "").join(" ")).toBe(expected);
});

test.each([
  [{}, "failed to build connection string"],
  [{ connectionString: "nonsense hunter2" }, "connectionString cannot be read"],
  [{ connectionString: "postgres://u:hunter2/@h/db" }, "it is no URL"],
  [{ connectionString: "host=a,b password=hunter2" }, "host names several servers"],
  [{ connectionString: "host=a target_session_attrs=primary" }, "target_session_attrs"],
  [{ host: "h", port: "x" }, "port is not a number"],
  [{ host: "h", timeout: "500ms" }, "invalid value for 'timeout': must be greater than 1s"],
  [{ host: "h", sslRootCert: "/no/such.pem" }, '"sslrootcert" value is neither'],
  [{ connectionString: "host=h sslmode=sometimes" }, "sslmode is none of"],
  [{ host: "h", user: "a\0b" }, "user has a NUL character in it"],
])("%j is refused", async (properties, message) => {
  const refused = settings(properties);
  await expect(refused).rejects.toMatchObject({ reason: "invalid_argument" });
  await expect(refused).rejects.toThrow(message);
  await expect(refused).rejects.not.toThrow("hunter2");
});

test("fields go before the string, in both its forms", async () => {
  const fields = { host: "h", port: "7", database: "d", user: "u", password: "p" };
  for (const connectionString of [
    "postgres://a:b@c:1/e",
    "user=a password=b host=c port=1 dbname=e",
  ]) {
    const { client } = await settings({ connectionString, ...fields });
    expect(client).toMatchObject({ ...fields, port: 7 });
  }
  const { client } = await settings({ host: "h", hostaddr: "10.0.0.1" });
  expect(client.host).toBe("10.0.0.1");
});

test("a token is made for the server by its name; a password beside it is none", async () => {
  const connectionString = "host=db.example.com hostaddr=10.0.0.1 user=shop password=hunter2";
  const { server, client, secrets } = await settings({ connectionString, useAWSIAM: "true" });
  expect(server).toEqual({ host: "db.example.com", port: 5432, user: "shop" });
  expect(client).toMatchObject({ host: "10.0.0.1", user: "shop" });
  expect(client.password).toBeUndefined();
  expect(secrets).toEqual([]);
});

test("the pool is bounded, and words of the session are passed on", async () => {
  expect((await settings({ host: "h" })).maxConnections).toBeGreaterThanOrEqual(4);
  expect((await settings({ host: "h", maxConns: "1" })).maxConnections).toBeGreaterThanOrEqual(4);
  expect((await settings({ host: "h", maxConns: "2" })).maxConnections).toBe(2);
  const { client, maxConnections, maxIdleTime } = await settings({
    connectionString: "host=h pool_max_conns=3 search_path='a, b' pool_max_conn_idle_time=5s",
  });
  expect(maxConnections).toBe(3);
  expect(maxIdleTime).toBe(5000);
  expect(client.options).toBe(String.raw`-c search_path=a,\ b`);
});

test.each([
  ["disable", false, undefined],
  ["prefer", true, false],
  ["require", false, false],
  ["verify-ca", false, true],
  ["verify-full", false, true],
])("sslmode %s", async (sslmode, prefersTls, rejectUnauthorized) => {
  const { client, ...rest } = await settings({ connectionString: `host=h sslmode=${sslmode}` });
  expect(rest.prefersTls).toBe(prefersTls);
  if (rejectUnauthorized === undefined) expect(client.ssl).toBe(false);
  else expect(client.ssl).toMatchObject({ rejectUnauthorized });
});

test("a folder as host is a socket, without TLS", async () => {
  expect((await settings({ host: "/run/postgresql" })).client.ssl).toBe(false);
});

test.each(["sslkey=MIIEcan4ry", "sslrootcert=/dev/null", "sslcert=/nowhere/c.pem"])(
  "%s is neither PEM nor a file of it, and is not quoted",
  async (word) => {
    const connectionString = `host=h sslmode=verify-full ${word}`;
    const [name = "", value = ""] = word.split("=");
    const error: unknown = await settings({ connectionString }).catch((one: unknown) => one);
    expect(error).toMatchObject({ reason: "invalid_argument" });
    expect(String(error)).toContain(name);
    expect(String(error)).not.toContain(value);
  },
);
