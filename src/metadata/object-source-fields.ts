import { byteSize, duration, string } from "./fields.ts";

/** The fields of every input that reads objects of a store. */
export const objectSourceFields = {
  prefix: string({
    description: "Only objects whose keys begin with this are read.",
    default: "",
    direction: "input",
    example: "incoming/",
  }),
  onHandled: string({
    description:
      "What is done with a handled object of a listing: `delete`, `move:PREFIX` (the prefix takes the place of `prefix`), or `tag`. Required without notifications: a listing finds each object again until it is put away.",
    direction: "input",
    example: "move:done/",
  }),
  pollInterval: duration({
    description: "The pause between two listings.",
    default: "5s",
    positive: true,
    direction: "input",
  }),
  inlineLimit: byteSize({
    description:
      "The largest object whose bytes come with the event. Of a larger one its reference comes as JSON, and the app calls `get`. `0`: always the reference.",
    default: "256Ki",
    direction: "input",
  }),
};
