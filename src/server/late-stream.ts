import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import { Http2Exchange } from "./http2-exchange.ts";

/** A stream that waits for something before it is served. Nothing of its request is read meanwhile. */
export class LateStream<Awaited = void> implements StreamListener {
  /** `before` never rejects; `serve` is called once, unless the stream is over by then. */
  constructor(
    stream: Http2Stream,
    before: Promise<Awaited>,
    serve: (awaited: Awaited) => StreamListener,
  ) {
    stream.pause();
    void before.then((awaited) => {
      if (stream.isClosed) return;
      const listener = serve(awaited);
      stream.listener = listener;
      // An exchange is read when somebody reads it.
      if (!(listener instanceof Http2Exchange) && !(listener instanceof LateStream))
        stream.resume();
    });
  }

  data(): void {}
  ended(): void {}
  closed(): void {}
}
