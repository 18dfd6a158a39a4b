import type { Command } from "commander";
import { addKubernetesInjectCommand } from "./kubernetes-inject.ts";
import { addKubernetesRolesCommand } from "./kubernetes-roles.ts";

/** `cufflink kubernetes`: what is prepared for a cluster, and done in it. */
export function addKubernetesCommand(program: Command): void {
  const group = program
    .command("kubernetes")
    .description("prepare workloads of Kubernetes: put the sidecar in, write its roles");
  addKubernetesInjectCommand(group);
  addKubernetesRolesCommand(group);
}
