import type { Command } from "commander";
import { addKubernetesRolesCommand } from "./kubernetes-roles.ts";

/** `cufflink kubernetes`: what is prepared for a cluster. */
export function addKubernetesCommand(program: Command): void {
  const group = program.command("kubernetes").description("prepare workloads of Kubernetes");
  addKubernetesRolesCommand(group);
}
