import { string } from "../../metadata/fields.ts";

/** Where and as whom AWS is asked, of every type; `region` is beside it, since its aliases differ. */
export const awsFields = {
  endpoint: string({
    description:
      "The service's base URL, for an emulator, a private endpoint or a private cloud. Default: `AWS_ENDPOINT_URL_…` or `AWS_ENDPOINT_URL` of the environment, else AWS itself.",
    example: "http://localhost:4566",
  }),
  accessKey: string({
    description:
      "The access key's id. Without it and `secretKey` the default chain of AWS is asked: environment, web identity, profile, container, instance.",
    sensitive: true,
    example: "AKIAIOSFODNN7EXAMPLE",
  }),
  secretKey: string({ description: "The secret access key.", sensitive: true }),
  sessionToken: string({
    description: "The session's token, where the keys are temporary.",
    sensitive: true,
  }),
  assumeRoleArn: string({
    description:
      "The ARN of a role to assume with these credentials. Dapr honours it only together with IAM Roles Anywhere, in Kafka and in PostgreSQL.",
    example: "arn:aws:iam::123456789012:role/shop",
  }),
  sessionName: string({
    description: "The name of the role's session. Default: `cufflink-` and the time.",
  }),
  trustAnchorArn: string({
    description:
      "The trust anchor of IAM Roles Anywhere. It needs the certificate that Dapr's own authority issues, so that a component with it is refused.",
  }),
  trustProfileArn: string({
    description: "The profile of IAM Roles Anywhere. Refused as `trustAnchorArn` is.",
  }),
  caCert: string({
    description:
      "The certificates of the authorities to trust in place of the system's, in PEM, or a file of them. Default: `AWS_CA_BUNDLE` of the environment. Dapr has no such field.",
  }),
} as const;

const regionText =
  "The AWS region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's; with an `endpoint`, `us-east-1`.";

export const regionField = {
  region: string({ description: regionText, example: "eu-central-1" }),
} as const;

/** Dapr knows the alias for S3 and SNS only. */
export const regionOrAwsRegionField = {
  region: string({ description: regionText, example: "eu-central-1", aliases: ["awsRegion"] }),
} as const;

/** What {@link awsFields} and the region come to. */
export type AwsMetadata = {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly accessKey: string | undefined;
  readonly secretKey: string | undefined;
  readonly sessionToken: string | undefined;
  readonly assumeRoleArn: string | undefined;
  readonly sessionName: string | undefined;
  readonly trustAnchorArn: string | undefined;
  readonly trustProfileArn: string | undefined;
  readonly caCert: string | undefined;
};
