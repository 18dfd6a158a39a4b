const key =
  "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const aliyun = { accessKeyID: "id", accessKey: "hush" };
const account = { accountName: "shop", accountKey: "aHVzaA==" };
const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
/** What is sent where nothing else is said. */
export const order = '{"id":"1"}';

export type OutputAt = {
  readonly properties: Record<string, string>;
  readonly operation?: string;
  readonly request?: object;
  readonly data?: string;
};

/** Outputs at a server of that URL; what is sent, and by which operation unless it is `create`. */
export const outputsAt: Record<string, (url: string) => OutputAt> = {
  "alicloud.dingtalk.webhook": (url) => ({
    properties: { id: "alerts", url: `${url}/robot/send?access_token=hush` },
  }),
  "alicloud.oss": (url) => ({ properties: { ...aliyun, endpoint: url, bucket: "orders" } }),
  "alicloud.sls": (endpoint) => ({
    properties: {
      ...{ endpoint, accessKeyID: "id", accessKeySecret: "hush" },
      ...{ project: "shop", logstore: "orders", topic: "new", source: "web" },
    },
  }),
  "alicloud.tablestore": (endpoint) => ({
    properties: { ...aliyun, endpoint, instanceName: "shop", tableName: "orders" },
    request: { primaryKeys: "id" },
  }),
  "azure.blobstorage": (endpoint) => ({
    properties: { ...account, endpoint, containerName: "orders" },
  }),
  "azure.cosmosdb": (url) => ({
    properties: {
      ...{ url, masterKey: "aHVzaA==", database: "shop", collection: "orders", partitionKey: "id" },
    },
  }),
  "azure.eventgrid": (url) => ({ properties: { topicEndpoint: url, accessKey: "hush" } }),
  "azure.openai": (endpoint) => ({
    properties: { endpoint, apiKey: "hush" },
    operation: "completion",
    data: '{"deploymentID":"gpt","prompt":"Hello"}',
  }),
  "azure.signalr": (endpoint) => ({
    properties: { endpoint, accessKey: "hush", hub: "orders" },
    data: '{"target":"new","arguments":[]}',
  }),
  "azure.storagequeues": (endpoint) => ({
    properties: { ...account, endpoint, queueName: "orders" },
  }),
  "cloudflare.queues": (workerUrl) => ({
    properties: { workerUrl, key, workerName: "shop", queueName: "orders" },
  }),
  postmark: (apiUrl) => ({ properties: { apiUrl, serverToken: "hush", ...mail } }),
  "twilio.sendgrid": (apiUrl) => ({
    properties: { apiUrl, apiKey: "hush", ...mail },
  }),
  commercetools: (url) => ({
    properties: {
      ...{ region: "europe-west1", provider: "gcp", projectKey: "shop", clientID: "client" },
      ...{ clientSecret: "hush", scopes: "view_products:shop", apiUrl: url, authUrl: url },
    },
    data: '{"commercetoolsAPI":"GraphQLQuery","query":"{ a }"}',
  }),
  "huawei.obs": (endpoint) => ({
    properties: { endpoint, accessKey: "id", secretKey: "hush", bucket: "orders" },
  }),
};
