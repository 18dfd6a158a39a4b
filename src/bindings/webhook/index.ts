import { defineBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { Receiver } from "../../http-receiver/receiver.ts";
import { replyTo } from "../../http-receiver/request.ts";
import { refuseUnsigned } from "../../http-receiver/verify.ts";
import { webhookFields } from "./fields.ts";
import { requestEvent } from "./request-event.ts";
import { verifierOf } from "./verification.ts";

/**
 * Hands HTTP requests to the app and answers each with the app's reply.
 *
 * A request is answered 200 or 204 only once it is done with, and 202 once it is safe where the component sends what the
 * app did not handle. Anything else (returned, too slow, stopping) is a 503 with `Retry-After`, so that a sender that
 * repeats loses nothing; it may then deliver twice.
 */
export default defineBinding({
  name: "webhook",
  status: "beta",
  summary:
    "Calls the app for each HTTP request to its own address, and answers with the app's reply.",
  openedOnce: "port",
  provedBy: [{ system: "Node.js HTTP", kind: "real" }],
  metadata: webhookFields,

  async open({ component, metadata, logger, http }) {
    const verify = verifierOf(metadata);
    const methods = metadata.methods.map((method) => method.toUpperCase());
    if (methods.length === 0) {
      throw new BindingError("invalid_argument", "metadata methods names no method");
    }
    const { host, port } = metadata.address;
    const path = metadata.path || `/${encodeURIComponent(component.name)}`;
    const endpoint = await http.listen(host, port, path);
    logger.debug({ host, port: endpoint.port, path }, "listening for webhooks");
    return {
      port: endpoint.port,
      path,
      endpoint,
      verify,
      methods,
      [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
    };
  },

  async examine({ port, path }, { ask, omit }) {
    omit("authenticated", "exists", "may read");
    await ask("reachable", `port ${port}`, () => `senders must reach it for ${path}`);
  },

  eventMetadata: {
    method: "The method of the request.",
    path: "Its path.",
    query: "Its query, without `?`.",
    remoteAddress: "The address of the sender.",
    receivedTime: "When it came.",
    contentType: "Its media type.",
  },

  guarantee: {
    returned: "is answered 503 with `Retry-After`, within `responseTimeout`",
    atLeastOnce: "the sender repeats what was not answered with 2xx",
    shared: true,
    duplicates: {
      app: "what the app has (64)",
      runtime: "none: the sender retries unanswered requests",
      server: "none",
    },
  },

  read({ endpoint, verify, methods }, reading) {
    const { metadata, logger, deliver } = reading;
    const { maxBodySize, responseTimeout, responseContentType } = metadata;
    const fallback = metadata.verification === "twilio" ? "text/xml" : "application/octet-stream";
    const receiver = new Receiver({
      ...{ methods, maxBodySize, responseTimeout, deliver, logger },
      memory: endpoint.memory,
      verify: refuseUnsigned(verify),
      eventsOf: (exchange) => [
        requestEvent(
          exchange,
          metadata,
          replyTo(exchange, { wanted: responseContentType, fallback }),
        ),
      ],
    });
    const release = endpoint.handle((request, response) => receiver.take(request, response));
    return {
      stop() {
        release();
        receiver.stop();
      },
      flush: () => receiver.flush(),
      close: () => receiver.close(),
    };
  },
});
