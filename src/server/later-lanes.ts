import type { Lanes } from "./lanes.ts";

/** Lanes that are made at the first call of one of their services. They take every path of these. */
export type LaterLanes = {
  readonly [Method in keyof Lanes]: (...request: Parameters<Lanes[Method]>) => boolean;
};

export type LaterLanesOptions = {
  /** Of the services, such as `package.Service`. */
  readonly names: readonly string[];
  readonly load: () => Promise<Lanes>;
  /** Answer what the lanes do not take after all. */
  readonly otherwise: {
    readonly [Method in keyof Lanes]: (...request: Parameters<Lanes[Method]>) => void;
  };
};

/** Lanes for services that few need, so that the start need not wait for them. */
export function createLaterLanes({ names, load, otherwise }: LaterLanesOptions): LaterLanes {
  const known = new Set(names);
  let lanes: Lanes | undefined;
  let loading: Promise<Lanes> | undefined;

  function isKnown(path: string | undefined): boolean {
    return path !== undefined && known.has(path.slice(1, path.indexOf("/", 1)));
  }

  function whenLoaded(go: (lanes: Lanes) => void, fail: () => void): void {
    if (lanes !== undefined) return go(lanes);
    loading ??= load();
    loading
      .then((made) => go((lanes = made)))
      .catch(() => {
        // The next call tries again.
        loading = undefined;
        fail();
      });
  }

  return {
    onStream(stream, headers, raw, memory) {
      if (!isKnown(headers[":path"])) return false;
      // Who gives up before the lanes are there is nobody's failure.
      if (lanes === undefined) stream.on("error", () => {});
      whenLoaded(
        (lanes) => {
          if (stream.destroyed) return;
          if (!lanes.onStream(stream, headers, raw, memory))
            otherwise.onStream(stream, headers, raw, memory);
        },
        () => stream.destroy(),
      );
      return true;
    },
    onRequest(request, response, memory) {
      if (!isKnown(request.url)) return false;
      whenLoaded(
        (lanes) => {
          if (!lanes.onRequest(request, response, memory))
            otherwise.onRequest(request, response, memory);
        },
        () => response.destroy(),
      );
      return true;
    },
  };
}
