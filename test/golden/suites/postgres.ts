import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

const binding = "db";

/** A value of each kind, whose JSON is the driver's. */
const values: readonly string[] = [
  "1::int2, -2::int4, 9223372036854775807::int8, 42::oid, '7'::xid, '8'::xid8",
  "1.5::float4, 0.1::float4, 1e21::float8, 1e-7::float8, 123456789.125::float8, '-0'::float8, 1e20::float8",
  "12345678901234567890.1234567890::numeric, 1.500::numeric, 0.001::numeric, 1000::numeric, 'NaN'::numeric",
  "true, false, null, null::int",
  "'<a&b> \"\\ \u00fc \u2028'::text, 'ab'::char(4), 'v'::varchar, 'n'::name, 'c'::\"char\", ''",
  String.raw`'\x00ff10'::bytea, ''::bytea`,
  `'{"b": [1, 2.50, 1e2], "a": {"z": null, "<": "x"}}'::json, '{"b":1,"a":[true]}'::jsonb, '"t"'::json, 'null'::jsonb`,
  "'2024-01-02'::date, '2024-01-02 03:04:05.120'::timestamp, '2024-01-02 03:04:05'::timestamp",
  "'2024-01-02 03:04:05.123456+02'::timestamptz, 'infinity'::timestamptz, '-infinity'::date, 'infinity'::timestamp",
  "'01:02:03.5'::time, '24:00'::time, '01:02:03+02'::timetz",
  "'1 year 2 mons -3 days 04:05:06.789'::interval, '-00:00:01'::interval, '0'::interval, '-1 mon'::interval",
  "'00112233-4455-6677-8899-aabbccddeeff'::uuid",
  "'10.0.0.1'::inet, '10.0.0.1/8'::inet, '10.0.0.0/8'::cidr, '::1'::inet, '08:00:2b:01:02:03'::macaddr",
  "B'10110000111'::bit(11), B'101'::varbit",
  "'{1,2,NULL}'::int[], '{}'::int[], '{{1,2},{3,4}}'::int[], array['a,b', 'c\"\\\\d', null, 'NULL', ''], '[0:1]={5,6}'::int[], '{1.10,2}'::numeric[]",
  "array['2024-01-02'::date], array[true,false], array['{\"a\":1}'::jsonb], array['00112233-4455-6677-8899-aabbccddeeff'::uuid]",
  "'(1.5,-2)'::point, '(1,2),(3,4)'::box, '[(1,2),(3,4)]'::lseg, '{1,2,3}'::line, '<(1,2),3>'::circle",
  "'[(1,2),(3,4)]'::path, '((1,2),(3,4))'::path, '((1,2),(3,4),(5,6))'::polygon",
  "'[1,10)'::int4range, '(,5]'::int8range, 'empty'::int4range, '[1.5,2.5]'::numrange, '[2024-01-02,2024-01-05)'::daterange",
  "'(0,1)'::tid, '0/12'::pg_lsn, '$.a'::jsonpath, 'int4'::regtype",
];

export const postgres: Suite = {
  name: "postgres",
  servers: ["postgres"],
  async prepare({ servers }) {
    const [host, port] = servers.postgres.split(":");
    const table = uniqueName("golden").replaceAll("-", "_");
    const one = (name: string, operation: string, metadata?: Record<string, string>): Call => ({
      ...{ name, binding, operation },
      ...(metadata ? { metadata } : {}),
    });
    const query = (name: string, sql: string, params?: string): Call =>
      one(name, "query", { sql, ...(params === undefined ? {} : { params }) });
    const exec = (name: string, sql: string, params?: string): Call =>
      one(name, "exec", { sql, ...(params === undefined ? {} : { params }) });
    return {
      components: [
        {
          ...{ name: binding, type: "bindings.postgres" },
          metadata: {
            connectionString: `host=${host} port=${port} user=postgres password=opensesame dbname=postgres sslmode=disable`,
          },
        },
      ],
      names: [
        [table, "{table}"],
        [/(?<=(?:start|end)-time":\s*")[^"]*/g, "{time}"],
        [/(?<=duration":\s*")[^"]*/g, "{duration}"],
      ],
      calls: [
        ...values.map((list, at) => query(`values ${at}`, `SELECT ${list}`)),
        exec(
          "exec that makes a table",
          `CREATE TABLE ${table} (id bigint PRIMARY KEY, name text, at numeric)`,
        ),
        exec(
          "exec with parameters",
          `INSERT INTO ${table} VALUES ($1, $2, $3)`,
          '[1, "one", 1.25]',
        ),
        exec("exec with a null", `INSERT INTO ${table} VALUES ($1, $2, $3)`, "[2, null, 2]"),
        exec(
          "exec of several statements",
          `INSERT INTO ${table} VALUES (3); UPDATE ${table} SET name = 'x' WHERE id > 1`,
        ),
        exec("exec that returns rows", `DELETE FROM ${table} WHERE id = 3 RETURNING id`),
        query("query", `SELECT * FROM ${table} ORDER BY id`),
        query("query with parameters", `SELECT name FROM ${table} WHERE id = $1`, "[1]"),
        query("query without rows", `SELECT id FROM ${table} WHERE id = 99`),
        query("query that inserts", `INSERT INTO ${table} VALUES (5, 'five') RETURNING id, name`),
        query("query with an array", "SELECT $1::int[], $2::jsonb", '[[1, 2], {"a": [1]}]'),
        query("query with JSON", "SELECT $1::jsonb", "[[1, 2]]"),
        query("query of several statements", "SELECT 1; SELECT 2"),
        query("query without columns", "SELECT"),
        exec("exec of nothing", " "),
        query("params that are no JSON", "SELECT 1", "x"),
        query("params that are no array", "SELECT 1", "5"),
        query("params that are null", "SELECT 1", "null"),
        query("params that are empty", "SELECT 1", ""),
        query("too few params", "SELECT $1::int, $2::int", "[1]"),
        query("no table", "SELECT * FROM no_such_table"),
        exec("exec of no SQL", "NOT SQL"),
        exec("a key that is there", `INSERT INTO ${table} VALUES (1)`),
        query("a division by zero", "SELECT 1/0"),
        query("an infinite numeric", "SELECT 'Infinity'::numeric"),
        query("not a number", "SELECT 'NaN'::float8"),
        one("query without sql", "query", { params: "[]" }),
        one("query without metadata", "query"),
        one("an operation that is not there", "list", { sql: "SELECT 1" }),
        exec("exec that drops the table", `DROP TABLE ${table}`),
        one("close", "close"),
        one("close again", "close"),
        query("query when closed", "SELECT 1"),
      ],
    };
  },
};
