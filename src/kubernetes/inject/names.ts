/** The names that an injected sidecar has in a pod: all that Cufflink writes is found by them. */

/** The container's. */
export const sidecarName = "cufflink";
/** daprd's own container: a pod has one of both, never both. */
export const daprdName = "daprd";

const domain = "cufflink-runtime.github.io";

/** On a pod: what was put in, so that it can be taken out again. */
export const recordAnnotation = `${domain}/injected`;
/** On a pod: the volume that keeps durable records, instead of one that ends with the pod. */
export const stateVolumeAnnotation = `${domain}/state-volume`;

/** Volumes that are put in begin with it. */
export const volumePrefix = "cufflink-";
export const volumes = {
  state: `${volumePrefix}state`,
  temporary: `${volumePrefix}tmp`,
  token: `${volumePrefix}token`,
  sockets: `${volumePrefix}sockets`,
  components: `${volumePrefix}components`,
} as const;

/** Where Kubernetes' clients look for a service account's token. */
export const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";
export const statePath = "/state";
/** As in Dapr; the app's path of the same folder is its annotation's. */
export const socketsPath = "/var/run/dapr-sockets";
/** As in Dapr. */
export const componentsPath = "/tmp/dapr-components-sockets";

/** The ports that no annotation changes; as in Dapr. */
export const httpPort = 3500;
/** Of health and metadata, for probes. */
export const publicPort = 3501;
