import type { Component } from "../reliability/runtime.ts";
import type { ServerName } from "../servers/kinds.ts";
import type { Road } from "./app.ts";

/** One question to a runtime. */
export type Call = {
  readonly name: string;
  /** Makes ready what this call needs. */
  readonly before?: () => Promise<unknown> | void;
} & (
  | {
      /** The same over HTTP and gRPC: data are JSON over the one, their text over the other. */
      readonly binding: string;
      readonly operation?: string;
      readonly metadata?: Readonly<Record<string, string>>;
      readonly data?: unknown;
      /** The caller's deadline in milliseconds, which HTTP does not know. */
      readonly deadline?: number;
    }
  | { readonly http: HttpCall }
  | { readonly grpc: GrpcCall }
);

export type HttpCall = {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
};

export type GrpcCall = {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** With gRPC's prefix. */
  readonly body: Buffer;
};

/** What a suite's calls and events go by. */
export type World = {
  readonly road: Road;
  /** An empty folder. */
  readonly folder: string;
  /** `host:port` of each server. */
  readonly servers: Readonly<Record<ServerName, string>>;
};

export type Prepared = {
  readonly components: readonly Component[];
  readonly calls: readonly Call[];
  /** Variables that the runtime has. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The inputs that the app wants. */
  readonly inputs?: readonly string[];
  /** How many events come, once all calls are made. */
  readonly events?: number;
  /** Called once all calls are made. `arrived`: whether the app got anything, be it the text `probe`, which is no event. */
  readonly send?: (arrived: () => boolean) => Promise<void>;
  /** What is another text on each run, and what to write in its place, in this order. */
  readonly names?: readonly (readonly [string | RegExp, string])[];
  readonly close?: () => Promise<void> | void;
};

/** What is asked of a runtime about one binding. */
export type Suite = {
  readonly name: string;
  readonly servers: readonly ServerName[];
  prepare(world: World): Promise<Prepared>;
};
