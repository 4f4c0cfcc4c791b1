import type Docker from "dockerode";
import { type ContainerObservation, known, type Observed, unknown } from "../../core/observation.ts";
import { isStatus } from "../docker/container.ts";

/**
 * The engine's view of a container. An engine that does not answer makes it unknown, a container it does not have
 * "missing".
 *
 * @param network the network that it should be connected to
 */
export async function observeContainer(
  container: Docker.Container,
  network?: string,
): Promise<Observed<ContainerObservation>> {
  try {
    const { State, NetworkSettings } = await container.inspect();
    // An endpoint of a network that is gone stays listed, without an address.
    const isAttached = network === undefined || Boolean(NetworkSettings.Networks[network]?.IPAddress);
    if (State.Running) return known({ state: "running", since: State.StartedAt, isAttached });
    return known({ state: "stopped", since: State.FinishedAt });
  } catch (error) {
    if (isStatus(error, 404)) return known({ state: "missing" });
    return unknown(`the Docker engine cannot be asked (${messageOf(error)})`);
  }
}

/** Whether an engine has a network. */
export async function observeNetwork(engine: Docker, name: string): Promise<Observed<"present" | "missing">> {
  try {
    await engine.getNetwork(name).inspect();
    return known("present");
  } catch (error) {
    if (isStatus(error, 404)) return known("missing");
    return unknown(`the Docker engine cannot be asked (${messageOf(error)})`);
  }
}

/** The message of anything that was thrown; a code where Node.js leaves the message empty. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  if (error instanceof Error) return error.message || ("code" in error ? String(error.code) : error.name);
  return String(error);
}
