/** What requests are signed with. */
export type AwsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** When they end; absent: never. */
  readonly expiration?: Date | undefined;
};

/** Who asks, beside what the environment says. Empty texts count as absent. */
export type AwsLogin = {
  readonly accessKey?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  /** A role to assume with whatever credentials there are. */
  readonly assumeRoleArn?: string | undefined;
  readonly sessionName?: string | undefined;
};
