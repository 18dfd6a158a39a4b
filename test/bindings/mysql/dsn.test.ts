import { expect, test } from "vitest";
import { parseDataSource } from "../../../src/bindings/mysql/dsn.ts";
import { mayLeaveDatabase, placeholders } from "../../../src/bindings/mysql/placeholders.ts";

const local = { host: "127.0.0.1", port: 3306, family: 0 };

test.each([
  ["/", { user: "", password: "", address: local, database: "" }],
  ["/a%2Fb", { database: "a/b" }],
  ["u@/d", { user: "u", password: "", address: local, database: "d" }],
  [
    "u:p@tcp(h:3307)/d",
    { user: "u", password: "p", address: { host: "h", port: 3307, family: 0 } },
  ],
  ["u:p@tcp/d", { address: local }],
  ["u:a:b@c/d@tcp(h)/d", { password: "a:b@c/d", address: { host: "h", port: 3306, family: 0 } }],
  ["u:p%40ss@tcp(h)/d", { password: "p%40ss" }],
  ["u@tcp([::1]:3307)/d", { address: { host: "::1", port: 3307, family: 0 } }],
  ["u@tcp6([::1])/d", { address: { host: "::1", port: 3306, family: 6 } }],
  ["u@tcp(::1)/d", { address: { host: "::1", port: 3306, family: 0 } }],
  ["u@unix(/run/my.sock)/d", { address: { path: "/run/my.sock" } }],
  ["u@unix/d", { address: { path: "/tmp/mysql.sock" } }],
  ["/d", { tls: "false", mayFallBack: false, zone: "UTC", maxPacket: 67_108_864 }],
  [
    "/d?tls=true&timeout=1.5s&readTimeout=200ms&writeTimeout=1s",
    { tls: "true", timeout: 1500, readTimeout: 200 },
  ],
  ["/d?tls=preferred", { tls: "skip-verify", mayFallBack: true }],
  ["/d?tls=true&allowFallbackToPlaintext=true", { tls: "true", mayFallBack: true }],
  ["/d?tls=custom&maxAllowedPacket=0", { tls: "custom", maxPacket: 0 }],
  [
    "/d?multiStatements=1&clientFoundRows=TRUE&columnsWithAlias=True",
    { isMultiple: true, countsFoundRows: true, namesTables: true },
  ],
  [
    "/d?loc=Europe%2FBerlin&collation=utf8mb4_bin&charset=utf8mb4,utf8",
    { zone: "Europe/Berlin", collation: "utf8mb4_bin" },
  ],
  ["/d?connectionAttributes=a:b,c:d", { attributes: { a: "b", c: "d" } }],
  [
    "/d?parseTime=true&loc=Local&interpolateParams=false&checkConnLiveness=false",
    { variables: new Map() },
  ],
  [
    "/d?sql_mode=%27ANSI%27&a&x.y=1",
    {
      variables: new Map([
        ["sql_mode", "'ANSI'"],
        ["x.y", "1"],
      ]),
    },
  ],
])("%s", (text, expected) => {
  expect(parseDataSource(text)).toMatchObject(expected);
});

test.each([
  ["u:secret", "no / before the name"],
  ["u:secret@tcp(h/d", "no ) after the address"],
  ["u:secret@tcp(h)x/d", "no ) after the address"],
  ["u:secret@pipe(h)/d", "must be tcp, tcp4, tcp6 or unix"],
  ["u:secret@tcp(h:99999)/d", "no number up to 65535"],
  ["/%zz", "two hexadecimal digits"],
  ["/d?tls=secret", "tls must be"],
  ["/d?parseTime=yes", "parseTime must be true or false"],
  ["/d?timeout=5", "timeout is no duration"],
  ["/d?timeout=-5s", "timeout is no duration"],
  ["/d?maxAllowedPacket=big", "no number of bytes"],
  ["/d?loc=Mars%2FSecret", "no time zone"],
  ["/d?charset=latin1", "charset must be utf8mb4"],
  ["/d?collation=x%3By", "collation is no name"],
  ["/d?compress=true", "compress is not supported"],
  ["/d?serverPubKey=secret", "serverPubKey"],
  ["/d?a%20b=1", "no variable has"],
  ["/d\0", "NUL"],
])("%j is refused, and not quoted", (text, why) => {
  expect(() => parseDataSource(text)).toThrow("illegal Data Source Name (DSN) specified by url: ");
  expect(() => parseDataSource(text)).toThrow(why);
  expect(() => parseDataSource(text)).not.toThrow(/secret/i);
});

test.each([
  ["SELECT :a, :b, :a", "SELECT ?, ?, ?", ["a", "b", "a"]],
  ["SELECT ':a', 'it''s :a', '\\':a', :b", "SELECT ':a', 'it''s :a', '\\':a', ?", ["b"]],
  ['SELECT ":a", `:a`, :b', 'SELECT ":a", `:a`, ?', ["b"]],
  ["SELECT 1 -- :a\n, :b # :c", "SELECT 1 -- :a\n, ? # :c", ["b"]],
  ["SELECT /* :a */ 1--:b", "SELECT /* :a */ 1--?", ["b"]],
  ["SET @x:=:a, y = 1:2, z::w", "SET @x:=?, y = 1:2, z::w", ["a"]],
])("names in %j", (sql, text, names) => {
  expect(placeholders(sql)).toEqual({ text, names });
});

test.each([
  ["USE shop", true],
  ["SELECT 1; use `shop`", true],
  ["/*!USE shop*/", true],
  ["EXECUTE IMMEDIATE 'USE shop'", true],
  ["SELECT * FROM t USE INDEX (i)", false],
  ["INSERT INTO t VALUES ('in use')", false],
  ["SELECT user()", false],
])("%j may leave the database: %s", (sql, expected) => {
  expect(mayLeaveDatabase(sql)).toBe(expected);
});
