import type { Link as NatsLink } from "../../nats-client/link.ts";
import type { NatsMetadata } from "./fields.ts";

/** The connection of a component. */
export type Link = NatsLink<NatsMetadata>;
