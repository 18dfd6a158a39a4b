import { describe } from "vitest";
import { testRestart, testSource } from "../contract.ts";
import { httpSource, type PagedFeed } from "./contract-source.ts";

describe("as an input", () => {
  testSource("http", httpSource());

  let feed: PagedFeed | undefined;
  const source = httpSource((made) => (feed = made));
  testRestart("http", source, { restart: async () => feed?.restart() });
});
