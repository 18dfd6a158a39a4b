import { expect, test } from "vitest";
import { placeholders } from "../../../src/bindings/postgres/placeholders.ts";

test.each([
  ["SELECT @a, @b, @a", "SELECT $1, $2, $1", ["a", "b"]],
  ["SELECT @a::int+@b", "SELECT $1::int+$2", ["a", "b"]],
  ["SELECT '@a', @b, 'it''s @a'", "SELECT '@a', $1, 'it''s @a'", ["b"]],
  [String.raw`SELECT E'\'@a', @b`, String.raw`SELECT E'\'@a', $1`, ["b"]],
  ['SELECT "@a", @b', 'SELECT "@a", $1', ["b"]],
  ["SELECT $$@a$$, $x$ $$ @a $x$, @b", "SELECT $$@a$$, $x$ $$ @a $x$, $1", ["b"]],
  ["SELECT 1 -- @a\n, @b", "SELECT 1 -- @a\n, $1", ["b"]],
  ["SELECT /* /* @a */ @a */ @b", "SELECT /* /* @a */ @a */ $1", ["b"]],
  ["SELECT x @> @a, x <@ @b, x @@ y, @ -5", "SELECT x @> $1, x <@ $2, x @@ y, @ -5", ["a", "b"]],
  ["SELECT $1", "SELECT $1", []],
  ["WHERE a=@a AND b>=@b AND c@>@a", "WHERE a=$1 AND b>=$2 AND c@>$1", ["a", "b"]],
] as const)("%j", (sql, text, names) => {
  expect(placeholders(sql)).toEqual({ text, names });
});
