/** The bindings of which is known how many events wait, for who has not loaded them. */
export const namesWithBacklog: readonly string[] = [
  ...["aws.sqs", "azure.storagequeues", "file", "imap", "kafka", "nats", "rabbitmq"],
  ...["redis.streams", "sftp"],
];
