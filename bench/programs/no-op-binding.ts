// A binding of a user's own that does nothing: each worker loads it by --bindings. It needs no import.
export default {
  name: "noop",
  status: "alpha",
  summary: "Answers what it is given.",
  metadata: {},
  open: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
  operations: {
    create: {
      description: "Answers the data.",
      request: {},
      invoke: (_: unknown, { data }: { readonly data: Uint8Array | undefined }) =>
        Promise.resolve({ data }),
    },
  },
} as const;
