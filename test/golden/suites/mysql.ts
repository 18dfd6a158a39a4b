import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

const binding = "db";

/** Columns of each type: its declaration, and two values. */
const columns: readonly (readonly [type: string, ...values: string[]])[] = [
  ["tinyint", "-128", "127"],
  ["tinyint unsigned", "255", "0"],
  ["bool", "true", "false"],
  ["smallint", "-32768", "32767"],
  ["mediumint unsigned", "16777215", "7"],
  ["int", "-2147483648", "2147483647"],
  ["int(6) unsigned zerofill", "42", "4294967295"],
  ["bigint", "-9223372036854775808", "9223372036854775807"],
  ["bigint unsigned", "9223372036854775807", "9007199254740993"],
  ["float", "0.1", "16777216"],
  ["float", "1e30", "1e-7"],
  ["double", "0.1", "1e21"],
  ["double", "1e-7", "123456789.125"],
  ["double", "-0.0", "1e20"],
  ["decimal(40,10)", "12345678901234567890.123456789", "1.5"],
  ["decimal(5,0)", "100", "-1"],
  ["date", "'2024-01-02'", "'1000-01-01'"],
  ["datetime", "'2024-01-02 03:04:05'", "'9999-12-31 23:59:59'"],
  ["datetime(6)", "'2024-01-02 03:04:05.120000'", "'2024-01-02 00:00:00'"],
  ["datetime(3)", "'2024-01-02 03:04:05.123'", "'2024-01-02 03:04:05.100'"],
  ["timestamp", "'2024-01-02 03:04:05'", "'2024-07-02 03:04:05'"],
  ["time", "'01:02:03'", "'-838:59:59'"],
  ["time(3)", "'01:02:03.5'", "'00:00:00'"],
  ["year", "2024", "1901"],
  ["char(4)", "'ab'", "''"],
  ["varchar(40)", `'<a&b> "\\\\ ü \u2028 😀'`, "'NULL'"],
  ["text", "'text'", "'it''s'"],
  ["longtext", "'long'", "''"],
  ["enum('a','b')", "'a'", "'b'"],
  ["set('a','b')", "'a,b'", "''"],
  ["binary(4)", "x'00ff'", "'abcd'"],
  ["varbinary(4)", "x'00ff'", "''"],
  ["blob", "x'00ff10'", "'blob'"],
  ["bit(1)", "b'1'", "b'0'"],
  ["bit(12)", "b'101100001110'", "b'1'"],
  ["json", `'{"b": [1, 2.50], "a": null}'`, "'[]'"],
  ["uuid", "'00112233-4455-6677-8899-aabbccddeeff'", "'00000000-0000-0000-0000-000000000001'"],
  ["inet6", "'::1'", "'10::1'"],
  ["point", "ST_GeomFromText('POINT(1 -2)')", "ST_GeomFromText('POINT(0 0)')"],
  ["varchar(10) character set latin1", "'grün'", "'x'"],
];

/** So many of them are in one table. */
const inGroup = 10;

const expressions: readonly string[] = [
  "SELECT 1 AS b, 2 AS a, 'x' AS `Z`, 3 AS `ä`",
  "SELECT NULL, 1+1, 1/3, 1.5, 1e3, 'text', x'00ff', TRUE",
  "SELECT 1 AS a, 2 AS a, NULL AS b, 3 AS b, 4 AS c, NULL AS c",
  "SELECT CAST(9007199254740993 AS UNSIGNED) AS u, CAST(-1 AS SIGNED) AS s",
  "SELECT CAST('0000-00-00' AS DATE) AS zero, DATE('2024-01-02') AS d, TIME('01:02:03.25') AS t",
  "SELECT COUNT(*) AS n, SUM(1) AS sum, AVG(2) AS avg, MAX('x') AS m FROM (SELECT 1) AS one",
  "SELECT 1 AS `1`, JSON_OBJECT('a', 1) AS j, JSON_EXTRACT('[1]', '$[0]') AS e",
];

export const mysql: Suite = {
  name: "mysql",
  servers: ["mariadb"],
  async prepare({ servers }) {
    const table = uniqueName("golden").replaceAll("-", "_");
    const one = (name: string, operation: string, metadata?: Record<string, string>): Call => ({
      ...{ name, binding, operation },
      ...(metadata ? { metadata } : {}),
    });
    const query = (name: string, sql: string, params?: string): Call =>
      one(name, "query", { sql, ...(params === undefined ? {} : { params }) });
    const exec = (name: string, sql: string, params?: string): Call =>
      one(name, "exec", { sql, ...(params === undefined ? {} : { params }) });
    const groups = Array.from({ length: Math.ceil(columns.length / inGroup) }, (_, at) =>
      columns.slice(at * inGroup, (at + 1) * inGroup),
    );
    const tables = groups.map((_, at) => `${table}_${at}`);
    const typed = groups.flatMap((group, at) => {
      const of = `${table}_${at}`;
      const declared = group.map(([type], n) => `n${n} ${type} NULL, r${n} ${type} NOT NULL`);
      const rows = [0, 1].map((id) => [id, ...group.flatMap(([, ...two]) => [two[id], two[id]])]);
      const empty = [9, ...group.flatMap(([, first]) => ["NULL", first])];
      const values = [...rows, empty].map((row) => `(${row.join(", ")})`);
      return [
        exec(`a table of types (${at})`, `CREATE TABLE ${of} (id int, ${declared.join(", ")})`),
        exec(`a table's values (${at})`, `INSERT INTO ${of} VALUES ${values.join(", ")}`),
        query(`values as text (${at})`, `SELECT * FROM ${of} ORDER BY id`),
        query(`values as sent (${at})`, `SELECT * FROM ${of} WHERE id >= ? ORDER BY id`, "[0]"),
      ];
    });
    return {
      components: [
        {
          ...{ name: binding, type: "bindings.mysql" },
          metadata: {
            url: `admin:opensesame@tcp(${servers.mariadb})/shop?allowNativePasswords=true`,
          },
        },
      ],
      names: [
        [new RegExp(table, "g"), "{table}"],
        [/(?<=(?:start|end)-time":\s*")[^"]*/g, "{time}"],
        [/(?<=duration":\s*")[^"]*/g, "{duration}"],
      ],
      calls: [
        ...typed,
        ...expressions.map((sql, at) => query(`values ${at}`, sql)),
        exec(
          "exec that makes a table",
          `CREATE TABLE ${table} (id bigint PRIMARY KEY, name text, at decimal(10,3))`,
        ),
        exec("exec with parameters", `INSERT INTO ${table} VALUES (?, ?, ?)`, '[1, "one", 1.25]'),
        exec(
          "exec with a null and a boolean",
          `INSERT INTO ${table} VALUES (?, ?, ?)`,
          "[2, null, true]",
        ),
        exec("exec of several rows", `INSERT INTO ${table} (id) VALUES (3), (4)`),
        exec("exec that changes nothing", `UPDATE ${table} SET id = 3 WHERE id = 3`),
        exec("exec of several statements", `INSERT INTO ${table} (id) VALUES (7); SELECT 1`),
        exec("exec that returns rows", `DELETE FROM ${table} WHERE id = 4 RETURNING id`),
        exec("exec of a query", `SELECT * FROM ${table}`),
        query("query", `SELECT * FROM ${table} ORDER BY id`),
        query("query with parameters", `SELECT name FROM ${table} WHERE id = ?`, "[1]"),
        query("query without rows", `SELECT id FROM ${table} WHERE id = 99`),
        query(
          "query that inserts",
          `INSERT INTO ${table} VALUES (5, 'five', 5) RETURNING id, name`,
        ),
        query("query that answers no rows", `UPDATE ${table} SET name = 'x' WHERE id = 5`),
        query(
          "query with values",
          "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? / 2 AS e",
          '[1, 1.5, "x", true, 3]',
        ),
        query("query with a limit", `SELECT id FROM ${table} ORDER BY id LIMIT ?`, "[1]"),
        query("query with arrays", "SELECT ? AS a", "[[1, 2]]"),
        query("query with objects", "SELECT ? AS a", '[{"a": 1}]'),
        query("query of several statements", "SELECT 1; SELECT 2"),
        query("query of what a table is", `SHOW COLUMNS FROM ${table}`),
        exec("exec of nothing", " "),
        query("params that are no JSON", "SELECT 1", "x"),
        query("params that are no array", "SELECT 1", "5"),
        query("params that are an object", "SELECT :a", '{"a": 1}'),
        query("params that are null", "SELECT 1", "null"),
        query("params that are empty", "SELECT 1", ""),
        query("too few params", "SELECT ?, ?", "[1]"),
        query("too many params", "SELECT ?", "[1, 2]"),
        query("params for nothing", "SELECT 1", "[1]"),
        query("a question without params", "SELECT ?"),
        query(
          "an unsigned number that may be null",
          "SELECT NULLIF(CAST(18446744073709551615 AS UNSIGNED), 1) AS u",
        ),
        query(
          "an error while rows are read",
          "SELECT seq, IF(seq > 3, (SELECT 1 UNION SELECT seq), 0) AS a FROM seq_1_to_5",
        ),
        query("no table", "SELECT * FROM no_such_table"),
        exec("exec of no SQL", "NOT SQL"),
        exec("a key that is there", `INSERT INTO ${table} (id) VALUES (1)`),
        query("a division by zero", "SELECT 1/0 AS a"),
        exec("a division by zero that is stored", `INSERT INTO ${table} (id, at) VALUES (8, 1/0)`),
        query("a signal", "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'"),
        query("a local file", `LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE ${table}`),
        one("query without sql", "query", { params: "[]" }),
        one("query without metadata", "query"),
        one("an operation that is not there", "list", { sql: "SELECT 1" }),
        exec("exec that drops the table", `DROP TABLE ${[table, ...tables].join(", ")}`),
        one("close", "close"),
        one("close again", "close"),
        query("query when closed", "SELECT 1"),
      ],
    };
  },
};
