import type { Command } from "commander";
import { addKubernetesInjectCommand } from "./kubernetes-inject.ts";

/** `cufflink kubernetes`: what is done with a cluster. */
export function addKubernetesCommand(program: Command): void {
  const group = program
    .command("kubernetes")
    .description("put the sidecar into workloads of Kubernetes");
  addKubernetesInjectCommand(group);
}
