import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type Docker from "dockerode";

/**
 * A command inside a container that is started ahead of time and waits for its word: it prints `ready`, then reads
 * lines on standard input. When the driver dies before it has spoken, the command sees the end of its input and ends
 * without having done anything. Saves the start of a process while writes are stopped.
 */
export class PreparedCommand {
  readonly #name: string;
  readonly #exec: Docker.Exec;
  readonly #stream: NodeJS.ReadWriteStream;
  #stdout = "";
  /** The last line on standard error. */
  #lastWords = "";
  #heardAt = Date.now();
  #hasEnded = false;
  #wake: () => void = () => undefined;
  #tell: (line: string) => void = () => undefined;

  private constructor(
    name: string,
    container: Docker.Container,
    exec: Docker.Exec,
    stream: NodeJS.ReadWriteStream,
  ) {
    this.#name = name;
    this.#exec = exec;
    this.#stream = stream;
    const out = new PassThrough();
    const err = new PassThrough();
    container.modem.demuxStream(stream, out, err);
    out.on("data", (chunk: Buffer) => {
      this.#stdout += chunk.toString("utf8");
      this.#heardAt = Date.now();
      this.#wake();
    });
    createInterface({ input: err }).on("line", (line) => {
      this.#lastWords = line;
      this.#heardAt = Date.now();
      if (!line.startsWith(`${this.#name}:`)) this.#tell(line);
    });
    const end = () => {
      this.#hasEnded = true;
      this.#wake();
    };
    stream.on("end", end);
    stream.on("close", end);
    stream.on("error", end);
  }

  /** Whether it still waits for its word. */
  get isAlive(): boolean {
    return !this.#hasEnded;
  }

  /** Starts the command and waits until it is ready. Throws what it said when it ends instead. */
  static async start(container: Docker.Container, command: readonly string[]): Promise<PreparedCommand> {
    const exec = await container.exec({
      Cmd: [...command],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await exec.start({ hijack: true, stdin: true });
    const prepared = new PreparedCommand(command[0] ?? "command", container, exec, stream);
    try {
      await prepared.#until(() => prepared.#stdout.startsWith("ready\n"), 15);
    } catch (error) {
      prepared.cancel();
      throw error;
    }
    return prepared;
  }

  /**
   * Gives the word, and waits for the command's end.
   *
   * @param words a line each; bytes are passed on as they are
   * @param seconds how long it may say nothing
   * @param tell is given what it says of its progress on standard error; what begins with its name is an error's text
   * @returns the JSON that it printed
   * @throws Error with what it said when it failed
   */
  async go<T>(
    words: readonly (string | Buffer)[],
    seconds: number,
    tell: (line: string) => void = () => undefined,
  ): Promise<T> {
    this.#tell = tell;
    this.#heardAt = Date.now();
    for (const word of words) this.#stream.write(typeof word === "string" ? `${word}\n` : word);
    const answer = () => this.#stdout.slice("ready\n".length);
    await this.#until(() => isJson(answer()), seconds);
    return JSON.parse(answer()) as T;
  }

  /** Lets the command end without having done anything. */
  cancel(): void {
    this.#stream.end();
  }

  async #until(done: () => boolean, seconds: number): Promise<void> {
    while (!done()) {
      if (this.#hasEnded) {
        const { ExitCode } = await this.#exec.inspect();
        throw new Error(`${this.#name} ended with code ${ExitCode}: ${this.#lastWords || "it said nothing"}`);
      }
      if (Date.now() > this.#heardAt + seconds * 1000)
        throw new Error(`${this.#name} did not answer within ${seconds} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
