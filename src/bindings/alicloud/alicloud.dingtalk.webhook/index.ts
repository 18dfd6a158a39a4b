import { randomUUID } from "node:crypto";
import { abortable, abortFailure } from "../../../abortable.ts";
import { defineBinding } from "../../../binding.ts";
import type { InboundEvent, Settlement } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { Receiver } from "../../../http-receiver/receiver.ts";
import { replyTo } from "../../../http-receiver/request.ts";
import { refuseUnsigned } from "../../../http-receiver/verify.ts";
import { dingtalkFields } from "./fields.ts";
import { messageEvent, verifierOf } from "./outgoing.ts";
import { Robot } from "./robot.ts";

const nothing = new Uint8Array();

/** Posts messages of a DingTalk robot, and hands the app those that are sent to the robot. */
export default defineBinding({
  name: "alicloud.dingtalk.webhook",
  aliases: ["dingtalk.webhook"],
  status: "beta",
  summary:
    "Posts messages to a DingTalk group by a robot's webhook, and receives those to the robot.",
  openedOnce: "port",
  provedBy: [{ system: "DingTalk", kind: "stand-in" }],
  metadata: dingtalkFields,

  async open({ component, metadata, directions, logger, memory, http, hide }) {
    const { id, url, secret, address } = metadata;
    const listens = directions.input && address !== undefined;
    const verify = listens ? verifierOf(metadata) : undefined;
    const robot = await Robot.open({ url, secret, memory, hide, caCert: metadata.caCert });
    const path = metadata.path || `/${encodeURIComponent(component.name)}`;
    const endpoint = listens ? await http.listen(address.host, address.port, path) : undefined;
    if (endpoint !== undefined)
      logger.debug({ port: endpoint.port, path }, "listening for DingTalk's messages");
    const deliver: { to?: ((event: InboundEvent) => Promise<void>) | undefined } = {};
    return {
      ...{ robot, id, endpoint, verify, deliver },
      async [Symbol.asyncDispose]() {
        await endpoint?.[Symbol.asyncDispose]();
        await robot[Symbol.asyncDispose]();
      },
    };
  },

  async examine({ robot, endpoint }, questions) {
    const { directions, ask, unknown, omit } = questions;
    omit("exists");
    if (directions.output) {
      await robot.examine(questions);
      unknown("authenticated", "", "DingTalk knows a robot's token only by its messages");
      unknown("may write", "", "only posting a message tells");
    } else omit("authenticated");
    if (!directions.input) return;
    if (endpoint === undefined)
      return unknown("may read", "", "address is not set: only `get` hands messages to the app");
    omit("may read");
    await ask("reachable", `port ${endpoint.port}`, () => "DingTalk must reach it");
  },

  operations: {
    create: {
      description: "Posts the data, a message of DingTalk's in JSON, to the group.",
      request: {},
      async invoke({ robot }, { data = nothing, signal }) {
        await robot.send(data, signal);
        return {};
      },
    },
    get: {
      description: "Hands the data to the component's own input, and waits until the app is done.",
      request: {},
      async invoke({ id, deliver }, { data = nothing, properties, signal }) {
        const { to } = deliver;
        if (to === undefined)
          throw new BindingError(
            "failed_precondition",
            `dingtalk webhook error: invalid component metadata.id ${id}`,
          );
        const settled = Promise.withResolvers<Settlement>();
        const event: InboundEvent = {
          ...{ data, metadata: properties, headers: [], id: randomUUID(), idIsMadeUp: true },
          ...{ revoked: signal, settle: settled.resolve },
        };
        const late = (): unknown =>
          abortFailure("dingtalk webhook error", signal.reason, "ambiguous");
        await abortable(to(event), signal, late);
        const settlement = await abortable(settled.promise, signal, late);
        if (settlement.outcome === "handled") return {};
        throw new BindingError("aborted", `dingtalk webhook error: ${settlement.reason}`, {
          effect: settlement.unattempted === true ? "unsent" : "ambiguous",
        });
      },
    },
  },

  guarantee: {
    returned: "is answered 503 with `Retry-After`, within `responseTimeout`; a call of `get` fails",
    atLeastOnce: "the sender repeats what was not answered with 2xx",
    shared: true,
    duplicates: {
      app: "what the app has (64)",
      runtime: "none: the sender retries unanswered requests",
      server: "none",
    },
  },

  read({ endpoint, verify, deliver }, reading) {
    deliver.to = (event) => reading.deliver([event]);
    if (endpoint === undefined || verify === undefined) {
      return {
        stop: () => void (deliver.to = undefined),
        flush() {},
        close() {},
      };
    }
    const { maxBodySize, responseTimeout } = reading.metadata;
    const receiver = new Receiver({
      ...{ methods: ["POST"], maxBodySize, responseTimeout, logger: reading.logger },
      ...{ memory: endpoint.memory, deliver: reading.deliver, verify: refuseUnsigned(verify) },
      eventsOf: (exchange) => [
        messageEvent(exchange, replyTo(exchange, { fallback: "application/json" })),
      ],
    });
    const release = endpoint.handle((request, response) => receiver.take(request, response));
    return {
      stop() {
        deliver.to = undefined;
        release();
        receiver.stop();
      },
      flush: () => receiver.flush(),
      close: () => receiver.close(),
    };
  },
});
