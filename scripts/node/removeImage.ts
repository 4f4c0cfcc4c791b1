// Removes a stack's image from an engine. An image that is gone already is no error.
//
//   environment: DOCKER_URL, IMAGE
import { isStatus } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { required, runStep } from "./step.ts";

await runStep("remove-image", async () => {
  const image = required("IMAGE");
  try {
    await connectEngine(required("DOCKER_URL")).getImage(image).remove();
    return { result: "removed", image };
  } catch (error) {
    if (isStatus(error, 404)) return { result: "was-gone", image };
    throw error;
  }
});
