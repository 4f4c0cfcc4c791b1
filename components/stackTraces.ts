/**
 * Pulumi keeps a stack trace with each of the thousands of promises of a run, and has all of them looked up in source
 * maps by a library: half a second of every preview, and with an error 20 s. Traces name the bundle's lines instead,
 * where each source's name stands above what came of it.
 */
Error.prepareStackTrace = undefined as unknown as typeof Error.prepareStackTrace;
