import type { Command } from "commander";
import type { InjectOptions } from "../kubernetes/inject/sidecar.ts";
import { version } from "../version.ts";
import { UsageError } from "./usage-error.ts";

const pullPolicies = ["Always", "IfNotPresent", "Never"] as const;

/** The user of the image, by number: Kubernetes cannot tell by a name whether it is root. */
const imageUser = "65532";

/** Adds the flags of commands that put the sidecar into pods. */
export function addSidecarOptions(command: Command): Command {
  return command
    .option(
      "--image <image>",
      "Cufflink's image; dapr.io/sidecar-image comes before it",
      `ghcr.io/cufflink-runtime/cufflink:${version}`,
    )
    .option("--image-pull-policy <policy>", pullPolicies.join(", "))
    .option(
      "--run-as-user <id>",
      "the user and group of the sidecar; none: what the cluster or the image says",
      imageUser,
    );
}

/** Reads the flags of {@link addSidecarOptions}. Throws a {@link UsageError}. */
export function readSidecarOptions(command: Command): InjectOptions {
  const { image, imagePullPolicy, runAsUser } = command.opts<{
    image: string;
    imagePullPolicy?: string;
    runAsUser: string;
  }>();
  const policy = pullPolicies.find((one) => one === imagePullPolicy);
  if (imagePullPolicy !== undefined && policy === undefined)
    throw new UsageError(
      `--image-pull-policy ${JSON.stringify(imagePullPolicy)} is none of ${pullPolicies.join(", ")}`,
    );
  if (image.trim() === "") throw new UsageError("--image is empty");
  if (runAsUser !== "none" && (!/^\d{1,10}$/.test(runAsUser) || Number(runAsUser) === 0))
    throw new UsageError(
      `--run-as-user ${JSON.stringify(runAsUser)} is not the number of a user other than root, nor none`,
    );
  return {
    image,
    imagePullPolicy: policy,
    runAsUser: runAsUser === "none" ? undefined : Number(runAsUser),
  };
}
