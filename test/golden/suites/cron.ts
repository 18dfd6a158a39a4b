import type { Suite } from "../suite.ts";

export const cron: Suite = {
  name: "cron",
  servers: [],
  async prepare() {
    return {
      components: [{ name: "tick", type: "bindings.cron", metadata: { schedule: "@every 1s" } }],
      calls: [{ name: "an input is no output", binding: "tick", operation: "create" }],
      names: [[/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \+0000 UTC/g, "{time}"]],
      inputs: ["tick"],
      events: 1,
    };
  },
};
