// Waits until the gateway finds one's own application beside a server well, for a moment on end.
//
//   environment: SERVER, CONTAINER, GATEWAY_DOCKER_URL, GATEWAY_CONTAINER
import { connectEngine } from "../docker/engine.ts";
import { observeApplicationHealth } from "../observe/applications.ts";
import { required, runStep, waitUntil } from "./step.ts";

/** How long an application may take until it is well, in seconds: it may have tables to bring up to date. */
const patienceSeconds = 120;

/** How often on end it has to be well: right after the start the gateway may still speak of the container before. */
const looks = 10;

await runStep("await-application", async () => {
  const server = required("SERVER");
  const gateway = connectEngine(required("GATEWAY_DOCKER_URL")).getContainer(required("GATEWAY_CONTAINER"));
  let well = 0;
  try {
    await waitUntil(patienceSeconds, async () => {
      const seen = (await observeApplicationHealth(gateway)).get(server);
      const isWell = seen?.known === true && seen.value.isWell;
      well = isWell ? well + 1 : 0;
      if (well >= looks) return { done: true };
      if (isWell) return { waitingFor: "the application to stay well" };
      return { waitingFor: `the gateway to find it well (${describe(seen)})` };
    });
  } catch (error) {
    throw new Error(
      `${error instanceof Error ? error.message : error}. What it says itself: docker logs ${required("CONTAINER")}`,
    );
  }
  return { result: "well", server };
});

function describe(seen: ReturnType<Awaited<ReturnType<typeof observeApplicationHealth>>["get"]>): string {
  if (!seen) return "it does not know of it yet";
  return seen.known ? seen.value.detail : seen.reason;
}
