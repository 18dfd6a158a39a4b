import type { Header } from "../../../binding.ts";

/** What a packet from a server may say beside what it is for. */
export type Properties = {
  payloadFormatIndicator?: number;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Buffer;
  subscriptionIdentifiers?: number[];
  sessionExpiryInterval?: number;
  assignedClientIdentifier?: string;
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Buffer;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQos?: number;
  retainAvailable?: number;
  /** In the order of the sender, repeats kept. */
  userProperties?: Header[];
  maximumPacketSize?: number;
  wildcardSubscriptionAvailable?: number;
  subscriptionIdentifierAvailable?: number;
  sharedSubscriptionAvailable?: number;
};

export type ConnackPacket = {
  readonly cmd: "connack";
  readonly sessionPresent: boolean;
  readonly reasonCode: number;
  readonly properties: Properties;
};

export type PublishPacket = {
  readonly cmd: "publish";
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Absent with QoS 0. */
  readonly messageId: number | undefined;
  readonly properties: Properties;
};

/** An answer to a message that was sent, or the third step of one that came with QoS 2. */
export type ConfirmationPacket = {
  readonly cmd: "puback" | "pubrec" | "pubrel" | "pubcomp";
  readonly messageId: number;
  readonly reasonCode: number;
  readonly properties: Properties;
};

export type SubackPacket = {
  readonly cmd: "suback" | "unsuback";
  readonly messageId: number;
  readonly reasonCodes: readonly number[];
  readonly properties: Properties;
};

/** What a server sends. */
export type ServerPacket =
  | ConnackPacket
  | PublishPacket
  | ConfirmationPacket
  | SubackPacket
  | { readonly cmd: "pingresp" }
  | {
      readonly cmd: "disconnect" | "auth";
      readonly reasonCode: number;
      readonly properties: Properties;
    };
